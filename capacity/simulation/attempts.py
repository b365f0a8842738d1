"""When did each run hold a slot? Told from the input and the result alone, without running an engine again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .columns import SimulationInput
from .records import SimulationResult
from .spans import Interval

INSTANT_S = 1e-7


@dataclass(frozen=True, slots=True)
class Attempt:
    """The run held a slot over `[from_s, until_s)`; `lost` where its VM then went down."""

    run: int
    from_s: float
    until_s: float
    lost: bool


def down_times(system: SimulationInput) -> dict[int, list[Interval]]:
    """Per VM that fails: when it is down, in order of time."""
    changes = system.changes
    found: dict[int, list[Interval]] = {}
    for row in np.flatnonzero(~changes.move_keeps_work).tolist():
        span = (float(changes.move_at_s[row]), float(changes.move_until_s[row]))
        found.setdefault(int(changes.move_vm[row]), []).append(span)
    return found


def windows_of(system: SimulationInput, run: int) -> list[Interval] | None:
    """The windows in which a run may take a slot; None: at any time."""
    calendar = int(system.runs.calendar[run])
    if calendar < 0:
        return None
    part = slice(int(system.centre.window_ptr[calendar]), int(system.centre.window_ptr[calendar + 1]))
    opens, closes = system.centre.window_open_s[part], system.centre.window_close_s[part]
    return list(zip(opens.tolist(), closes.tolist(), strict=True))


class Attempts:
    """The attempts of every run, VM by VM as they are asked for."""

    def __init__(self, system: SimulationInput, result: SimulationResult) -> None:
        self._system = system
        self._result = result
        self._down = down_times(system)
        self._runs_of = _rows_by_vm(system)
        self._known: dict[int, dict[int, list[Attempt]]] = {}

    def down(self, vm: int) -> list[Interval]:
        """When the VM is down."""
        return self._down.get(vm, [])

    def of_vm(self, vm: int) -> dict[int, list[Attempt]]:
        """Per run of the VM that ever took a slot: its attempts in order of time."""
        if vm not in self._known:
            runs = [run for run in self._runs_of.get(vm, []) if np.isfinite(self._result.start_s[run])]
            if self.down(vm):
                self._known[vm] = self._replayed(vm, runs)
            else:
                self._known[vm] = {run: [self._whole(run, float(self._result.start_s[run]))] for run in runs}
        return self._known[vm]

    def _whole(self, run: int, from_s: float) -> Attempt:
        return Attempt(run, from_s, float(self._result.work_end_s[run]), lost=False)

    def _replayed(self, vm: int, runs: list[int]) -> dict[int, list[Attempt]]:
        """First attempts begin when the result says so. A run thrown out comes back, by its ready time, as soon as the
        VM is up, its window is open and a slot is left over.
        """
        result, slots = self._result, int(self._system.vms.slots[vm]) or len(runs)
        found: dict[int, list[Attempt]] = {run: [] for run in runs}
        holds: dict[int, float] = {}
        thrown_out: list[tuple[float, int]] = []
        down_until = -np.inf
        for now in self._instants(vm, runs):
            for run in [run for run in holds if result.work_end_s[run] <= now + INSTANT_S]:
                found[run].append(self._whole(run, holds.pop(run)))
            for at_s, until_s in self.down(vm):
                if abs(at_s - now) <= INSTANT_S:
                    down_until = until_s
                    for run, from_s in holds.items():
                        found[run].append(Attempt(run, from_s, now, lost=True))
                        thrown_out.append((float(result.ready_s[run]), run))
                    holds.clear()
            if now < down_until - INSTANT_S:
                continue
            for run in runs:
                if not found[run] and run not in holds and abs(result.start_s[run] - now) <= INSTANT_S:
                    self._take(run, now, holds, found)
            for ready_s, run in sorted(thrown_out):
                if len(holds) < slots and self._open(run, now):
                    thrown_out.remove((ready_s, run))
                    self._take(run, now, holds, found)
        return found

    def _take(self, run: int, now: float, holds: dict[int, float], found: dict[int, list[Attempt]]) -> None:
        if self._result.work_end_s[run] <= now + INSTANT_S:
            found[run].append(self._whole(run, now))
        else:
            holds[run] = now

    def _open(self, run: int, now: float) -> bool:
        windows = windows_of(self._system, run)
        return windows is None or any(from_s - INSTANT_S <= now < until_s - INSTANT_S for from_s, until_s in windows)

    def _instants(self, vm: int, runs: list[int]) -> list[float]:
        """Every time at which slots of the VM may change hands."""
        times = [time_s for span in self.down(vm) for time_s in span]
        for run in runs:
            times += [float(self._result.start_s[run]), float(self._result.work_end_s[run])]
            times += [opens_s for opens_s, _ in windows_of(self._system, run) or ()]
        instants: list[float] = []
        for time_s in sorted(times):
            if np.isfinite(time_s) and (not instants or time_s > instants[-1] + INSTANT_S):
                instants.append(time_s)
        return instants


def _rows_by_vm(system: SimulationInput) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for run, vm in enumerate(system.runs.vm.tolist()):
        found.setdefault(vm, []).append(run)
    return found
