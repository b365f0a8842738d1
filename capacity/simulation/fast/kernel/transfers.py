"""Storage of a host and lines to the backup site: who still has something to transfer, and how fast it goes.

An active run's transfers are scheduled as `limit + run` (storage) and `2 * limit + run` (line), where `limit` is the
most active runs there can be.
"""

from __future__ import annotations

import math

from capacity.records import Floats, Ints

from .compiled import Records, compiled
from .cores import NO_RATE
from .heaps import schedule, unschedule
from .marking import mark_line, mark_storage
from .state import IO_HOSTS, LINES


@compiled
def join_storage(
    count: Ints, host: Records, vm: Records, act: Records, io: Records, io_hosts: Ints, a: int, mib: float, now: float
) -> None:
    """The run has `mib` to read or write."""
    v = act[a].vm
    first = vm[v].first_io
    _begin(io, a, first, mib, now)
    vm[v].first_io = a
    vm[v].ios += 1
    mark_storage(count, host, io_hosts, vm[v].host)


@compiled
def leave_storage(
    count: Ints,
    host: Records,
    vm: Records,
    act: Records,
    io: Records,
    io_hosts: Ints,
    heap: Records,
    place: Ints,
    a: int,
) -> None:
    """The run uses the storage no more, or begins anew elsewhere."""
    v = act[a].vm
    after, before = io[a].next, io[a].previous
    if before >= 0:
        io[before].next = after
    else:
        vm[v].first_io = after
    if after >= 0:
        io[after].previous = before
    io[a].joined = 0
    vm[v].ios -= 1
    unschedule(heap, place, count, len(act) + a)
    mark_storage(count, host, io_hosts, vm[v].host)


@compiled
def join_line(
    count: Ints, wire: Records, line_first: Ints, line_runs: Ints, marked: Ints, lines: Ints, line: int, a: int,
    mib: float, now: float,
) -> None:  # fmt: skip
    """The run has `mib` to send over the line."""
    _begin(wire, a, line_first[line], mib, now)
    line_first[line] = a
    line_runs[line] += 1
    mark_line(count, marked, lines, line)


@compiled
def leave_line(
    count: Ints, wire: Records, line_first: Ints, line_runs: Ints, marked: Ints, lines: Ints, line: int, a: int
) -> None:
    """The run sends no more over this line."""
    after, before = wire[a].next, wire[a].previous
    if before >= 0:
        wire[before].next = after
    else:
        line_first[line] = after
    if after >= 0:
        wire[after].previous = before
    wire[a].joined = 0
    line_runs[line] -= 1
    mark_line(count, marked, lines, line)


@compiled
def _begin(transfer: Records, a: int, first: int, mib: float, now: float) -> None:
    transfer[a].left = mib
    transfer[a].since = now
    transfer[a].rate = 0.0
    transfer[a].next = first
    transfer[a].previous = -1
    transfer[a].joined = 1
    if first >= 0:
        transfer[first].previous = a


@compiled
def halt(transfer: Records, a: int, now: float) -> None:
    """Count what has been transferred up to now."""
    transfer[a].left = max(0.0, transfer[a].left - transfer[a].rate * (now - transfer[a].since))
    transfer[a].since = now
    transfer[a].rate = 0.0


@compiled
def _set_rate(
    count: Ints, transfer: Records, heap: Records, place: Ints, offset: int, a: int, rate: float, now: float
) -> None:
    served = rate if rate >= NO_RATE else 0.0
    if served != transfer[a].rate:
        halt(transfer, a, now)
        transfer[a].rate = served
        if served > 0.0:
            schedule(heap, place, count, offset + a, now + transfer[a].left / served)
        else:
            unschedule(heap, place, count, offset + a)


@compiled
def settle_transfers(
    count: Ints,
    host: Records,
    vm: Records,
    act: Records,
    io: Records,
    wire: Records,
    heap: Records,
    place: Ints,
    io_hosts: Ints,
    line_mib_s: Floats,
    line_first: Ints,
    line_runs: Ints,
    marked: Ints,
    lines: Ints,
    now: float,
) -> None:
    """Share anew the storage and the lines whose users have changed at this instant."""
    for row in range(count[IO_HOSTS]):
        h = io_hosts[row]
        host[h].io_marked = 0
        weights = 0.0
        v = host[h].first_vm
        while v >= 0:
            if vm[v].ios:
                weights += vm[v].weight
            v = vm[v].next_vm
        v = host[h].first_vm
        while v >= 0:
            if vm[v].ios and host[h].io_mib_s < math.inf:
                rate = host[h].io_mib_s * vm[v].weight / weights / vm[v].ios
                a = vm[v].first_io
                while a >= 0:
                    _set_rate(count, io, heap, place, len(act), a, rate, now)
                    a = io[a].next
            v = vm[v].next_vm
    for row in range(count[LINES]):
        line = lines[row]
        marked[line] = 0
        if line_runs[line] and line_mib_s[line] < math.inf:
            rate = line_mib_s[line] / line_runs[line]
            a = line_first[line]
            while a >= 0:
                _set_rate(count, wire, heap, place, 2 * len(act), a, rate, now)
                a = wire[a].next
    count[IO_HOSTS] = 0
    count[LINES] = 0
