"""Values that change at given times, and grids of moments: what lets the auditor look at all moments at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capacity.records import Bools, Floats, Ints


def keys(group: Ints, at_s: Floats) -> npt.NDArray[np.complex128]:
    """Numbers that sort by group, then time: numpy orders complex numbers by real, then imaginary part."""
    both = np.empty(len(at_s), dtype=np.complex128)
    both.real, both.imag = group, at_s
    return both


class Steps:
    """One value per group, from each of the given times on the next; of equal times the last given one holds."""

    def __init__(self, initial: Floats, group: Ints, at_s: Floats, value: Floats) -> None:
        order = np.lexsort((np.arange(len(at_s)), at_s, group))
        self.initial = initial
        self.group, self.at_s, self._value = group[order], at_s[order], value[order]
        self._keys = keys(self.group, self.at_s)

    def at(self, group: Ints, time_s: Floats) -> Floats:
        """The value of each group at each time."""
        if not len(self.group):
            return self.initial[group]
        last = np.searchsorted(self._keys, keys(group, time_s), side="right") - 1
        of_group = (last >= 0) & (self.group[last] == group)
        return np.where(of_group, self._value[last], self.initial[group])

    def changes_inside(self, group: Ints, from_s: Floats, until_s: Floats) -> Ints:
        """How often each group's value may change strictly between two times."""
        before = np.searchsorted(self._keys, keys(group, from_s), side="right")
        until = np.searchsorted(self._keys, keys(group, until_s), side="left")
        counts: Ints = np.maximum(until - before, 0)
        return counts


@dataclass(frozen=True)
class Grid:
    """Stretches of time per group, between neighbouring moments at which anything may change."""

    _points: npt.NDArray[np.complex128]

    @classmethod
    def of(cls, *moments: tuple[Ints, Floats]) -> Grid:
        """The grid of all these moments, given as (groups, times)."""
        return cls(np.unique(np.concatenate([keys(*moment) for moment in moments])))

    @property
    def group(self) -> Ints:
        """Group of each stretch; the last moment of a group begins a stretch that belongs to nobody."""
        return self._points.real.astype(np.int64)

    @property
    def from_s(self) -> Floats:
        """Where each stretch begins."""
        return self._points.imag.copy()

    @property
    def length_s(self) -> Floats:
        """How long each stretch is; 0 after the last moment of a group."""
        lengths = np.zeros(len(self._points))
        same = self._points.real[1:] == self._points.real[:-1]
        lengths[:-1][same] = (self._points.imag[1:] - self._points.imag[:-1])[same]
        return lengths

    @property
    def middle_s(self) -> Floats:
        """A time inside each stretch."""
        return self.from_s + self.length_s / 2

    def span(self, group: Ints, from_s: Floats, until_s: Floats) -> tuple[Ints, Ints]:
        """First stretch, and stretch after the last, of intervals whose ends are moments of the grid."""
        begin = np.searchsorted(self._points, keys(group, from_s), side="left")
        return begin, np.maximum(np.searchsorted(self._points, keys(group, until_s), side="left"), begin)

    def total(self, span: tuple[Ints, Ints], amount: Floats) -> Floats:
        """Sum of the amounts of all intervals over each stretch."""
        size = len(self._points) + 1
        change = np.bincount(span[0], amount, size) - np.bincount(span[1], amount, size)
        return np.cumsum(change)[:-1]

    def pairs(self, span: tuple[Ints, Ints], of_interest: Bools) -> tuple[Ints, Ints]:
        """Every (interval, stretch) where the stretch lies in the interval and is of interest."""
        places = np.flatnonzero(of_interest)
        first, last = (np.searchsorted(places, side) for side in span)
        counts = last - first
        interval = np.repeat(np.arange(len(counts)), counts)
        offset = np.arange(len(interval)) - np.repeat(np.cumsum(counts) - counts, counts)
        return interval, places[np.repeat(first, counts) + offset]
