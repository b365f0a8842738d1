"""Random small systems: an oracle with exact fractions agrees, and an auditor finds every core accounted for."""

import math
from fractions import Fraction
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.simulation.columns import SimulationInput
from capacity.simulation.records import (
    DemandStep,
    OnlineLoad,
    SimulatedHost,
    SimulatedRun,
    SimulatedVm,
    VcpuStep,
)
from capacity.simulation.reference import simulate


class Rows(NamedTuple):
    """A system as rows, which the oracle reads."""

    hosts: tuple
    vms: tuple
    runs: tuple
    online: tuple
    vcpu_steps: tuple

    def columns(self):
        """The same for the engine."""
        return SimulationInput.of(*self)


class Part(NamedTuple):
    """One piece of service."""

    vm: int
    run: int
    from_s: float
    until_s: float
    cores: float


TIMES = st.integers(0, 20).map(float)
WORK = st.integers(0, 12).map(lambda half: half / 2)
CORES = st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0])


@st.composite
def demands(draw):
    steps, reached = [], 0.0
    for _ in range(draw(st.integers(0, 3))):
        begin = reached + draw(st.integers(0, 2))
        reached = begin + draw(st.integers(1, 3))
        steps.append(DemandStep(begin, reached, draw(st.sampled_from([0.0, 0.5, 2.0]))))
    return tuple(steps)


@st.composite
def systems(draw):
    hosts = tuple(SimulatedHost(f"h{k}", draw(CORES)) for k in range(draw(st.integers(1, 2))))
    vms = tuple(
        SimulatedVm(
            f"v{k}",
            draw(st.integers(0, len(hosts) - 1)),
            draw(st.none() | CORES),
            draw(st.none() | st.integers(1, 2)),
        )
        for k in range(draw(st.integers(1, 3)))
    )
    any_vm = st.integers(0, len(vms) - 1)
    runs = []
    for row in range(draw(st.integers(1, 7))):
        after = tuple(draw(st.sets(st.integers(0, row - 1), max_size=2))) if row else ()
        demand = draw(demands())
        work = math.fsum((step.until_s - step.from_s) * step.cores for step in demand) if demand else draw(WORK)
        runs.append(
            SimulatedRun(
                f"r{row}",
                draw(any_vm),
                draw(TIMES),
                work,
                draw(st.none() | CORES),
                draw(st.sampled_from([0.0, 0.0, 1.0, 2.5])),
                after,
                tuple(draw(st.sampled_from([0.0, 1.0])) for _ in after),
                demand,
            )
        )
    online = tuple(
        OnlineLoad(draw(any_vm), begin, begin + draw(st.integers(1, 9)), draw(CORES))
        for begin in draw(st.lists(TIMES, max_size=3))
    )
    steps = tuple(VcpuStep(draw(any_vm), at, draw(st.none() | CORES)) for at in draw(st.sets(TIMES, max_size=2)))
    return Rows(hosts, vms, tuple(runs), online, steps)


def level(capacity, wants):
    """Max-min shares by raising a common level until the capacity is used or nobody wants more."""
    used, reached = Fraction(0), Fraction(0)
    for stop in sorted(set(wants)):
        hungry = sum(want > reached for want in wants)
        if used + hungry * (stop - reached) >= capacity:
            reached += (capacity - used) / hungry
            break
        used += hungry * (stop - reached)
        reached = stop
    return [min(want, reached) for want in wants]


class Oracle:
    """The trace semantics once more, step by step from event to event, everything computed anew, in fractions."""

    def __init__(self, system):
        self.system = system
        self.start = {}
        self.end = {}
        self.phases = {}
        self.ready = {}

    def ready_time(self, row):
        run = self.system.runs[row]
        if any(before not in self.end for before in run.after):
            return None
        lags = run.lag_s or (0.0,) * len(run.after)
        ends = [self.end[before] + Fraction(lag) for before, lag in zip(run.after, lags, strict=True)]
        return max([Fraction(run.release_s), *ends])

    def phase_list(self, run):
        phases = [["idle", Fraction(run.fixed_s), None]]
        reached = 0.0
        for step in run.demand:
            phases.append(["idle", Fraction(step.from_s - reached), None])
            length, reached = Fraction(step.until_s - step.from_s), step.until_s
            if step.cores:
                phases.append(["work", length * Fraction(step.cores), Fraction(step.cores)])
            else:
                phases.append(["idle", length, None])
        if not run.demand:
            phases.append(["work", Fraction(run.cpu_s), None])
        return [phase for phase in phases if phase[1] > 0]

    def settle(self, now):
        changed = True
        while changed:
            changed = False
            for row, phases in self.phases.items():
                if row not in self.end and not phases:
                    self.end[row] = now
                    changed = True
            for row in range(len(self.system.runs)):
                ready = self.ready_time(row)
                if row not in self.ready and ready is not None and ready <= now:
                    self.ready[row] = ready
            running = [row for row in self.start if row not in self.end]
            for vm_row, vm in enumerate(self.system.vms):
                taken = sum(self.system.runs[row].vm == vm_row for row in running)
                queue = sorted(
                    (ready, row)
                    for row, ready in self.ready.items()
                    if row not in self.start and self.system.runs[row].vm == vm_row
                )
                for _, row in queue[: None if vm.slots is None else max(0, vm.slots - taken)]:
                    self.start[row] = now
                    self.phases[row] = self.phase_list(self.system.runs[row])
                    changed = True

    def vcpu(self, vm_row, now):
        vm = self.system.vms[vm_row]
        steps = [(step.at_s, step.vcpu) for step in self.system.vcpu_steps if step.vm == vm_row and step.at_s <= now]
        vcpu = max(steps)[1] if steps else vm.vcpu
        cores = self.system.hosts[vm.host].cores
        return Fraction(cores if vcpu is None else vcpu)

    def rates(self, now):
        rates = {}
        for host_row, host in enumerate(self.system.hosts):
            rows = [row for row, vm in enumerate(self.system.vms) if vm.host == host_row]
            online, working, caps, wants = {}, {}, {}, []
            for vm_row in rows:
                loads = [load for load in self.system.online if load.vm == vm_row and load.from_s <= now < load.until_s]
                online[vm_row] = sum((Fraction(load.cores) for load in loads), Fraction(0))
                working[vm_row] = [
                    row
                    for row, phases in self.phases.items()
                    if phases and phases[0][0] == "work" and self.system.runs[row].vm == vm_row
                ]
                vcpu = self.vcpu(vm_row, now)
                for row in working[vm_row]:
                    limits = [vcpu, self.phases[row][0][2], self.system.runs[row].max_cores]
                    caps[row] = min(Fraction(limit) for limit in limits if limit is not None)
                wants.append(min(vcpu, online[vm_row] + sum(caps[row] for row in working[vm_row])))
            for vm_row, share in zip(rows, level(Fraction(host.cores), wants), strict=True):
                left = max(Fraction(0), share - online[vm_row])
                rates |= dict(zip(working[vm_row], level(left, [caps[row] for row in working[vm_row]]), strict=True))
        return rates

    def run(self):
        now = min(Fraction(run.release_s) for run in self.system.runs)
        given = {Fraction(step.at_s) for step in self.system.vcpu_steps}
        given |= {Fraction(time) for load in self.system.online for time in (load.from_s, load.until_s)}
        while True:
            self.settle(now)
            if len(self.end) == len(self.system.runs):
                return
            rates = self.rates(now)
            upcoming = {time for time in given if time > now}
            readies = [self.ready_time(row) for row in range(len(self.system.runs)) if row not in self.start]
            upcoming |= {ready for ready in readies if ready is not None and ready > now}
            for row, phases in self.phases.items():
                if phases and phases[0][0] == "idle":
                    upcoming.add(now + phases[0][1])
                elif phases and rates[row] > 0:
                    upcoming.add(now + phases[0][1] / rates[row])
            later = min(upcoming)
            for row, phases in self.phases.items():
                if phases:
                    phases[0][1] -= (later - now) * (rates[row] if phases[0][0] == "work" else 1)
                    if phases[0][1] == 0:
                        del phases[0]
            now = later


@settings(max_examples=300, deadline=None, derandomize=True)
@given(systems())
def test_oracle_agrees(system):
    oracle = Oracle(system)
    oracle.run()
    result = simulate(system.columns())
    for row in range(len(system.runs)):
        assert abs(result.start_s[row] - float(oracle.start[row])) <= 1e-6
        assert abs(result.end_s[row] - float(oracle.end[row])) <= 1e-6


@settings(max_examples=150, deadline=None, derandomize=True)
@given(systems())
def test_every_core_is_accounted_for(system):
    result = simulate(system.columns(), record_served=True)
    table = result.served
    columns = (table.vm, table.run, table.from_s, table.until_s, table.cores)
    served = [Part(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    for row, run in enumerate(system.runs):
        mine = [part for part in served if part.run == row]
        assert math.isclose(
            math.fsum((part.until_s - part.from_s) * part.cores for part in mine), run.cpu_s, abs_tol=1e-6
        )
        assert all(result.start_s[row] <= part.from_s and part.until_s <= result.end_s[row] for part in mine)
        assert run.max_cores is None or all(part.cores <= run.max_cores for part in mine)
    for moment in sorted({part.from_s for part in served}):
        now = [part for part in served if part.from_s <= moment < part.until_s]
        for row, host in enumerate(system.hosts):
            assert math.fsum(part.cores for part in now if system.vms[part.vm].host == row) <= host.cores + 1e-9
        for row, vm in enumerate(system.vms):
            limits = [step.vcpu for step in system.vcpu_steps if step.vm == row] + [vm.vcpu]
            if None not in limits:
                assert math.fsum(part.cores for part in now if part.vm == row) <= max(limits) + 1e-9
            inside = [k for k, run in enumerate(system.runs) if run.vm == row]
            taken = sum(result.start_s[k] <= moment < result.end_s[k] for k in inside)
            assert vm.slots is None or taken <= vm.slots
