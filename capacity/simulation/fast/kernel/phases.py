"""What an active run does next: idle time, work, failure and rerun, demand steps, printing, end."""

from __future__ import annotations

import math

from .clock import later_by
from .compiled import compiled, inlined
from .cores import cut
from .heaps import put_later, schedule, unschedule
from .marking import call_queue, join_work, leave_work
from .queues import queue_for_pool
from .state import (
    DELAYED,
    ENDED,
    FAILING,
    FIXED,
    FREE_FIRST,
    GAP,
    HIGHEST,
    POOLS,
    PRINTING,
    SAME_INSTANT_S,
    STEP,
    WORKING,
    Found,
    Given,
    Kept,
)
from .transfers import join_line, join_storage, leave_line, leave_storage


@inlined
def schedule_in(kept: Kept, a: int, now: float, seconds: float) -> None:
    """The run's next event comes in so many seconds."""
    at, kept.act[a].due_rest = later_by(now, kept.clock[2], seconds)
    schedule(kept.heap, kept.place, kept.counts, a, at)


@inlined
def take_slot(given: Given, kept: Kept, found: Found, v: int, run: int, now: float) -> None:
    """The run begins, on a slot of its VM."""
    a = _activate(kept, v, run)
    kept.act[a].most = given.max_cores[run]
    kept.vm[v].free -= 1
    if len(found.attempts):
        found.attempts[run] += 1
        if found.start_s[run] == math.inf:
            found.start_s[run] = now
    else:
        found.start_s[run] = now
    if given.fixed_s[run] > 0.0:
        kept.act[a].phase = FIXED
        schedule_in(kept, a, now, given.fixed_s[run])
    elif not _work(given, kept, found, a, now):
        kept.act[a].phase = WORKING
        kept.act[a].parts = 0
        schedule_in(kept, a, now, 0.0)


@compiled
def print_out(given: Given, kept: Kept, run: int, now: float) -> None:
    """The run holds a slot of its pool."""
    a = _activate(kept, given.vm[run], run)
    kept.act[a].phase = PRINTING
    schedule_in(kept, a, now, given.pool_s[run])


@inlined
def _activate(kept: Kept, v: int, run: int) -> int:
    count, act = kept.counts, kept.act
    a = count[FREE_FIRST]
    if a >= 0:
        count[FREE_FIRST] = act[a].next
    else:
        a = count[HIGHEST]
        count[HIGHEST] = a + 1
    act[a].run = run
    act[a].vm = v
    act[a].joined = 0
    return int(a)


@inlined
def deactivate(kept: Kept, a: int) -> None:
    """The run needs no record any more."""
    kept.act[a].run = -1
    kept.act[a].next = kept.counts[FREE_FIRST]
    kept.counts[FREE_FIRST] = a


@inlined
def _work(given: Given, kept: Kept, found: Found, a: int, now: float) -> bool:
    """From the work on; false when there is nothing to do."""
    count, act, host, vm = kept.counts, kept.act, kept.host, kept.vm
    run = act[a].run
    if len(given.failed_cpu_s) and not kept.struck[run] and given.failed_cpu_s[run] < math.inf:
        failed_cpu_s = given.failed_cpu_s[run]
        if failed_cpu_s > 0.0:
            act[a].phase = FAILING
            join_work(count, host, vm, act, kept.marked_vms, kept.fresh, a, failed_cpu_s, now, kept.clock[2])
            return True
        if _fail(given, kept, found, a, now):
            return True
    if len(given.demand_ptr) and given.demand_ptr[run + 1] > given.demand_ptr[run]:
        act[a].base, act[a].base_rest = now, kept.clock[2]
        act[a].step = given.demand_ptr[run]
        return _step(given, kept, a, now)
    act[a].phase = WORKING
    parts = 0
    if given.cpu_s[run] > 0.0:
        join_work(count, host, vm, act, kept.marked_vms, kept.fresh, a, given.cpu_s[run], now, kept.clock[2])
        parts += 1
    h = vm[act[a].vm].host
    if len(given.io_mib) and given.io_mib[run] > 0.0 and host[h].io_mib_s < math.inf:
        join_storage(count, host, vm, act, kept.io, kept.io_hosts, a, given.io_mib[run], now)
        parts += 1
    if len(given.line_mib) and given.line_mib[run] > 0.0:
        line = host[h].line
        if line >= 0 and given.line_mib_s[line] < math.inf:
            kept.wire[a].line = line
            join_line(count, kept.wire, kept.line_first, kept.line_runs, kept.line_marked, kept.lines, line, a,
                      given.line_mib[run], now)  # fmt: skip
            parts += 1
    act[a].parts = parts
    return parts > 0


@compiled
def _fail(given: Given, kept: Kept, found: Found, a: int, now: float) -> bool:
    """It has failed; false when all of its work comes at once."""
    run = kept.act[a].run
    kept.struck[run] = 1
    found.attempts[run] += 1
    delay_s = given.rerun_delay_s[run] if len(given.rerun_delay_s) else 0.0
    wait_s = delay_s if delay_s > 0.0 else given.fixed_s[run]
    if wait_s > 0.0:
        kept.act[a].phase = DELAYED if delay_s > 0.0 else FIXED
        schedule_in(kept, a, now, wait_s)
        return True
    return False


@compiled
def _step(given: Given, kept: Kept, a: int, now: float) -> bool:
    """On to the demand step that comes next; false after the last."""
    act = kept.act
    run = act[a].run
    step = act[a].step
    while step < given.demand_ptr[run + 1]:
        cores = given.demand_cores[step]
        idle_until_s = given.demand_from_s[step] if cores > 0.0 else given.demand_until_s[step]
        if act[a].base + idle_until_s > now + SAME_INSTANT_S:
            act[a].phase = GAP
            act[a].step = step
            at, act[a].due_rest = later_by(act[a].base, act[a].base_rest, idle_until_s)
            schedule(kept.heap, kept.place, kept.counts, a, at)
            return True
        if cores > 0.0:
            act[a].phase = STEP
            act[a].step = step
            act[a].most = min(given.max_cores[run], cores)
            work = (given.demand_until_s[step] - given.demand_from_s[step]) * cores
            join_work(kept.counts, kept.host, kept.vm, act, kept.marked_vms, kept.fresh, a, work, now, kept.clock[2])
            return True
        step += 1
    return False


@inlined
def through(given: Given, kept: Kept, found: Found, a: int, now: float) -> bool:
    """What the run does by itself (not its transfers) is through; true when that was the last of its work."""
    act = kept.act
    phase = act[a].phase
    if act[a].joined:
        cut(kept.counts, kept.vm, act, found.pieces, a, now, kept.clock[2])
        leave_work(kept.counts, kept.host, kept.vm, act, kept.marked_vms, a)
    if phase == WORKING:
        act[a].parts -= 1
        return bool(act[a].parts <= 0)
    if phase == STEP:
        until_s = given.demand_until_s[act[a].step]
        if (now - act[a].base - until_s) + (kept.clock[2] - act[a].base_rest) > 0.0:
            act[a].base, act[a].base_rest = later_by(now, kept.clock[2], -until_s)
        act[a].step += 1
    if phase in (GAP, STEP):
        return not _step(given, kept, a, now)
    if phase == FAILING and _fail(given, kept, found, a, now):
        return False
    if phase == DELAYED and given.fixed_s[act[a].run] > 0.0:
        act[a].phase = FIXED
        schedule_in(kept, a, now, given.fixed_s[act[a].run])
        return False
    return not _work(given, kept, found, a, now)


@compiled
def transfer_through(given: Given, kept: Kept, found: Found, who: int, now: float) -> bool:
    """A transfer of the run is through; true when that was the last of its work."""
    act = kept.act
    a = who % len(act)
    if who < 2 * len(act):
        leave_storage(kept.counts, kept.host, kept.vm, act, kept.io, kept.io_hosts, kept.heap, kept.place, a)
    else:
        drop_line(kept, a)
    act[a].parts -= 1
    return bool(act[a].parts <= 0)


@compiled
def drop_line(kept: Kept, a: int) -> None:
    """The run sends nothing any more."""
    line = kept.wire[a].line
    kept.wire[a].joined = 0
    if line >= 0:
        leave_line(kept.counts, kept.wire, kept.line_first, kept.line_runs, kept.line_marked, kept.lines, line, a)
    unschedule(kept.heap, kept.place, kept.counts, 2 * len(kept.act) + a)


@inlined
def finish(given: Given, kept: Kept, found: Found, a: int, now: float) -> bool:
    """The run's work is through: its slot is given back. True when it has ended with that, false when it prints."""
    run, v = kept.act[a].run, kept.act[a].vm
    kept.vm[v].free += 1
    call_queue(kept.counts, kept.vm, kept.calling, v)
    found.work_end_s[run] = now
    if len(given.pool) and given.pool[run] >= 0 and given.pool_s[run] > 0.0:
        queue_for_pool(kept.queue_next, found.work_end_s, kept.pool_first, kept.pool_last, given.pool[run], run)
        kept.counts[POOLS] = 1
        return False
    return True


@inlined
def end(given: Given, kept: Kept, found: Found, run: int, now: float) -> None:
    """The run has ended: those that waited for it alone become ready, now or later."""
    if len(found.end_s):
        found.end_s[run] = now
    kept.clock[1] = now
    kept.counts[ENDED] += 1
    if len(given.follower_ptr):
        for row in range(given.follower_ptr[run], given.follower_ptr[run + 1]):
            follower = given.follower[row]
            at = max(kept.earliest_s[follower], now + given.follower_lag_s[row])
            kept.earliest_s[follower] = at
            kept.waits[follower] -= 1
            if kept.waits[follower] == 0:
                put_later(kept.later, kept.counts, follower, at)
