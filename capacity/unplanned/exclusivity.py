"""Which runs wait for each other because one of the two has its system for itself.

Engines know slots, not exclusivity. Where all jobs of a system run on one VM with one slot, the slot keeps them apart
already. Elsewhere an exclusive run waits for the runs of its system that become ready before it, and those that
become ready later wait for it, in the order of the earliest time at which each can be ready. Runs whose times are a
week apart are left alone: they would have to last a week to meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from capacity.calendar import DAY_S
from capacity.records import Bools, Floats, Ints
from estate.resolved import ResolvedJob

APART_S = 7 * DAY_S
_SHORTEST_S = 1e-3
"""Runs without any length still come after their predecessors."""

EdgeArrays: TypeAlias = tuple[Ints, Ints, Floats]
"""Run, run before it, lag in seconds."""


def keep_apart(
    *,
    jobs: Sequence[ResolvedJob],
    slots: Ints,
    job: Ints,
    vm: Ints,
    release_s: Floats,
    length_s: Floats,
    after: EdgeArrays,
) -> EdgeArrays:
    """Edges that keep exclusive runs of one tenant apart from the other runs of their systems; never a circle.

    `job` and `vm` are rows per run, `slots` is per VM, `after` are the precedences of the estate.
    """
    systems: dict[str, list[int]] = {}
    for number, each in enumerate(jobs):
        systems.setdefault(each.system, []).append(number)
    exclusive = np.array([each.exclusive for each in jobs], dtype=np.bool_)
    found: list[tuple[Ints, Ints]] = []
    ready_s: Floats | None = None
    for numbers in systems.values():
        rows = np.flatnonzero(np.isin(job, numbers))
        if not exclusive[job[rows]].any() or (len(np.unique(vm[rows])) == 1 and slots[vm[rows[0]]] == 1):
            continue
        if ready_s is None:
            ready_s = _earliest_ready(release_s, length_s, after)
        found += _pairs(rows[np.argsort(ready_s[rows], kind="stable")], ready_s, exclusive[job])
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    run, before = (np.concatenate(part) for part in zip(*found, strict=True))
    return run, before, np.zeros(len(run))


def _earliest_ready(release_s: Floats, length_s: Floats, after: EdgeArrays) -> Floats:
    """When each run could be ready if nothing but precedence held it up."""
    run, before, lag_s = after
    step_s = np.maximum(length_s[before], _SHORTEST_S) + lag_s
    ready_s = release_s.copy()
    for _ in range(len(release_s) + 1):
        later = ready_s.copy()
        np.maximum.at(later, run, ready_s[before] + step_s)
        if (later == ready_s).all():
            return ready_s
        ready_s = later
    raise ValueError("jobs wait for each other in a circle")


def _pairs(ordered: Ints, ready_s: Floats, exclusive: Bools) -> Iterator[tuple[Ints, Ints]]:
    """Per exclusive run: it after the earlier ones, the later ones after it; pairs of exclusive runs once."""
    times = ready_s[ordered]
    for place in np.flatnonzero(exclusive[ordered]).tolist():
        own = int(ordered[place])
        first = int(np.searchsorted(times, times[place] - APART_S))
        last = int(np.searchsorted(times, times[place] + APART_S, side="right"))
        earlier = ordered[first:place]
        later = ordered[place + 1 : last]
        later = later[~exclusive[later]]
        yield np.full(len(earlier), own, dtype=np.int64), earlier
        yield later, np.full(len(later), own, dtype=np.int64)
