"""The loop over the instants of a simulation: ends, changes, releases, free slots, and then the sharing."""

from __future__ import annotations

import math

from .changes import make_changes
from .compiled import compiled, inlined
from .cores import cut, cut_online, settle_cores
from .heaps import take_later, unschedule
from .phases import deactivate, end, finish, print_out, take_slot, through, transfer_through
from .queues import enqueue, is_open
from .state import (
    CALLING,
    ENDED,
    HEAP,
    HIGHEST,
    IO_HOSTS,
    LATER,
    LINES,
    NEEDS_ROOM,
    NEXT_CHANGE,
    NEXT_RELEASE,
    OVER,
    PIECES,
    POOLS,
    PRINTING,
    SAME_INSTANT_S,
    Found,
    Given,
    Kept,
)
from .transfers import settle_transfers


def play(given: Given, kept: Kept, found: Found, released: int, stop_s: float) -> int:
    """Simulate from where `kept` stands up to `stop_s`, or until nothing happens any more.

    `released` is the number of runs without predecessors. Answers OVER, or NEEDS_ROOM where more room for pieces of
    service is needed to go on.
    """
    count = kept.counts
    runs = len(found.work_end_s)
    while True:
        room = len(found.pieces) - count[PIECES]
        if len(found.pieces) and room <= count[HIGHEST] + len(kept.vm):
            return NEEDS_ROOM
        at = _next_instant(given, kept, released)
        if count[ENDED] == runs or at == math.inf or at > stop_s:
            break
        now = max(at, kept.clock[0])
        kept.clock[0] = now
        kept.clock[2] = 0.0
        if count[HEAP] and kept.heap[0].at == at and kept.heap[0].who < len(kept.act):
            kept.clock[2] = kept.act[kept.heap[0].who].due_rest
        _settle_instant(given, kept, found, released, now)
        settle_cores(
            count, kept.host, kept.vm, kept.act, kept.heap, kept.place, found.pieces, kept.levels, given.online_first,
            kept.marked_vms, kept.marked_hosts, kept.fresh, now, kept.clock[2],
        )  # fmt: skip
        if count[IO_HOSTS] or count[LINES]:
            settle_transfers(
                count, kept.host, kept.vm, kept.act, kept.io, kept.wire, kept.heap, kept.place, kept.io_hosts,
                given.line_mib_s, kept.line_first, kept.line_runs, kept.line_marked, kept.lines, now,
            )  # fmt: skip
    _count_all(kept, found)
    return OVER


@inlined
def _next_instant(given: Given, kept: Kept, released: int) -> float:
    count = kept.counts
    at = math.inf
    release = count[NEXT_RELEASE]
    if release < released:
        at = given.release_s[given.order[release] if len(given.order) else release]
    change = count[NEXT_CHANGE]
    if change < len(given.timetable):
        at = min(at, given.timetable[change].at)
    if count[HEAP]:
        at = min(at, kept.heap[0].at)
    if count[LATER]:
        at = min(at, kept.later[0].at)
    return at


@inlined
def _settle_instant(given: Given, kept: Kept, found: Found, released: int, now: float) -> None:
    """Rounds until nothing more happens at this instant."""
    count, heap, later = kept.counts, kept.heap, kept.later
    until = now + SAME_INSTANT_S
    while True:
        _make_ends(given, kept, found, now)
        change = count[NEXT_CHANGE]
        if change < len(given.timetable) and given.timetable[change].at <= until:
            make_changes(given, kept, found, now)
        release = count[NEXT_RELEASE]
        while release < released:
            run = given.order[release] if len(given.order) else release
            if given.release_s[run] > until:
                break
            found.ready_s[run] = now
            enqueue(given, kept, found, run)
            release += 1
        count[NEXT_RELEASE] = release
        while count[LATER] and later[0].at <= until:
            run = take_later(later, count)
            found.ready_s[run] = now
            enqueue(given, kept, found, run)
        _give_slots(given, kept, found, now)
        if not ((count[HEAP] and heap[0].at <= until) or (count[LATER] and later[0].at <= until)):
            break


@inlined
def _make_ends(given: Given, kept: Kept, found: Found, now: float) -> None:
    """What is through at this round; what becomes so by it waits for the next."""
    count, heap = kept.counts, kept.heap
    due = 0
    while count[HEAP] and heap[0].at <= now + SAME_INSTANT_S:
        kept.due[due] = heap[0].who
        due += 1
        unschedule(heap, kept.place, count, heap[0].who)
    for row in range(due):
        who = kept.due[row]
        a = who
        if who >= len(kept.act):
            a = who % len(kept.act)
            over = transfer_through(given, kept, found, who, now)
        elif kept.act[a].phase == PRINTING:
            over = True
        else:
            over = through(given, kept, found, a, now)
        if over:
            run = kept.act[a].run
            if kept.act[a].phase == PRINTING:
                kept.pool_free[given.pool[run]] += 1
                count[POOLS] = 1
            else:
                over = finish(given, kept, found, a, now)
            deactivate(kept, a)
            if over:
                end(given, kept, found, run, now)


@inlined
def _give_slots(given: Given, kept: Kept, found: Found, now: float) -> None:
    """VMs and pools give their free slots to those that wait."""
    count, vm = kept.counts, kept.vm
    for row in range(count[CALLING]):
        v = kept.calling[row]
        vm[v].calling = 0
        if not vm[v].up:
            continue
        ahead, run = -1, vm[v].queue_first
        while run >= 0 and vm[v].free > 0:
            behind = kept.queue_next[run]
            calendar = given.calendar[run] if len(given.calendar) else -1
            if calendar < 0 or is_open(
                given.window_ptr, given.window_open_s, given.window_close_s, kept.window, calendar, now
            ):
                if ahead < 0:
                    vm[v].queue_first = behind
                else:
                    kept.queue_next[ahead] = behind
                if behind < 0:
                    vm[v].queue_last = ahead
                take_slot(given, kept, found, v, run, now)
            else:
                ahead = run
            run = behind
    count[CALLING] = 0
    if count[POOLS]:
        count[POOLS] = 0
        for pool in range(len(kept.pool_free)):
            while kept.pool_free[pool] > 0 and kept.pool_first[pool] >= 0:
                run = kept.pool_first[pool]
                kept.pool_first[pool] = kept.queue_next[run]
                if kept.pool_first[pool] < 0:
                    kept.pool_last[pool] = -1
                kept.pool_free[pool] -= 1
                print_out(given, kept, run, now)


@compiled
def _count_all(kept: Kept, found: Found) -> None:
    """Count service up to the last end of a run."""
    host, vm, act = kept.host, kept.vm, kept.act
    now = kept.clock[1]
    for h in range(len(host)):
        host[h].core_s += host[h].used * (now - host[h].since)
        host[h].since = now
    for v in range(len(vm)):
        cut_online(kept.counts, vm, found.pieces, v, now)
    if len(found.pieces):
        for a in range(kept.counts[HIGHEST]):
            if act[a].run >= 0 and act[a].phase != PRINTING and act[a].joined:
                cut(kept.counts, vm, act, found.pieces, a, now, 0.0)
