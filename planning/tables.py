"""Arrow tables of the plan folder from the arrays of the capacity modules."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa

from capacity.profile import SlotLoad
from capacity.records import SLOT_S, Floats, OnlineTable, RunTable, Schedule
from layout import tables


def runs_table(runs: RunTable, earliest: Schedule, planned: Schedule) -> pa.Table:
    """One row per run in the order of the RunTable, with its planned start and its earliest one."""
    names = {
        "tenant": (runs.tenant_names, runs.tenant),
        "system": (tuple(name.split("/", 1)[1] for name in runs.system_names), runs.system),
        "job": (tuple(name.rsplit("/", 1)[1] for name in runs.job_names), runs.job),
        "vm": (runs.vm_names, runs.vm),
    }
    columns: dict[str, pa.Array] = {"run_id": pa.array(runs.run_ids, tables.TEXT)}
    for name, (values, index) in names.items():
        columns[name] = pa.array(values, tables.TEXT).take(pa.array(index))
    times = {
        "release": runs.release_s,
        "earliest_start": earliest.start_s,
        "start": planned.start_s,
        "end": planned.start_s + runs.duration_s,
        "deadline": runs.deadline_s,
        "window_start": runs.window_start_s[planned.window],
        "window_end": runs.window_end_s[planned.window],
    }
    for name, seconds in times.items():
        columns[name] = moments(runs.epoch, seconds)
    columns["after"] = _after(runs)
    for name in ("fixed_s", "cpu_s", "io_mib", "max_cores", "exclusive", "rerun_room", "work_cv"):
        columns[name] = pa.array(getattr(runs, name))
    return pa.table({field.name: columns[field.name] for field in tables.RUNS}, schema=tables.RUNS)


def online_table(epoch: datetime, online: OnlineTable) -> pa.Table:
    """Daytime load per VM and interval."""
    return pa.table(
        {
            "vm": pa.array(online.vm_names, tables.TEXT).take(pa.array(online.vm)),
            "from": moments(epoch, online.from_s),
            "until": moments(epoch, online.until_s),
            "cores": pa.array(online.cores),
        },
        schema=tables.ONLINE,
    )


def profile_table(epoch: datetime, before: SlotLoad, after: SlotLoad) -> pa.Table:
    """CPU per site, tenant and slot; slots without load before and after are left out."""
    slots = max(before.cores.shape[2], after.cores.shape[2])
    early, planned = (_padded(load.cores, slots) for load in (before, after))
    site, tenant, slot = np.nonzero((early > 0) | (planned > 0))
    return pa.table(
        {
            "site": pa.array(after.site_names, tables.TEXT).take(pa.array(site)),
            "slot": moments(epoch, slot.astype(np.float64) * SLOT_S),
            "tenant": pa.array(after.tenant_names, tables.TEXT).take(pa.array(tenant)),
            "before": pa.array(early[site, tenant, slot]),
            "after": pa.array(planned[site, tenant, slot]),
        },
        schema=tables.PROFILE,
    )


def moments(epoch: datetime, seconds: Floats) -> pa.Array:
    """Seconds since the epoch as microsecond timestamps."""
    base = round(epoch.timestamp() * 1_000_000)
    return pa.array(base + np.rint(np.asarray(seconds) * 1e6).astype(np.int64)).cast(tables.TIME)


def _after(runs: RunTable) -> pa.Array:
    entries = pa.StructArray.from_arrays(
        [
            pa.array(runs.run_ids, tables.TEXT).take(pa.array(runs.after_run)),
            pa.array(runs.after_lag_s),
            pa.array(runs.after_lag_business_h),
        ],
        fields=list(tables.AFTER.value_type),
    )
    return pa.ListArray.from_arrays(pa.array(runs.after_ptr.astype(np.int32)), entries, type=tables.AFTER)


def _padded(cores: Floats, slots: int) -> Floats:
    """The same load with empty slots behind it."""
    wider: Floats = np.pad(cores, ((0, 0), (0, 0), (0, slots - cores.shape[2])))
    return wider
