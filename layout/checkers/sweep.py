"""Sums of intervals: as levels over time, and as averages per 600-second slot."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .view import SLOT_S, Floats, Ints


class Levels(NamedTuple):
    """A sum per group as steps: from `time` on, `group`'s sum is `level` until the next row of that group."""

    group: Ints
    time: Ints
    level: Floats


def levels(group: Ints, begin: Ints, end: Ints, amount: Floats) -> Levels:
    """Sum over time of `amount` on `[begin, end)`, per group. Empty intervals add nothing."""
    groups = np.concatenate([group, group])
    times = np.concatenate([begin, end])
    steps = np.concatenate([amount, -amount])
    order = np.lexsort((times, groups))
    groups, times = groups[order], times[order]
    sums = np.cumsum(steps[order])
    # Everything that happens at one instant counts together: keep the last row of each instant.
    last = np.ones(len(groups), dtype=np.bool_)
    last[:-1] = (groups[1:] != groups[:-1]) | (times[1:] != times[:-1])
    return Levels(groups[last], times[last], sums[last])


class Loads(NamedTuple):
    """Intervals of load, one row each: `cores` from `begin_s` for `length_s`."""

    group: Ints
    begin_s: Floats
    length_s: Floats
    cores: Floats


def slot_averages(loads: Loads, groups: int, slots: int) -> Floats:
    """Average cores per group and slot, shape (groups, slots), exact for intervals that begin and end anywhere.

    What lies outside `[0, 600 x slots)` is left out.
    """
    group, begin_s, length_s, cores = loads
    begin = np.clip(begin_s, 0.0, slots * SLOT_S)
    end = np.clip(begin_s + length_s, 0.0, slots * SLOT_S)
    first = (begin // SLOT_S).astype(np.int64)
    last = (end // SLOT_S).astype(np.int64)
    width = slots + 1
    at_first, at_last = group * width + first, group * width + last
    size = groups * width
    # A full slot from `first` to before `last`, less what lies before `begin`, plus what lies in `last` before `end`.
    full = np.bincount(at_first, cores, size) - np.bincount(at_last, cores, size)
    part = np.bincount(at_last, cores * (end - last * SLOT_S), size)
    part -= np.bincount(at_first, cores * (begin - first * SLOT_S), size)
    average = np.cumsum(full.reshape(groups, width), axis=1) + part.reshape(groups, width) / SLOT_S
    return average[:, :slots]
