"""Published start times stay: runs of an earlier plan are held where they were, and others are placed around them.

A kept start gives way only where it must: outside the windows of today, before a predecessor or after a successor,
in slots that the VM or the system does not have any more, or where a run that has no other place needs it.
"""

from __future__ import annotations

import numpy as np

from capacity.grid import Grid, reduce_rows, rows_of
from capacity.levelling.fill import UNPLACED, Batch, Filler
from capacity.levelling.repair import Repair
from capacity.records import SLOT_S, Bools, Displaced, Floats, Ints

_OFF_GRID = 1e-6
WINDOW = "バッチ枠か期限が変わり、この時刻には始められないため"
ORDER = "先行または後続の実行との間隔が足りなくなるため"
HELD = "同じ時間に、同じ仮想サーバか業務システムのほかの実行があるため"
ROOM = "ほかに置ける時刻のない実行に、場所を空けるため"
CAPACITY = "仮想サーバが今いるホストの CPU が足りなくなるため"
MISFIT = "どのバッチ枠にも収まらなくなったため"


def slots_of(kept_s: Floats) -> Ints:
    """The start slot of each kept time, in seconds since the epoch; UNPLACED for NaN and for times off the grid."""
    known = np.isfinite(kept_s)
    slots = np.rint(np.where(known, kept_s, 0.0) / SLOT_S)
    known &= (np.abs(slots * SLOT_S - np.where(known, kept_s, 0.0)) < _OFF_GRID) & (slots >= 0)
    return np.where(known, slots, UNPLACED).astype(np.int64)


class Keeper:
    """Holds runs at their kept starts, and remembers why those that could not stay had to go."""

    def __init__(self, filler: Filler, kept: Ints, movable: Bools) -> None:
        """`movable`: misfits and what hangs on them stand at their earliest starts, whatever was published."""
        self._filler = filler
        self._kept = kept
        self._movable = movable
        self._why: dict[int, str] = {}
        self._possible = _within_windows(filler.grid, kept)

    def hold(self, batches: list[Batch]) -> None:
        """Put every run of the batches at its kept start that can be there. Batches come predecessors first."""
        filler, grid, kept = self._filler, self._filler.grid, self._kept
        for batch in batches:
            picked = batch.picked[kept[batch.picked] != UNPLACED]
            want = kept[picked]
            possible = self._possible[picked]
            self._note(picked[~possible], WINDOW)
            picked, want = picked[possible], want[possible]
            in_order = (want >= np.maximum(grid.earliest[picked], filler.ready(picked))) & (
                want <= np.minimum(grid.latest[picked], filler.due(picked))
            )
            self._note(picked[~in_order], ORDER)
            picked, want = picked[in_order], want[in_order]
            if not len(picked):
                continue
            slots = want[:, None] + np.arange(len(batch.demand))
            free = ~filler.occupancy.blocked(int(picked[0]), slots.ravel()).reshape(slots.shape).any(axis=1)
            self._note(picked[~free], HELD)
            picked, want = picked[free], want[free]
            if not len(picked):
                continue
            filler.put(picked, want, batch.demand)
            # Runs of one job may wait for each other, and were all asked before any of them stood there.
            hasty = want < filler.ready(picked)
            if hasty.any():
                self._note(picked[hasty], ORDER)
                filler.take(picked[hasty], batch.demand)

    def make_room(self, failed: Ints, repair: Repair) -> None:
        """Place runs that found no start: each displaces the fewest others, which then look for a new one.

        Where that fails too, runs return to the earliest starts with all that is in their way.
        """
        homeless: list[int] = []
        for run in failed.tolist():
            if self._filler.start[run] == UNPLACED:
                homeless += self._squeeze_in(run, repair)
        still = np.array([run for run in homeless if self._filler.start[run] == UNPLACED], dtype=np.int64)
        if len(still):
            repair.send_home(still)

    def staying(self) -> Bools:
        """Which runs stand at their kept starts."""
        return np.asarray((self._kept != UNPLACED) & (self._filler.start == self._kept), dtype=np.bool_)

    def displaced(self, start: Ints, late: Ints) -> tuple[Displaced, ...]:
        """The runs that the schedule `start` has elsewhere than the kept plan, and why, in order of the run table."""
        misfits = set(late.tolist())
        moved = np.flatnonzero((self._kept != UNPLACED) & (start != self._kept)).tolist()
        return tuple(
            Displaced(run, int(self._kept[run]) * SLOT_S, MISFIT if run in misfits else self._why.get(run, ROOM))
            for run in moved
        )

    def _note(self, runs: Ints, reason: str) -> None:
        self._why.update(dict.fromkeys(runs.tolist(), reason))

    def _squeeze_in(self, run: int, repair: Repair) -> list[int]:
        """Put an unplaced run where it meets the fewest others, and those somewhere else; answers who found nothing."""
        filler = self._filler
        best: tuple[int, int, list[int]] | None = None
        for start in self._starts(run):
            meets = repair.in_the_way(run, start)
            if not self._movable[meets].all():
                continue
            if best is None or len(meets) < best[0]:
                best = (len(meets), start, meets)
            if not meets:
                break
        if best is None:
            return [run]
        _, start, meets = best
        for other in meets:
            filler.take(np.array([other]), filler.demand_of(other))
        one = np.array([run])
        slots = start + np.arange(int(filler.grid.length[run]))
        if filler.occupancy.blocked(run, slots).any():  # by online load, or by runs that no rule names
            return [run, *(other for other in sorted(meets) if not self._replace(other))]
        filler.put(one, np.array([start]), filler.demand_of(run))
        return [other for other in sorted(meets) if not self._replace(other)]

    def _replace(self, run: int) -> bool:
        """Place one displaced run: at its kept start when that is free after all, else wherever its load is least."""
        filler, grid = self._filler, self._filler.grid
        one = np.array([run])
        shape = filler.demand_of(run)
        first, last = filler.ready(one), np.minimum(filler.due(one), grid.latest[one])
        old = int(self._kept[run])
        if old != UNPLACED and self._possible[run] and first[0] <= old <= last[0]:
            slots = old + np.arange(len(shape))
            if not filler.occupancy.blocked(run, slots).any():
                filler.put(one, np.array([old]), shape)
                return True
        return bool(filler.place(one, shape, first, last)[0])

    def _starts(self, run: int) -> list[int]:
        """Every start of a run in its windows that leaves room for its successors and predecessors at their best."""
        grid = self._filler.grid
        ptr = grid.runs.window_ptr
        first, last = int(grid.earliest[run]), int(grid.latest[run])
        return [
            start
            for row in range(int(ptr[run]), int(ptr[run + 1]))
            for start in range(max(int(grid.low[row]), first), min(int(grid.high[row]), last) + 1)
        ]


def _within_windows(grid: Grid, start: Ints) -> Bools:
    """Whether each run may begin at `start`, by its windows alone."""
    runs = grid.runs
    everyone = np.arange(len(runs))
    counts = np.diff(runs.window_ptr)
    rows = rows_of(runs.window_ptr, everyone)
    at = np.repeat(start, counts)
    inside = ((grid.low[rows] <= at) & (at <= grid.high[rows])).astype(np.int64)
    return np.asarray(reduce_rows(np.maximum, inside, counts, 0) > 0, dtype=np.bool_)
