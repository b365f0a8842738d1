"""Lower a site's highest slots by solving for a few dozen runs at a time, everything else held still (CP-SAT).

Each round frees the runs that make the highest slot and some that could make room for them, and asks for the starts
that give the lowest peak over all slots they may touch. One worker and a deterministic time limit: the same seed gives
the same answer on any machine.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ortools.sat.python import cp_model

from capacity.grid import Grid
from capacity.levelling.fill import Filler
from capacity.records import Bools, Floats, Ints

_ROUNDS = 40
_PATIENCE = 5
_FREE = 48
_MOST_STARTS = 120
_EFFORT = 0.3  # CP-SAT's deterministic time: about as many seconds on one core
_UNIT = 1000.0  # loads in thousandths of a core
_HAIR = 1e-9

_Choices = dict[int, cp_model.IntVar]


class Search:
    """Rounds of a large neighbourhood search on one site."""

    def __init__(self, filler: Filler, movable: Bools, site: int, rng: np.random.Generator) -> None:
        self._filler = filler
        self._site = site
        self._rng = rng
        runs, grid = filler.grid.runs, filler.grid
        owner = np.repeat(np.arange(len(runs)), np.diff(runs.window_ptr))
        rows = np.flatnonzero((grid.high >= grid.low) & movable[owner] & (runs.site[owner] == site))
        self._owner = owner[rows]
        self._first = grid.low[rows]
        self._until = grid.high[rows] + grid.length[self._owner]

    def lower(self, target: float, report: Callable[[float], bool]) -> None:
        """Search until the peak is at `target`, rounds in a row bring nothing, or `report` says that time is up."""
        load = self._filler.load[self._site]
        idle = 0
        for number in range(_ROUNDS):
            if load.max() <= target or idle >= _PATIENCE or not report(number / _ROUNDS):
                return
            idle = 0 if self._round(int(load.argmax()), number) else idle + 1

    def _round(self, slot: int, number: int) -> bool:
        """Free runs around a slot and place them anew; whether the site's highest slot went down or became rarer."""
        filler = self._filler
        load = filler.load[self._site]
        free = self._free(slot)
        old = filler.start[free].copy()
        peak = float(load.max())
        tops = int((load > peak - _HAIR).sum())
        for run in free.tolist():
            filler.take(np.array([run]), filler.demand_of(run))
        start = _solve(filler, free, old, self._site, number)
        for run, begin in zip(free.tolist(), start.tolist(), strict=True):
            filler.put(np.array([run]), np.array([begin]), filler.demand_of(run))
        now = float(load.max())
        if now > peak + _HAIR:
            self._undo(free, old)
            return False
        return now < peak - _HAIR or int((load > now - _HAIR).sum()) < tops

    def _undo(self, free: Ints, old: Ints) -> None:
        filler = self._filler
        for run in free.tolist():
            filler.take(np.array([run]), filler.demand_of(run))
        for run, begin in zip(free.tolist(), old.tolist(), strict=True):
            filler.put(np.array([run]), np.array([begin]), filler.demand_of(run))

    def _free(self, slot: int) -> Ints:
        """The runs at work in a slot, then others that may be, at most `_FREE`; one per VM where cores are shared."""
        filler, runs = self._filler, self._filler.grid.runs
        near = np.unique(self._owner[(self._first <= slot) & (slot < self._until)])
        start = filler.start[near]
        there = near[(start <= slot) & (slot < start + filler.grid.length[near])]
        there = there[np.argsort(-runs.max_cores[there], kind="stable")][: _FREE * 2 // 3]
        others = self._rng.permutation(np.setdiff1d(near, there))
        picked: list[int] = []
        shared: set[int] = set()
        for run in [*there.tolist(), *others.tolist()]:
            vm = int(runs.vm[run])
            if len(picked) == _FREE:
                break
            if runs.vm_slots[vm] > 1:
                if vm in shared:
                    continue
                shared.add(vm)
            picked.append(run)
        return np.array(picked, dtype=np.int64)


def _starts(filler: Filler, run: int, old: int, site: int) -> list[int]:
    """Starts of a run that its windows, placed neighbours and held slots allow: the old one and the quietest others."""
    grid, runs = filler.grid, filler.grid.runs
    one = np.array([run])
    first = max(int(filler.ready(one)[0]), int(grid.earliest[run]))
    last = min(int(filler.due(one)[0]), int(grid.latest[run]))
    length = int(grid.length[run])
    shape = filler.demand_of(run)
    found: list[Ints] = []
    weight: list[Floats] = []
    for row in range(int(runs.window_ptr[run]), int(runs.window_ptr[run + 1])):
        low, high = max(int(grid.low[row]), first), min(int(grid.high[row]), last)
        if high < low:
            continue
        slots = np.arange(low, high + length)
        held = np.concatenate(([0], np.cumsum(filler.occupancy.blocked(run, slots))))
        possible = held[length:] == held[:-length]
        load = filler.load[site][slots]
        found.append((low + np.arange(high - low + 1))[possible])
        weight.append(np.correlate(load, shape, mode="valid")[possible])
    starts, quiet = np.concatenate(found), np.concatenate(weight)
    keep = np.sort(starts[np.argsort(quiet, kind="stable")[:_MOST_STARTS]])
    return sorted({*keep.tolist(), old})


def _solve(filler: Filler, free: Ints, old: Ints, site: int, seed: int) -> Ints:
    """New starts of the free runs with the lowest peak over the slots they may touch; the old ones at worst."""
    model = cp_model.CpModel()
    chosen: dict[int, _Choices] = {}
    terms: dict[int, list[cp_model.LinearExprT]] = {}
    for run, begin in zip(free.tolist(), old.tolist(), strict=True):
        choices = {start: model.new_bool_var("") for start in _starts(filler, run, begin, site)}
        model.add_exactly_one(choices.values())
        for start, choice in choices.items():
            model.add_hint(choice, start == begin)
            for offset, cores in enumerate(filler.demand_of(run).tolist()):
                if cores > 0:
                    terms.setdefault(start + offset, []).append(int(np.ceil(cores * _UNIT)) * choice)
        chosen[run] = choices
    _keep_order(model, filler.grid, chosen)
    _keep_apart(model, filler.grid, chosen)
    load = filler.load[site]
    peak = model.new_int_var(0, 2**50, "peak")
    for slot, parts in terms.items():
        model.add(sum(parts) + int(np.ceil(load[slot] * _UNIT)) <= peak)
    model.minimize(peak)
    solver = cp_model.CpSolver()
    # Else the solver takes Ctrl-C for itself, and afterwards leaves it to kill the process without a word.
    solver.parameters.catch_sigint_signal = False
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.max_deterministic_time = _EFFORT
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return old
    picked = [next(start for start, choice in chosen[run].items() if solver.value(choice)) for run in free.tolist()]
    return np.array(picked, dtype=np.int64)


def _begin(choices: _Choices) -> cp_model.LinearExprT:
    return sum(start * choice for start, choice in choices.items())


def _keep_order(model: cp_model.CpModel, grid: Grid, chosen: dict[int, _Choices]) -> None:
    """Free runs wait for each other as they must; those held still already bound the choices."""
    runs = grid.runs
    for run, choices in chosen.items():
        for row in range(int(runs.after_ptr[run]), int(runs.after_ptr[run + 1])):
            before = chosen.get(int(runs.after_run[row]))
            if before is not None:
                model.add(_begin(choices) >= _begin(before) + int(grid.gap[row]))


def _keep_apart(model: cp_model.CpModel, grid: Grid, chosen: dict[int, _Choices]) -> None:
    """Free runs of one system do not meet where a slot or exclusivity forbids it."""
    runs = grid.runs
    by_system: dict[int, list[int]] = {}
    for run in chosen:
        by_system.setdefault(int(runs.system[run]), []).append(run)
    for mates in by_system.values():
        if len(mates) < 2:
            continue
        spans: dict[int, cp_model.IntervalVar] = {}
        for run in mates:
            starts = list(chosen[run])
            begin = model.new_int_var(min(starts), max(starts), "")
            model.add(begin == _begin(chosen[run]))
            spans[run] = model.new_fixed_size_interval_var(begin, int(grid.length[run]), "")
        for index, run in enumerate(mates):
            for other in mates[:index]:
                same_vm = runs.vm[run] == runs.vm[other]
                if runs.exclusive[run] or runs.exclusive[other] or (same_vm and runs.vm_slots[runs.vm[run]] == 1):
                    model.add_no_overlap([spans[run], spans[other]])
