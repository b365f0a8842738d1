"""Few bins for many items: best-fit decreasing in several orders, then emptying and refilling a few bins."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from capacity.records import Bools, Floats, Ints

from .problem import CORES_SLACK, PackingProblem

_ROUNDS = 400
"""Refills of some bins after the first packing; each takes some milliseconds for hundreds of items."""


def pack(problem: PackingProblem, *, bound: int, rng: np.random.Generator) -> Ints:
    """Bin per item, -1 where no room was found; as few bins as found in a fixed number of tries.

    Stops as soon as all items lie in `bound` bins. Same problem and generator state, same answer.
    """
    weights = weights_of(problem)
    best: Packing | None = None
    for weight in weights:
        for tight in (True, False):
            packing = Packing.empty(problem)
            packing.insert(_decreasing(weight), tight=tight)
            if best is None or packing.rank() < best.rank():
                best = packing
    if best is None:
        raise ValueError("no order to pack in")
    for _ in range(_ROUNDS):
        if best.unplaced() == 0 and best.used() <= bound:
            break
        candidate = _refilled(best, weights[int(rng.integers(len(weights)))], rng)
        if candidate.rank() <= best.rank():
            best = candidate
    return best.bin_of


def _decreasing(weight: Floats) -> Ints:
    return np.argsort(-weight, kind="stable")


def weights_of(problem: PackingProblem) -> list[Floats]:
    """How large an item is: several answers, because the scarce resource is not known beforehand."""
    largest = np.maximum(problem.room.max(axis=0), 1e-12)
    shares = problem.need / largest
    peak = problem.load.max(axis=1, initial=0.0) / max(float(problem.cores.max()), 1e-12)
    shares = np.column_stack((shares, peak))
    scarcity = shares.sum(axis=0) / max(len(problem.bin_names), 1)
    return [
        shares.sum(axis=1),
        shares.max(axis=1),
        shares @ scarcity,
        shares @ np.exp(scarcity * 3),
        (shares**2).sum(axis=1),
        *(shares[:, column] + 1e-6 * shares.sum(axis=1) for column in range(shares.shape[1])),
    ]


def _refilled(packing: Packing, weight: Floats, rng: np.random.Generator) -> Packing:
    """Empty the bin with the least in it (or a random one) and some others, and fill their items in again."""
    used = np.flatnonzero(packing.count > 0)
    fill = packing.fill()[used]
    chances = 1.0 - 0.9 * fill / max(float(fill.max(initial=0.0)), 1e-12)
    emptied = min(len(used), int(rng.integers(2, 5)))
    chosen = rng.choice(used, size=emptied, replace=False, p=chances / chances.sum())
    loose = np.flatnonzero(np.isin(packing.bin_of, chosen) | (packing.bin_of < 0))
    candidate = packing.copy()
    candidate.remove(chosen)
    noisy = weight * rng.uniform(0.7, 1.3, len(weight)) if rng.random() < 0.8 else rng.random(len(weight))
    order = None if rng.random() < 0.7 else rng.permutation(len(packing.count))
    candidate.insert(loose[_decreasing(noisy[loose])], tight=bool(rng.random() < 0.7), order=order)
    return candidate


@dataclass
class Packing:
    """An assignment under construction, with what every bin holds."""

    problem: PackingProblem
    limit: Floats
    member: Bools
    peak: Floats
    bin_of: Ints
    taken: Floats
    core_load: Floats
    peak_sum: Floats
    groups: Bools
    count: Ints

    @classmethod
    def empty(cls, problem: PackingProblem) -> Packing:
        bins = len(problem.bin_names)
        member = problem.membership()
        return cls(
            problem=problem,
            limit=problem.limit,
            member=member,
            peak=np.asarray(problem.load.max(axis=1, initial=0.0)),
            bin_of=np.full(len(problem.item_names), -1, dtype=np.int64),
            taken=np.zeros_like(problem.room),
            core_load=np.zeros((bins, problem.load.shape[1])),
            peak_sum=np.zeros(bins),
            groups=np.zeros((bins, member.shape[1]), dtype=np.bool_),
            count=np.zeros(bins, dtype=np.int64),
        )

    def copy(self) -> Packing:
        return replace(
            self,
            bin_of=self.bin_of.copy(),
            taken=self.taken.copy(),
            core_load=self.core_load.copy(),
            peak_sum=self.peak_sum.copy(),
            groups=self.groups.copy(),
            count=self.count.copy(),
        )

    def used(self) -> int:
        return int((self.count > 0).sum())

    def unplaced(self) -> int:
        return int((self.bin_of < 0).sum())

    def fill(self) -> Floats:
        """How full each bin is: mean share of its resources."""
        return np.asarray((self.taken / np.maximum(self.problem.room, 1e-12)).mean(axis=1))

    def rank(self) -> tuple[int, int, float]:
        """Lower is better: all placed, few bins, and full bins beside nearly empty ones."""
        return self.unplaced(), self.used(), -float((self.fill() ** 2).sum())

    def insert(self, items: Ints, *, tight: bool, order: Ints | None = None) -> None:
        """Put items one by one into a used bin (the fullest that takes it when `tight`, else the first), or a new one.

        Bins are tried and opened in `order`, by size where there is none, the largest first.
        """
        if order is None:
            largest = np.maximum(self.problem.room.max(axis=0), 1e-12)
            order = np.argsort(-(self.problem.room / largest).sum(axis=1), kind="stable")
        for item in items.tolist():
            bins = order[self._static_room(item)[order]]
            open_bins = bins[self.count[bins] > 0]
            if tight:
                free = (self.limit[open_bins] - self.taken[open_bins]) / np.maximum(self.problem.room[open_bins], 1e-12)
                open_bins = open_bins[np.argsort(free.sum(axis=1), kind="stable")]
            for index in (*open_bins.tolist(), *bins[self.count[bins] == 0].tolist()):
                if self._cores_suffice(item, index):
                    self.put(item, index)
                    break

    def remove(self, bins: Ints) -> None:
        """Empty these bins."""
        self.bin_of[np.isin(self.bin_of, bins)] = -1
        for array in (self.taken, self.core_load, self.peak_sum, self.count):
            array[bins] = 0
        self.groups[bins] = False

    def _static_room(self, item: int) -> Bools:
        """[bin]: sizes, groups and kind allow the item."""
        allowed = (self.taken + self.problem.need[item] <= self.limit).all(axis=1)
        groups = np.flatnonzero(self.member[item])
        if len(groups):
            allowed &= ~self.groups[:, groups].any(axis=1)
        kind = self.problem.kind
        if kind is not None:
            others = self.bin_of[(kind != kind[item]) & (self.bin_of >= 0)]
            allowed[others] = False
        return np.asarray(allowed, dtype=np.bool_)

    def _cores_suffice(self, item: int, index: int) -> bool:
        limit = self.problem.cores[index] + CORES_SLACK
        if self.peak_sum[index] + self.peak[item] <= limit:
            return True
        return bool((self.core_load[index] + self.problem.load[item]).max(initial=0.0) <= limit)

    def takes(self, item: int, index: int) -> bool:
        """Whether there is room for the item in the bin."""
        return bool(self._static_room(item)[index]) and self._cores_suffice(item, index)

    def put(self, item: int, index: int) -> None:
        """Put the item into the bin, whether there is room or not."""
        self.bin_of[item] = index
        self.taken[index] += self.problem.need[item]
        self.core_load[index] += self.problem.load[item]
        self.peak_sum[index] += self.peak[item]
        self.groups[index] |= self.member[item]
        self.count[index] += 1
