"""One run on its way: waiting, queued, then phase by phase on its VM's slot, then perhaps printing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..records import SimulatedRun
from .clock import Occurrence
from .work import Work

if TYPE_CHECKING:
    from .printing import Pool
    from .vm import Vm
    from .windows import Calendar


class Release(Occurrence):
    """A run becomes ready."""

    def __init__(self, run: Run) -> None:
        self.run = run


class IdleOver(Occurrence):
    """A run has waited through an idle phase."""

    def __init__(self, run: Run) -> None:
        self.run = run


@dataclass(frozen=True, slots=True)
class Phase:
    """Idle time, or work side by side: at most `cap` cores, storage and line. `fails`: the run fails when through."""

    idle_s: float = 0.0
    cpu_s: float = 0.0
    cap: float = math.inf
    io_mib: float = 0.0
    line_mib: float = 0.0
    fails: bool = False


class Run:
    """Where a run is on its way. What has not happened yet has an infinite time."""

    def __init__(self, row: int, record: SimulatedRun, vm: Vm, *, calendar: Calendar | None, pool: Pool | None) -> None:
        self.row = row
        self.record = record
        self.vm = vm
        self.calendar = calendar
        self.pool = pool
        self.waits_for = len(record.after)
        self.followers: list[tuple[Run, float]] = []
        self.earliest_s = record.release_s
        self.ready_s = self.start_s = self.work_end_s = self.end_s = math.inf
        self.attempts = 0
        self.has_failed = False
        self.cpu: Work | None = None
        self.storage: Work | None = None
        self.line: Work | None = None
        self.idle: IdleOver | None = None
        self._phases: list[Phase] = []
        self._phase: Phase | None = None

    def begin(self, now: float) -> None:
        """Take a slot: everything is still to be done."""
        self.attempts += 1
        self.start_s = min(self.start_s, now)
        self._phases = _phases(self.record, failed_cpu_s=None if self.has_failed else self.record.failed_cpu_s)
        self._phases.reverse()
        self._phase = None

    def next_phase(self) -> Phase | None:
        """Leave a phase and enter the next; None when the run is through with all of them."""
        if self._phase is not None and self._phase.fails:
            self.has_failed = True
            self.attempts += 1
        self._phase = self._phases.pop() if self._phases else None
        return self._phase

    @property
    def is_busy(self) -> bool:
        """Whether its phase is not through yet."""
        return not (self.cpu is None and self.storage is None and self.line is None and self.idle is None)


def _phases(record: SimulatedRun, *, failed_cpu_s: float | None) -> list[Phase]:
    fixed = Phase(idle_s=record.fixed_s)
    most = math.inf if record.max_cores is None else record.max_cores
    if record.demand:
        return [fixed, *_demand_phases(record, most)]
    work = Phase(cpu_s=record.cpu_s, cap=most, io_mib=record.io_mib, line_mib=record.line_mib)
    if failed_cpu_s is None:
        return [fixed, work]
    failing = Phase(cpu_s=failed_cpu_s, cap=most, fails=True)
    return [fixed, failing, Phase(idle_s=record.rerun_delay_s), fixed, work]


def _demand_phases(record: SimulatedRun, most: float) -> list[Phase]:
    phases, reached_s = [], 0.0
    for step in record.demand:
        length_s = step.until_s - step.from_s
        phases.append(Phase(idle_s=step.from_s - reached_s))
        if step.cores > 0:
            phases.append(Phase(cpu_s=length_s * step.cores, cap=min(most, step.cores)))
        else:
            phases.append(Phase(idle_s=length_s))
        reached_s = step.until_s
    return phases
