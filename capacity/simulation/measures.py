"""What is read off each replication: a row of numbers whose names are known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from capacity.records import Bools, Floats, Ints
from layout.simulation_records import Scope

from .columns import SimulationInput
from .records import SimulationResult
from .week import Week

TELLABLE_S = 1e-3
"""Less is rounding: the plan's times are microseconds."""


@dataclass(frozen=True)
class Quantity:
    """The name of one number of each replication. Chances are 0 or 1: their mean is a probability."""

    name: str
    scope: Scope = "all"
    id: str = ""
    kind: Literal["mean", "chance"] = "mean"


class Measure(Protocol):
    """Reads some quantities off a replication. It must be picklable and depend on nothing but its arguments."""

    quantities: tuple[Quantity, ...]

    def __call__(self, system: SimulationInput, result: SimulationResult, replication: int) -> Sequence[float] | Floats:
        """One finite number per quantity, in their order. `system` is the disturbed one."""


@dataclass(frozen=True)
class Groups:
    """Rows by some key, e.g. the tenant of each run: what reductions per key need."""

    ids: tuple[str, ...]
    order: Ints
    first: Ints

    @classmethod
    def of(cls, keys: Sequence[str]) -> Groups:
        """Groups of rows with equal keys, in order of the keys."""
        ids, number = np.unique(np.array(keys, dtype=object).astype(str), return_inverse=True)
        order = np.argsort(number, kind="stable")
        first = np.searchsorted(number[order], np.arange(len(ids)))
        return cls(tuple(ids.tolist()), order.astype(np.int64), first.astype(np.int64))

    def largest(self, values: Floats) -> Floats:
        """The largest value of each group."""
        return np.asarray(np.maximum.reduceat(values[self.order], self.first), dtype=np.float64)

    def mean(self, values: Floats) -> Floats:
        """The mean of each group."""
        sums = np.add.reduceat(values[self.order], self.first)
        return np.asarray(sums / np.diff(np.append(self.first, len(self.order))), dtype=np.float64)


class Lateness:
    """How late the judged runs are, all together, by site and by tenant; times in seconds."""

    def __init__(self, week: Week, site_of_run: Sequence[str], horizon_s: float) -> None:
        """`site_of_run` per row; a run that never ends counts as ending at `horizon_s`."""
        self._rows = np.flatnonzero(week.judged)
        self._horizon_s = horizon_s
        self._planned_s = week.planned_end_s[self._rows]
        self._deadline_s = week.deadline_s[self._rows]
        self._window_s = week.window_end_s[self._rows]
        system = week.system.runs
        self._rerun_s = system.fixed_s[self._rows] + week.cpu_s[self._rows] / system.max_cores[self._rows]
        self._keeps_room = week.rerun_room[self._rows]
        rows = self._rows.tolist()
        self._groups: tuple[tuple[Scope, Groups], ...] = (
            ("site", Groups.of([site_of_run[row] for row in rows])),
            ("tenant", Groups.of([week.tenant[row] for row in rows])),
        )
        grouped = [(scope, name) for scope, groups in self._groups for name in groups.ids]
        self.quantities: tuple[Quantity, ...] = (
            Quantity("mean_delay_s"),
            Quantity("worst_delay_s"),
            Quantity("mean_overrun_s"),
            Quantity("worst_overrun_s"),
            Quantity("mean_lateness_s"),
            Quantity("worst_lateness_s"),
            Quantity("least_room_s"),
            Quantity("queue_s"),
            Quantity("cpu_wait_s"),
            Quantity("further_attempts"),
            Quantity("never_ended"),
            Quantity("late_runs"),
            Quantity("overrun_runs"),
            Quantity("room_short_runs"),
            Quantity("deadline_missed", kind="chance"),
            Quantity("window_overrun", kind="chance"),
            Quantity("rerun_room_lost", kind="chance"),
            *(
                Quantity(name, scope, id_, kind)
                for name, kind in _BY_GROUP
                for scope, id_ in grouped
            ),
        )  # fmt: skip

    def __call__(self, system: SimulationInput, result: SimulationResult, replication: int) -> Floats:
        """In the order of `quantities`."""
        rows = self._rows
        end_s = np.minimum(result.end_s[rows], self._horizon_s)
        start_s = np.minimum(result.start_s[rows], self._horizon_s)
        delay = end_s - self._planned_s
        overrun, lateness = beyond(end_s, self._window_s), beyond(end_s, self._deadline_s)
        room = (self._window_s - end_s - self._rerun_s)[self._keeps_room]
        ready_s = np.minimum(result.ready_s[rows], self._horizon_s)
        waits = stretch_s(system, result, self._horizon_s)[rows]
        unfailed = (result.attempts[rows] <= 1)[self._keeps_room]
        least_room = float(room.min()) if len(room) else 0.0
        alone = [
            delay.mean(),
            delay.max(),
            overrun.mean(),
            overrun.max(),
            lateness.mean(),
            lateness.max(),
            least_room,
            np.maximum(0.0, start_s - ready_s).mean(),
            waits.mean(),
            float((result.attempts[rows] > 1).sum()),
            float((~np.isfinite(result.end_s[rows])).sum()),
            float((lateness > 0).sum()),
            float((overrun > 0).sum()),
            # A run that was done again has used its room for what it is there for.
            float((unfailed & (room < -TELLABLE_S)).sum()),
            float(lateness.max() > 0),
            float(overrun.max() > 0),
            float(least_room < -TELLABLE_S),
        ]
        parts = [np.array(alone, dtype=np.float64)]
        groups = [groups for _, groups in self._groups]
        parts += [of.largest(overrun) for of in groups]
        parts += [of.mean(waits) for of in groups]
        parts += [(of.largest(lateness) > 0).astype(np.float64) for of in groups]
        return np.concatenate(parts)


_BY_GROUP: tuple[tuple[str, Literal["mean", "chance"]], ...] = (
    ("worst_overrun_s", "mean"),
    ("cpu_wait_s", "mean"),
    ("deadline_missed", "chance"),
)


class Utilisation:
    """How full hosts and sites are, and how much online load is not served, from the first event to the last end."""

    def __init__(self, week: Week, site_of_host: Sequence[str], site_of_vm: Sequence[str]) -> None:
        self._hosts = week.system.hosts
        self._sites_of_hosts = Groups.of(site_of_host)
        self._sites_of_vms = Groups.of(site_of_vm)
        self.quantities: tuple[Quantity, ...] = (
            *(Quantity("cpu_utilisation", "host", id_) for id_ in self._hosts.ids),
            *(Quantity("cpu_utilisation", "site", id_) for id_ in self._sites_of_hosts.ids),
            Quantity("online_unserved"),
            *(Quantity("online_unserved", "site", id_) for id_ in self._sites_of_vms.ids),
        )

    def __call__(self, system: SimulationInput, result: SimulationResult, replication: int) -> Floats:
        """In the order of `quantities`; shares of 1."""
        begin_s = _first_event_s(system)
        ends = result.end_s[np.isfinite(result.end_s)]
        length_s = max(float(ends.max()) - begin_s, TELLABLE_S) if len(ends) else TELLABLE_S
        host_sites, vm_sites = self._sites_of_hosts, self._sites_of_vms
        served, cores = result.host_core_s, self._hosts.cores
        wanted, got = result.online_wanted_core_s, result.online_served_core_s
        lost = np.maximum(0.0, wanted - got)
        return np.concatenate(
            (
                served / (cores * length_s),
                host_sites.mean(served) / (host_sites.mean(cores) * length_s),
                [_share(float(lost.sum()), float(wanted.sum()))],
                [_share(*pair) for pair in zip(vm_sites.mean(lost), vm_sites.mean(wanted), strict=True)],
            )
        )


def beyond(end_s: Floats, limit_s: Floats) -> Floats:
    """By how much ends pass their limits; what is only rounding is 0."""
    over = end_s - limit_s
    return np.where(over > TELLABLE_S, over, 0.0)


def stretch_s(system: SimulationInput, result: SimulationResult, horizon_s: float) -> Floats:
    """Per run: how much longer its last attempt's place took than its own cores and idle time need.

    That is time ready to run but not run (steal, ready time), waiting for storage or line, and what failed attempts
    took: work_end - start - fixed_s - cpu_s / limit.
    """
    runs = system.runs
    limit = np.minimum(runs.max_cores, system.vms.vcpu[runs.vm])
    ideal = runs.fixed_s + np.divide(runs.cpu_s, limit, out=np.zeros_like(runs.cpu_s), where=runs.cpu_s > 0)
    took = np.minimum(result.work_end_s, horizon_s) - np.minimum(result.start_s, horizon_s)
    return np.where(np.isfinite(result.work_end_s), np.maximum(0.0, took - ideal), 0.0)


def _first_event_s(system: SimulationInput) -> float:
    times = (system.runs.release_s, system.changes.vcpu_at_s, system.online.at_s)
    return min((float(part.min()) for part in times if len(part)), default=0.0)


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def happened(values: Floats) -> Bools:
    """Chances of several replications as truth values."""
    return values > 0.5
