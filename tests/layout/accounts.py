"""The tests' own arithmetic of load: profile, peaks and bounds that agree with runs and online load.

Written plainly and apart from `layout.checkers`: cumulative core-seconds at slot borders, by interpolation of the
piecewise linear curve of each load interval's sum.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pyarrow as pa

from layout.folder import FolderContents
from layout.records import Bound, PeakRecord
from layout.tables import PROFILE

JST = timezone(timedelta(hours=9), "JST")


def delivered(intervals: list[tuple[float, float, float]], slots: int) -> np.ndarray:
    """Mean cores per 600 s slot of intervals (from, until, cores) in seconds since the horizon's start."""
    if not intervals:
        return np.zeros(slots)
    begins, ends, cores = (np.array(part, dtype=float) for part in zip(*intervals, strict=True))
    times = np.concatenate([begins, ends])
    steps = np.concatenate([cores, -cores])
    order = np.argsort(times, kind="stable")
    times, level = times[order], np.cumsum(steps[order])
    area = np.concatenate([[0.0], np.cumsum(level[:-1] * np.diff(times))])
    borders = np.arange(slots + 1) * 600.0
    return np.diff(np.interp(borders, times, area)) / 600.0


def loads(contents: FolderContents, start_column: str) -> dict[tuple[str, str], list[tuple[float, float, float]]]:
    """Load intervals by (site, tenant)."""
    zero = contents.estate.start
    vms = {vm.id: vm for vm in contents.estate.vms}
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    columns = (contents.runs[name].to_pylist() for name in ("vm", start_column, "fixed_s", "cpu_s", "max_cores"))
    for name, start, fixed, cpu, cores in zip(*columns, strict=True):
        begin = (start - zero).total_seconds() + fixed
        found[vms[name].site, vms[name].tenant].append((begin, begin + cpu / cores, cores))
    for name, begin, end, cores in zip(
        *(contents.online[c].to_pylist() for c in contents.online.column_names), strict=True
    ):
        interval = ((begin - zero).total_seconds(), (end - zero).total_seconds(), cores)
        found[vms[name].site, vms[name].tenant].append(interval)
    return found


def slots_of(contents: FolderContents) -> int:
    """Slots from the horizon's start to its end, or to the last run's end where that is later."""
    ends = [contents.estate.end, *contents.runs["end"].to_pylist()]
    return -(-int((max(ends) - contents.estate.start).total_seconds()) // 600)


def settle(contents: FolderContents) -> FolderContents:
    """Contents with profile, peaks, bounds and the number of runs as they follow from runs and online load."""
    zero = contents.estate.start
    slots = slots_of(contents)
    before, after = loads(contents, "earliest_start"), loads(contents, "start")
    columns: dict[str, list] = {name: [] for name in PROFILE.names}
    totals: dict[tuple[str, str], np.ndarray] = defaultdict(lambda: np.zeros(slots))
    for site, tenant in sorted(before):
        early, late = delivered(before[site, tenant], slots), delivered(after[site, tenant], slots)
        totals[site, "before"] = totals[site, "before"] + early
        totals[site, "after"] = totals[site, "after"] + late
        for slot in np.flatnonzero((early > 0) | (late > 0)):
            row = (site, zero + timedelta(seconds=600.0 * int(slot)), tenant, float(early[slot]), float(late[slot]))
            for name, value in zip(PROFILE.names, row, strict=True):
                columns[name].append(value)
    peaks, bounds = [], []
    carrying = {vm.host for vm in contents.layout.vms}
    for site in sorted({site for site, _ in totals}):
        early, late = totals[site, "before"], totals[site, "after"]
        peak, slot = float(late.max()), int(late.argmax())
        moment = zero + timedelta(seconds=600.0 * slot)
        bound = float(late.mean())  # the average is a bound of the peak
        cores = sum(host.cores for host in contents.layout.hosts if host.site == site and host.id in carrying)
        peaks.append(
            PeakRecord(
                site=site,
                before_cores=float(early.max()),
                before_at=zero + timedelta(seconds=600.0 * int(early.argmax())),
                after_cores=peak,
                after_at=moment,
                bound_cores=bound,
                capacity_cores=float(cores),
                tightest_week=monday(moment),
            )
        )
        used = float(
            sum(1 for host in contents.layout.hosts if host.site == site and (host.id in carrying or host.spare))
        )
        bounds += [
            Bound(
                site=site,
                resource="cpu_peak_cores",
                lower_bound=bound,
                plan=peak,
                gap=(peak - bound) / bound,
                proof="平均",
            ),
            Bound(site=site, resource="hosts", lower_bound=2.0, plan=used, gap=(used - 2.0) / 2.0, proof="試験"),
        ]
    layout = contents.layout.model_copy(update={"bounds": tuple(bounds)})
    run = contents.run.model_copy(update={"peaks": tuple(peaks), "runs": contents.runs.num_rows})
    return replace(contents, layout=layout, profile=pa.table(columns, schema=PROFILE), run=run)


def monday(moment: datetime) -> str:
    local = moment.astimezone(JST)
    return (local.date() - timedelta(days=local.weekday())).isoformat()
