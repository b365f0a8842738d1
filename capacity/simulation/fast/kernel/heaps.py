"""Heaps of what happens next: one whose entries move when a rate changes, one of runs that become ready later.

Four children a node: as shallow as a cache line allows.
"""

from __future__ import annotations

from capacity.records import Ints

from .compiled import Records, compiled
from .state import HEAP, LATER


@compiled
def schedule(heap: Records, place: Ints, count: Ints, who: int, at: float) -> None:
    """Put `who` into the heap at `at`, or move it there."""
    node = place[who]
    if node < 0:
        node = count[HEAP]
        count[HEAP] = node + 1
        _rise(heap, place, node, who, at)
    elif at < heap[node].at:
        _rise(heap, place, node, who, at)
    else:
        _sink(heap, place, count[HEAP], node, who, at)


@compiled
def unschedule(heap: Records, place: Ints, count: Ints, who: int) -> None:
    """Take `who` out of the heap, if it is there."""
    node = place[who]
    if node < 0:
        return
    place[who] = -1
    last = count[HEAP] - 1
    count[HEAP] = last
    if node == last:
        return
    moved, at = heap[last].who, heap[last].at
    if node > 0 and at < heap[(node - 1) >> 2].at:
        _rise(heap, place, node, moved, at)
    else:
        _sink(heap, place, last, node, moved, at)


@compiled
def _rise(heap: Records, place: Ints, node: int, who: int, at: float) -> None:
    while node > 0:
        parent = (node - 1) >> 2
        if heap[parent].at <= at:
            break
        heap[node].at = heap[parent].at
        moved = heap[parent].who
        heap[node].who = moved
        place[moved] = node
        node = parent
    heap[node].at = at
    heap[node].who = who
    place[who] = node


@compiled
def _sink(heap: Records, place: Ints, size: int, node: int, who: int, at: float) -> None:
    while True:
        child = 4 * node + 1
        if child >= size:
            break
        least = child
        for other in range(child + 1, min(child + 4, size)):
            if heap[other].at < heap[least].at:
                least = other
        if heap[least].at >= at:
            break
        heap[node].at = heap[least].at
        moved = heap[least].who
        heap[node].who = moved
        place[moved] = node
        node = least
    heap[node].at = at
    heap[node].who = who
    place[who] = node


@compiled
def put_later(later: Records, count: Ints, run: int, at: float) -> None:
    """The run becomes ready at `at`."""
    node = count[LATER]
    count[LATER] = node + 1
    while node > 0:
        parent = (node - 1) >> 2
        if later[parent].at <= at:
            break
        later[node].at = later[parent].at
        later[node].who = later[parent].who
        node = parent
    later[node].at = at
    later[node].who = run


@compiled
def take_later(later: Records, count: Ints) -> int:
    """The run that becomes ready first, taken out."""
    first: int = later[0].who
    size = count[LATER] - 1
    count[LATER] = size
    at, who = later[size].at, later[size].who
    node = 0
    while True:
        child = 4 * node + 1
        if child >= size:
            break
        least = child
        for other in range(child + 1, min(child + 4, size)):
            if later[other].at < later[least].at:
                least = other
        if later[least].at >= at:
            break
        later[node].at = later[least].at
        later[node].who = later[least].who
        node = least
    later[node].at = at
    later[node].who = who
    return first
