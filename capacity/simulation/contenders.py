"""Who had the slots, cores and printers that a run waited for?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from capacity.records import Floats, Ints

from .attempts import Attempt
from .columns import SimulationInput
from .records import SimulationResult
from .spans import Interval, common, length

SHOWN = 3
_LITTLE = 1e-9


@dataclass(frozen=True, slots=True)
class Contender:
    """A run (-1: the online load of `vm`), and how much it had: core-seconds, or seconds of a slot."""

    run: int
    vm: int
    amount: float


@dataclass(frozen=True)
class Pieces:
    """What one run was served, in order of time."""

    from_s: Floats
    until_s: Floats
    cores: Floats

    @property
    def core_s(self) -> float:
        """All of it."""
        return float(((self.until_s - self.from_s) * self.cores).sum())

    @property
    def last_s(self) -> float:
        """When the last of it was served; NaN where nothing was."""
        return float(self.until_s.max(initial=-np.inf)) if len(self.until_s) else float("nan")

    def reached_s(self, core_s: float) -> float:
        """When so many core-seconds had been served (to one part in a million)."""
        served = np.cumsum((self.until_s - self.from_s) * self.cores)
        row = int(np.searchsorted(served, core_s * (1 - 1e-6)))
        row = min(row, len(served) - 1)
        too_much_s = max(0.0, float(served[row]) - core_s) / float(self.cores[row])
        return float(self.until_s[row]) - too_much_s


class Served:
    """The table of what was served, found by run and by host; and where a VM was, and what it could use."""

    def __init__(self, system: SimulationInput, result: SimulationResult) -> None:
        table = result.served
        if table is None:
            raise ValueError("the result has no table of what was served")
        self.system = system
        self.table = table
        self._by_run = np.lexsort((table.from_s, table.run))
        self._runs = table.run[self._by_run]
        self._on_host: dict[int, Ints] = {}

    def pieces(self, run: int, from_s: float, until_s: float) -> Pieces:
        """What a run was served in an attempt."""
        part = slice(*np.searchsorted(self._runs, [run, run + 1]).tolist())
        rows = self._by_run[part]
        rows = rows[(self.table.from_s[rows] >= from_s - 1e-6) & (self.table.until_s[rows] <= until_s + 1e-6)]
        return Pieces(self.table.from_s[rows], self.table.until_s[rows], self.table.cores[rows])

    def rows_on(self, host: int) -> Ints:
        """Rows of the table on a host."""
        if host not in self._on_host:
            self._on_host[host] = np.flatnonzero(self.table.host == host)
        return self._on_host[host]

    def host_of(self, vm: int, at_s: float) -> int:
        """Where a VM is; while it restarts, where it comes up."""
        changes = self.system.changes
        moved = np.flatnonzero((changes.move_vm == vm) & (changes.move_at_s <= at_s))
        return int(changes.move_to_host[moved[-1]]) if len(moved) else int(self.system.vms.host[vm])

    def limit(self, run: int, at_s: float) -> float:
        """Cores that a run can use at most: its own limit, its VM's vCPU, its host's cores."""
        system = self.system
        vm = int(system.runs.vm[run])
        changes = system.changes
        steps = np.flatnonzero((changes.vcpu_vm == vm) & (changes.vcpu_at_s <= at_s))
        vcpu = float(changes.vcpu[steps[-1]]) if len(steps) else float(system.vms.vcpu[vm])
        return min(float(system.runs.max_cores[run]), vcpu, float(system.hosts.cores[self.host_of(vm, at_s)]))


def slot_holders(
    run: int, vm: int, attempts: Mapping[int, Sequence[Attempt]], waited: Sequence[Interval]
) -> tuple[Contender, ...]:
    """Runs of the same VM by the seconds for which they held a slot while the run waited for one."""
    found = []
    for other, of_other in attempts.items():
        held = [(attempt.from_s, attempt.until_s) for attempt in of_other]
        seconds = length(common(waited, held)) if other != run else 0.0
        if seconds > _LITTLE:
            found.append(Contender(other, vm, seconds))
    return _most(found)


def pool_holders(system: SimulationInput, result: SimulationResult, run: int) -> tuple[Contender, ...]:
    """Runs by the seconds for which they held a slot of the pool while the run waited for one."""
    runs = system.runs
    waited = (float(result.work_end_s[run]), float(result.end_s[run] - runs.pool_s[run]))
    if runs.pool[run] < 0 or waited[1] - waited[0] <= _LITTLE:
        return ()
    others = np.flatnonzero((runs.pool == runs.pool[run]) & (runs.pool_s > 0) & np.isfinite(result.end_s))
    from_s = np.maximum(result.end_s[others] - runs.pool_s[others], waited[0])
    seconds = np.minimum(result.end_s[others], waited[1]) - from_s
    return _most(
        Contender(int(other), int(runs.vm[other]), float(held))
        for other, held in zip(others, seconds, strict=True)
        if other != run and held > _LITTLE
    )


def cpu_takers(served: Served, run: int, worked: Interval, limit: float) -> tuple[Contender, ...]:
    """Others by the core-seconds they had on the run's host while it had fewer cores than `limit`.

    Where the host was not full, the VM's own vCPU was the limit, and only its own runs and online load count.
    """
    table, system = served.table, served.system
    vm = int(system.runs.vm[run])
    host = served.host_of(vm, worked[0])
    short = _short_of(served.pieces(run, *worked), worked, limit)
    rows = served.rows_on(host)
    shared_s = _overlap(table.from_s[rows], table.until_s[rows], short)
    core_s = shared_s * table.cores[rows]
    full = core_s.sum() >= float(system.hosts.cores[host]) * length(short) * (1 - 1e-6)
    counts = (core_s > _LITTLE) & (table.run[rows] != run) & (full | (table.vm[rows] == vm))
    keys = np.stack((table.run[rows][counts], table.vm[rows][counts]), axis=1)
    takers, of_row = np.unique(keys, axis=0, return_inverse=True)
    amounts = np.bincount(of_row.ravel(), weights=core_s[counts], minlength=len(takers))
    return _most(
        Contender(int(taker[0]), int(taker[1]), float(amount)) for taker, amount in zip(takers, amounts, strict=True)
    )


def _short_of(pieces: Pieces, worked: Interval, limit: float) -> list[Interval]:
    """When the run had fewer cores than it could use, pauses included."""
    enough = pieces.cores >= limit * (1 - 1e-9)
    from_s, until_s = pieces.from_s[enough].tolist(), pieces.until_s[enough].tolist()
    edges = [worked[0], *(time_s for span in zip(from_s, until_s, strict=True) for time_s in span), worked[1]]
    return [(edges[row], edges[row + 1]) for row in range(0, len(edges), 2) if edges[row + 1] > edges[row]]


def _overlap(from_s: Floats, until_s: Floats, spans: Sequence[Interval]) -> Floats:
    """Seconds that each piece shares with the (disjoint, ordered) spans."""
    if not spans:
        return np.zeros(len(from_s))
    edges = np.array(spans).ravel()
    inside_s = np.cumsum([part for start, end in spans for part in (0.0, end - start)])
    before_s = np.interp(np.stack((from_s, until_s)), edges, inside_s)
    return np.asarray(before_s[1] - before_s[0], dtype=np.float64)


def _most(found: Iterable[Contender]) -> tuple[Contender, ...]:
    """The largest first; amounts that differ by rounding alone stand in the order of runs and VMs."""
    return tuple(sorted(found, key=lambda entry: (-round(entry.amount, 6), entry.run, entry.vm))[:SHOWN])
