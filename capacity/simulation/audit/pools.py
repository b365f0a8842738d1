"""Slot pools: pages are printed after the work, by queue order, on no more slots than there are."""

from __future__ import annotations

import numpy as np

from capacity.records import Bools, Floats, Ints

from .evidence import NEAR_S, Evidence
from .steps import Grid
from .times import near


def check_pools(evidence: Evidence) -> None:
    """Note every run that ends otherwise than the pools allow."""
    result, runs, centre = evidence.result, evidence.system.runs, evidence.system.centre
    prints = (runs.pool >= 0) & (runs.pool_s > 0)
    rest = np.flatnonzero(~prints)
    alike = near(result.end_s[rest], result.work_end_s[rest])
    evidence.require("a run that does not print ends with its work", alike, runs.ids, rest)
    rows = np.flatnonzero(prints & np.isfinite(result.work_end_s))
    if not len(rows):
        return
    evidence.require("a run whose work has ended is printed", np.isfinite(result.end_s[rows]), runs.ids, rows)
    rows = rows[np.isfinite(result.end_s[rows])]
    pool, queued_s = runs.pool[rows], result.work_end_s[rows]
    begin_s = result.end_s[rows] - runs.pool_s[rows]
    evidence.require("prints after its work", begin_s >= queued_s - NEAR_S, runs.ids, rows)
    begin_s = np.maximum(begin_s, queued_s)
    grid = Grid.of((pool, begin_s), (pool, result.end_s[rows]), (pool, queued_s))
    ones = np.ones(len(rows))
    printing = grid.total(grid.span(pool, begin_s, result.end_s[rows]), ones)
    waiting = grid.total(grid.span(pool, queued_s, begin_s), ones)
    long = grid.length_s > NEAR_S
    slots = centre.pool_slots[grid.group]
    evidence.require(
        "a pool prints no more runs than it has slots", ~long | (printing <= slots), centre.pool_ids, grid.group
    )
    idle = long & (waiting > 0) & (printing < slots)
    evidence.require("no pool slot is free while a run waits for it", ~idle, centre.pool_ids, grid.group)
    in_order = _in_order(pool, queued_s, begin_s, rows)
    evidence.require("prints in the order of queueing, then row", in_order, runs.ids, rows)


def _in_order(pool: Ints, queued_s: Floats, begin_s: Floats, row: Ints) -> Bools:
    """Whether nobody who queued earlier begins later.

    Equal times of queueing go by row only among those that had to wait: within one instant a run may have queued a
    round later.
    """
    holds = np.ones(len(pool), dtype=np.bool_)
    for number in np.unique(pool).tolist():
        mine = np.flatnonzero(pool == number)
        waited = begin_s[mine] > queued_s[mine] + NEAR_S
        order = mine[np.lexsort((row[mine], waited, queued_s[mine]))]
        latest = np.maximum.accumulate(begin_s[order])
        holds[order] = begin_s[order] >= latest - NEAR_S
    return holds
