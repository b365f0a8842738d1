"""When each run starts: as early as possible (the state before planning), or so that each site's CPU peak is low.

Both obey windows, precedence and lags, VM slots and vCPU, exclusivity and room for a rerun, and start on the 10-minute
grid. Levelling places the largest work first where its site is least loaded (`fill`), makes room for what
found none (`repair`), moves single runs away from the highest slots, and at last solves for the runs around
them together (`search`). All steps are bounded by counts, so the same seed gives the same schedule;
`time_limit_s` is only a guard against surprises.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from capacity.bounds import peak_bound
from capacity.grid import FreeCores, Grid, build, reduce_rows
from capacity.levelling.fill import UNPLACED, Batch, Filler
from capacity.levelling.keep import Keeper, slots_of
from capacity.levelling.list_scheduling import earliest_starts
from capacity.levelling.repair import Repair
from capacity.levelling.search import Search
from capacity.misfits import window_misfits
from capacity.profile import deliver, online_site_load
from capacity.records import SLOT_S, Bools, Floats, Ints, OnlineTable, RunTable, Schedule

Progress = Callable[[str, float], None]

_ROUNDS = 60
_PATIENCE = 6
_HOT = 0.985
_CLOSE = 1e-3
_HAIR = 1e-6
_MANY = 2**62


def earliest(runs: RunTable, online: OnlineTable) -> Schedule:
    """Every run at its earliest feasible start, list scheduling in the order in which runs become ready.

    The site's capacity is no limit. Runs that fit no window start as soon as they can and are listed as misfits.
    Raises ValueError when predecessors form a circle.
    """
    grid = build(runs)
    start, window, late = earliest_starts(grid, FreeCores(runs, online, grid.slots))
    return _schedule(grid, start, window, late)


def level(
    runs: RunTable,
    online: OnlineTable,
    *,
    seed: int,
    progress: Progress,
    time_limit_s: float,
    before: Schedule | None = None,
    kept: Floats | None = None,
) -> Schedule:
    """Starts that keep the joint CPU peak of each site low.

    `kept` has the published start of each run, in seconds since the epoch (NaN: none). Such runs stay unless they must
    move, others are levelled around them, and `Schedule.displaced` says who left and why. `before` is the result of
    `earliest` for the same tables, when the caller has it already. `progress` is told what is done and the share of
    the work behind. After `time_limit_s` no further improvement is tried.
    Raises ValueError when predecessors form a circle.
    """
    deadline = time.monotonic() + time_limit_s
    progress("開始時刻の候補を求める", 0.0)
    grid = build(runs)
    if len(runs) == 0:
        return _schedule(grid, np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))
    if before is None:
        before = earliest(runs, online)
    home = np.round(before.start_s / SLOT_S).astype(np.int64)
    late = np.array([misfit.run for misfit in before.misfits if misfit.run is not None], dtype=np.int64)
    # A misfit may start and end after the last window.
    slots = max(grid.slots, int((home + grid.length).max()) + 1)
    filler = Filler(grid, FreeCores(runs, online, slots), online_site_load(runs, online, slots))
    movable = _movable(grid, home, late)
    for run in np.flatnonzero(~movable).tolist():
        filler.put(np.array([run]), home[run : run + 1], filler.demand_of(run))
    batches = filler.batches(movable)
    keeper = None if kept is None else Keeper(filler, slots_of(kept), movable)
    if keeper is not None:
        progress("公表した開始時刻を保つ", 0.05)
        keeper.hold(batches)
        batches = _without(batches, keeper.staying())
    filler.spread(np.flatnonzero(movable & (filler.start == UNPLACED)))
    progress("実行を負荷の低い枠へ置く", 0.1)
    failed = filler.fill(batches)
    if keeper is not None:
        keeper.make_room(failed, Repair(filler, home))
        movable = movable & ~keeper.staying()
        batches = filler.batches(movable)
    elif len(failed):
        Repair(filler, home).send_home(failed)
    progress("山を崩す", 0.4)
    bounds = peak_bound(runs, online)
    target = np.array([bounds[site][0] for site in runs.site_names])

    def report(share: float) -> bool:
        progress("山を崩す", 0.4 + 0.3 * stage + 0.3 * share)
        return time.monotonic() < deadline

    stage = 0
    rng = np.random.default_rng(seed)
    _lower_peaks(filler, batches, target, rng, report)
    stage = 1
    for site in np.flatnonzero(filler.load.max(axis=1) > target * (1 + _CLOSE)).tolist():
        Search(filler, movable, site, rng).lower(float(target[site]) * (1 + _CLOSE), report)
    progress("平準化が終わった", 1.0)
    if keeper is not None:
        schedule = _schedule(grid, filler.start, before.window, late)
        return replace(schedule, displaced=keeper.displaced(filler.start, late))
    start = home if _worse(filler, home, runs) else filler.start
    return _schedule(grid, start, before.window, late)


def _without(batches: list[Batch], gone: Bools) -> list[Batch]:
    """The batches without some runs."""
    left = [Batch(batch.picked[~gone[batch.picked]], batch.demand) for batch in batches]
    return [batch for batch in left if len(batch.picked)]


def _worse(filler: Filler, home: Ints, runs: RunTable) -> bool:
    """Whether the earliest starts already have a lower peak on one site and a higher one on none."""
    begin = home * SLOT_S
    moved = deliver(
        np.tile(runs.site, 2),
        np.concatenate((begin, filler.start * SLOT_S)) + np.tile(runs.fixed_s, 2),
        np.concatenate((begin, filler.start * SLOT_S)) + np.tile(runs.duration_s, 2),
        np.concatenate((runs.max_cores, -runs.max_cores)),
        filler.load.shape,
    )
    peaks, early = filler.load.max(axis=1), (filler.load + moved).max(axis=1)
    return bool((early < peaks - _HAIR).any() and not (early > peaks + _HAIR).any())


def _movable(grid: Grid, home: Ints, late: Ints) -> Bools:
    """Which runs levelling may move: not the misfits, nor predecessors that could come to stand after a misfit."""
    runs = grid.runs
    movable = grid.fits_alone.copy()
    movable[late] = False
    todo = np.flatnonzero(~movable).tolist()
    while todo:
        run = todo.pop()
        for row in range(int(runs.after_ptr[run]), int(runs.after_ptr[run + 1])):
            other = int(runs.after_run[row])
            if movable[other] and grid.latest[other] + grid.gap[row] > home[run]:
                movable[other] = False
                todo.append(other)
    return movable


def _lower_peaks(
    filler: Filler, batches: list[Batch], target: Floats, rng: np.random.Generator, report: Callable[[float], bool]
) -> None:
    """Move runs that may touch the highest slots, until every peak is at its bound or rounds in a row lower none.

    `report` is told the share of rounds done and answers whether there is time for another one.
    """
    idle = 0
    peaks = filler.load.max(axis=1)
    for number in range(_ROUNDS):
        above = np.where(peaks > target * (1 + _CLOSE), peaks * _HOT, np.inf)
        if not np.isfinite(above).any():
            return
        hot = _touching(filler, filler.load >= above[:, None])
        for index in rng.permutation(len(batches)).tolist():
            batch = batches[index]
            picked = batch.picked[hot[batch.picked]]
            if len(picked):
                _move(filler, picked, batch.demand)
        now = filler.load.max(axis=1)
        idle = 0 if (now < peaks * (1 - 1e-4)).any() else idle + 1
        peaks = now
        if not report((number + 1) / _ROUNDS) or idle >= _PATIENCE:
            return


def _move(filler: Filler, picked: Ints, shape: Floats) -> None:
    old = filler.start[picked]
    filler.take(picked, shape)
    found = filler.place(picked, shape, filler.ready(picked), filler.due(picked))
    if not found.all():
        filler.put(picked[~found], old[~found], shape)


def _touching(filler: Filler, slots: Bools) -> Bools:
    """Runs that may touch one of the marked slots of their site in one of their windows."""
    grid, runs = filler.grid, filler.grid.runs
    sums: Ints = np.concatenate((np.zeros((len(slots), 1), dtype=np.int64), np.cumsum(slots, axis=1)), axis=1)
    owner = np.repeat(np.arange(len(runs)), np.diff(runs.window_ptr))
    until = grid.high + grid.length[owner]
    some = grid.high >= grid.low
    site = runs.site[owner]
    counted: Ints = sums[site, np.where(some, until, 0)] - sums[site, np.where(some, grid.low, 0)]
    marked = some & (counted != 0)
    touching = np.zeros(len(runs), dtype=np.bool_)
    touching[owner[marked]] = True
    return touching


def _schedule(grid: Grid, start: Ints, window: Ints, late: Ints) -> Schedule:
    """The schedule in seconds, each run with the window that holds it (misfits keep the window they were tried in)."""
    runs = grid.runs
    rows = np.arange(len(grid.low), dtype=np.int64)
    counts = np.diff(runs.window_ptr)
    at = np.repeat(start, counts)
    holds = np.where((grid.low <= at) & (at <= grid.high), rows, _MANY)
    first = reduce_rows(np.minimum, holds, counts, _MANY)
    chosen = np.where(first == _MANY, window, first)
    start_s = start.astype(np.float64) * SLOT_S
    return Schedule(start_s, chosen, window_misfits(runs, late, chosen, start_s.tolist()))
