"""When each run held a slot. A result says it of the first take and the last end; failures of VMs fill in the rest."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from capacity.records import Bools, Floats, Ints

from .evidence import Evidence
from .times import is_open


@dataclass(frozen=True)
class Takes:
    """Every time that a run held a slot of its VM, in order of runs, then time. Without an end it is infinite."""

    run: Ints
    from_s: Floats
    until_s: Floats
    lost: Bools
    """The VM failed at `until_s`."""


def slot_takes(evidence: Evidence) -> Takes:
    """One take per run that started; of runs on VMs that fail, one more after every failure that struck them."""
    system, result = evidence.system, evidence.result
    changes = system.changes
    failing_vms = np.unique(changes.move_vm[~changes.move_keeps_work])
    on_failing = np.isin(system.runs.vm, failing_vms)
    plain = np.flatnonzero(np.isfinite(result.start_s) & ~on_failing)
    rows = [(int(run), result.start_s[run], result.work_end_s[run], False) for run in plain.tolist()]
    for vm in failing_vms.tolist():
        rows += _VmReplay(evidence, vm).takes()
    rows.sort()
    run, from_s, until_s, lost = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Takes(
        np.array(run, dtype=np.int64),
        np.array(from_s, dtype=np.float64),
        np.array(until_s, dtype=np.float64),
        np.array(lost, dtype=np.bool_),
    )


class _VmReplay:
    """Slots of one VM that fails, from up to down, over and over: who has lost its slot gets one again in queue order.

    First starts and ends of work are taken from the result; a run that first starts where a loser should have been
    served is found by the audit of queues.
    """

    def __init__(self, evidence: Evidence, vm: int) -> None:
        system, result = evidence.system, evidence.result
        changes = system.changes
        failures = np.flatnonzero((changes.move_vm == vm) & ~changes.move_keeps_work)
        self.evidence = evidence
        self.down_s = changes.move_at_s[failures].tolist()
        self.up_s = changes.move_until_s[failures].tolist()
        rows = np.flatnonzero((system.runs.vm == vm) & np.isfinite(result.start_s)).tolist()
        self.slots = int(system.vms.slots[vm]) or len(rows)
        self.rows = sorted(rows, key=lambda row: (result.ready_s[row], row))
        self.start_s = {row: float(result.start_s[row]) for row in rows}
        self.end_s = {row: float(result.work_end_s[row]) for row in rows}

    def takes(self) -> list[tuple[int, float, float, bool]]:
        found: list[tuple[int, float, float, bool]] = []
        losers: list[int] = []
        bounds = zip([-np.inf, *self.up_s], [*self.down_s, np.inf], strict=True)
        for up_s, down_s in bounds:
            held = [
                (self.start_s[row], row)
                for row in self.rows
                if up_s <= self.start_s[row] < down_s and row not in set(losers)
            ]
            held += self._served_losers(losers, held, up_s, down_s)
            served = {row for _, row in held}
            lost_now = {row for row in served if self._is_lost(row, down_s, [take for take in found if take[0] == row])}
            found += [(row, from_s, min(self.end_s[row], down_s), row in lost_now) for from_s, row in held]
            losers = [row for row in self.rows if row in lost_now or (row in losers and row not in served)]
        return found

    def _is_lost(self, row: int, down_s: float, takes_before: list[tuple[int, float, float, bool]]) -> bool:
        """Whether the run's work goes on after the failure; at its very instant the attempts have to tell."""
        if self.end_s[row] != down_s:
            return self.end_s[row] > down_s
        own_failure = bool(np.isfinite(self.evidence.system.runs.failed_cpu_s[row]))
        return bool(self.evidence.result.attempts[row] - own_failure > len(takes_before) + 1)

    def _served_losers(
        self, losers: list[int], held: list[tuple[float, int]], up_s: float, down_s: float
    ) -> list[tuple[float, int]]:
        """Which of the losers get a slot again between up and down, and when."""
        if not losers or not np.isfinite(up_s):
            return []
        holds = [(from_s, self.end_s[row]) for from_s, row in held]
        moments = [up_s, *(end_s for _, end_s in holds), *self._openings(losers)]
        heapq.heapify(moments)
        waiting, served = list(losers), []
        while moments and waiting:
            now = heapq.heappop(moments)
            if not up_s <= now < down_s:
                continue
            for row in list(waiting):
                free = self.slots - sum(from_s <= now < until_s for from_s, until_s in holds)
                if free > 0 and self._may_start(row, now):
                    waiting.remove(row)
                    served.append((now, row))
                    holds.append((now, self.end_s[row]))
                    heapq.heappush(moments, self.end_s[row])
        return served

    def _openings(self, losers: list[int]) -> list[float]:
        centre, calendar = self.evidence.system.centre, self.evidence.system.runs.calendar
        opens: list[float] = []
        for number in {int(calendar[row]) for row in losers} - {-1}:
            opens += centre.window_open_s[centre.window_ptr[number] : centre.window_ptr[number + 1]].tolist()
        return opens

    def _may_start(self, row: int, now: float) -> bool:
        calendar = self.evidence.system.runs.calendar[row : row + 1]
        return bool(is_open(self.evidence, calendar, np.array([now]))[0])
