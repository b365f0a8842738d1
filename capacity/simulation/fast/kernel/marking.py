"""What has changed at this instant, and who is on which host or in which VM: lists through the records themselves."""

from __future__ import annotations

from capacity.records import Ints

from .compiled import Records, compiled
from .state import CALLING, FRESH, IO_HOSTS, LINES, MARKED_HOSTS, MARKED_VMS


@compiled
def mark_vm(count: Ints, vm: Records, marked_vms: Ints, v: int) -> None:
    """What the VM wants has changed."""
    if not vm[v].marked:
        vm[v].marked = 1
        marked_vms[count[MARKED_VMS]] = v
        count[MARKED_VMS] += 1


@compiled
def mark_host(count: Ints, host: Records, marked_hosts: Ints, h: int) -> None:
    """What the VMs of the host want has changed."""
    if not host[h].marked:
        host[h].marked = 1
        marked_hosts[count[MARKED_HOSTS]] = h
        count[MARKED_HOSTS] += 1


@compiled
def mark_storage(count: Ints, host: Records, io_hosts: Ints, h: int) -> None:
    """Who reads from the host's storage has changed."""
    if not host[h].io_marked:
        host[h].io_marked = 1
        io_hosts[count[IO_HOSTS]] = h
        count[IO_HOSTS] += 1


@compiled
def mark_line(count: Ints, line_marked: Ints, lines: Ints, line: int) -> None:
    """Who uses the line has changed."""
    if not line_marked[line]:
        line_marked[line] = 1
        lines[count[LINES]] = line
        count[LINES] += 1


@compiled
def call_queue(count: Ints, vm: Records, calling: Ints, v: int) -> None:
    """The VM may have a free slot for its queue."""
    if not vm[v].calling:
        vm[v].calling = 1
        calling[count[CALLING]] = v
        count[CALLING] += 1


@compiled
def join_work(
    count: Ints,
    host: Records,
    vm: Records,
    act: Records,
    marked_vms: Ints,
    fresh: Ints,
    a: int,
    left: float,
    now: float,
    rest: float,
) -> None:
    """The run has `left` core-seconds to be served from now on."""
    v = act[a].vm
    act[a].left = left
    act[a].since = now
    act[a].since_rest = rest
    act[a].rate = 0.0
    act[a].limit = min(act[a].most, vm[v].cap)
    act[a].joined = 1
    first = vm[v].first_run
    act[a].next = first
    act[a].previous = -1
    if first >= 0:
        act[first].previous = a
    vm[v].first_run = a
    vm[v].runs += 1
    vm[v].limits += act[a].limit
    if vm[v].runs == 1:
        _join_busy(host, vm, v)
    if not act[a].fresh:
        act[a].fresh = 1
        fresh[count[FRESH]] = a
        count[FRESH] += 1
    mark_vm(count, vm, marked_vms, v)


@compiled
def leave_work(count: Ints, host: Records, vm: Records, act: Records, marked_vms: Ints, a: int) -> None:
    """The run wants no cores any more."""
    v = act[a].vm
    after, before = act[a].next, act[a].previous
    if before >= 0:
        act[before].next = after
    else:
        vm[v].first_run = after
    if after >= 0:
        act[after].previous = before
    act[a].joined = 0
    act[a].rate = 0.0
    vm[v].runs -= 1
    if vm[v].runs == 0:
        vm[v].limits = 0.0
        leave_busy(host, vm, v)
    else:
        vm[v].limits -= act[a].limit
    mark_vm(count, vm, marked_vms, v)


@compiled
def _join_busy(host: Records, vm: Records, v: int) -> None:
    h = vm[v].host
    first = host[h].first_busy
    vm[v].next_busy = first
    vm[v].previous_busy = -1
    if first >= 0:
        vm[first].previous_busy = v
    host[h].first_busy = v


@compiled
def leave_busy(host: Records, vm: Records, v: int) -> None:
    """The VM is no longer among those of its host that have work."""
    after, before = vm[v].next_busy, vm[v].previous_busy
    if before >= 0:
        vm[before].next_busy = after
    else:
        host[vm[v].host].first_busy = after
    if after >= 0:
        vm[after].previous_busy = before


@compiled
def arrive(host: Records, vm: Records, v: int, h: int) -> None:
    """The VM is on the host, with the work it has."""
    first = host[h].first_vm
    vm[v].host = h
    vm[v].next_vm = first
    vm[v].previous_vm = -1
    if first >= 0:
        vm[first].previous_vm = v
    host[h].first_vm = v
    if vm[v].runs:
        _join_busy(host, vm, v)


@compiled
def depart(count: Ints, host: Records, vm: Records, marked_hosts: Ints, v: int) -> None:
    """The VM is on no host; what it wanted is no longer wanted there."""
    h = vm[v].host
    after, before = vm[v].next_vm, vm[v].previous_vm
    if before >= 0:
        vm[before].next_vm = after
    else:
        host[h].first_vm = after
    if after >= 0:
        vm[after].previous_vm = before
    if vm[v].runs:
        leave_busy(host, vm, v)
    want_beside(host, vm, v, 0.0)
    vm[v].want = 0.0
    mark_host(count, host, marked_hosts, h)


@compiled
def want_beside(host: Records, vm: Records, v: int, extra: float) -> None:
    """The VM wants so much beside the online load that its host counts as a whole."""
    h = vm[v].host
    before = vm[v].extra
    if extra == before:
        return
    vm[v].extra = extra
    if before == 0.0:
        host[h].extras += 1
    elif extra == 0.0:
        host[h].extras -= 1
    if host[h].extras == 0:
        host[h].extra = 0.0  # no rest of roundings stays behind
    else:
        host[h].extra += extra - before
