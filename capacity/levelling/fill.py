"""Place every run where its site is least loaded, job by job and for all nights of a job at once.

Runs that are not placed yet count with their work spread evenly over the slots they may touch, so that early choices
already know the load to come. Runs of one job in different nights never meet, which makes them one array operation.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from capacity.grid import FAR, FreeCores, Grid, demand, reduce_rows, rows_of
from capacity.records import SLOT_S, Bools, Floats, Ints

UNPLACED = -FAR
_TIE = 0.05
_BIG = 1e30

_Counts: TypeAlias = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Batch:
    """Runs of one job with equal demand whose windows do not meet: they are placed together."""

    picked: Ints
    demand: Floats


class Occupancy:
    """Which slots are held, per VM and per system. Counts per slot, allocated when first used."""

    def __init__(self, grid: Grid, free: FreeCores, slots: int) -> None:
        runs = grid.runs
        self._runs = runs
        self._slots = slots
        self._free = free
        self._on_vm: dict[int, tuple[_Counts, Floats | None]] = {}
        self._in_system: dict[int, tuple[_Counts, _Counts]] = {}
        exclusive_systems = np.unique(runs.system[runs.exclusive]).tolist()
        self._has_exclusive = frozenset(exclusive_systems)

    def _vm(self, vm: int) -> tuple[_Counts, Floats | None]:
        found = self._on_vm.get(vm)
        if found is None:
            free = self._free.of(vm)
            found = (np.zeros(self._slots, dtype=np.int16), free)
            self._on_vm[vm] = found
        return found

    def _system(self, system: int) -> tuple[_Counts, _Counts]:
        found = self._in_system.get(system)
        if found is None:
            found = (np.zeros(self._slots, dtype=np.int16), np.zeros(self._slots, dtype=np.int16))
            self._in_system[system] = found
        return found

    def hold(self, run: int, slots: Ints, sign: int) -> None:
        """Take (`sign` 1) or give back (-1) slots for runs alike `run`; no slot appears twice."""
        runs = self._runs
        count, free = self._vm(int(runs.vm[run]))
        count[slots] += sign
        if free is not None:
            free[slots] -= sign * runs.max_cores[run]
        system = int(runs.system[run])
        if system in self._has_exclusive:
            held, exclusively = self._system(system)
            held[slots] += sign
            if runs.exclusive[run]:
                exclusively[slots] += sign

    def blocked(self, run: int, slots: Ints) -> Bools:
        """Whether a run alike `run` could not hold each slot."""
        runs = self._runs
        vm, system = int(runs.vm[run]), int(runs.system[run])
        count, free = self._vm(vm)
        out: Bools = count[slots] >= runs.vm_slots[vm]
        if free is not None:
            out |= free[slots] < runs.max_cores[run] - 1e-9
        if system in self._has_exclusive:
            held, exclusively = self._system(system)
            out |= (held if runs.exclusive[run] else exclusively)[slots] > 0
        return out


def _groups(grid: Grid, rows: Ints) -> list[Ints]:
    """Split the runs of one job so that no two runs of a group can meet, earlier runs in earlier groups."""
    runs = grid.runs
    first = grid.low[runs.window_ptr[rows]]
    last = np.maximum(grid.high[runs.window_ptr[rows + 1] - 1], first) + grid.length[rows]
    if len(rows) < 2 or bool((first[1:] >= np.maximum.accumulate(last)[:-1]).all()):
        return [rows]
    ends: list[int] = []  # end of the last run of each group
    groups: list[list[int]] = []
    number = 0
    for run, begin, end in zip(rows.tolist(), first.tolist(), last.tolist(), strict=True):
        # Predecessors within a job lie before a run, so group numbers may only fall when nothing is under way.
        number = number + 1 if any(begin < other for other in ends) else 0
        if number == len(groups):
            groups.append([])
            ends.append(0)
        groups[number].append(run)
        ends[number] = max(ends[number], end)
    return [np.array(group, dtype=np.int64) for group in groups]


def _job_order(grid: Grid, area: Floats) -> list[int]:
    """Jobs, predecessors first, otherwise the largest work first. Raises ValueError when jobs wait in a circle."""
    runs = grid.runs
    jobs = len(runs.job_names)
    follower = np.repeat(runs.job, np.diff(runs.after_ptr))
    pairs = np.unique(runs.job[runs.after_run] * jobs + follower)
    source, target = pairs // max(jobs, 1), pairs % max(jobs, 1)
    different = source != target
    source, target = source[different], target[different]
    followers: list[list[int]] = [[] for _ in range(jobs)]
    for one, other in zip(source.tolist(), target.tolist(), strict=True):
        followers[one].append(other)
    waiting = np.bincount(target, minlength=jobs).tolist()
    weight = np.zeros(jobs)
    np.maximum.at(weight, runs.job, area)
    queue = [(-weight[job], job) for job in range(jobs) if waiting[job] == 0]
    heapq.heapify(queue)
    order: list[int] = []
    while queue:
        _, job = heapq.heappop(queue)
        order.append(job)
        for other in followers[job]:
            waiting[other] -= 1
            if waiting[other] == 0:
                heapq.heappush(queue, (-weight[other], other))
    if len(order) < jobs:
        raise ValueError("ジョブの先行関係がジョブ同士で循環しています")
    return order


class Filler:
    """The state of levelling: start of every run, load per site and slot, held slots."""

    def __init__(self, grid: Grid, free: FreeCores, base: Floats) -> None:
        """`base` is the load per site and slot that cannot be moved (online load)."""
        self.grid = grid
        self.occupancy = Occupancy(grid, free, base.shape[1])
        self.start = np.full(len(grid.runs), UNPLACED, dtype=np.int64)
        self.load = base.copy()
        self._density = np.zeros(len(grid.runs))
        self._demands: dict[tuple[float, float, float], Floats] = {}

    def demand_of(self, run: int) -> Floats:
        """Cores per slot of a run, from its start."""
        runs = self.grid.runs
        key = (float(runs.fixed_s[run]), float(runs.cpu_s[run]), float(runs.max_cores[run]))
        found = self._demands.get(key)
        if found is None:
            found = demand(*key, int(self.grid.length[run]))
            self._demands[key] = found
        return found

    def spread(self, movable: Ints) -> None:
        """Count runs that are to be placed with their work spread evenly over the slots they may touch."""
        runs = self.grid.runs
        count, low, until = self._ranges(movable)
        total = np.maximum(np.bincount(np.repeat(np.arange(len(movable)), count), until - low, len(movable)), 1.0)
        self._density[movable] = runs.cpu_s[movable] / SLOT_S / total
        width = self.load.shape[1] + 1
        change = np.zeros(self.load.shape[0] * width)
        weight = np.repeat(self._density[movable], count)
        site = np.repeat(runs.site[movable], count)
        change += np.bincount(site * width + low, weight, len(change))
        change -= np.bincount(site * width + until, weight, len(change))
        self.load += np.cumsum(change.reshape(-1, width), axis=1)[:, :-1]

    def _ranges(self, picked: Ints) -> tuple[Ints, Ints, Ints]:
        """How many window rows each run has, and per row the slots `[low, until)` that it may touch there (or none)."""
        grid, runs = self.grid, self.grid.runs
        rows = rows_of(runs.window_ptr, picked)
        count = runs.window_ptr[picked + 1] - runs.window_ptr[picked]
        low = np.maximum(grid.low[rows], np.repeat(grid.earliest[picked], count))
        high = np.minimum(grid.high[rows], np.repeat(grid.latest[picked], count))
        until = np.where(high >= low, high + np.repeat(grid.length[picked], count), low)
        return count, low, until

    def _unspread(self, picked: Ints) -> None:
        count, low, until = self._ranges(picked)
        density = np.repeat(self._density[picked], count)
        if not density.any():
            return
        load = self.load[int(self.grid.runs.site[picked[0]])]
        if len(low) < 24:
            for first, last, amount in zip(low.tolist(), until.tolist(), density.tolist(), strict=True):
                load[first:last] -= amount
        else:
            change = np.bincount(low, density, len(load) + 1) - np.bincount(until, density, len(load) + 1)
            load -= np.cumsum(change)[:-1]
        self._density[picked] = 0.0

    def ready(self, picked: Ints) -> Ints:
        """The first slot at which all placed predecessors of each run are done."""
        runs, grid = self.grid.runs, self.grid
        rows = rows_of(runs.after_ptr, picked)
        count = runs.after_ptr[picked + 1] - runs.after_ptr[picked]
        return reduce_rows(np.maximum, self.start[runs.after_run[rows]] + grid.gap[rows], count, -FAR)

    def due(self, picked: Ints) -> Ints:
        """The last start that leaves every placed successor of each run where it is."""
        grid = self.grid
        rows = rows_of(grid.next_ptr, picked)
        follower = self.start[grid.next_run[rows]]
        limit = np.where(follower == UNPLACED, FAR, follower - grid.next_gap[rows])
        return reduce_rows(np.minimum, limit, grid.next_ptr[picked + 1] - grid.next_ptr[picked], FAR)

    def put(self, picked: Ints, start: Ints, shape: Floats) -> None:
        """Place runs of one batch."""
        self._change(picked, start, shape, 1)
        self.start[picked] = start

    def take(self, picked: Ints, shape: Floats) -> None:
        """Take placed runs of one batch away."""
        self._change(picked, self.start[picked], shape, -1)
        self.start[picked] = UNPLACED

    def _change(self, picked: Ints, start: Ints, shape: Floats, sign: int) -> None:
        slots = start[:, None] + np.arange(len(shape))
        self.load[int(self.grid.runs.site[picked[0]])][slots] += sign * shape
        self.occupancy.hold(int(picked[0]), slots.ravel(), sign)

    def place(self, picked: Ints, shape: Floats, first: Ints, last: Ints) -> Bools:
        """Place each run of a batch within `[first, last]` and its windows, where the site's load stays lowest.

        Returns which runs found a start; the others stay unplaced.
        """
        grid, runs = self.grid, self.grid.runs
        ptr = runs.window_ptr
        low = np.maximum(grid.low[ptr[picked]], first)
        high = np.minimum(grid.high[ptr[picked + 1] - 1], last)
        found = np.zeros(len(picked), dtype=np.bool_)
        some = high >= low
        if not some.any():
            return found
        picked, low, high = picked[some], low[some], high[some]
        width = int((high - low).max()) + 1
        length = len(shape)
        slots = np.minimum(low[:, None] + np.arange(width + length - 1), grid.slots - 1)
        load = self.load[int(runs.site[picked[0]])][slots]
        score = _score(load, shape, width)
        blocked = self.occupancy.blocked(int(picked[0]), slots)
        if blocked.any():
            sums = np.cumsum(blocked, axis=1, dtype=np.int32)
            held = sums[:, length - 1 :].copy()
            held[:, 1:] -= sums[:, : width - 1]
            score[held > 0] = _BIG
        score[slots[:, :width] > high[:, None]] = _BIG
        for row in np.flatnonzero(ptr[picked + 1] - ptr[picked] > 1).tolist():
            inside = np.zeros(width, dtype=np.bool_)
            for window in range(int(ptr[picked[row]]), int(ptr[picked[row] + 1])):
                begin = max(int(grid.low[window] - low[row]), 0)
                inside[begin : max(int(grid.high[window] - low[row]) + 1, begin)] = True
            score[row, ~inside] = _BIG
        best = np.argmin(score, axis=1)
        good = score[np.arange(len(picked)), best] < _BIG
        if good.any():
            self.put(picked[good], (low + best)[good], shape)
        found[some] = good
        return found

    def fill(self, order: list[Batch]) -> Ints:
        """Place all batches in order; returns the runs that found no start."""
        failed: list[Ints] = []
        for batch in order:
            self._unspread(batch.picked)
            last = np.minimum(self.grid.latest[batch.picked], self.due(batch.picked))
            found = self.place(batch.picked, batch.demand, self.ready(batch.picked), last)
            if not found.all():
                failed.append(batch.picked[~found])
        return np.concatenate(failed) if failed else np.zeros(0, dtype=np.int64)

    def batches(self, movable: Bools) -> list[Batch]:
        """The movable runs as batches, in an order in which predecessors come first."""
        runs = self.grid.runs
        by_job = np.argsort(runs.job, kind="stable")
        rows = np.split(by_job, np.cumsum(np.bincount(runs.job, minlength=len(runs.job_names)))[:-1])
        out: list[Batch] = []
        for job in _job_order(self.grid, runs.cpu_s):
            mine = rows[job]
            for group in _groups(self.grid, mine):
                kept = group[movable[group]]
                cores = runs.max_cores[kept]
                for value in np.unique(cores).tolist():
                    same = kept[cores == value]
                    out.append(Batch(same, self.demand_of(int(same[0]))))
        return out


def _score(load: Floats, shape: Floats, width: int) -> Floats:
    """For every start: the largest load under the run, and a little of the mean, so that ties take quieter slots."""
    largest = np.full((len(load), width), -np.inf)
    total = np.zeros((len(load), width))
    for offset, cores in enumerate(shape.tolist()):
        part = load[:, offset : offset + width]
        if cores > 0:
            np.maximum(largest, part + cores, out=largest)
            total += cores * part
    scale = float(shape.sum())
    if scale <= 0:
        return np.broadcast_to(np.arange(width, dtype=np.float64), (len(load), width)).copy()
    return largest + _TIE * total / scale
