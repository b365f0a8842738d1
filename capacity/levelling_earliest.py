"""Every run as early as its constraints allow: what a computer room does without a plan.

List scheduling in the order in which runs become ready; among runs ready at one time the one with the least slack
first. A run that finds no room in a window tries its next one when that opens. Nothing limits the site as a whole.
"""

from __future__ import annotations

import heapq

import numpy as np

from capacity.grid import FAR, FreeCores, Grid
from capacity.records import Floats, Ints

# start slot, end slot, cores, VM, exclusive
_Held = tuple[int, int, float, int, bool]


class _Rooms:
    """Which runs hold slots of each system now. A VM serves one system, so conflicts stay inside a system."""

    def __init__(self, grid: Grid, free: FreeCores) -> None:
        runs = grid.runs
        self.held: list[list[_Held]] = [[] for _ in runs.system_names]
        self.slots = runs.vm_slots.tolist()
        self.free: list[Floats | None] = [None] * len(runs.vm_names)
        for vm in np.unique(runs.vm).tolist():
            self.free[vm] = free.of(vm)
        self.vcpu = runs.vm_vcpu.astype(np.float64).tolist()

    def first_fit(self, system: int, start: int, last: int, length: int, wanted: tuple[float, int, bool]) -> int:
        """The first start in `[start, last]` at which the run conflicts with no other; -1 without one."""
        cores, vm, exclusive = wanted
        held = self.held[system]
        while start <= last:
            end = start + length
            later = start
            beside: list[_Held] = []
            for other in held:
                if other[0] < end and start < other[1]:
                    if exclusive or other[4] or (other[3] == vm and self.slots[vm] == 1):
                        later = max(later, other[1])
                    elif other[3] == vm:
                        beside.append(other)
            if later == start and (beside or self.free[vm] is not None):
                later = self._beside(start, end, cores, vm, beside)
            if later == start:
                return start
            start = later
        return -1

    def _beside(self, start: int, end: int, cores: float, vm: int, beside: list[_Held]) -> int:
        """`start` when the VM has a slot and the cores all the time, else the next start worth trying."""
        free = self.free[vm]
        points = sorted({start, *(other[0] for other in beside if other[0] > start)})
        for point, until in zip(points, [*points[1:], end], strict=True):
            active = [other for other in beside if other[0] <= point < other[1]]
            room = self.vcpu[vm] - sum(other[2] for other in active) - cores + 1e-9
            if len(active) >= self.slots[vm] or (free is None and room < 0):
                return min(other[1] for other in active) if active else FAR
            if free is not None:
                taken = cores + sum(other[2] for other in active) - 1e-9
                short = np.flatnonzero(free[point:until] < taken)
                if len(short):
                    blocked = point + int(short[-1]) + 1
                    return min([blocked, *(other[1] for other in active)])
        return start


def earliest_starts(grid: Grid, free: FreeCores) -> tuple[Ints, Ints, Ints]:
    """Start slot and window row of every run, and the runs that fit no window (they start when ready instead)."""
    runs = grid.runs
    rooms = _Rooms(grid, free)
    low, high, ptr = grid.low.tolist(), grid.high.tolist(), runs.window_ptr.tolist()
    length, latest = grid.length.tolist(), grid.latest.tolist()
    system, vm = runs.system.tolist(), runs.vm.tolist()
    cores, exclusive = runs.max_cores.tolist(), runs.exclusive.tolist()
    next_ptr, next_run, next_gap = grid.next_ptr.tolist(), grid.next_run.tolist(), grid.next_gap.tolist()
    waiting = np.diff(runs.after_ptr).tolist()
    ready = [0] * len(runs)
    start, window = [0] * len(runs), [0] * len(runs)
    misfits: list[int] = []

    def enter(run: int, row: int) -> tuple[int, int, int, int]:
        while row + 1 < ptr[run + 1] and max(low[row], ready[run]) > high[row]:
            row += 1
        return max(low[row], ready[run]), latest[run], run, row

    queue = [enter(run, ptr[run]) for run in range(len(runs)) if waiting[run] == 0]
    heapq.heapify(queue)
    while queue:
        time, _, run, row = heapq.heappop(queue)
        held = rooms.held[system[run]]
        if len(held) > 12:
            held[:] = [other for other in held if other[1] > time]
        wanted = (cores[run], vm[run], exclusive[run])
        found = rooms.first_fit(system[run], time, high[row], length[run], wanted)
        if found < 0:
            if row + 1 < ptr[run + 1]:
                heapq.heappush(queue, enter(run, row + 1))
                continue
            misfits.append(run)
            row = _first_usable(run, ptr, low, high)
            found = rooms.first_fit(system[run], max(low[row], ready[run]), FAR // 2, length[run], wanted)
            if found < 0 or found >= grid.slots:
                found = max(low[row], ready[run])
        start[run], window[run] = found, row
        held.append((found, found + length[run], *wanted))
        for edge in range(next_ptr[run], next_ptr[run + 1]):
            follower = next_run[edge]
            ready[follower] = max(ready[follower], found + next_gap[edge])
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(queue, enter(follower, ptr[follower]))
    return np.array(start, dtype=np.int64), np.array(window, dtype=np.int64), np.array(misfits, dtype=np.int64)


def _first_usable(run: int, ptr: list[int], low: list[int], high: list[int]) -> int:
    """The first window that would hold the run if it were alone, else its first window."""
    rows = range(ptr[run], ptr[run + 1])
    return next((row for row in rows if low[row] <= high[row]), ptr[run])
