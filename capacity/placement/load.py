"""CPU load per VM and slot, with everything left out that cannot decide whether a host is overloaded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from capacity.records import SLOT_S, Bools, Floats, Ints, OnlineTable, RunTable, Schedule

GRID = 2.0**-30
"""Loads are rounded up to multiples of this (cores), so that equal slots are equal in every bit."""
_DAY_SLOTS = 144


@dataclass(frozen=True)
class VmLoad:
    """Average cores of each VM (row) over each slot that matters (column), each `slot_s` long.

    A placement keeps every slot of the horizon within its hosts' cores exactly when it keeps these columns so.
    """

    vm_names: tuple[str, ...]
    slot_s: float
    load: Floats

    def peak(self) -> Floats:
        """Largest load of each VM on its own, in cores."""
        return np.asarray(self.load.max(axis=1, initial=0.0), dtype=np.float64)


def vm_load(runs: RunTable, schedule: Schedule, online: OnlineTable) -> VmLoad:
    """Load of every VM of `runs` over the horizon, as scheduled: a run's `max_cores` between start + fixed_s and end.

    Exact averages over 600 s slots, rounded up to `GRID`. Raises ValueError when `online` is about other VMs.
    """
    if online.vm_names != runs.vm_names:
        raise ValueError("runs and online load name different VMs")
    work_s = schedule.start_s + runs.fixed_s
    last_s = np.nanmax(work_s + runs.cpu_s / runs.max_cores, initial=runs.end_s)
    slots = int(np.ceil(last_s / SLOT_S))
    pieces = _Pieces.cut(
        np.concatenate((runs.vm, online.vm)),
        np.concatenate((work_s, online.from_s)),
        np.concatenate((work_s + runs.cpu_s / runs.max_cores, online.until_s)),
        np.concatenate((runs.max_cores, online.cores)),
    )
    kept: dict[bytes, Floats] = {}
    for first in range(0, slots, _DAY_SLOTS):
        day = pieces.load(len(runs.vm_names), first, min(_DAY_SLOTS, slots - first))
        loaded = np.ascontiguousarray(day.T[day.any(axis=0)])
        for column in _undominated_neighbours(loaded):
            kept.setdefault(hashlib.blake2b(column, digest_size=16).digest(), column)
    return VmLoad(runs.vm_names, SLOT_S, _side_by_side(list(kept.values()), len(runs.vm_names)))


def compress(load: VmLoad) -> VmLoad:
    """The same load without slots that another slot dominates (every VM needs at least as much there).

    Nothing is lost: a sum over any set of VMs is largest in a slot that stays. Every pair of slots is compared, so this
    is for hundreds of slots; `vm_load` leaves out the repeated ones by itself.
    """
    columns = np.unique(load.load.T, axis=0)[::-1]
    order = np.argsort(-columns.sum(axis=1), kind="stable")
    kept: list[Floats] = []
    for column in columns[order]:
        if not any(bool((column <= other).all()) for other in kept):
            kept.append(column)
    return VmLoad(load.vm_names, load.slot_s, _side_by_side(kept, len(load.vm_names)))


def _side_by_side(columns: list[Floats], vms: int) -> Floats:
    return np.stack(columns, axis=1) if columns else np.zeros((vms, 0))


def _undominated_neighbours(slots: Floats) -> Floats:
    """Rows without those that the row before or after covers; a chain of equal rows keeps its last one."""
    if len(slots) < 2:
        return slots
    below_next = (slots[:-1] <= slots[1:]).all(axis=1)
    below_last = (slots[1:] <= slots[:-1]).all(axis=1) & ~below_next
    covered: Bools = np.zeros(len(slots), dtype=np.bool_)
    covered[:-1] |= below_next
    covered[1:] |= below_last
    return np.asarray(slots[~covered], dtype=np.float64)


@dataclass(frozen=True)
class _Pieces:
    """Load intervals `[from_s, until_s)` of `cores` on VM `vm`, in order of `from_s`."""

    vm: Ints
    from_s: Floats
    until_s: Floats
    cores: Floats

    @classmethod
    def cut(cls, vm: Ints, from_s: Floats, until_s: Floats, cores: Floats) -> _Pieces:
        real = (until_s > from_s) & (cores > 0) & np.isfinite(from_s) & np.isfinite(until_s)
        order = np.flatnonzero(real)[np.argsort(from_s[real], kind="stable")]
        return cls(vm[order], from_s[order], until_s[order], cores[order])

    def load(self, vms: int, first_slot: int, slots: int) -> Floats:
        """Average cores of each VM over `slots` slots from `first_slot` on."""
        begin_s, end_s = first_slot * SLOT_S, (first_slot + slots) * SLOT_S
        rows = np.flatnonzero((self.from_s < end_s) & (self.until_s > begin_s))
        from_s = np.maximum(self.from_s[rows], begin_s) - begin_s
        until_s = np.minimum(self.until_s[rows], end_s) - begin_s
        first = np.floor(from_s / SLOT_S).astype(np.int64)
        count = np.maximum(np.ceil(until_s / SLOT_S).astype(np.int64) - first, 1)
        piece = np.repeat(np.arange(len(rows)), count)
        slot = np.arange(len(piece)) - np.repeat(np.cumsum(count) - count, count) + first[piece]
        overlap_s = np.minimum(until_s[piece], (slot + 1) * SLOT_S) - np.maximum(from_s[piece], slot * SLOT_S)
        core_s = np.bincount(
            self.vm[rows][piece] * slots + slot, weights=overlap_s * self.cores[rows][piece], minlength=vms * slots
        )
        rounded_up = np.maximum(np.ceil(core_s / SLOT_S / GRID - 1e-3), 0.0) * GRID
        return np.asarray(rounded_up.reshape(vms, slots), dtype=np.float64)
