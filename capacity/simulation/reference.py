"""The reference model of a centre: hosts share cores, VMs share slots, runs wait for each other. SimPy keeps the clock.

What happens within `INSTANT_S` of each other is one instant, which bears the time of its first event. An instant is
settled in rounds: first every run that is through ends, then phases, vCPU and online load change, then runs that are
released (or whose last predecessor has ended) queue up. Then each VM gives its free slots to the queue, by ready time,
then row. A run without work ends in the next round of the same instant. Last, the hosts on which anything has changed
share their cores anew; no other host is touched.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Generator, Iterable
from typing import TypeAlias

import numpy as np
import simpy

from .columns import SimulationInput
from .records import ServedTable, SimulatedRun, SimulationResult
from .sharing import max_min_fair
from .validity import check

INSTANT_S = 1e-7
"""Times that lie no further apart are one instant."""

_Occurrence: TypeAlias = "_Run | _Change | _Wake"


class _Run:
    """One run on its way: waiting, queued, then phase by phase; a phase is idle time or work on at most `cap` cores."""

    def __init__(self, row: int, record: SimulatedRun, vm: _Vm) -> None:
        self.row = row
        self.vm = vm
        self.phases = _phases(record)
        self.phase = -1
        self.waits_for = len(record.after)
        self.followers: list[tuple[_Run, float]] = []
        self.ready_s = record.release_s
        self.start_s = math.nan
        self.end_s = math.nan
        self.max_cores = record.max_cores
        self.cap = 0.0
        self.left = 0.0
        self.since_s = 0.0
        self.rate = 0.0

    @property
    def through_s(self) -> float:
        """When the work of this phase is served if the rate stays."""
        return self.since_s + self.left / self.rate if self.rate > 0 else math.inf

    @property
    def in_last_phase(self) -> bool:
        """Whether the run ends with its phase."""
        return self.phase == len(self.phases) - 1

    @property
    def limit(self) -> float:
        """Most cores this run can use now."""
        return self.cap if self.max_cores is None else min(self.cap, self.max_cores)


class _Vm:
    """Slots and vCPU of one VM, its queue, and the runs that are working."""

    def __init__(self, row: int, host: _Host, vcpu: float, slots: int) -> None:
        self.row = row
        self.host = host
        self.vcpu = min(host.cores, vcpu)
        self.free_slots = float(slots) if slots else math.inf
        self.queue: list[tuple[float, int, _Run]] = []
        self.working: dict[int, _Run] = {}
        self.online = 0.0
        self.wants = 0.0
        self.share = 0.0
        self.share_since_s = 0.0


class _Host:
    """Cores and the VMs that use some of them."""

    def __init__(self, row: int, cores: float) -> None:
        self.row = row
        self.cores = cores
        self.busy: dict[int, _Vm] = {}
        self.wake: _Wake | None = None


class _Change:
    """New vCPU or online load of a VM; None leaves it as it is."""

    def __init__(self, vm: _Vm, *, vcpu: float | None = None, online: float | None = None) -> None:
        self.vm = vm
        self.vcpu = vcpu
        self.online = online


class _Wake:
    """A host's next end of work, void as soon as the host has shared its cores anew."""

    def __init__(self, host: _Host) -> None:
        self.host = host


class _Instant:
    """What is still to be settled in one instant, and what it has touched (dicts, because they keep their order)."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.ends: list[_Run] = []
        self.phase_changes: list[_Run] = []
        self.changes: list[_Change] = []
        self.ready: list[_Run] = []
        self.touched: dict[_Vm, None] = {}
        self.woken: dict[_Host, None] = {}

    def has_more(self) -> bool:
        """Whether another round is needed."""
        return bool(self.ends or self.phase_changes or self.changes or self.ready)

    def sort_in(self, occurrence: _Occurrence) -> None:
        """Put an occurrence where it belongs."""
        if isinstance(occurrence, _Change):
            self.changes.append(occurrence)
        elif isinstance(occurrence, _Wake):
            self.woken[occurrence.host] = None
            for vm in occurrence.host.busy.values():
                for run in vm.working.values():
                    if run.through_s <= self.now + INSTANT_S:
                        self._phase_over(run)
        elif math.isnan(occurrence.start_s):
            self.ready.append(occurrence)
        else:
            self._phase_over(occurrence)

    def _phase_over(self, run: _Run) -> None:
        (self.ends if run.in_last_phase else self.phase_changes).append(run)


def simulate(system: SimulationInput, *, record_served: bool = False) -> SimulationResult:
    """When every run of the system gets its slot and ends (DESIGN 3, trace directory).

    With `record_served` the result also says who had how many cores when.
    Raises ValueError for a system that contradicts itself, or whose runs wait for each other or for cores for ever.
    """
    check(system)
    centre = _Centre(system, record_served=record_served)
    centre.environment.run()
    unfinished = [system.runs.ids[run.row] for run in centre.runs if math.isnan(run.end_s)]
    if unfinished:
        raise ValueError(f"{len(unfinished)} runs never end, the first is {unfinished[0]}")
    end_s = np.array([run.end_s for run in centre.runs], dtype=np.float64)
    return SimulationResult(
        ready_s=np.array([run.ready_s for run in centre.runs], dtype=np.float64),
        start_s=np.array([run.start_s for run in centre.runs], dtype=np.float64),
        work_end_s=end_s,
        end_s=end_s,
        attempts=np.ones(len(end_s), dtype=np.int64),
        host_core_s=np.zeros(len(system.hosts)),
        online_wanted_core_s=np.zeros(len(system.vms)),
        online_served_core_s=np.zeros(len(system.vms)),
        served=centre.served_table() if record_served else None,
    )


class _Centre:
    """Everything that happens in one simulation."""

    def __init__(self, system: SimulationInput, *, record_served: bool) -> None:
        self.hosts = [_Host(row, cores) for row, cores in enumerate(system.hosts.cores.tolist())]
        vms = zip(system.vms.host.tolist(), system.vms.vcpu.tolist(), system.vms.slots.tolist(), strict=True)
        self.vms = [_Vm(row, self.hosts[host], vcpu, slots) for row, (host, vcpu, slots) in enumerate(vms)]
        self.runs = [_Run(row, record, self.vms[record.vm]) for row, record in enumerate(system.run_rows())]
        self.served: list[tuple[int, int, int, float, float, float]] = []
        self.record_served = record_served
        self.environment = simpy.Environment(initial_time=_first_time(system))
        self.bell = self.environment.event()
        self.gathered: list[tuple[float, _Occurrence]] = []
        self.environment.process(self._instants())
        self._schedule_given(system)

    def _schedule_given(self, system: SimulationInput) -> None:
        for run, record in zip(self.runs, system.run_rows(), strict=True):
            for predecessor, lag_s in zip(record.after, record.lag_s, strict=True):
                self.runs[predecessor].followers.append((run, lag_s))
            if not record.after:
                self._at(record.release_s, run)
        changes = system.changes
        for row, at_s, vcpu in zip(
            changes.vcpu_vm.tolist(), changes.vcpu_at_s.tolist(), changes.vcpu.tolist(), strict=True
        ):
            vm = self.vms[row]
            self._at(at_s, _Change(vm, vcpu=min(vm.host.cores, vcpu)))
        for row, at_s, cores in _online_levels(system):
            self._at(at_s, _Change(self.vms[row], online=cores))

    # The clock

    def _at(self, time_s: float, occurrence: _Occurrence) -> None:
        """Let something happen at a time that is not before this instant."""
        delay_s = max(0.0, time_s - self.environment.now)
        self.environment.timeout(delay_s).callbacks.append(lambda _: self._occur(time_s, occurrence))

    def _occur(self, time_s: float, occurrence: _Occurrence) -> None:
        if isinstance(occurrence, _Wake) and occurrence.host.wake is not occurrence:
            return
        self.gathered.append((time_s, occurrence))
        if not self.bell.triggered:
            self.bell.succeed()

    def _instants(self) -> Generator[simpy.Event, object, None]:
        """Wait for the first event of an instant, gather what else belongs to it, settle it."""
        while True:
            yield self.bell
            yield self.environment.timeout(INSTANT_S)
            self.bell = self.environment.event()
            gathered, self.gathered = self.gathered, []
            self._settle(min(time_s for time_s, _ in gathered), [occurrence for _, occurrence in gathered])

    # One instant

    def _settle(self, now: float, occurrences: list[_Occurrence]) -> None:
        instant = _Instant(now)
        for occurrence in occurrences:
            instant.sort_in(occurrence)
        while instant.has_more():
            ends, instant.ends = instant.ends, []
            for run in ends:
                self._end(run, instant)
            phase_changes, instant.phase_changes = instant.phase_changes, []
            for run in phase_changes:
                self._next_phase(run, instant)
            changes, instant.changes = instant.changes, []
            for change in changes:
                self._apply(change, instant)
            self._queue_up(instant)
            self._hand_out_slots(instant)
        by_host: dict[_Host, list[_Vm]] = {host: [] for host in instant.woken}
        for vm in instant.touched:
            by_host.setdefault(vm.host, []).append(vm)
        for host, touched in by_host.items():
            self._share_host(host, touched, now)

    def _end(self, run: _Run, instant: _Instant) -> None:
        self._stop_work(run, instant.now)
        run.end_s = instant.now
        run.vm.free_slots += 1
        instant.touched[run.vm] = None
        for follower, lag_s in run.followers:
            follower.waits_for -= 1
            follower.ready_s = max(follower.ready_s, instant.now + lag_s)
            if follower.waits_for:
                continue
            if follower.ready_s <= instant.now + INSTANT_S:
                instant.ready.append(follower)
            else:
                self._at(follower.ready_s, follower)

    def _next_phase(self, run: _Run, instant: _Instant) -> None:
        """Enter the next phase that takes time; a run that has none left is through."""
        self._stop_work(run, instant.now)
        instant.touched[run.vm] = None
        while run.phase + 1 < len(run.phases):
            run.phase += 1
            idle_s, work, cap = run.phases[run.phase]
            if idle_s > 0:
                self._at(instant.now + idle_s, run)
                return
            if work > 0:
                run.left, run.cap, run.since_s, run.rate = work, cap, instant.now, 0.0
                run.vm.working[run.row] = run
                return
        instant.ends.append(run)

    def _stop_work(self, run: _Run, now: float) -> None:
        if run.vm.working.pop(run.row, None) is not None:
            self._note(run.vm, run.row, run.since_s, now, run.rate)
            run.rate = 0.0

    def _apply(self, change: _Change, instant: _Instant) -> None:
        vm = change.vm
        instant.touched[vm] = None
        if change.vcpu is not None:
            vm.vcpu = change.vcpu
        if change.online is not None:
            self._note(vm, None, vm.share_since_s, instant.now, min(vm.online, vm.share))
            vm.share_since_s = instant.now
            vm.online = change.online

    def _queue_up(self, instant: _Instant) -> None:
        for run in instant.ready:
            run.ready_s = instant.now
            instant.touched[run.vm] = None
            heapq.heappush(run.vm.queue, (instant.now, run.row, run))
        instant.ready = []

    def _hand_out_slots(self, instant: _Instant) -> None:
        for vm in list(instant.touched):
            while vm.queue and vm.free_slots >= 1:
                run = heapq.heappop(vm.queue)[2]
                vm.free_slots -= 1
                run.start_s = instant.now
                self._next_phase(run, instant)

    # Sharing

    def _share_host(self, host: _Host, touched: list[_Vm], now: float) -> None:
        """Share the host's cores between its VMs, each VM's share between its runs, and look for the next end."""
        for vm in touched:
            vm.wants = min(vm.vcpu, vm.online + sum(run.limit for run in vm.working.values()))
            if vm.wants > 0:
                host.busy[vm.row] = vm
            elif host.busy.pop(vm.row, None) is not None:
                self._share_vm(vm, 0.0, now)
        changed = set(touched)
        vms = list(host.busy.values())
        for vm, share in zip(vms, max_min_fair(host.cores, [vm.wants for vm in vms]), strict=True):
            if share != vm.share or vm in changed:
                self._share_vm(vm, share, now)
        next_s = min((run.through_s for vm in vms for run in vm.working.values()), default=math.inf)
        host.wake = None
        if next_s < math.inf:
            host.wake = _Wake(host)
            self._at(next_s, host.wake)

    def _share_vm(self, vm: _Vm, share: float, now: float) -> None:
        self._note(vm, None, vm.share_since_s, now, min(vm.online, vm.share))
        vm.share, vm.share_since_s = share, now
        runs = list(vm.working.values())
        limits = [run.limit for run in runs]
        uncapped = share >= vm.online + sum(limits)
        rates = limits if uncapped else max_min_fair(share - min(vm.online, share), limits)
        for run, rate in zip(runs, rates, strict=True):
            if rate != run.rate:
                self._note(vm, run.row, run.since_s, now, run.rate)
                run.left = max(0.0, run.left - run.rate * (now - run.since_s))
                run.since_s, run.rate = now, rate

    def _note(self, vm: _Vm, run: int | None, from_s: float, until_s: float, cores: float) -> None:
        if self.record_served and cores > 0 and until_s > from_s:
            row = -1 if run is None else run
            self.served.append((vm.host.row, vm.row, row, from_s, until_s, cores))

    def served_table(self) -> ServedTable:
        """What was served, in the order in which it ended."""
        table = np.array(self.served, dtype=np.float64).reshape(-1, 6)
        host, vm, run = (table[:, column].astype(np.int64) for column in range(3))
        return ServedTable(host, vm, run, table[:, 3], table[:, 4], table[:, 5])


def _phases(record: SimulatedRun) -> tuple[tuple[float, float, float], ...]:
    """Phases of a run as (idle seconds, core-seconds, cap in cores); one of the first two is 0."""
    phases = [(record.fixed_s, 0.0, 0.0)] if record.fixed_s > 0 else []
    if not record.demand:
        return (*phases, (0.0, record.cpu_s, math.inf)) if record.cpu_s > 0 else tuple(phases)
    reached_s = 0.0
    for step in record.demand:
        if step.from_s > reached_s:
            phases.append((step.from_s - reached_s, 0.0, 0.0))
        length_s = step.until_s - step.from_s
        phases.append((0.0, length_s * step.cores, step.cores) if step.cores > 0 else (length_s, 0.0, 0.0))
        reached_s = step.until_s
    return tuple(phases)


def _first_time(system: SimulationInput) -> float:
    times = (system.runs.release_s, system.changes.vcpu_at_s, system.online.at_s)
    return min((float(part.min()) for part in times if len(part)), default=0.0)


def _online_levels(system: SimulationInput) -> Iterable[tuple[int, float, float]]:
    """Online load as steps: VM, from when, cores."""
    online = system.online
    for row, (number, scale) in enumerate(
        zip(system.vms.online_class.tolist(), system.vms.online_cores.tolist(), strict=True)
    ):
        if number >= 0 and scale > 0:
            of_class = slice(int(online.ptr[number]), int(online.ptr[number + 1]))
            for at_s, level in zip(online.at_s[of_class].tolist(), online.level[of_class].tolist(), strict=True):
                yield row, at_s, scale * level
