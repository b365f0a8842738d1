"""Random small systems that use every feature of the model in combination.

One recipe, two ways of rolling the dice: `system_of_seed` (fast, replayed by its seed) and `systems()` (hypothesis,
which shrinks what fails). Times and amounts lie on a coarse grid, so that much happens at once, or are irregular.
"""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from capacity.simulation.columns import SimulationInput
from capacity.simulation.records import (
    DemandStep,
    Line,
    OnlineLoad,
    Relocation,
    SimulatedHost,
    SimulatedRun,
    SimulatedVm,
    SlotPool,
    VcpuStep,
    WindowCalendar,
)

DECIMALS = 1000
"""Irregular numbers are thousandths, so that an oracle can take them as exact fractions."""


class Rows(NamedTuple):
    """A system as rows, which an oracle reads."""

    hosts: tuple
    vms: tuple
    runs: tuple
    online: tuple
    vcpu_steps: tuple
    relocations: tuple
    pools: tuple
    lines: tuple
    calendars: tuple
    online_first: bool

    def columns(self):
        """The same for an engine."""
        fields = self._asdict()
        first = [fields.pop(name) for name in ("hosts", "vms", "runs", "online", "vcpu_steps")]
        return SimulationInput.of(*first, **fields)


class SeededDice:
    """Uniform numbers from one block."""

    def __init__(self, seed):
        self.numbers = iter(np.random.default_rng(seed).random(2000).tolist())

    def count(self, least, most):
        """An integer from `least` to `most`."""
        return least + int(next(self.numbers) * (most - least + 1))


class HypothesisDice:
    """Numbers that hypothesis chooses."""

    def __init__(self, draw):
        self.draw = draw

    def count(self, least, most):
        """An integer from `least` to `most`."""
        return self.draw(st.integers(least, most))


class Recipe:
    """Makes a system of what the dice say."""

    def __init__(self, dice):
        self.dice = dice
        self.irregular = self.chance(3)
        self.size = dice.count(1, 3)

    def pick(self, *values):
        return values[self.dice.count(0, len(values) - 1)]

    def chance(self, one_in):
        return self.dice.count(1, one_in) == one_in

    def between(self, least, most):
        """A time or an amount."""
        if self.irregular:
            return self.dice.count(least * DECIMALS, most * DECIMALS) / DECIMALS
        return float(self.dice.count(least, most))

    def some(self, most):
        return range(self.dice.count(0, most))

    def cores(self):
        return self.between(1, 4) if self.irregular else self.pick(0.5, 1.0, 1.5, 2.0, 3.0)

    def row(self, rows):
        """Any of the rows, or none."""
        return self.dice.count(0, len(rows) - 1) if rows and self.chance(2) else None

    def system(self):
        lines = tuple(Line(f"l{k}", self.pick(1.0, 2.0, 3.0)) for k in self.some(2))
        pools = tuple(SlotPool(f"p{k}", self.dice.count(1, 2)) for k in self.some(2))
        calendars = tuple(WindowCalendar(f"c{k}", self.windows()) for k in self.some(2))
        hosts = tuple(
            SimulatedHost(f"h{k}", self.cores(), self.pick(None, 1.0, 2.0, 4.0), self.row(lines))
            for k in range(self.dice.count(1, self.size))
        )
        vms = tuple(
            SimulatedVm(
                f"v{k}",
                self.dice.count(0, len(hosts) - 1),
                self.cores() if self.chance(2) else None,
                self.pick(None, 1, 1, 2),
                self.pick(1.0, 1.0, 2.0, 0.5, 5.0),
            )
            for k in range(self.dice.count(1, self.size + 1))
        )
        runs = []
        for row in range(self.dice.count(1, 3 * self.size)):
            runs.append(self.run(row, len(vms), pools, calendars))
        last = len(vms) - 1
        online = tuple(self.online(self.dice.count(0, last)) for _ in self.some(3))
        steps = tuple(
            VcpuStep(self.dice.count(0, last), self.between(0, 20), self.pick(None, 0.5, 1.0, 2.0, 3.0))
            for _ in self.some(2)
        )
        moves = [move for row in range(len(vms)) if self.chance(3) for move in self.relocations(row, len(hosts))]
        return Rows(hosts, vms, tuple(runs), online, steps, tuple(moves), pools, lines, calendars, not self.chance(3))

    def windows(self):
        windows, reached = [], 0.0
        for _ in self.some(3):
            opens = reached + self.between(0, 6)
            reached = opens + self.between(1, 6)
            windows.append((opens, reached))
        if not self.chance(4):
            windows.append((reached + self.between(0, 6), 10_000.0))
        return tuple(windows)

    def run(self, row, vms, pools, calendars):
        demand = self.demand() if self.chance(6) else ()
        work = sum((step.until_s - step.from_s) * step.cores for step in demand) if demand else self.between(0, 12) / 2
        after = tuple({self.dice.count(0, row - 1) for _ in self.some(2)}) if row else ()
        return SimulatedRun(
            f"r{row}",
            self.dice.count(0, vms - 1),
            self.between(0, 12),
            work,
            max_cores=self.cores() if self.chance(2) else None,
            fixed_s=self.between(1, 3) if self.chance(4) else 0.0,
            after=after,
            lag_s=tuple(self.between(0, 2) if self.chance(2) else 0.0 for _ in after),
            demand=demand,
            io_mib=self.between(1, 8) if not demand and self.chance(4) else 0.0,
            line_mib=self.between(1, 8) if not demand and self.chance(4) else 0.0,
            calendar=self.row(calendars),
            pool=self.row(pools),
            pool_s=self.between(0, 4),
            failed_cpu_s=self.between(0, 4) if not demand and self.chance(6) else None,
            rerun_delay_s=self.between(0, 2),
        )

    def demand(self):
        steps, reached = [], 0.0
        for _ in self.some(3):
            begin = reached + self.between(0, 2)
            reached = begin + self.between(1, 3)
            steps.append(DemandStep(begin, reached, self.pick(0.0, 0.5, 2.0)))
        return tuple(steps)

    def online(self, vm):
        begin = self.between(0, 20)
        return OnlineLoad(vm, begin, begin + self.between(1, 9), self.cores())

    def relocations(self, vm, hosts):
        at = self.between(0, 10)
        for _ in range(self.dice.count(1, 2)):
            to_host = self.dice.count(0, hosts - 1)
            if self.chance(2):
                yield Relocation(vm, at, at, to_host, keeps_work=True)
                at += self.between(1, 5)
            else:
                until = float("inf") if self.chance(12) else at + self.between(0, 5)
                yield Relocation(vm, at, until, to_host, keeps_work=False)
                if until == float("inf"):
                    return
                at = until + self.between(0, 5)


def system_of_seed(seed):
    """The system of this seed."""
    return Recipe(SeededDice(seed)).system()


@st.composite
def systems(draw):
    """Any system, as hypothesis likes it."""
    return Recipe(HypothesisDice(draw)).system()
