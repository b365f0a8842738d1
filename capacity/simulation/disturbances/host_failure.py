"""When do hosts stop, and for how long?"""

from __future__ import annotations

import numpy as np
from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

from capacity.records import Floats
from estate.disturbance_records import HostFailure

from .durations import seconds
from .failover import HostStop

YEAR_S = 365.25 * 86400.0
_NEVER = 1e-12


def draws_needed(record: HostFailure, span_s: float) -> int:
    """Draws per host that suffice for a span: more failures are less likely than 1e-12."""
    return int(stats.poisson.isf(_NEVER, record.per_host_year * span_s / YEAR_S)) + 2


def host_stops(
    record: HostFailure, from_s: float, until_s: float, gaps: Floats, repairs: Floats
) -> tuple[HostStop, ...]:
    """The stops of each host in `[from_s, until_s)`, a Poisson process of the record's rate.

    `gaps` and `repairs` are uniform draws, hosts x `draws_needed`: exponential gaps by inversion, lognormal repairs.
    A failure of a host that is still down does not count. In order of time. Raises ValueError where draws run out.
    """
    if gaps.shape != repairs.shape:
        raise ValueError(f"as many gaps as repairs, got {gaps.shape} and {repairs.shape}")
    if record.per_host_year == 0 or gaps.size == 0:
        return ()
    mean_s = YEAR_S / record.per_host_year
    at_s = from_s + np.cumsum(-np.log1p(-gaps) * mean_s, axis=1)
    if (at_s[:, -1] < until_s).any():
        raise ValueError(f"{gaps.shape[1]} draws per host are too few for {until_s - from_s} s")
    back_s = at_s + seconds(record.repair, repairs)
    stops: list[HostStop] = []
    for host, number in np.argwhere(at_s < until_s).tolist():
        up_again_s = stops[-1].back_s if stops and stops[-1].host == host else -np.inf
        if at_s[host, number] >= up_again_s:
            stops.append(HostStop(host, float(at_s[host, number]), float(back_s[host, number])))
    return tuple(sorted(stops, key=lambda stop: (stop.at_s, stop.host)))
