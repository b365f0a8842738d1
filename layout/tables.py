"""Arrow schemas of the plan folder's tables. Times are microseconds, Asia/Tokyo.

A run holds its slot from `start`: `fixed_s` without CPU, then `max_cores` for `cpu_s / max_cores`, so
`end = start + fixed_s + cpu_s / max_cores`. The load of a run between these times is `max_cores`.
"""

from __future__ import annotations

import pyarrow as pa

TIME = pa.timestamp("us", tz="Asia/Tokyo")
TEXT = pa.string()

AFTER = pa.list_(pa.struct([("run", TEXT), ("lag_s", pa.float64()), ("lag_business_h", pa.float64())]))

RUNS = pa.schema(
    [
        ("run_id", TEXT),  # tenant/system/job/date, `#2` and on for further runs of one day
        ("tenant", TEXT),
        ("system", TEXT),
        ("job", TEXT),
        ("vm", TEXT),
        ("release", TIME),  # start of the first window of the run's date
        ("earliest_start", TIME),  # start time in the "everything as early as possible" schedule
        ("start", TIME),  # planned start
        ("end", TIME),
        ("deadline", TIME),  # end of the last window the run may take
        ("window_start", TIME),  # the window the planned run lies in
        ("window_end", TIME),
        ("after", AFTER),
        ("fixed_s", pa.float64()),
        ("cpu_s", pa.float64()),
        ("io_mib", pa.float64()),
        ("max_cores", pa.float64()),
        ("exclusive", pa.bool_()),  # no other run of the same tenant and system meanwhile
        ("rerun_room", pa.bool_()),  # end + (end - start) <= window_end
        ("work_cv", pa.float64()),
    ]
)

ONLINE = pa.schema([("vm", TEXT), ("from", TIME), ("until", TIME), ("cores", pa.float64())])

PROFILE = pa.schema(
    [("site", TEXT), ("slot", TIME), ("tenant", TEXT), ("before", pa.float64()), ("after", pa.float64())]
)
