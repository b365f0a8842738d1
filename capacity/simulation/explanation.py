"""Why was a run late? The seconds between its planned and its simulated end, cause by cause.

The time from the planned start to the end is cut into pieces, each with one cause; what the plan allowed for is taken
off. So the causes always add up to the delay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from capacity.records import Floats

from .attempts import Attempt, Attempts, windows_of
from .columns import SimulationInput
from .contenders import Contender, Served, cpu_takers, pool_holders, slot_holders
from .records import SimulationResult
from .spans import Interval, common, length, without

TELLABLE_S = 1e-3
"""Less is rounding: the plan's times are microseconds."""


@dataclass(frozen=True, slots=True)
class Causes:
    """Seconds of delay by cause; only `work` and `cpu` may be negative (less work than planned, more vCPU)."""

    late_start_s: float = 0.0
    """Released later than planned (a check by the staff)."""
    predecessor_s: float = 0.0
    """Waiting for the end of the runs before it, and their lags."""
    window_s: float = 0.0
    """Waiting for its window to open."""
    slot_s: float = 0.0
    """Waiting for a slot of its VM."""
    host_failure_s: float = 0.0
    """Its VM was down, or went down and took the work with it."""
    own_failure_s: float = 0.0
    """Work until its own failure, and the delay before the rerun."""
    work_s: float = 0.0
    """More work than planned."""
    cpu_s: float = 0.0
    """Fewer cores than it could use."""
    storage_s: float = 0.0
    """Reading or writing went on after the CPU work."""
    line_s: float = 0.0
    """Sending to the backup site went on after the CPU work."""
    printing_s: float = 0.0
    """Waiting for a printer, and printing."""

    @property
    def total_s(self) -> float:
        """All of it."""
        return math.fsum(getattr(self, entry.name) for entry in fields(self))


@dataclass(frozen=True)
class Explanation:
    """One run: how much later than planned it ended, why, and who was in its way (the most first)."""

    run: int
    delay_s: float
    causes: Causes
    predecessor: int | None
    """The run whose end (with its lag) came last, where it was waited for."""
    slot_holders: tuple[Contender, ...]
    """Seconds for which others held the slots it waited for."""
    cpu_takers: tuple[Contender, ...]
    """Core-seconds of others while it had fewer cores than it could use."""
    printer_holders: tuple[Contender, ...]


def late_rows(result: SimulationResult, planned_end_s: Floats, at_most: int | None = None) -> list[int]:
    """Rows of runs that end later than planned, the latest first."""
    with np.errstate(invalid="ignore"):
        delay_s = result.end_s - planned_end_s
    late = np.flatnonzero(delay_s > TELLABLE_S)
    return [int(row) for row in late[np.argsort(-delay_s[late], kind="stable")][:at_most]]


def explain(
    system: SimulationInput,
    result: SimulationResult,
    *,
    planned_start_s: Floats,
    planned_end_s: Floats,
    rows: Sequence[int] | None = None,
) -> tuple[Explanation, ...]:
    """The causes of the delay of these runs (all late ones where None), from one simulation with `record_served`.

    `planned_start_s` is the release before anything was disturbed. A run with storage and line traffic that goes on
    after its CPU work waits for the one that takes longer when it has it alone. A run that never ends has infinite
    causes: its window, the run before it, or a VM that never comes back. Raises ValueError where the result has no
    table of what was served.
    """
    if result.served is None:
        raise ValueError("an explanation needs the table of what was served")
    reader = _Reader(system, result, planned_start_s, planned_end_s)
    return tuple(reader.explain(row) for row in (late_rows(result, planned_end_s) if rows is None else rows))


class _Reader:
    def __init__(
        self, system: SimulationInput, result: SimulationResult, planned_start_s: Floats, planned_end_s: Floats
    ) -> None:
        self._system = system
        self._result = result
        self._planned_start_s = planned_start_s
        self._planned_end_s = planned_end_s
        self._attempts = Attempts(system, result)
        self._served = Served(system, result)

    def explain(self, run: int) -> Explanation:
        result, runs = self._result, self._system.runs
        delay_s = float(result.end_s[run] - self._planned_end_s[run])
        late_start_s = float(runs.release_s[run] - self._planned_start_s[run])
        predecessor_s = float(result.ready_s[run] - runs.release_s[run])
        predecessor = self._last_predecessor(run) if predecessor_s > TELLABLE_S else None
        vm = int(runs.vm[run])
        if not math.isfinite(delay_s):
            never = {} if math.isinf(predecessor_s) else {self._never(vm): math.inf}
            return Explanation(run, delay_s, Causes(late_start_s, predecessor_s, **never), predecessor, (), (), ())
        attempts = self._attempts.of_vm(vm)[run]
        window, slot, down = self._waits(run, vm, attempts)
        lost_s = math.fsum(attempt.until_s - attempt.from_s for attempt in attempts if attempt.lost)
        working = self._last_attempt(run, attempts)
        causes = Causes(
            late_start_s=late_start_s,
            predecessor_s=predecessor_s,
            window_s=length(window),
            slot_s=length(slot),
            host_failure_s=length(down) + lost_s,
            own_failure_s=working.own_failure_s,
            work_s=working.alone_s - float(self._planned_end_s[run] - self._planned_start_s[run]),
            cpu_s=working.cpu_s,
            storage_s=working.storage_s,
            line_s=working.line_s,
            printing_s=float(result.end_s[run] - result.work_end_s[run]),
        )
        return Explanation(
            run=run,
            delay_s=delay_s,
            causes=causes,
            predecessor=predecessor,
            slot_holders=slot_holders(run, vm, self._attempts.of_vm(vm), slot) if length(slot) > TELLABLE_S else (),
            cpu_takers=cpu_takers(self._served, run, working.span, working.limit) if working.cpu_s > TELLABLE_S else (),
            printer_holders=pool_holders(self._system, result, run),
        )

    def _never(self, vm: int) -> Literal["host_failure_s", "window_s"]:
        """Why a run that is ready never ends: its VM never comes back, or no window is left."""
        gone = any(math.isinf(until_s) for _, until_s in self._attempts.down(vm))
        return "host_failure_s" if gone else "window_s"

    def _last_predecessor(self, run: int) -> int:
        runs = self._system.runs
        part = slice(int(runs.after_ptr[run]), int(runs.after_ptr[run + 1]))
        before = runs.after[part]
        return int(before[np.argmax(self._result.end_s[before] + runs.lag_s[part])])

    def _waits(
        self, run: int, vm: int, attempts: list[Attempt]
    ) -> tuple[list[Interval], list[Interval], list[Interval]]:
        """The times without a slot: window closed, no slot free, VM down (which goes before the others)."""
        ends = [float(self._result.ready_s[run]), *(attempt.until_s for attempt in attempts[:-1])]
        gaps = [(until_s, attempt.from_s) for until_s, attempt in zip(ends, attempts, strict=True)]
        down = common(gaps, self._attempts.down(vm))
        up = without(gaps, down)
        windows = windows_of(self._system, run)
        slot = up if windows is None else common(up, windows)
        return without(up, slot), slot, down

    def _last_attempt(self, run: int, attempts: list[Attempt]) -> _Working:
        runs, last = self._system.runs, attempts[-1]
        pieces = self._served.pieces(run, last.from_s, last.until_s)
        fixed_s, cpu_s = float(runs.fixed_s[run]), float(runs.cpu_s[run])
        begins_s = last.from_s
        failed = float(runs.failed_cpu_s[run])
        if math.isfinite(failed) and not self._struck_before(run, attempts, pieces.core_s):
            failed_at_s = pieces.reached_s(failed) if failed > 0 else None
            begins_s = (last.from_s + fixed_s if failed_at_s is None else failed_at_s) + float(runs.rerun_delay_s[run])
        works_from_s = begins_s + fixed_s
        limit = self._served.limit(run, works_from_s)
        steps = slice(int(runs.demand_ptr[run]), int(runs.demand_ptr[run + 1]))
        shaped = steps.stop > steps.start
        ideal_s = float(runs.demand_until_s[steps][-1]) if shaped else cpu_s / limit
        served_until_s = pieces.last_s if cpu_s > 0 and not shaped else (last.until_s if shaped else works_from_s)
        rest_s = last.until_s - served_until_s
        on_line = rest_s > 0 and self._line_is_slower(run, works_from_s)
        return _Working(
            own_failure_s=begins_s - last.from_s,
            alone_s=fixed_s + ideal_s,
            cpu_s=served_until_s - works_from_s - ideal_s,
            storage_s=0.0 if on_line else rest_s,
            line_s=rest_s if on_line else 0.0,
            span=(works_from_s, served_until_s),
            limit=limit,
        )

    def _struck_before(self, run: int, attempts: list[Attempt], last_core_s: float) -> bool:
        """Whether the run's own failure lies in an attempt that its VM's failure ended later."""
        runs = self._system.runs
        failed = float(runs.failed_cpu_s[run])
        if failed > 0:
            return last_core_s < float(runs.cpu_s[run]) + failed / 2
        return any(attempt.until_s - attempt.from_s >= float(runs.fixed_s[run]) for attempt in attempts if attempt.lost)

    def _line_is_slower(self, run: int, at_s: float) -> bool:
        system = self._system
        host = self._served.host_of(int(system.runs.vm[run]), at_s)
        line = int(system.hosts.line[host])
        line_s = float(system.runs.line_mib[run] / system.centre.line_mib_s[line]) if line >= 0 else 0.0
        return line_s > float(system.runs.io_mib[run] / system.hosts.io_mib_s[host])


@dataclass(frozen=True, slots=True)
class _Working:
    """The last attempt of a run, in seconds; `span` is when it worked, `limit` the cores it could use."""

    own_failure_s: float
    alone_s: float
    cpu_s: float
    storage_s: float
    line_s: float
    span: Interval
    limit: float
