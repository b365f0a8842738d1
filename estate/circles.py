"""Circles in a graph of references."""

from __future__ import annotations

import graphlib
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

N = TypeVar("N", bound=Hashable)
_MOST_CIRCLES = 50


def circles(references: Mapping[N, Iterable[N]]) -> list[list[N]]:
    """Circles of a graph, each from its smallest node along its references, without repeating that node at the end.

    At least one per strongly connected part: after each circle its first reference is taken out and the search goes
    on, up to 50.
    """
    left = {node: list(targets) for node, targets in references.items()}
    found: list[list[N]] = []
    while len(found) < _MOST_CIRCLES:
        try:
            graphlib.TopologicalSorter(left).prepare()
        except graphlib.CycleError as error:
            circle: list[N] = list(reversed(error.args[1][:-1]))  # it is reported against the direction of references
            start = circle.index(min(circle, key=repr))
            circle = circle[start:] + circle[:start]
            found.append(circle)
            left[circle[0]] = [n for n in left[circle[0]] if n != circle[1 % len(circle)]]
        else:
            break
    return found
