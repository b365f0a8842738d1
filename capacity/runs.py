"""Every run of every job in the horizon, with its candidate windows, predecessors and cores.

A run belongs to the horizon when its first candidate window starts in it; such a run is kept whole even if its later
windows pass the horizon's end. Everything is computed per job as arrays, then sorted once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np

from capacity.calendar import DAY_S, Calendar
from capacity.dates import DateBook
from capacity.machines import vm_table
from capacity.records import Bools, Floats, Ints, RunTable
from estate.resolved import ResolvedEstate, ResolvedJob

# A date shortly before the horizon may find its first window inside; a window is missing at most over a long closure.
_LEAD = timedelta(days=14)
_TAIL = timedelta(days=90)


@dataclass(frozen=True)
class _JobRuns:
    """The runs of one job: date, and the candidate windows `[first, last)` among the spans of its window."""

    day: Ints
    release_s: Floats
    deadline_s: Floats
    windows: Ints
    """How many candidate windows each run has."""
    window_start_s: Floats
    window_end_s: Floats


def _expand(first: Ints, count: Ints) -> Ints:
    """The indices first[i] .. first[i] + count[i] - 1, one after another."""
    total = int(count.sum())
    offsets = np.repeat(np.cumsum(count) - count, count)
    return np.repeat(first, count) + np.arange(total, dtype=np.int64) - offsets


class _Generator:
    def __init__(self, estate: ResolvedEstate) -> None:
        self.calendar = Calendar(estate.start, estate.end)
        self.book = DateBook(estate, self.calendar)
        self.machines = vm_table(estate, self.calendar)
        self.vm_index = {name: index for index, name in enumerate(self.machines.names)}
        self.tenants = {tenant.id: tenant for tenant in estate.tenants}
        self.vms = {vm.id: vm for vm in estate.vms}
        self.first = self.calendar.start.date() - _LEAD
        self.until = self.calendar.end.date() + timedelta(days=1)
        self.midnight = self.calendar.seconds(date.fromordinal(1))

    def _seconds(self, ordinals: Ints) -> Floats:
        out: Floats = self.midnight + (ordinals - 1).astype(np.float64) * DAY_S
        return out

    def _in_service(self, job: ResolvedJob, days: Ints) -> Bools:
        tenant, vm = self.tenants[job.tenant], self.vms[job.vm]
        keep = np.ones(len(days), dtype=np.bool_)
        for from_, until in ((job.from_, job.until), (tenant.from_, tenant.until), (vm.from_, vm.until)):
            if from_ is not None:
                keep &= days >= from_.toordinal()
            if until is not None:
                keep &= days < until.toordinal()
        return keep

    def _leaves_s(self, job: ResolvedJob) -> float:
        """When the job, its tenant or its VM goes: runs of the last day end by then, though their window is longer."""
        days = (job.until, self.tenants[job.tenant].until, self.vms[job.vm].until)
        return min((self.calendar.seconds(day) for day in days if day is not None), default=np.inf)

    def runs_of(self, job: ResolvedJob) -> _JobRuns:
        """The runs of one job that belong to the horizon.

        A run without any window gets an empty one at midnight of its date, and one whose latest date leaves no window
        keeps its first window with the latest date as its deadline: levelling reports both as misfits.
        """
        days = self.book.ordinals(job.when, job.tenant, job.system, self.first, self.until)
        days = days[self._in_service(job, days)]
        spans = self.calendar.window_spans(job.window, self.first, self.until + _TAIL)
        first = np.searchsorted(spans.day, days)
        last = np.minimum(first + job.nights, len(spans.day))
        deadline = np.full(len(days), np.inf)
        if job.latest is not None:
            limits = self.book.ordinals(job.latest, job.tenant, job.system, self.first, self.until + _TAIL)
            position = np.searchsorted(limits, days)
            known = position < len(limits)
            limit = np.where(known, limits[np.minimum(position, len(limits) - 1)] if len(limits) else 0, 2**62)
            cut = np.minimum(last, np.searchsorted(spans.day, limit))
            late = (cut <= first) & (last > first)
            deadline[late] = self._seconds(limit[late])
            last = np.where(late, first + 1, cut)
        deadline = np.minimum(deadline, self._leaves_s(job))
        count = np.maximum(last - first, 0)
        starts, ends = spans.start_s[_expand(first, count)], spans.end_s[_expand(first, count)]
        if not count.all():
            bare = np.flatnonzero(count == 0)
            at = np.cumsum(count)[bare]
            starts = np.insert(starts, at, self._seconds(days[bare]))
            ends = np.insert(ends, at, self._seconds(days[bare]))
            count = np.maximum(count, 1)
        ptr = np.concatenate(([0], np.cumsum(count)))
        if len(days):
            release = starts[ptr[:-1]]
            deadline = np.minimum(deadline, ends[ptr[1:] - 1])
        else:
            release = np.zeros(0)
        keep = (release >= 0) & (release < self.calendar.end_s)
        kept_windows = np.repeat(keep, count)
        return _JobRuns(
            day=days[keep],
            release_s=release[keep],
            deadline_s=deadline[keep],
            windows=count[keep],
            window_start_s=starts[kept_windows],
            window_end_s=ends[kept_windows],
        )

    def cores_of(self, job: ResolvedJob, runs: _JobRuns) -> Floats:
        """The cores a run takes at most: the job's, or what its VM has throughout all its windows if that is less."""
        vcpu = self.machines.least_vcpu(self.vm_index[job.vm], runs.release_s, np.maximum(runs.deadline_s, 0.0))
        return np.minimum(job.max_cores, vcpu)


def _predecessors(estate: ResolvedEstate, rows: list[Ints], release_s: Floats) -> tuple[Ints, Ints, Floats, Floats]:
    """Pairs (run, predecessor) with their lags: per named job the latest run released no later than the run.

    A job that waits for itself waits for its previous run. `within_days` counts calendar days between the releases.
    """
    index = {(job.tenant, job.system, job.job): number for number, job in enumerate(estate.jobs)}
    day = np.floor(release_s / DAY_S)
    run: list[Ints] = []
    before: list[Ints] = []
    lag: list[Floats] = []
    business: list[Floats] = []
    for number, job in enumerate(estate.jobs):
        mine = rows[number]
        for after in job.after:
            other = index.get((after.tenant, after.system, after.job))
            if other is None or len(mine) == 0 or len(rows[other]) == 0:
                continue
            theirs = rows[other]
            side: Literal["left", "right"] = "left" if other == number else "right"
            position = np.searchsorted(release_s[theirs], release_s[mine], side=side) - 1
            found = theirs[np.maximum(position, 0)]
            keep = (position >= 0) & (day[mine] - day[found] <= after.within_days)
            run.append(mine[keep])
            before.append(found[keep])
            lag.append(np.full(int(keep.sum()), after.lag_s))
            business.append(np.full(int(keep.sum()), after.lag_business_h))
    if not run:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
    return np.concatenate(run), np.concatenate(before), np.concatenate(lag), np.concatenate(business)


def _labels(estate: ResolvedEstate) -> tuple[str, ...]:
    tenants = {tenant.id: tenant.name for tenant in estate.tenants}
    systems = {(system.tenant, system.id): system.name for system in estate.systems}
    return tuple(
        f"{tenants[job.tenant]} {systems.get((job.tenant, job.system), job.system)} {job.name}" for job in estate.jobs
    )


def _per_job(values: list[float], counts: Ints) -> Floats:
    return np.repeat(np.array(values, dtype=np.float64), counts)


def generate(estate: ResolvedEstate) -> RunTable:
    """Every run of every job in the horizon, in order of release, then tenant, system, job.

    `run_id` is `tenant/system/job/YYYY-MM-DD`, the date being the rule's; times are seconds since `estate.start`.
    Raises ValueError when a date rule cannot be evaluated (unknown reference, circle, bad recurrence).
    """
    generator = _Generator(estate)
    machines, jobs = generator.machines, estate.jobs
    tenants = {tenant.id: number for number, tenant in enumerate(estate.tenants)}
    systems: dict[str, int] = {}
    for job in jobs:
        systems.setdefault(f"{job.tenant}/{job.system}", len(systems))
    parts = [generator.runs_of(job) for job in jobs]
    cores = [generator.cores_of(job, part) for job, part in zip(jobs, parts, strict=True)]
    counts = np.array([len(part.day) for part in parts], dtype=np.int64)
    number = np.repeat(np.arange(len(jobs), dtype=np.int64), counts)
    release = np.concatenate([part.release_s for part in parts]) if parts else np.zeros(0)
    day = np.concatenate([part.day for part in parts]) if parts else np.zeros(0, np.int64)
    job_tenant = np.array([tenants[job.tenant] for job in jobs], dtype=np.int64)
    job_system = np.array([systems[f"{job.tenant}/{job.system}"] for job in jobs], dtype=np.int64)
    order = np.lexsort((day, number, job_system[number], job_tenant[number], release))
    number, release, day = number[order], release[order], day[order]

    windows = np.concatenate([part.windows for part in parts]) if parts else np.zeros(0, np.int64)
    row_start = (np.cumsum(windows) - windows)[order]
    windows = windows[order]
    picked = _expand(row_start, windows)
    all_starts = np.concatenate([part.window_start_s for part in parts]) if parts else np.zeros(0)
    all_ends = np.concatenate([part.window_end_s for part in parts]) if parts else np.zeros(0)

    by_job = np.argsort(number, kind="stable")
    rows = np.split(by_job, np.cumsum(counts)[:-1]) if len(jobs) else []
    run, before, lag, business = _predecessors(estate, rows, release)
    by_run = np.argsort(run, kind="stable")
    after_ptr = np.concatenate(([0], np.cumsum(np.bincount(run, minlength=len(number))))).astype(np.int64)

    prefixes = [f"{job.tenant}/{job.system}/{job.job}/" for job in jobs]
    iso = {ordinal: date.fromordinal(ordinal).isoformat() for ordinal in np.unique(day).tolist()}
    vm = np.array([generator.vm_index[job.vm] for job in jobs], dtype=np.int64)[number]

    def column(values: list[float]) -> Floats:
        return _per_job(values, counts)[order]

    def flags(values: list[bool]) -> Bools:
        return np.array(values, dtype=np.bool_)[number]

    return RunTable(
        epoch=generator.calendar.start,
        end_s=generator.calendar.end_s,
        tenant_names=tuple(tenants),
        system_names=tuple(systems),
        job_names=tuple(prefix[:-1] for prefix in prefixes),
        vm_names=machines.names,
        site_names=tuple(site.id for site in estate.sites),
        run_ids=tuple(prefixes[j] + iso[d] for j, d in zip(number.tolist(), day.tolist(), strict=True)),
        tenant=job_tenant[number],
        system=job_system[number],
        job=number,
        vm=vm,
        site=machines.site[vm] if len(machines.names) else vm,
        release_s=release,
        deadline_s=(np.concatenate([part.deadline_s for part in parts]) if parts else np.zeros(0))[order],
        window_ptr=np.concatenate(([0], np.cumsum(windows))).astype(np.int64),
        window_start_s=all_starts[picked],
        window_end_s=all_ends[picked],
        after_ptr=after_ptr,
        after_run=before[by_run],
        after_lag_s=lag[by_run],
        after_lag_business_h=business[by_run],
        fixed_s=column([job.fixed_s for job in jobs]),
        cpu_s=column([job.cpu_s for job in jobs]),
        io_mib=column([job.io_mib for job in jobs]),
        max_cores=(np.concatenate(cores) if cores else np.zeros(0))[order],
        exclusive=flags([job.exclusive for job in jobs]),
        rerun_room=flags([job.rerun_room and estate.policy.rerun_room for job in jobs]),
        work_cv=column([job.work_cv for job in jobs]),
        vm_slots=machines.slots,
        vm_vcpu=machines.vcpu,
        vm_site=machines.site,
        vm_tenant=machines.tenant,
        change_vm=machines.change_vm,
        change_from_s=machines.change_from_s,
        change_until_s=machines.change_until_s,
        change_vcpu=machines.change_vcpu,
        job_labels=_labels(estate),
    )
