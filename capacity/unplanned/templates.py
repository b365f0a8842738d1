"""The runs of one tenant of each kind: dates, windows and predecessors, computed once and used for all its tenants.

They come from `capacity.runs.generate`, which everything else uses too, over the estate of the representatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from capacity.calendar import DAY_S, Calendar
from capacity.records import Floats, Ints, RunTable
from capacity.runs import generate
from estate import Survey
from estate.records import Tenant
from estate.resolve import COMMON
from estate.resolved import ResolvedJob, ResolvedVm

from .exclusivity import keep_apart
from .windows import WindowBook


@dataclass(frozen=True)
class Edges:
    """Predecessors: run `run` waits `lag_s` after the end of run `before`; rows count within a template."""

    run: Ints
    before: Ints
    lag_s: Floats


@dataclass(frozen=True)
class Template:
    """The runs and VMs of a tenant of one kind, in the order of `RunTable`: release, then system, job.

    Work and names are not in it. `job` counts the tenant's jobs, `vm` its VMs.
    """

    population: int
    """Residents of the representative, whose numbers `jobs` and `vms` are."""
    jobs: tuple[ResolvedJob, ...]
    vms: tuple[ResolvedVm, ...]
    units: Floats
    """Per job: units of work per resident."""
    cpu_s_per_unit: Floats
    """Per job."""
    job: Ints
    vm: Ints
    day: Ints
    """The rule's date of each run, as ordinal."""
    release: Ints
    """Row of each run's release among `Templates.releases_s`."""
    release_s: Floats
    deadline_s: Floats
    fixed_s: Floats
    max_cores: Floats
    calendar: Ints
    after: Edges
    """Predecessors of the tenant's own, as the estate says, in the order of `RunTable`."""
    apart: Edges
    """What else each run waits for because one of the two has the system for itself (`exclusivity.py`)."""
    after_common: Edges
    """Predecessors among the runs of the shared systems; `before` counts within the template of those."""

    def __len__(self) -> int:
        return len(self.job)

    def cpu_s(self, population: int) -> Floats:
        """Core-seconds of each run for so many residents, to the bit as the resolved estate has them."""
        return (self.cpu_s_per_unit * (population * self.units))[self.job]


@dataclass(frozen=True)
class Templates:
    """Every kind's template. `tenants` says which of them each municipality follows."""

    survey: Survey
    calendar: Calendar
    kinds: tuple[Template, ...]
    common: Template | None
    """The shared systems' runs; their work is that of all members and needs no population."""
    kind_of: Ints
    """Per tenant of the survey: its kind."""
    releases_s: Floats
    """Every distinct release, ascending."""
    windows: WindowBook

    def runs(self) -> int:
        """Runs of the whole estate."""
        own = sum(len(kind) * len(members.tenants) for kind, members in zip(self.kinds, self.survey.kinds, strict=True))
        return own + (0 if self.common is None else len(self.common))

    def template_of(self, tenant: int) -> Template:
        """The template of a municipality, by its place in the file."""
        return self.kinds[int(self.kind_of[tenant])]


def templates(survey: Survey) -> Templates:
    """The templates of an estate. Raises ValueError for a date rule that cannot be evaluated."""
    table = generate(survey.estate)
    calendar = Calendar(survey.estate.start, survey.estate.end)
    windows = WindowBook(calendar, [job.window for job in survey.estate.jobs])
    releases_s = np.unique(table.release_s)
    number = {name: row for row, name in enumerate(table.tenant_names)}
    cutter = _Cutter(survey, table, releases_s, windows)
    kinds = tuple(cutter.template(number[kind.representative]) for kind in survey.kinds)
    of_kind = {tenant.id: row for row, kind in enumerate(survey.kinds) for tenant in kind.tenants}
    return Templates(
        survey=survey,
        calendar=calendar,
        kinds=kinds,
        common=cutter.template(number[COMMON]) if COMMON in number else None,
        kind_of=np.array([of_kind[tenant.id] for tenant in survey.tenants], dtype=np.int64),
        releases_s=releases_s,
        windows=windows,
    )


class _Cutter:
    """Cuts the table of the representatives into templates."""

    def __init__(self, survey: Survey, table: RunTable, releases_s: Floats, windows: WindowBook) -> None:
        self.survey = survey
        self.table = table
        self.windows = windows
        self.release = np.searchsorted(releases_s, table.release_s)
        self.day = np.array([_ordinal(run_id) for run_id in table.run_ids], dtype=np.int64)
        self.owner = np.repeat(np.arange(len(table)), np.diff(table.after_ptr))
        # Business-hour lags count as that many elapsed hours, which is the least they can be.
        self.lag_s = table.after_lag_s + 3600.0 * table.after_lag_business_h
        self.local = np.zeros(len(table), dtype=np.int64)
        for tenant in range(len(table.tenant_names)):
            rows = np.flatnonzero(table.tenant == tenant)
            self.local[rows] = np.arange(len(rows))
        names = list(table.tenant_names)
        self.common = names.index(COMMON) if COMMON in names else -1

    def template(self, tenant: int) -> Template:
        estate, table = self.survey.estate, self.table
        name = table.tenant_names[tenant]
        job_rows = np.array([row for row, job in enumerate(estate.jobs) if job.tenant == name], dtype=np.int64)
        vm_rows = np.array([row for row, vm in enumerate(estate.vms) if vm.tenant == name], dtype=np.int64)
        rows = np.flatnonzero(table.tenant == tenant)
        jobs = tuple(estate.jobs[row] for row in job_rows)
        job = np.searchsorted(job_rows, table.job[rows])
        calendars = np.array([self.windows.number[each.window] for each in jobs], dtype=np.int64)
        after = self._edges(tenant, tenant)
        vms = tuple(estate.vms[row] for row in vm_rows)
        vm = np.searchsorted(vm_rows, table.vm[rows])
        length_s = table.fixed_s[rows] + table.cpu_s[rows] / table.max_cores[rows]
        none = Edges(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
        apart = keep_apart(
            jobs=jobs, slots=np.array([each.slots for each in vms], dtype=np.int64), job=job, vm=vm,
            release_s=table.release_s[rows], length_s=length_s, after=(after.run, after.before, after.lag_s),
        )  # fmt: skip
        return Template(
            population=next(each.population for each in estate.tenants if each.id == name),
            jobs=jobs,
            vms=vms,
            units=np.array([self.survey.rates[row].units_per_resident for row in job_rows]),
            cpu_s_per_unit=np.array([self.survey.rates[row].cpu_s_per_unit for row in job_rows]),
            job=job,
            vm=vm,
            day=self.day[rows],
            release=self.release[rows],
            release_s=table.release_s[rows],
            deadline_s=table.deadline_s[rows],
            fixed_s=table.fixed_s[rows],
            max_cores=table.max_cores[rows],
            calendar=calendars[job],
            after=after,
            apart=Edges(*apart),
            after_common=none if tenant == self.common else self._edges(tenant, self.common),
        )

    def _edges(self, tenant: int, other: int) -> Edges:
        table = self.table
        chosen = (table.tenant[self.owner] == tenant) & (table.tenant[table.after_run] == other)
        return Edges(self.local[self.owner[chosen]], self.local[table.after_run[chosen]], self.lag_s[chosen])


def _ordinal(run_id: str) -> int:
    return date.fromisoformat(run_id[-10:]).toordinal()


def member_edges(template: Template, member: Tenant, common: Template) -> Edges:
    """Which runs of the shared systems wait for which runs of a member: `before` counts within the member's template.

    The same rule as in `capacity.runs`: per named job the latest run released no later, within so many days.
    """
    run: list[Ints] = []
    before: list[Ints] = []
    lag_s: list[Floats] = []
    by_name = {(job.system, job.job): number for number, job in enumerate(template.jobs)}
    for number, job in enumerate(common.jobs):
        mine = np.flatnonzero(common.job == number)
        for after in job.after:
            if after.tenant != member.id or (after.system, after.job) not in by_name:
                continue
            theirs = np.flatnonzero(template.job == by_name[after.system, after.job])
            if not len(mine) or not len(theirs):
                continue
            position = np.searchsorted(template.release_s[theirs], common.release_s[mine], side="right") - 1
            found = theirs[np.maximum(position, 0)]
            days = np.floor(common.release_s[mine] / DAY_S) - np.floor(template.release_s[found] / DAY_S)
            keep = (position >= 0) & (days <= after.within_days)
            run.append(mine[keep])
            before.append(found[keep])
            lag_s.append(np.full(int(keep.sum()), after.lag_s + 3600.0 * after.lag_business_h))
    if not run:
        return Edges(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return Edges(np.concatenate(run), np.concatenate(before), np.concatenate(lag_s))
