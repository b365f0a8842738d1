"""The runs of some tenants together, as columns: their templates side by side, put in order without sorting.

Releases take a few hundred distinct values. So the row of a run follows by counting: all runs of earlier releases, the
runs of this release of the tenants before, and its place among its own tenant's runs of this release.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from capacity.records import Floats, Ints
from capacity.simulation.columns import RunColumns, plain_runs
from estate.resolve import COMMON

from .templates import Edges, Template, Templates, member_edges


@dataclass(frozen=True)
class Member:
    """One tenant of a group, whose runs and VMs follow `template`.

    `tenant` is its place in the file, -1 for `common`.
    """

    id: str
    tenant: int
    population: int
    template: Template

    def cpu_s(self) -> Floats:
        """Core-seconds of each of its runs."""
        if self.tenant >= 0:
            return self.template.cpu_s(self.population)
        return np.array([job.cpu_s for job in self.template.jobs])[self.template.job]


class RunNames(Sequence[str]):
    """Names of runs, made when somebody asks: `tenant/system/job/YYYY-MM-DD`."""

    def __init__(self, members: Sequence[Member], rows: Sequence[Ints]) -> None:
        self._members = members
        self._rows = rows

    def __len__(self) -> int:
        return sum(len(rows) for rows in self._rows)

    def __getitem__(self, row):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204 - a slice is never asked for
        for member, rows in zip(self._members, self._rows, strict=True):
            place = int(np.searchsorted(rows, row))
            if place < len(rows) and rows[place] == row:
                return run_id(member, place)
        raise IndexError(row)


def run_id(member: Member, place: int) -> str:
    """The name of a member's run, by its place in the template."""
    from datetime import date

    job = member.template.jobs[int(member.template.job[place])]
    return f"{member.id}/{job.system}/{job.job}/{date.fromordinal(int(member.template.day[place])).isoformat()}"


@dataclass(frozen=True)
class GroupRuns:
    """The runs of a group of tenants in the order of `capacity.runs`: release, then tenant, system, job.

    `rows[m]` are the rows of member `m`'s runs, ascending, in the order of its template.
    """

    members: tuple[Member, ...]
    rows: tuple[Ints, ...]
    columns: RunColumns
    first_vm: Ints
    """Per member: row of its first VM."""


def members(templates: Templates, tenants: Sequence[int], *, common: bool) -> tuple[Member, ...]:
    """The members of a group, `common` last, as the resolved estate has them."""
    found = [
        Member(tenant.id, number, tenant.population, templates.template_of(number))
        for number in tenants
        for tenant in (templates.survey.tenants[number],)
    ]
    if common and templates.common is not None:
        found.append(Member(COMMON, -1, 0, templates.common))
    return tuple(found)


def group_runs(templates: Templates, group: Sequence[Member], *, exclusive_order: bool = True) -> GroupRuns:
    """The columns of a group's runs. VMs are numbered member by member, in the order of the templates.

    Without `exclusive_order` the predecessors are those of the estate alone, as `capacity.runs.generate` has them.
    """
    rows = _rows(templates, group)
    total = sum(len(member.template) for member in group)
    first_vm = np.concatenate(([0], np.cumsum([len(member.template.vms) for member in group])))[:-1].astype(np.int64)
    vm, calendar = np.empty(total, np.int64), np.empty(total, np.int64)
    release_s, cpu_s, max_cores, fixed_s = (np.empty(total) for _ in range(4))
    for member, mine, first in zip(group, rows, first_vm.tolist(), strict=True):
        template = member.template
        vm[mine] = template.vm + first
        release_s[mine] = template.release_s
        cpu_s[mine] = member.cpu_s()
        max_cores[mine] = template.max_cores
        fixed_s[mine] = template.fixed_s
        calendar[mine] = template.calendar
    columns = plain_runs(
        RunNames(group, rows),
        vm,
        release_s,
        cpu_s,
        max_cores=max_cores,
        fixed_s=fixed_s,
        after=_after(templates, group, rows, total, exclusive_order=exclusive_order),
        calendar=calendar,
    )
    return GroupRuns(tuple(group), rows, columns, first_vm)


def _rows(templates: Templates, group: Sequence[Member]) -> tuple[Ints, ...]:
    releases = len(templates.releases_s)
    counts = np.array([np.bincount(member.template.release, minlength=releases) for member in group], dtype=np.int64)
    # Release by release, and in each member by member: how many runs come before the first of these.
    before = (np.cumsum(counts.T.ravel()) - counts.T.ravel()).reshape(releases, len(group))
    own = np.cumsum(counts, axis=1) - counts
    return tuple(
        (before[:, number] - own[number])[member.template.release] + np.arange(len(member.template))
        for number, member in enumerate(group)
    )


def _after(
    templates: Templates, group: Sequence[Member], rows: tuple[Ints, ...], total: int, *, exclusive_order: bool
) -> tuple[Ints, Ints, Floats]:
    """Predecessors as compressed rows: pointer per run, rows, lags."""
    batches = list(_batches(templates, group, rows, exclusive_order=exclusive_order))
    counts = np.zeros(total + 1, dtype=np.int64)
    for edges, runs, _ in batches:
        counts[runs + 1] += np.bincount(edges.run, minlength=len(runs))
    ptr = np.cumsum(counts)
    after, lag_s = np.empty(int(ptr[-1]), np.int64), np.empty(int(ptr[-1]))
    filled = ptr[:-1].copy()
    for edges, runs, before in batches:
        order = np.argsort(edges.run, kind="stable")
        run = edges.run[order]
        place = filled[runs[run]] + np.arange(len(run)) - np.searchsorted(run, run)
        after[place] = before[edges.before[order]]
        lag_s[place] = edges.lag_s[order]
        filled[runs] += np.bincount(run, minlength=len(runs))
    return ptr, after, lag_s


def _batches(
    templates: Templates, group: Sequence[Member], rows: tuple[Ints, ...], *, exclusive_order: bool
) -> Iterator[tuple[Edges, Ints, Ints]]:
    """Edges of templates, with the group's rows of the runs that wait and of those they wait for."""
    common = rows[-1] if group and group[-1].tenant < 0 else None
    for member, mine in zip(group, rows, strict=True):
        yield member.template.after, mine, mine
        if common is not None and member.tenant >= 0:
            yield member.template.after_common, mine, common
            tenant = templates.survey.tenants[member.tenant]
            yield member_edges(member.template, tenant, group[-1].template), common, mine
        if exclusive_order:
            yield member.template.apart, mine, mine
