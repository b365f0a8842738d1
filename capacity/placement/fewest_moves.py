"""Repair an earlier placement with as few moves as possible.

Where everything still fits, nothing moves and new items fill the room that is left. Else an integer program (CP-SAT)
asks, in this order, for few items without a place, few moves, few bins and little disk to copy. Loads over time enter
it one violated block at a time, because most blocks decide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ortools.sat.python import cp_model

from capacity.records import Bools, Ints

from .packing import Packing, weights_of
from .problem import CORES_SLACK, RESOURCES, PackingProblem

_EFFORT = 60.0  # CP-SAT's deterministic time for one question: about as many seconds on one core
_MOST_CHOICES = 300_000
"""Pairs of item and bin above which items that stand on bins without trouble stay there."""
_ROUNDS = 40
_UNIT = 1.024e9  # sizes are whole MiB or short decimals of GiB: whole numbers in this unit
_HAIR = 0.01  # of a unit: rounding of sizes that are whole
_CORE_UNIT = 2.0**24
_DISK = RESOURCES.index("disk")


@dataclass(frozen=True)
class Repacking:
    """Bin per item, -1 where no room was found."""

    bin_of: Ints
    fewest: bool
    """Whether it is proven that no placement of as many items moves fewer of them."""


def repack(problem: PackingProblem, home: Ints, fixed: Ints) -> Repacking:
    """A placement near an earlier one. `home`: the bin an item has had, `fixed`: the one it must get.

    Both are -1 for none. Every item must fit some bin alone, and a fixed one its bin.
    """
    where = np.where(fixed >= 0, fixed, home)
    troubled = _troubled(problem, where)
    if not troubled.any():
        packing = Packing.empty(problem)
        for item in np.flatnonzero(where >= 0).tolist():
            packing.put(item, int(where[item]))
        loose = np.flatnonzero(where < 0)
        for weight in weights_of(problem):
            trial = packing.copy()
            trial.insert(loose[np.argsort(-weight[loose], kind="stable")], tight=True)
            if not trial.unplaced():
                return Repacking(trial.bin_of, fewest=True)  # nobody moves but those who must
    return _solve(problem, home, fixed, troubled)


def _troubled(problem: PackingProblem, where: Ints) -> Bools:
    """[bin]: whether what stands there is too much, or may not stand together."""
    found = np.zeros(len(problem.bin_names), dtype=np.bool_)
    for index in range(len(found)):
        items = np.flatnonzero(where == index)
        found[index] = bool(
            (problem.need[items].sum(axis=0) > problem.limit[index]).any()
            or problem.load[items].sum(axis=0).max(initial=0.0) > problem.cores[index] + CORES_SLACK
            or (problem.kind is not None and len(set(problem.kind[items].tolist())) > 1)
        )
    for group in problem.apart:
        bins, counts = np.unique(where[list(group)], return_counts=True)
        shared = bins[(counts > 1) & (bins >= 0)]
        found[shared] = True
    return found


def _solve(problem: PackingProblem, home: Ints, fixed: Ints, troubled: Bools) -> Repacking:
    stays = np.zeros(len(home), dtype=np.bool_)
    if problem.need.shape[0] * len(problem.bin_names) > _MOST_CHOICES:
        stays = (home >= 0) & (fixed < 0) & ~troubled[home]
    model = _Model(problem, home, np.where(stays, home, fixed))
    bin_of = model.answer()
    for _ in range(_ROUNDS):
        if not model.add_overloads(bin_of):
            # The load constraints that the program does not know yet could only ask for more moves.
            return Repacking(bin_of, fewest=model.fewest and not stays.any())
        bin_of = model.answer()
    return Repacking(_shed(problem, bin_of, fixed), fewest=False)


def _shed(problem: PackingProblem, bin_of: Ints, fixed: Ints) -> Ints:
    """The assignment without what is too much: the last items of overloaded bins, the fixed ones at last, leave."""
    packing = Packing.empty(problem)
    order = np.lexsort((np.arange(len(bin_of)), fixed < 0))
    for item in order[bin_of[order] >= 0].tolist():
        if packing.takes(item, int(bin_of[item])):
            packing.put(item, int(bin_of[item]))
    packing.insert(np.flatnonzero(packing.bin_of < 0), tight=True)
    return packing.bin_of


class _Model:
    """The integer program, with the load constraints found so far."""

    def __init__(self, problem: PackingProblem, home: Ints, fixed: Ints) -> None:
        self._problem = problem
        self._home = home
        self.fewest = False
        self._model = cp_model.CpModel()
        allowed = problem.fits_alone()
        pinned = np.flatnonzero(fixed >= 0)
        allowed[pinned] = False
        allowed[pinned, fixed[pinned]] = True
        self._in: dict[tuple[int, int], cp_model.IntVar] = {
            (item, index): self._model.new_bool_var("")
            for item, index in zip(*(rows.tolist() for rows in np.nonzero(allowed)), strict=True)
        }
        self._of_bin: list[list[tuple[int, cp_model.IntVar]]] = [[] for _ in problem.bin_names]
        of_item: list[list[cp_model.IntVar]] = [[] for _ in problem.item_names]
        for (item, index), choice in self._in.items():
            self._of_bin[index].append((item, choice))
            of_item[item].append(choice)
        self._nowhere = [self._model.new_bool_var("") for _ in problem.item_names]
        for choices, nowhere in zip(of_item, self._nowhere, strict=True):
            self._model.add_exactly_one([*choices, nowhere])
        self._add_sizes()
        self._add_rules()
        self._add_objective()

    def _add_sizes(self) -> None:
        need = np.ceil(self._problem.need * _UNIT - _HAIR).astype(np.int64)
        room = np.floor(self._problem.limit * _UNIT).astype(np.int64)
        for index, choices in enumerate(self._of_bin):
            for column in range(need.shape[1]):
                total = sum(int(need[item, column]) * choice for item, choice in choices)
                self._model.add(total <= int(room[index, column]))

    def _add_rules(self) -> None:
        for group in self._problem.apart:
            for index in range(len(self._of_bin)):
                self._model.add_at_most_one([self._in[item, index] for item in group if (item, index) in self._in])
        if self._problem.kind is None:
            return
        kinds = sorted(set(self._problem.kind.tolist()))
        for choices in self._of_bin:
            is_for = {kind: self._model.new_bool_var("") for kind in kinds}
            self._model.add_at_most_one(is_for.values())
            for item, choice in choices:
                self._model.add_implication(choice, is_for[int(self._problem.kind[item])])

    def _add_objective(self) -> None:
        items, bins = len(self._problem.item_names), len(self._of_bin)
        disk = self._problem.need[:, _DISK]
        copied = np.ceil(99 * disk / max(float(disk.max(initial=0.0)), 1e-9)).astype(np.int64)
        per_bin = 100 * items + bins * bins
        per_move = self._per_move = per_bin * (bins + 1)  # more than bins and copies can cost together
        cost = sum(per_move * (items + 1) * nowhere for nowhere in self._nowhere)
        for index, choices in enumerate(self._of_bin):
            used = self._model.new_bool_var("")
            cost += (per_bin + index) * used  # of equal bins the first
            for item, choice in choices:
                self._model.add_implication(choice, used)
                if self._home[item] >= 0 and self._home[item] != index:
                    cost += (per_move + int(copied[item])) * choice
        self._model.minimize(cost)
        for (item, index), choice in self._in.items():
            self._model.add_hint(choice, index == self._home[item])

    def answer(self) -> Ints:
        """The best assignment found, -1 for items without a place. `fewest` says afterwards whether none moves less."""
        solver = cp_model.CpSolver()
        # Else the solver takes Ctrl-C for itself, and afterwards leaves it to kill the process without a word.
        solver.parameters.catch_sigint_signal = False
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 0
        solver.parameters.max_deterministic_time = _EFFORT
        bin_of = np.full(len(self._nowhere), -1, dtype=np.int64)
        self.fewest = False
        if solver.solve(self._model) in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            self.fewest = int(solver.objective_value) // self._per_move <= solver.best_objective_bound / self._per_move
            for (item, index), choice in self._in.items():
                if solver.value(choice):
                    bin_of[item] = index
        return bin_of

    def add_overloads(self, bin_of: Ints) -> bool:
        """Forbid the highest block of every bin whose cores the assignment exceeds; answers whether there was one."""
        problem = self._problem
        found = False
        for index, choices in enumerate(self._of_bin):
            load = problem.load[np.flatnonzero(bin_of == index)].sum(axis=0)
            if load.max(initial=0.0) <= problem.cores[index] + CORES_SLACK:
                continue
            found = True
            block = np.ceil(problem.load[:, int(load.argmax())] * _CORE_UNIT).astype(np.int64)
            total = sum(int(block[item]) * choice for item, choice in choices)
            self._model.add(total <= int((problem.cores[index] + CORES_SLACK) * _CORE_UNIT))
        return found
