"""The levelling problem in whole slots: where each run may start, what it demands, and which runs wait for which.

Starts lie on the 600-second grid, so a run that ends inside a slot keeps whatever waits for it until the slot's end:
rounding its length up loses no schedule. Slots of the demand are exact shares, not rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from capacity.records import SLOT_S, Bools, Floats, Ints, OnlineTable, RunTable

FAR = 2**40
# Times are sums of seconds in float64; a hair's breadth over a slot boundary is the boundary.
_HAIR = 1e-9


def slots_up(seconds: Floats) -> Ints:
    """The first slot boundary not before each time."""
    return np.ceil(seconds / SLOT_S - _HAIR).astype(np.int64)


def slots_down(seconds: Floats) -> Ints:
    """The last slot boundary not after each time."""
    return np.floor(seconds / SLOT_S + _HAIR).astype(np.int64)


@dataclass(frozen=True)
class Grid:
    """Runs in slots. Window rows are those of the RunTable; `high < low` where the run does not fit its window."""

    runs: RunTable
    length: Ints
    """Slots that each run holds, at least 1."""
    low: Ints
    high: Ints
    """Per window row: first and last start slot of the run in it."""
    gap: Ints
    """Per predecessor row: slots from the predecessor's start to the earliest start of the run."""
    next_ptr: Ints
    next_run: Ints
    next_gap: Ints
    """Successors of each run, as compressed rows."""
    earliest: Ints
    """First start slot of each run by windows and predecessors alone."""
    latest: Ints
    """Last start slot that leaves room for the run and its successors; below `earliest` where there is none."""

    @cached_property
    def slots(self) -> int:
        """Slots that any planned run may touch."""
        last = int((np.maximum(self.high, self.low)).max(initial=0)) + int(self.length.max(initial=1))
        return max(last, int(np.ceil(self.runs.end_s / SLOT_S))) + 1

    @cached_property
    def fits_alone(self) -> Bools:
        """Whether windows and precedence leave each run a start at all."""
        return self.latest >= self.earliest


def demand(fixed_s: float, cpu_s: float, cores: float, length: int) -> Floats:
    """Cores that a run delivers in each of its `length` slots, counted from its start."""
    edges = np.arange(length + 1) * SLOT_S
    end = fixed_s + cpu_s / cores
    done = np.clip(edges, fixed_s, end)
    shares: Floats = (done[1:] - done[:-1]) * cores / SLOT_S
    return shares


def _layers(runs: RunTable, next_ptr: Ints, next_run: Ints) -> Iterator[Ints]:
    """Runs in layers: every predecessor of a run lies in an earlier layer. Raises ValueError for a circle."""
    waiting = np.diff(runs.after_ptr)
    layer = np.flatnonzero(waiting == 0)
    seen = 0
    waiting = waiting.copy()
    while len(layer):
        seen += len(layer)
        yield layer
        touched = next_run[rows_of(next_ptr, layer)]
        waiting -= np.bincount(touched, minlength=len(waiting))
        layer = np.unique(touched[waiting[touched] == 0])
    if seen < len(runs):
        stuck = runs.run_ids[int(np.flatnonzero(waiting > 0)[0])]
        raise ValueError(f"ジョブの先行関係が循環しています（{stuck}）")


def rows_of(ptr: Ints, picked: Ints) -> Ints:
    """Row indices of the compressed rows `picked`, one row after another."""
    count = ptr[picked + 1] - ptr[picked]
    offsets = np.repeat(np.cumsum(count) - count, count)
    rows: Ints = np.repeat(ptr[picked], count) + np.arange(int(count.sum()), dtype=np.int64) - offsets
    return rows


def reduce_rows(ufunc: np.ufunc, values: Ints, counts: Ints, empty: int) -> Ints:
    """`ufunc` over consecutive groups of `values`, `counts[i]` at a time; `empty` for groups of none."""
    out = np.full(len(counts), empty, dtype=np.int64)
    filled = counts > 0
    if filled.any():
        starts = (np.cumsum(counts) - counts)[filled]
        out[filled] = ufunc.reduceat(values, starts)
    return out


def _snap_up(ready: Ints, picked: Ints, ptr: Ints, low: Ints, high: Ints) -> Ints:
    rows = rows_of(ptr, picked)
    counts = ptr[picked + 1] - ptr[picked]
    start = np.maximum(low[rows], np.repeat(ready, counts))
    found = reduce_rows(np.minimum, np.where(start <= high[rows], start, FAR), counts, FAR)
    # A run that fits no window counts from its first one, so that its successors get sensible times.
    return np.where(found == FAR, np.maximum(ready, low[ptr[picked]]), found)


def _snap_down(limit: Ints, picked: Ints, ptr: Ints, low: Ints, high: Ints) -> Ints:
    rows = rows_of(ptr, picked)
    counts = ptr[picked + 1] - ptr[picked]
    start = np.minimum(high[rows], np.repeat(limit, counts))
    return reduce_rows(np.maximum, np.where(start >= low[rows], start, -FAR), counts, -FAR)


def build(runs: RunTable) -> Grid:
    """The levelling problem of a run table. Raises ValueError when predecessors form a circle."""
    n = len(runs)
    duration = runs.duration_s
    length = np.maximum(slots_up(duration), 1)
    window_run = np.repeat(np.arange(n), np.diff(runs.window_ptr))
    need = duration * np.where(runs.rerun_room, 2.0, 1.0)
    last_end = np.minimum(runs.window_end_s, runs.deadline_s[window_run])
    low = slots_up(runs.window_start_s)
    high = slots_down(last_end - need[window_run])
    gap = slots_up(duration[runs.after_run] + runs.after_lag_s)
    follower = np.repeat(np.arange(n), np.diff(runs.after_ptr))
    by_predecessor = np.argsort(runs.after_run, kind="stable")
    next_ptr = np.concatenate(([0], np.cumsum(np.bincount(runs.after_run, minlength=n)))).astype(np.int64)
    next_run, next_gap = follower[by_predecessor], gap[by_predecessor]

    earliest = np.zeros(n, dtype=np.int64)
    latest = np.zeros(n, dtype=np.int64)
    layers = list(_layers(runs, next_ptr, next_run))
    ptr = runs.window_ptr
    for layer in layers:
        rows = rows_of(runs.after_ptr, layer)
        counts = runs.after_ptr[layer + 1] - runs.after_ptr[layer]
        ready = reduce_rows(np.maximum, earliest[runs.after_run[rows]] + gap[rows], counts, -FAR)
        earliest[layer] = _snap_up(ready, layer, ptr, low, high)
    for layer in reversed(layers):
        rows = rows_of(next_ptr, layer)
        counts = next_ptr[layer + 1] - next_ptr[layer]
        follower_latest = latest[next_run[rows]]
        # A successor that fits nowhere is reported by itself; it must not drag its predecessors along.
        usable = np.where(follower_latest == -FAR, FAR, follower_latest - next_gap[rows])
        limit = reduce_rows(np.minimum, usable, counts, FAR)
        snapped = _snap_down(limit, layer, ptr, low, high)
        late = snapped < earliest[layer]
        alone = _snap_down(np.full(len(layer), FAR), layer, ptr, low, high)
        # Where the successors ask too much, the run keeps its own windows and the successor becomes the misfit.
        latest[layer] = np.where(late, np.where(alone >= earliest[layer], alone, -FAR), snapped)
    return Grid(runs, length, low, high, gap, next_ptr, next_run, next_gap, earliest, latest)


class FreeCores:
    """Cores that a VM has left for runs in every slot: its vCPU of that moment minus its online load."""

    def __init__(self, runs: RunTable, online: OnlineTable, slots: int) -> None:
        self._runs = runs
        self._online = online
        self._slots = slots
        order = np.argsort(online.vm, kind="stable")
        self._rows = np.split(order, np.cumsum(np.bincount(online.vm, minlength=len(runs.vm_names)))[:-1])
        most = np.zeros(len(runs.vm_names))
        np.maximum.at(most, runs.vm, runs.max_cores)
        self._most = most

    def of(self, vm: int) -> Floats | None:
        """Free cores per slot; None when neither online load nor another run can ever keep a run of this VM out."""
        runs = self._runs
        rows = self._rows[vm] if len(self._rows) else np.zeros(0, np.int64)
        changed = np.flatnonzero(runs.change_vm == vm)
        if len(rows) == 0 and len(changed) == 0 and self._most[vm] * int(runs.vm_slots[vm]) <= runs.vm_vcpu[vm]:
            return None
        free = np.full(self._slots, float(runs.vm_vcpu[vm]))
        partly: list[tuple[int, float]] = []
        for row in changed.tolist():
            from_s, until_s = float(runs.change_from_s[row]), float(runs.change_until_s[row])
            vcpu = float(runs.change_vcpu[row])
            first, last = int(np.ceil(from_s / SLOT_S)), int(np.floor(until_s / SLOT_S))
            free[max(first, 0) : max(last, 0)] = vcpu
            partly += [(slot, vcpu) for slot in (first - 1, last) if slot * SLOT_S not in (from_s - SLOT_S, until_s)]
        for slot, vcpu in partly:
            if 0 <= slot < self._slots:
                free[slot] = min(free[slot], vcpu)
        if len(rows):
            free -= self._largest_online(rows)
        return free

    def _largest_online(self, rows: Ints) -> Floats:
        """The largest online load within each slot."""
        online = self._online
        moment = np.concatenate((online.from_s[rows], online.until_s[rows]))
        change = np.concatenate((online.cores[rows], -online.cores[rows]))
        times, inverse = np.unique(moment, return_inverse=True)
        level = np.cumsum(np.bincount(inverse, weights=change))
        starts = np.arange(self._slots) * SLOT_S
        position = np.searchsorted(times, starts, side="right") - 1
        largest = np.where(position >= 0, level[np.maximum(position, 0)], 0.0)
        slot = np.floor(times / SLOT_S).astype(np.int64)
        inside = slot < self._slots
        np.maximum.at(largest, slot[inside], level[inside])
        return np.maximum(largest, 0.0)
