"""What the timetable changes: vCPU, levels of online load, relocations, windows that open."""

from __future__ import annotations

import math

from .compiled import compiled, inlined
from .cores import cut, cut_online
from .heaps import schedule, unschedule
from .marking import arrive, call_queue, depart, leave_work, mark_host, mark_storage, mark_vm
from .phases import deactivate, drop_line
from .queues import enqueue
from .state import (
    HIGHEST,
    IS_UP,
    LEAVES,
    LEVEL,
    NEXT_CHANGE,
    OPENS,
    PRINTING,
    SAME_INSTANT_S,
    VCPU,
    Found,
    Given,
    Kept,
)
from .transfers import halt, join_line, leave_line, leave_storage


@compiled
def make_changes(given: Given, kept: Kept, found: Found, now: float) -> None:
    """Make all changes of this instant, kind by kind."""
    first = kept.counts[NEXT_CHANGE]
    table = given.timetable
    last = first
    while last < len(table) and table[last].at <= now + SAME_INSTANT_S:
        last += 1
    kept.counts[NEXT_CHANGE] = last
    for row in range(first, last):
        if table[row].kind == VCPU:
            v = table[row].row
            kept.vm[v].vcpu = table[row].value
            _cap(kept, v)
    for row in range(first, last):
        if table[row].kind == LEVEL:
            _set_level(given, kept, table[row].row, table[row].value)
    _relocate(given, kept, found, first, last, now)
    for row in range(first, last):
        if table[row].kind == OPENS:
            calendar = table[row].row
            for at in range(given.caller_ptr[calendar], given.caller_ptr[calendar + 1]):
                v = given.caller[at]
                if kept.vm[v].queue_first >= 0:
                    call_queue(kept.counts, kept.vm, kept.calling, v)


@inlined
def _relocate(given: Given, kept: Kept, found: Found, first: int, last: int, now: float) -> None:
    table = given.timetable
    failures = False
    for row in range(first, last):
        kind = table[row].kind
        if kind == LEAVES:
            move = table[row].row
            if given.move_keeps_work[move]:
                _move(given, kept, found, given.move_vm[move], given.move_to_host[move], now)
            else:
                _go_down(kept, found, given.move_vm[move], now)
                failures = True
        elif kind == IS_UP:
            move = table[row].row
            v = given.move_vm[move]
            kept.vm[v].up = 1
            arrive(kept.host, kept.vm, v, given.move_to_host[move])
            _cap(kept, v)
            call_queue(kept.counts, kept.vm, kept.calling, v)
    if failures:
        _lose_work(given, kept, found)


@compiled
def _cap(kept: Kept, v: int) -> None:
    """The VM's vCPU or host is another: so are the limits of its runs."""
    vm, act = kept.vm, kept.act
    cap = min(vm[v].vcpu, kept.host[vm[v].host].cores)
    vm[v].cap = cap
    limits = 0.0
    a = vm[v].first_run
    while a >= 0:
        act[a].limit = min(act[a].most, cap)
        limits += act[a].limit
        a = act[a].next
    vm[v].limits = limits
    vm[v].scarce = 1  # so that all its runs are looked at
    mark_vm(kept.counts, vm, kept.marked_vms, v)


@inlined
def _set_level(given: Given, kept: Kept, c: int, level: float) -> None:
    host = kept.host
    rise = level - kept.levels[c]
    kept.levels[c] = level
    for row in range(given.part_ptr[c], given.part_ptr[c + 1]):
        h = given.part[row].host
        host[h].online += rise * given.part[row].scale
        host[h].stepped = 1
        mark_host(kept.counts, host, kept.marked_hosts, h)
    for row in range(given.watched_ptr[c], given.watched_ptr[c + 1]):
        mark_vm(kept.counts, kept.vm, kept.marked_vms, given.watched[row])


@inlined
def _move(given: Given, kept: Kept, found: Found, v: int, to: int, now: float) -> None:
    """A live move: what the VM has begun goes on at its new host."""
    vm, act, io, wire, count = kept.vm, kept.act, kept.io, kept.wire, kept.counts
    cut_online(count, vm, found.pieces, v, now)
    a = vm[v].first_run
    while a >= 0:
        cut(count, vm, act, found.pieces, a, now, kept.clock[2])
        a = act[a].next
    depart(count, kept.host, vm, kept.marked_hosts, v)
    mark_storage(count, kept.host, kept.io_hosts, vm[v].host)
    arrive(kept.host, vm, v, to)
    mark_storage(count, kept.host, kept.io_hosts, to)
    _cap(kept, v)
    if vm[v].ios:
        a = vm[v].first_io
        while a >= 0:
            halt(io, a, now)
            unschedule(kept.heap, kept.place, count, len(act) + a)
            if kept.host[to].io_mib_s == math.inf:
                schedule(kept.heap, kept.place, count, len(act) + a, now)
            a = io[a].next
    if len(wire):
        line = kept.host[to].line
        for a in range(count[HIGHEST]):
            if act[a].run >= 0 and act[a].vm == v and act[a].phase != PRINTING and wire[a].joined:
                halt(wire, a, now)
                unschedule(kept.heap, kept.place, count, 2 * len(act) + a)
                left = wire[a].left
                if wire[a].line >= 0:
                    leave_line(count, wire, kept.line_first, kept.line_runs, kept.line_marked, kept.lines,
                               wire[a].line, a)  # fmt: skip
                wire[a].joined = 1
                if line >= 0 and given.line_mib_s[line] < math.inf:
                    wire[a].line = line
                    join_line(count, wire, kept.line_first, kept.line_runs, kept.line_marked, kept.lines, line, a,
                              left, now)  # fmt: skip
                else:
                    wire[a].line = -1
                    schedule(kept.heap, kept.place, count, 2 * len(act) + a, now)


@inlined
def _go_down(kept: Kept, found: Found, v: int, now: float) -> None:
    """The VM's host has failed: nothing is served any more."""
    vm, act, count = kept.vm, kept.act, kept.counts
    cut_online(count, vm, found.pieces, v, now)
    while vm[v].first_run >= 0:
        a = vm[v].first_run
        cut(count, vm, act, found.pieces, a, now, kept.clock[2])
        leave_work(count, kept.host, vm, act, kept.marked_vms, a)
    while vm[v].first_io >= 0:
        leave_storage(count, kept.host, vm, act, kept.io, kept.io_hosts, kept.heap, kept.place, vm[v].first_io)
    depart(count, kept.host, vm, kept.marked_hosts, v)
    vm[v].up = 0
    vm[v].failed = 1
    mark_vm(count, vm, kept.marked_vms, v)


@inlined
def _lose_work(given: Given, kept: Kept, found: Found) -> None:
    """Runs that held a slot of a VM that went down queue again."""
    act, vm = kept.act, kept.vm
    for a in range(kept.counts[HIGHEST]):
        run = act[a].run
        if run >= 0 and act[a].phase != PRINTING and vm[act[a].vm].failed:
            unschedule(kept.heap, kept.place, kept.counts, a)
            if len(kept.wire) and kept.wire[a].joined:
                drop_line(kept, a)
            vm[act[a].vm].free += 1
            deactivate(kept, a)
            enqueue(given, kept, found, run)
    for v in range(len(vm)):
        vm[v].failed = 0
