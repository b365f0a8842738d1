"""Who waits for a slot: of a VM, by ready time and then row; of a pool, by the time it queued and then row."""

from __future__ import annotations

from capacity.records import Floats, Ints

from .compiled import compiled, inlined
from .marking import call_queue
from .state import SAME_INSTANT_S, Found, Given, Kept


@compiled
def _before(key_s: Floats, one: int, other: int) -> bool:
    return key_s[one] < key_s[other] or (key_s[one] == key_s[other] and one < other)


@compiled
def insert(queue_next: Ints, key_s: Floats, first: int, last: int, run: int) -> tuple[int, int]:
    """First and last of the queue with `run` at its place."""
    if first < 0:
        queue_next[run] = -1
        return run, run
    if _before(key_s, last, run):
        queue_next[last] = run
        queue_next[run] = -1
        return first, run
    ahead = -1
    behind = first
    while _before(key_s, behind, run):
        ahead = behind
        behind = queue_next[behind]
    queue_next[run] = behind
    if ahead < 0:
        return run, last
    queue_next[ahead] = run
    return first, last


@inlined
def enqueue(given: Given, kept: Kept, found: Found, run: int) -> None:
    """The run, ready, waits for a slot of its VM."""
    vm = kept.vm
    v = given.vm[run]
    first, last = insert(kept.queue_next, found.ready_s, vm[v].queue_first, vm[v].queue_last, run)
    vm[v].queue_first = first
    vm[v].queue_last = last
    call_queue(kept.count, vm, kept.calling, v)


@compiled
def is_open(
    window_ptr: Ints, window_open_s: Floats, window_close_s: Floats, window: Ints, calendar: int, now: float
) -> bool:
    """Whether a run of the calendar may take a slot now."""
    at = window[calendar]
    end = window_ptr[calendar + 1]
    while at < end and window_close_s[at] <= now + SAME_INSTANT_S:
        at += 1
    window[calendar] = at
    return bool(at < end and window_open_s[at] <= now + SAME_INSTANT_S)


@compiled
def queue_for_pool(kept_next: Ints, key_s: Floats, pool_first: Ints, pool_last: Ints, pool: int, run: int) -> None:
    """The run's work is through, it waits for a slot of the pool."""
    first, last = insert(kept_next, key_s, pool_first[pool], pool_last[pool], run)
    pool_first[pool] = first
    pool_last[pool] = last
