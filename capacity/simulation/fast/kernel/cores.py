"""Who gets how many cores: a host's between its VMs, a VM's between its online load and its runs.

Only a full host or VM shares. Everywhere else each run has its limit, and what one run does touches that run alone.
"""

from __future__ import annotations

from capacity.records import Floats, Ints

from .clock import later_by
from .compiled import Records, compiled
from .heaps import schedule, unschedule
from .marking import mark_host, mark_vm, want_beside
from .state import FRESH, MARKED_HOSTS, MARKED_VMS, PIECES, ROUNDING

NO_RATE = 1e-9
"""A rate below is none."""


@compiled
def write_piece(
    count: Ints, pieces: Records, h: int, v: int, run: int, from_s: float, until_s: float, cores: float
) -> None:
    """Record a piece of service, if it is one."""
    if cores > 0.0 and until_s > from_s:
        row = count[PIECES]
        count[PIECES] = row + 1
        pieces[row].host = h
        pieces[row].vm = v
        pieces[row].run = run
        pieces[row].from_s = from_s
        pieces[row].until_s = until_s
        pieces[row].cores = cores


@compiled
def cut(count: Ints, vm: Records, act: Records, pieces: Records, a: int, now: float, rest: float) -> None:
    """Count the run's service up to now."""
    if len(pieces):
        v = act[a].vm
        write_piece(count, pieces, vm[v].host, v, act[a].run, act[a].since, now, act[a].rate)
    elapsed_s = (now - act[a].since) + (rest - act[a].since_rest)
    act[a].left = max(0.0, act[a].left - act[a].rate * elapsed_s)
    act[a].since = now
    act[a].since_rest = rest


@compiled
def set_rate(
    count: Ints,
    vm: Records,
    act: Records,
    heap: Records,
    place: Ints,
    pieces: Records,
    a: int,
    rate: float,
    now: float,
    rest: float,
) -> None:
    """The run is served with `rate` cores from now on."""
    served = rate if rate >= NO_RATE else 0.0
    if served == act[a].rate:
        return
    cut(count, vm, act, pieces, a, now, rest)
    act[a].rate = served
    if served > 0.0:
        at, act[a].due_rest = later_by(now, rest, act[a].left / served)
        schedule(heap, place, count, a, at)
    else:
        unschedule(heap, place, count, a)


@compiled
def cut_online(count: Ints, vm: Records, pieces: Records, v: int, now: float) -> None:
    """Count the VM's online service up to now."""
    vm[v].short_s += vm[v].short * (now - vm[v].since)
    if len(pieces):
        write_piece(count, pieces, vm[v].host, v, -1, vm[v].since, now, vm[v].online)
    vm[v].since = now


@compiled
def set_online(count: Ints, vm: Records, pieces: Records, v: int, wanted: float, served: float, now: float) -> None:
    """The VM's online load is served with so many cores of those it wants."""
    if wanted - served != vm[v].short or served != vm[v].online:
        if vm[v].short != 0.0 or wanted != served or len(pieces):
            cut_online(count, vm, pieces, v, now)
        vm[v].short = wanted - served
        vm[v].online = served


@compiled
def _fair_level(act: Records, first_run: int, takers: int, spare: float, online_first: bool, ceiling: float) -> float:
    """The cores of each taker that its limit does not hold below; `ceiling` is the limit of online load that shares."""
    level = spare / max(takers, 1)
    capped = 0
    while True:
        limits, below = 0.0, 0
        if not online_first and ceiling <= level:
            limits, below = ceiling, 1
        a = first_run
        while a >= 0:
            if act[a].limit <= level:
                limits += act[a].limit
                below += 1
            a = act[a].next
        if below <= capped or below >= takers:
            break
        capped = below
        level = (spare - limits) / (takers - below)
    return level


@compiled
def _share_vm(
    count: Ints,
    vm: Records,
    act: Records,
    heap: Records,
    place: Ints,
    pieces: Records,
    online_first: bool,
    v: int,
    grant: float,
    wanted: float,
    now: float,
    rest: float,
) -> None:
    """Give the VM's cores to its online load and its runs."""
    if wanted + vm[v].limits <= grant * (1.0 + ROUNDING):
        if vm[v].scarce:
            vm[v].scarce = 0
            a = vm[v].first_run
            while a >= 0:
                set_rate(count, vm, act, heap, place, pieces, a, act[a].limit, now, rest)
                a = act[a].next
            set_online(count, vm, pieces, v, wanted, wanted, now)
        elif vm[v].watched:
            set_online(count, vm, pieces, v, wanted, wanted, now)
        return
    vm[v].scarce = 1
    vm[v].grant = grant
    takers = vm[v].runs
    spare = grant
    if online_first:
        served = min(wanted, grant)
        spare = grant - served
    else:
        takers += 1
    level = _fair_level(act, vm[v].first_run, takers, spare, online_first, wanted)
    if not online_first:
        served = min(wanted, level)
    a = vm[v].first_run
    while a >= 0:
        set_rate(count, vm, act, heap, place, pieces, a, min(act[a].limit, level), now, rest)
        a = act[a].next
    set_online(count, vm, pieces, v, wanted, served, now)


@compiled
def _fill_host(
    count: Ints,
    host: Records,
    vm: Records,
    act: Records,
    heap: Records,
    place: Ints,
    pieces: Records,
    levels: Floats,
    online_first: bool,
    full: bool,
    h: int,
    now: float,
    rest: float,
) -> None:
    """Share the cores of a host that is full, or was."""
    weights = 0.0
    takers = 0
    v = host[h].first_vm
    while v >= 0:
        vm[v].want = min(vm[v].cap, online_of(vm, levels, v) + vm[v].limits)
        if vm[v].want > 0.0:
            weights += vm[v].weight
            takers += 1
        v = vm[v].next_vm
    level = host[h].cores / weights if weights > 0.0 else 0.0
    capped = 0
    while full:
        wants, heavy, below = 0.0, 0.0, 0
        v = host[h].first_vm
        while v >= 0:
            if vm[v].want > 0.0 and vm[v].want <= vm[v].weight * level:
                wants += vm[v].want
                heavy += vm[v].weight
                below += 1
            v = vm[v].next_vm
        if below <= capped or below >= takers:
            break
        capped = below
        level = (host[h].cores - wants) / (weights - heavy)
    v = host[h].first_vm
    while v >= 0:
        grant = min(vm[v].want, vm[v].weight * level) if full else vm[v].want
        wanted = online_of(vm, levels, v)
        if vm[v].scarce:
            stays = vm[v].grant == grant and vm[v].online + vm[v].short == wanted
        else:
            stays = wanted + vm[v].limits <= grant * (1.0 + ROUNDING)
        if vm[v].marked or not stays:
            _share_vm(count, vm, act, heap, place, pieces, online_first, v, grant, wanted, now, rest)
        v = vm[v].next_vm


@compiled
def online_of(vm: Records, levels: Floats, v: int) -> float:
    """Cores that the VM's online load wants."""
    c = vm[v].online_class
    return levels[c] * vm[v].scale if c >= 0 else 0.0


@compiled
def _want_anew(
    count: Ints,
    host: Records,
    vm: Records,
    pieces: Records,
    levels: Floats,
    marked_vms: Ints,
    marked_hosts: Ints,
    now: float,
) -> None:
    """What VMs want whose runs or online load have changed, and so what is wanted of their hosts."""
    for row in range(count[MARKED_HOSTS]):
        h = marked_hosts[row]
        if host[h].stepped:
            host[h].stepped = 0
            v = host[h].first_busy
            while v >= 0:
                mark_vm(count, vm, marked_vms, v)
                v = vm[v].next_busy
    for row in range(count[MARKED_VMS]):
        v = marked_vms[row]
        wanted = online_of(vm, levels, v)
        if vm[v].up:
            vm[v].want = min(vm[v].cap, wanted + vm[v].limits)
            want_beside(host, vm, v, vm[v].want if vm[v].watched else vm[v].want - wanted)
            mark_host(count, host, marked_hosts, vm[v].host)
        else:
            set_online(count, vm, pieces, v, wanted, 0.0, now)


@compiled
def settle_cores(
    count: Ints,
    host: Records,
    vm: Records,
    act: Records,
    heap: Records,
    place: Ints,
    pieces: Records,
    levels: Floats,
    online_first: bool,
    marked_vms: Ints,
    marked_hosts: Ints,
    fresh: Ints,
    now: float,
    rest: float,
) -> None:
    """Share anew what has changed at this instant."""
    _want_anew(count, host, vm, pieces, levels, marked_vms, marked_hosts, now)
    for row in range(count[MARKED_HOSTS]):
        h = marked_hosts[row]
        host[h].marked = 0
        host[h].core_s += host[h].used * (now - host[h].since)
        host[h].since = now
        wants = host[h].online + host[h].extra
        full = wants > host[h].cores * (1.0 + ROUNDING)
        host[h].used = host[h].cores if full else wants
        if full or host[h].full:
            _fill_host(count, host, vm, act, heap, place, pieces, levels, online_first, full, h, now, rest)
            host[h].full = 2 if full else 3
    for row in range(count[MARKED_VMS]):
        v = marked_vms[row]
        vm[v].marked = 0
        if vm[v].up and not host[vm[v].host].full:
            wanted = online_of(vm, levels, v)
            _share_vm(count, vm, act, heap, place, pieces, online_first, v, vm[v].want, wanted, now, rest)
    for row in range(count[MARKED_HOSTS]):
        h = marked_hosts[row]
        if host[h].full == 3:
            host[h].full = 0
    for row in range(count[FRESH]):
        a = fresh[row]
        act[a].fresh = 0
        if act[a].joined and not vm[act[a].vm].scarce:
            set_rate(count, vm, act, heap, place, pieces, a, act[a].limit, now, rest)
    count[MARKED_VMS] = 0
    count[MARKED_HOSTS] = 0
    count[FRESH] = 0
