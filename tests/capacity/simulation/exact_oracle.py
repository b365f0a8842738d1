"""The simulation model once more, in exact fractions: from event to event, everything computed anew from the page.

It knows nothing of clocks, wakes or caches; equal times are equal fractions, so it needs no tolerance for instants.
"""

import math
from dataclasses import dataclass, field
from fractions import Fraction

ZERO = Fraction(0)
DENOMINATOR = 10_000
"""Given numbers are meant as the decimals they were written as."""


def exact(value):
    """The fraction that a number was written as; None stays None."""
    return None if value is None else Fraction(value).limit_denominator(DENOMINATOR)


@dataclass
class Phase:
    """What is left of idle time, or of work on at most `cap` cores, storage and line."""

    idle: Fraction = ZERO
    cpu: Fraction = ZERO
    cap: Fraction | None = None
    io: Fraction = ZERO
    line: Fraction = ZERO
    fails: bool = False

    @property
    def through(self):
        return self.idle == self.cpu == self.io == self.line == 0


@dataclass
class State:
    """Where a run is; times are None until they come."""

    ready: Fraction | None = None
    start: Fraction | None = None
    work_end: Fraction | None = None
    end: Fraction | None = None
    printed: Fraction | None = None
    attempts: int = 0
    failed: bool = False
    holds_slot: bool = False
    phases: list = field(default_factory=list)


def phases_of(run, failed):
    cap = exact(run.max_cores)
    fixed = Phase(idle=exact(run.fixed_s))
    if run.demand:
        phases, reached = [fixed], ZERO
        for step in run.demand:
            begin, end, cores = exact(step.from_s), exact(step.until_s), exact(step.cores)
            phases.append(Phase(idle=begin - reached))
            limit = cores if cap is None else min(cores, cap)
            phases.append(Phase(cpu=(end - begin) * cores, cap=limit) if cores else Phase(idle=end - begin))
            reached = end
        return phases
    work = Phase(cpu=exact(run.cpu_s), cap=cap, io=exact(run.io_mib), line=exact(run.line_mib))
    if run.failed_cpu_s is None or failed:
        return [fixed, work]
    failing = Phase(cpu=exact(run.failed_cpu_s), cap=cap, fails=True)
    return [fixed, failing, Phase(idle=exact(run.rerun_delay_s)), Phase(idle=exact(run.fixed_s)), work]


def filled(capacity, wants, weights):
    """Raise a common level (per weight) until the capacity is used or nobody wants more."""
    if sum(wants) <= capacity:
        return list(wants)
    hungry = set(range(len(wants)))
    while True:
        taken = sum(wants[k] for k in range(len(wants)) if k not in hungry)
        level = (capacity - taken) / sum(weights[k] for k in hungry)
        content = {k for k in hungry if wants[k] <= level * weights[k]}
        if not content:
            return [level * weights[k] if k in hungry else wants[k] for k in range(len(wants))]
        hungry -= content


class Oracle:
    """Run `run()`; then `states` say when what happened, and the accounts hold what counted up to the last end."""

    def __init__(self, system):
        self.system = system
        self.states = [State() for _ in system.runs]
        self.host_of = [vm.host for vm in system.vms]
        self.up = [True] * len(system.vms)
        self.vcpu = [exact(vm.vcpu) for vm in system.vms]
        self.given = sorted(self.changes(), key=lambda change: change[:4])
        accounts = {"host": len(system.hosts), "wanted": len(system.vms), "served": len(system.vms)}
        self.running_accounts = {name: [ZERO] * rows for name, rows in accounts.items()}
        self.accounts = {name: [ZERO] * rows for name, rows in accounts.items()}

    def changes(self):
        """Changes as (time, kind, row, part, what to do)."""
        for row, step in enumerate(self.system.vcpu_steps):
            yield exact(step.at_s), 0, row, 0, ("vcpu", step.vm, exact(step.vcpu))
        for row, move in enumerate(sorted(self.system.relocations, key=lambda move: move.at_s)):
            if move.keeps_work:
                yield exact(move.at_s), 2, row, 0, ("up", move.vm, move.to_host)
            else:
                yield exact(move.at_s), 2, row, 0, ("down", move.vm, None)
                if math.isfinite(move.until_s):
                    yield exact(move.until_s), 2, row, 1, ("up", move.vm, move.to_host)

    def runs_on(self, vm_row):
        return [row for row, run in enumerate(self.system.runs) if run.vm == vm_row]

    # One instant

    def settle(self, now):
        while True:
            before = repr((self.states, self.given))
            self.ends(now)
            while self.given and self.given[0][0] <= now:
                self.change(*self.given.pop(0)[4])
            for row, state in enumerate(self.states):
                if state.ready is None and (ready := self.ready_time(row)) is not None and ready <= now:
                    state.ready = now
            self.give_vm_slots(now)
            self.give_pool_slots(now)
            if repr((self.states, self.given)) == before:
                return

    def ends(self, now):
        for run, state in zip(self.system.runs, self.states, strict=True):
            if state.holds_slot:
                while state.phases and self.without_free_parts(run, state.phases[0]).through:
                    if state.phases.pop(0).fails:
                        state.failed = True
                        state.attempts += 1
                if not state.phases:
                    state.holds_slot = False
                    state.work_end = now
                    if run.pool is None or run.pool_s == 0:
                        state.end = now
            elif state.printed is not None and state.end is None and state.printed <= now:
                state.end = now

    def without_free_parts(self, run, phase):
        host = self.system.hosts[self.host_of[run.vm]]
        if host.io_mib_s is None:
            phase.io = ZERO
        if host.line is None:
            phase.line = ZERO
        return phase

    def change(self, kind, vm_row, value):
        if kind == "vcpu":
            self.vcpu[vm_row] = value
        elif kind == "up":
            self.up[vm_row] = True
            self.host_of[vm_row] = value
        else:
            self.up[vm_row] = False
            for row in self.runs_on(vm_row):
                self.states[row].holds_slot = False
                self.states[row].phases = []

    def ready_time(self, row):
        run = self.system.runs[row]
        ends = [self.states[before].end for before in run.after]
        if None in ends:
            return None
        return max([exact(run.release_s), *(end + exact(lag) for end, lag in zip(ends, run.lag_s, strict=True))])

    def may_start(self, run, now):
        if run.calendar is None:
            return True
        windows = self.system.calendars[run.calendar].windows
        return any(exact(opens) <= now < exact(closes) for opens, closes in windows)

    def give_vm_slots(self, now):
        for vm_row, vm in enumerate(self.system.vms):
            if not self.up[vm_row]:
                continue
            rows = self.runs_on(vm_row)
            queue = [
                row
                for row in rows
                if self.states[row].ready is not None
                and self.states[row].work_end is None
                and not self.states[row].holds_slot
                and self.may_start(self.system.runs[row], now)
            ]
            free = math.inf if vm.slots is None else vm.slots - sum(self.states[row].holds_slot for row in rows)
            for place, row in enumerate(sorted(queue, key=lambda row: (self.states[row].ready, row))):
                if place < free:
                    state = self.states[row]
                    state.holds_slot = True
                    state.attempts += 1
                    state.start = now if state.start is None else state.start
                    state.phases = phases_of(self.system.runs[row], state.failed)
                    while state.phases and self.without_free_parts(self.system.runs[row], state.phases[0]).through:
                        if state.phases.pop(0).fails:
                            state.failed = True
                            state.attempts += 1

    def give_pool_slots(self, now):
        for pool_row, pool in enumerate(self.system.pools):
            rows = [row for row, run in enumerate(self.system.runs) if run.pool == pool_row and run.pool_s > 0]
            states = {row: self.states[row] for row in rows if self.states[row].work_end is not None}
            free = pool.slots - sum(state.printed is not None and state.end is None for state in states.values())
            queue = sorted((state.work_end, row) for row, state in states.items() if state.printed is None)
            for _, row in queue[:free]:
                states[row].printed = now + exact(self.system.runs[row].pool_s)

    # Between two instants

    def online(self, vm_row, now):
        loads = [load for load in self.system.online if load.vm == vm_row]
        return sum((exact(load.cores) for load in loads if exact(load.from_s) <= now < exact(load.until_s)), ZERO)

    def working(self, part):
        return {
            row: state.phases[0]
            for row, state in enumerate(self.states)
            if state.holds_slot and state.phases and getattr(state.phases[0], part) > 0
        }

    def core_rates(self, now):
        """Cores of every run that works, and of every VM's online load."""
        rates, online_rates = {}, {}
        working = self.working("cpu")
        for host_row, host in enumerate(self.system.hosts):
            cores = exact(host.cores)
            vms = [row for row, of_host in enumerate(self.host_of) if of_host == host_row and self.up[row]]
            takers = {vm: [row for row in working if self.system.runs[row].vm == vm] for vm in vms}
            vcpu = {vm: cores if self.vcpu[vm] is None else min(cores, self.vcpu[vm]) for vm in vms}
            caps = {
                row: working[row].cap if working[row].cap is not None else vcpu[vm] for vm in vms for row in takers[vm]
            }
            wants = [min(vcpu[vm], self.online(vm, now) + sum(caps[row] for row in takers[vm])) for vm in vms]
            shares = filled(cores, wants, [exact(self.system.vms[vm].weight) for vm in vms])
            for vm, share in zip(vms, shares, strict=True):
                mine, online = [caps[row] for row in takers[vm]], self.online(vm, now)
                if self.system.online_first:
                    online_rates[vm] = min(online, share)
                    cores_of_runs = filled(share - online_rates[vm], mine, [1] * len(mine))
                else:
                    online_rates[vm], *cores_of_runs = filled(share, [online, *mine], [1] * (len(mine) + 1))
                rates |= dict(zip(takers[vm], cores_of_runs, strict=True))
        return rates, online_rates

    def io_rates(self):
        reading = self.working("io")
        vm_of = {row: self.system.runs[row].vm for row in reading}
        rates = {}
        for row, vm in vm_of.items():
            host = self.host_of[vm]
            rivals = {other for other in vm_of.values() if self.host_of[other] == host}
            weights = sum(exact(self.system.vms[other].weight) for other in rivals)
            part = exact(self.system.vms[vm].weight) / weights
            rates[row] = exact(self.system.hosts[host].io_mib_s) * part / list(vm_of.values()).count(vm)
        return rates

    def line_rates(self):
        lines = {row: self.system.hosts[self.host_of[self.system.runs[row].vm]].line for row in self.working("line")}
        return {
            row: exact(self.system.lines[line].mib_s) / list(lines.values()).count(line) for row, line in lines.items()
        }

    def given_times(self):
        yield from (change[0] for change in self.given)
        yield from (exact(time) for load in self.system.online for time in (load.from_s, load.until_s))
        yield from (exact(opens) for calendar in self.system.calendars for opens, _ in calendar.windows)

    def run(self):
        releases = [exact(run.release_s) for run in self.system.runs]
        now = min([*releases, *self.given_times()])
        while True:
            self.settle(now)
            if any(state.end == now for state in self.states):
                self.accounts = {name: list(rows) for name, rows in self.running_accounts.items()}
            parts = {"io": self.io_rates(), "line": self.line_rates()}
            parts["cpu"], online = self.core_rates(now)
            upcoming = {time for time in self.given_times() if time > now}
            readies = [self.ready_time(row) for row, state in enumerate(self.states) if state.ready is None]
            upcoming |= {ready for ready in readies if ready is not None and ready > now}
            upcoming |= {state.printed for state in self.states if state.printed is not None and state.printed > now}
            upcoming |= {now + phase.idle for phase in self.working("idle").values()}
            for part, rates in parts.items():
                phases = self.working(part)
                upcoming |= {now + getattr(phases[row], part) / rate for row, rate in rates.items() if rate > 0}
            if not upcoming:
                return
            self.advance(now, min(upcoming), parts, online)
            now = min(upcoming)

    def advance(self, now, later, parts, online):
        passed = later - now
        for phase in self.working("idle").values():
            phase.idle -= passed
        for part, rates in parts.items():
            phases = self.working(part)
            for row, rate in rates.items():
                setattr(phases[row], part, getattr(phases[row], part) - passed * rate)
        for vm, rate in online.items():
            self.running_accounts["served"][vm] += passed * rate
            self.running_accounts["host"][self.host_of[vm]] += passed * rate
        for vm in range(len(self.system.vms)):
            self.running_accounts["wanted"][vm] += passed * self.online(vm, now)
        for row, rate in parts["cpu"].items():
            self.running_accounts["host"][self.host_of[self.system.runs[row].vm]] += passed * rate
