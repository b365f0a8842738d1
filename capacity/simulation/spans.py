"""Intervals `[from, until)`: unions, what is common, what remains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

Interval: TypeAlias = tuple[float, float]


def union(spans: Iterable[Interval]) -> list[Interval]:
    """Disjoint intervals in order of time that cover the same."""
    merged: list[Interval] = []
    for from_s, until_s in sorted(spans):
        if until_s <= from_s:
            continue
        if merged and from_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], until_s))
        else:
            merged.append((from_s, until_s))
    return merged


def common(one: Iterable[Interval], other: Iterable[Interval]) -> list[Interval]:
    """What lies in both."""
    others = union(other)
    return union((max(a, c), min(b, d)) for a, b in union(one) for c, d in others if min(b, d) > max(a, c))


def without(spans: Iterable[Interval], taken: Iterable[Interval]) -> list[Interval]:
    """What lies in the first and not in the second."""
    left: list[Interval] = []
    holes = union(taken)
    for from_s, until_s in union(spans):
        reached = from_s
        for hole_from, hole_until in holes:
            if hole_until <= reached or hole_from >= until_s:
                continue
            if hole_from > reached:
                left.append((reached, hole_from))
            reached = hole_until
        if reached < until_s:
            left.append((reached, until_s))
    return left


def length(spans: Sequence[Interval]) -> float:
    """Sum of the lengths of disjoint intervals."""
    return sum(until_s - from_s for from_s, until_s in spans)
