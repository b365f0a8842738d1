"""Every run as early as its constraints allow: what a computer room does without a plan.

List scheduling in the order in which runs become ready; among runs ready at one time the one with the least slack
first. A run that finds no room in a window tries its next one when that opens; one that finds none in its last window
turns out runs that can wait longer. Nothing limits the site as a whole.
"""

from __future__ import annotations

import heapq

import numpy as np

from capacity.grid import FAR, FreeCores, Grid
from capacity.records import Floats, Ints

# start slot, end slot, cores, VM, exclusive, run
_Held = tuple[int, int, float, int, bool, int]
_PRUNE_ABOVE = 12
_TURNS = 3


class _Rooms:
    """Which runs hold slots of each system now. A VM serves one system, so conflicts stay inside a system."""

    def __init__(self, grid: Grid, free: FreeCores) -> None:
        runs = grid.runs
        self.held: list[list[_Held]] = [[] for _ in runs.system_names]
        self.slots = runs.vm_slots.tolist()
        self.free: list[Floats | None] = [None] * len(runs.vm_names)
        for vm in np.unique(runs.vm).tolist():
            self.free[vm] = free.of(vm)
        self.slot_count = grid.slots
        self.vcpu = runs.vm_vcpu.astype(np.float64).tolist()

    def first_fit(self, held: list[_Held], start: int, last: int, length: int, wanted: tuple[float, int, bool]) -> int:
        """The first start in `[start, last]` at which the run conflicts with none that is held; -1 without one."""
        cores, vm, exclusive = wanted
        # Where too much waits, runs stand held far into the future: only those near this window matter.
        near = [other for other in held if other[0] < last + length and start < other[1]]
        while start <= last:
            end = start + length
            later = start
            beside: list[_Held] = []
            for other in near:
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


class _ListScheduler:
    """The queue of runs that are ready, and what has been placed so far."""

    def __init__(self, grid: Grid, free: FreeCores) -> None:
        runs = grid.runs
        self.rooms = _Rooms(grid, free)
        self.low, self.high, self.ptr = grid.low.tolist(), grid.high.tolist(), runs.window_ptr.tolist()
        self.length, self.latest = grid.length.tolist(), grid.latest.tolist()
        self.system, self.vm = runs.system.tolist(), runs.vm.tolist()
        self.cores, self.exclusive = runs.max_cores.tolist(), runs.exclusive.tolist()
        self.after_ptr, self.after_run, self.gap = runs.after_ptr.tolist(), runs.after_run.tolist(), grid.gap.tolist()
        self.next_ptr, self.next_run = grid.next_ptr.tolist(), grid.next_run.tolist()
        # A run longer than each of its windows is a misfit of its first one; it has nothing to wait for.
        self.possible = (
            np.bitwise_or.reduceat(grid.high >= grid.low, runs.window_ptr[:-1]).tolist() if len(runs) else []
        )
        self.waiting = np.diff(runs.after_ptr).tolist()
        count = len(runs)
        self.start = [-1] * count
        self.window = [0] * count
        self.late = [False] * count
        self.turned_out = [0] * count
        self.version = [0] * count
        self.queue: list[tuple[int, int, int, int, int]] = []

    def enter(self, run: int, row: int, now: int) -> None:
        """Queue a run whose predecessors are placed, for window row `row` or the first later one it can reach."""
        ready = now
        for edge in range(self.after_ptr[run], self.after_ptr[run + 1]):
            ready = max(ready, self.start[self.after_run[edge]] + self.gap[edge])
        while self.possible[run] and row + 1 < self.ptr[run + 1] and max(self.low[row], ready) > self.high[row]:
            row += 1
        self.version[run] += 1
        entry = (max(self.low[row], ready), self.latest[run], run, row, self.version[run])
        heapq.heappush(self.queue, entry)

    def work_off(self) -> None:
        """Place every run that becomes ready."""
        while self.queue:
            time, _, run, row, version = heapq.heappop(self.queue)
            if version != self.version[run]:
                continue
            held = self.rooms.held[self.system[run]]
            if len(held) > _PRUNE_ABOVE:
                held[:] = [other for other in held if other[1] > time]
            wanted = (self.cores[run], self.vm[run], self.exclusive[run])
            found = self.rooms.first_fit(held, time, self.high[row], self.length[run], wanted)
            if found < 0 and row + 1 < self.ptr[run + 1] and self.possible[run]:
                self.enter(run, row + 1, time)
                continue
            if found < 0:
                found = self._turn_out(run, time, self.high[row], wanted)
            self.late[run] = found < 0
            if found < 0:
                # Behind everything that is held: the queue of an overfull night grows at its end.
                tail = max([time, *(other[1] for other in held)])
                found = self.rooms.first_fit(held, tail, FAR // 2, self.length[run], wanted)
                found = time if not 0 <= found < self.rooms.slot_count else found
            self._place(run, found, row, wanted, time)

    def _place(self, run: int, found: int, row: int, wanted: tuple[float, int, bool], now: int) -> None:
        self.start[run], self.window[run] = found, row
        self.rooms.held[self.system[run]].append((found, found + self.length[run], *wanted, run))
        for edge in range(self.next_ptr[run], self.next_ptr[run + 1]):
            follower = self.next_run[edge]
            self.waiting[follower] -= 1
            if self.waiting[follower] == 0:
                self.enter(follower, self.ptr[follower], now)

    def _turn_out(self, run: int, time: int, last: int, wanted: tuple[float, int, bool]) -> int:
        """Find room by turning out runs that can wait longer than this one; -1 when that does not help either."""
        held = self.rooms.held[self.system[run]]
        firm = [
            other
            for other in held
            if self.latest[other[5]] <= max(self.latest[run], other[0])
            or self.late[other[5]]
            or self.turned_out[other[5]] >= _TURNS
        ]
        found = self.rooms.first_fit(firm, time, last, self.length[run], wanted)
        if found >= 0:
            end = found + self.length[run]
            stays = {other[5] for other in firm}
            out = [other[5] for other in held if other[5] not in stays and other[0] < end and found < other[1]]
            for other in out:
                self.turned_out[other] += 1
                self._withdraw(other)
            for other in out:
                # A run that waits for another one turned out comes back when that one is placed again.
                if self.waiting[other] == 0:
                    self.enter(other, self.ptr[other], time)
        return found

    def _withdraw(self, run: int) -> None:
        """Take a placed run and everything placed after it out of the schedule."""
        if self.start[run] < 0:
            return
        self.start[run] = -1
        self.late[run] = False
        held = self.rooms.held[self.system[run]]
        held[:] = [other for other in held if other[5] != run]
        for edge in range(self.next_ptr[run], self.next_ptr[run + 1]):
            follower = self.next_run[edge]
            self._withdraw(follower)
            self.waiting[follower] += 1
            self.version[follower] += 1


def earliest_starts(grid: Grid, free: FreeCores) -> tuple[Ints, Ints, Ints]:
    """Start slot and window row of every run, and the runs that fit no window.

    Those start behind everything that holds their system, or when ready where that lies behind the horizon.
    """
    scheduler = _ListScheduler(grid, free)
    for run in np.flatnonzero(np.diff(grid.runs.after_ptr) == 0).tolist():
        scheduler.enter(run, scheduler.ptr[run], 0)
    scheduler.work_off()
    late = np.flatnonzero(np.array(scheduler.late, dtype=np.bool_))
    return np.array(scheduler.start, dtype=np.int64), np.array(scheduler.window, dtype=np.int64), late
