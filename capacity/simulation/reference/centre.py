"""A centre and everything that happens in it, instant by instant.

An instant is settled in rounds: first phases that are through end, then given changes are made, then runs that are
released (or whose last predecessor has ended) queue up. Then VMs and pools give free slots to their queues. Last, the
resources on which anything has changed are shared anew; no other is touched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from capacity.records import Floats

from ..columns import SimulationInput
from ..records import SimulationResult
from ..validity import check
from .bandwidth import Bandwidth, Line, Storage
from .changes import Change, Failure, LiveMove, OnlineChange, Restart, VcpuChange, given_changes
from .clock import INSTANT_S, Clock, Occurrence
from .host import Host
from .instant import Instant
from .ledger import Ledger
from .moving import fail, move, restart
from .printing import Pool, PrintOver
from .resource import Wake
from .run import IdleOver, Release, Run
from .serving import put_on, take_off
from .vm import Vm
from .windows import Calendar


def simulate(system: SimulationInput, *, record_served: bool = False) -> SimulationResult:
    """When every run of the system gets its slot and ends (docs/simulation-model.md); what never happens is infinite.

    With `record_served` the result also says who had how many cores when.
    Raises ValueError for a system that contradicts itself, or whose runs wait for each other.
    """
    check(system)
    centre = _Centre(system, recording=record_served)
    centre.clock.run()
    centre.close_accounts()
    ledger = centre.ledger
    return SimulationResult(
        ready_s=_times([run.ready_s for run in centre.runs]),
        start_s=_times([run.start_s for run in centre.runs]),
        work_end_s=_times([run.work_end_s for run in centre.runs]),
        end_s=_times([run.end_s for run in centre.runs]),
        attempts=np.array([run.attempts for run in centre.runs], dtype=np.int64),
        host_core_s=ledger.host_core_s.total(),
        online_wanted_core_s=ledger.online_wanted_core_s.total(),
        online_served_core_s=ledger.online_served_core_s.total(),
        served=ledger.served_table(),
    )


class _Centre:
    """Hosts, VMs, runs, and the rounds of an instant."""

    def __init__(self, system: SimulationInput, *, recording: bool) -> None:
        self.clock = Clock(_first_time(system), self._settle)
        self.ledger = Ledger(len(system.hosts), len(system.vms), recording=recording)
        self._build_hosts_and_vms(system)
        pools = [Pool(slots) for slots in system.centre.pool_slots.tolist()]
        calendars = _calendars(system)
        self.runs = [
            Run(
                row,
                record,
                self.vms[record.vm],
                calendar=None if record.calendar is None else calendars[record.calendar],
                pool=pools[record.pool] if record.pool is not None and record.pool_s > 0 else None,
            )
            for row, record in enumerate(system.run_rows())
        ]
        self._plan_what_is_given(system)

    def _build_hosts_and_vms(self, system: SimulationInput) -> None:
        columns = system.hosts
        lines = [_limited(Line(mib_s)) for mib_s in system.centre.line_mib_s.tolist()]
        given = zip(columns.cores.tolist(), columns.io_mib_s.tolist(), columns.line.tolist(), strict=True)
        self.hosts = [
            Host(row, cores, _limited(Storage(io_mib_s)), lines[line] if line >= 0 else None)
            for row, (cores, io_mib_s, line) in enumerate(given)
        ]
        vms = system.vms
        self.vms = [
            Vm(
                row,
                self.hosts[host],
                self.ledger,
                vcpu=vcpu,
                slots=slots,
                weight=weight,
                online_first=system.online_first,
            )
            for row, (host, vcpu, slots, weight) in enumerate(
                zip(vms.host.tolist(), vms.vcpu.tolist(), vms.slots.tolist(), vms.weight.tolist(), strict=True)
            )
        ]

    def _plan_what_is_given(self, system: SimulationInput) -> None:
        for run in self.runs:
            for predecessor, lag_s in zip(run.record.after, run.record.lag_s, strict=True):
                self.runs[predecessor].followers.append((run, lag_s))
            if not run.waits_for:
                self.clock.at(run.earliest_s, Release(run))
        for at_s, change in given_changes(system, self.vms, self.hosts):
            self.clock.at(at_s, change)

    def close_accounts(self) -> None:
        """Note what was served up to the last end and is still open."""
        for vm in self.vms:
            vm.close_all(self.ledger.last_end_s)

    # One instant

    def _settle(self, now: float, occurrences: Sequence[Occurrence]) -> None:
        instant = Instant(now)
        for occurrence in occurrences:
            instant.sort_in(occurrence)
        while instant.has_more:
            self._make_ends(instant)
            changes, instant.changes = instant.changes, []
            for change in sorted(changes, key=lambda change: change.order):
                self._apply(change, instant)
            self._queue_up(instant)
            for vm in list(instant.vms):
                self._hand_out_slots(vm, instant)
            for pool in instant.pools:
                for run in pool.hand_out():
                    self.clock.at(now + run.record.pool_s, PrintOver(run))
        for resource in instant.resources:
            if resource.wake is not None:
                resource.wake.void = True
            next_end_s = resource.share(now)
            resource.wake = None
            if next_end_s < math.inf:
                resource.wake = Wake(resource)
                self.clock.at(next_end_s, resource.wake)

    # 1. Ends

    def _make_ends(self, instant: Instant) -> None:
        through, instant.through = instant.through, []
        for work in through:
            take_off(work, instant)
            if not work.run.is_busy:
                instant.ends.append(work.run)
        ends, instant.ends = instant.ends, []
        for run in ends:
            if not self._enter_next_phase(run, instant):
                self._end_work(run, instant)
        printed, instant.printed = instant.printed, []
        for run in printed:
            if run.pool is not None:
                run.pool.free_slots += 1
                instant.pools[run.pool] = None
            self._end(run, instant)

    def _enter_next_phase(self, run: Run, instant: Instant) -> bool:
        """Pass over phases that take no time; answers whether there was one that does."""
        while (phase := run.next_phase()) is not None:
            if phase.idle_s > 0:
                run.idle = IdleOver(run)
                self.clock.at(instant.now + phase.idle_s, run.idle)
            else:
                put_on(run, phase, instant)
            if run.is_busy:
                return True
        return False

    def _end_work(self, run: Run, instant: Instant) -> None:
        run.work_end_s = instant.now
        del run.vm.holders[run.row]
        instant.vms[run.vm] = None
        if run.pool is None:
            self._end(run, instant)
        else:
            run.pool.queue_up(run, instant.now)
            instant.pools[run.pool] = None

    def _end(self, run: Run, instant: Instant) -> None:
        run.end_s = instant.now
        self.ledger.run_ends(instant.now)
        for follower, lag_s in run.followers:
            follower.waits_for -= 1
            follower.earliest_s = max(follower.earliest_s, instant.now + lag_s)
            if follower.waits_for:
                continue
            if follower.earliest_s <= instant.now + INSTANT_S:
                instant.ready.append(follower)
            else:
                self.clock.at(follower.earliest_s, Release(follower))

    # 2. Changes

    def _apply(self, change: Change, instant: Instant) -> None:
        vm = change.vm
        match change:
            case VcpuChange():
                vm.vcpu = change.vcpu
                instant.touch_cores(vm)
            case OnlineChange():
                vm.set_online(change.cores, instant.now)
                instant.touch_cores(vm)
            case LiveMove():
                move(vm, change.to_host, instant)
            case Failure():
                fail(vm, instant)
            case Restart():
                restart(vm, change.to_host, instant)

    # 3. Releases, then slots

    def _queue_up(self, instant: Instant) -> None:
        for run in instant.ready:
            run.ready_s = instant.now
        opened = [run for calendar in instant.opening for run in calendar.release_waiting()]
        for run in (*instant.ready, *opened):
            run.vm.queue_up(run)
            instant.vms[run.vm] = None
        instant.ready, instant.opening = [], []

    def _hand_out_slots(self, vm: Vm, instant: Instant) -> None:
        while vm.queue and vm.has_free_slot:
            run = vm.first_in_queue()
            if run.calendar is not None and not run.calendar.is_open(instant.now):
                run.calendar.wait(run, instant.now, self.clock)
                continue
            vm.holders[run.row] = run
            run.begin(instant.now)
            if not self._enter_next_phase(run, instant):
                instant.ends.append(run)


def _limited(bandwidth: Bandwidth) -> Bandwidth | None:
    """None where the bandwidth is never a limit."""
    return bandwidth if math.isfinite(bandwidth.mib_s) else None


def _calendars(system: SimulationInput) -> list[Calendar]:
    centre = system.centre
    opens_s, closes_s = centre.window_open_s.tolist(), centre.window_close_s.tolist()
    return [Calendar(opens_s[a:b], closes_s[a:b]) for a, b in pairwise(centre.window_ptr.tolist())]


def _first_time(system: SimulationInput) -> float:
    changes = system.changes
    times = (system.runs.release_s, changes.vcpu_at_s, changes.move_at_s, system.online.at_s)
    return min((float(part.min()) for part in times if len(part)), default=0.0)


def _times(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64)
