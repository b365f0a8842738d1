"""Could one VM do its runs with its normal number of vCPUs? A list schedule on the table of runs of a plan folder.

Everything on other VMs stays as planned. A schedule that is found proves that it can be done; a run that fits none of
its windows even alone proves that it cannot; between the two nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil
from typing import Literal

import numpy as np

from estate.base_records import Window
from layout.checkers import calendar
from layout.checkers.view import DAY, JST, MINUTE, SECOND, Floats, Ints, View, microseconds
from layout.records import VcpuInterval, VmRecord

Verdict = Literal["possible", "impossible", "unknown"]
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Placed:
    """A run in its new place; microseconds since the horizon's start."""

    row: int
    start: int
    end: int
    window: tuple[int, int]
    cores: float


@dataclass(frozen=True)
class Outcome:
    """Whether the VM's runs fit without the temporary vCPUs."""

    verdict: Verdict
    placed: tuple[Placed, ...]
    """Of a possible one: every run that had to be looked at, moved or not."""
    reason: str


@dataclass(frozen=True)
class _Piece:
    """So many cores (and slots) of the VM in use on `[start, end)`."""

    start: int
    end: int
    cores: float
    slots: int


@dataclass
class Nights:
    """The runs of a plan folder, ready to be asked VM by VM."""

    view: View
    _rows_of_vm: dict[int, Ints] = field(default_factory=dict)
    _windows: dict[str, calendar.Windows] = field(default_factory=dict)

    def __post_init__(self) -> None:
        order = np.lexsort((self.view.start, self.view.vm))
        vms, begins = np.unique(self.view.vm[order], return_index=True)
        self._rows_of_vm = dict(zip(map(int, vms), np.split(order, begins[1:]), strict=True)) if len(order) else {}
        run, before, lag_s, business_h = self.view.after
        self._before = _Pairs(run, before, lag_s, business_h)
        self._after = _Pairs(before, run, lag_s, business_h)
        systems = np.array([f"{job.tenant}/{job.system}" for job in self.view.folder.estate.jobs] + [""])
        self._system = systems[self.view.job]
        by_system = np.argsort(self._system, kind="stable")
        names, begins = np.unique(self._system[by_system], return_index=True)
        rows = np.split(by_system, begins[1:]) if len(by_system) else []
        self._rows_of_system = dict(zip(names.tolist(), rows, strict=True))

    def without(self, vm: VmRecord, dropped: Sequence[VcpuInterval]) -> Outcome:
        """Answers whether the VM's runs fit when it keeps its normal number of vCPUs on these intervals."""
        view, zero = self.view, self.view.folder.estate.start
        spans = [(microseconds(change.from_, zero), microseconds(change.until, zero)) for change in dropped]
        rows = self._rows_of_vm.get(view.vm_index[vm.id], np.zeros(0, dtype=np.int64))
        touched = np.zeros(len(rows), dtype=np.bool_)
        for begin, end in spans:
            touched |= (view.start[rows] < end) & (view.end[rows] > begin)
        moving = sorted(rows[touched].tolist(), key=lambda row: (view.start[row], view.end[row]))
        if any(view.job[row] < 0 for row in moving):
            return Outcome("unknown", (), f"{vm.id}：業務の分からない実行がある")
        kept = [change for change in vm.vcpu_changes if change not in dropped]
        if not any(change.vcpu > vm.vcpu for change in kept) and (reason := self._refuted(vm, moving, spans)):
            return Outcome("impossible", (), reason)
        online = [piece for piece in self._online(vm) if piece.cores > 0]
        fixed = [
            _Piece(int(view.start[r]), int(view.end[r]), float(view.max_cores[r]), 1) for r in rows[~touched].tolist()
        ]
        for stay in (True, False):
            placed = self._schedule(vm, moving, [*self._lost(vm, kept), *online, *fixed], stay=stay)
            if placed is not None:
                return Outcome("possible", placed, "")
        return Outcome("unknown", (), f"{vm.id}：置き直せるとも置き直せないとも示せない")

    def _refuted(self, vm: VmRecord, moving: Sequence[int], spans: Sequence[tuple[int, int]]) -> str | None:
        """Why it cannot be done at all, whatever else moves; None where that is not proven."""
        for piece in self._online(vm):
            if piece.cores > vm.vcpu and any(piece.start < end and begin < piece.end for begin, end in spans):
                return f"{vm.id}：日中の負荷だけで通常の vCPU {vm.vcpu} を超える"
        for row in moving:
            if self._released(row) is not None and next(self._starts_of(row, vm, 0, []), None) is None:
                return (
                    f"{self.view.run_id(row)} は vCPU {vm.vcpu} では {self._length(row, vm) / 60e6:.0f} 分かかり、"
                    "単独でもバッチ枠と期限（再実行の余裕を含む）に収まらない"
                )
        return None

    def _schedule(
        self, vm: VmRecord, moving: Sequence[int], used: Sequence[_Piece], *, stay: bool
    ) -> tuple[Placed, ...] | None:
        """Runs in planned order, each as near to its planned start (or as early) as it can, else None."""
        pieces = list(used)
        done: dict[int, Placed] = {}
        for row in moving:
            floor, ceiling = self._between(row, set(moving), done)
            if ceiling is None:
                return None
            length, cores = self._length(row, vm), self._cores(row, vm)
            others = self._rivals(row, set(moving), done)
            low, high = int(self.view.release[row]), int(self.view.deadline[row])
            near = [piece for piece in pieces if piece.start < high and low < piece.end]
            planned = int(self.view.start[row])
            choices = self._starts_of(row, vm, floor, others)
            ordered = sorted(choices, key=lambda c: (abs(c[0] - planned), c[0] < planned)) if stay else choices
            fit = next(
                (
                    (start, window)
                    for start, window in ordered
                    if start + length <= ceiling and _fits(near, start, start + length, cores, vm)
                ),
                None,
            )
            if fit is None:
                return None
            start, window = fit
            done[row] = Placed(row, start, start + length, window, cores)
            pieces.append(_Piece(start, start + length, cores, 1))
        return tuple(done.values())

    def _between(self, row: int, moving: set[int], done: dict[int, Placed]) -> tuple[int, int | None]:
        """Earliest start by its predecessors, latest end by successors that stay; None where a lag is not known."""
        view, floor, ceiling = self.view, 0, int(_end_of(self.view))
        for other, lag_s, business_h in self._before.of(row):
            if other < 0 or business_h or (other in moving and other not in done):
                return floor, None
            end = done[other].end if other in done else int(view.end[other])
            floor = max(floor, end + ceil(lag_s * SECOND))
        for other, lag_s, business_h in self._after.of(row):
            if business_h:
                return floor, None
            if other not in moving:
                ceiling = min(ceiling, int(view.start[other]) - ceil(lag_s * SECOND))
        return floor, ceiling

    def _starts_of(
        self, row: int, vm: VmRecord, floor: int, rivals: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[int, tuple[int, int]]]:
        """Starts on the grid at which the run alone fits a window of its own, clear of `rivals`, in order of time."""
        view = self.view
        job = view.folder.estate.jobs[int(view.job[row])]
        grid = view.folder.estate.policy.slot_minutes * MINUTE
        length = self._length(row, vm)
        room = 2 if view.rerun_room[row] or (job.rerun_room and view.folder.estate.policy.rerun_room) else 1
        zero = view.folder.estate.start
        born = microseconds(vm.from_, zero) if vm.from_ else 0
        gone = microseconds(vm.until, zero) if vm.until else _end_of(view)
        windows, first = self._windows_of(job.window), self._released(row)
        if first is None:
            return
        number = int(windows.number[first])
        for at in range(first, len(windows.start)):
            if windows.number[at] >= number + job.nights:
                return
            begin, end = int(windows.start[at]), int(windows.end[at])
            start = -(-max(begin, floor, born, 0) // grid) * grid
            last = min(end - room * length, int(view.deadline[row]) - length, gone - length)
            while start <= last:
                clash = [until for since, until in rivals if since < start + length and start < until]
                if clash:
                    start = -(-max(clash) // grid) * grid
                    continue
                yield start, (begin, end)
                start += grid

    def _rivals(self, row: int, moving: set[int], done: dict[int, Placed]) -> list[tuple[int, int]]:
        """When runs of the same tenant's system go on that this run must not meet: it or they are exclusive."""
        view = self.view
        found = []
        for other in self._rows_of_system[str(self._system[row])].tolist():
            if other != row and (view.exclusive[row] or view.exclusive[other]):
                if other in done:
                    found.append((done[other].start, done[other].end))
                elif other not in moving:
                    found.append((int(view.start[other]), int(view.end[other])))
        return found

    def _windows_of(self, window: Window) -> calendar.Windows:
        key = window.model_dump_json()
        if key not in self._windows:
            zero = self.view.folder.estate.start.astimezone(JST)
            midnight = (zero.hour * 3600 + zero.minute * 60 + zero.second) * SECOND
            days = range(-2, self.view.horizon_us // DAY + 32)
            self._windows[key] = calendar.windows(window, zero.date(), days, -midnight)
        return self._windows[key]

    def _released(self, row: int) -> int | None:
        """Index of the window whose beginning releases the run; None where the job has no such window."""
        windows = self._windows_of(self.view.folder.estate.jobs[int(self.view.job[row])].window)
        first = int(np.searchsorted(windows.start, self.view.release[row]))
        found = first < len(windows.start) and windows.start[first] == self.view.release[row]
        return first if found else None

    def _cores(self, row: int, vm: VmRecord) -> float:
        return min(float(self.view.max_cores[row]), float(vm.vcpu))

    def _length(self, row: int, vm: VmRecord) -> int:
        view = self.view
        cpu = float(view.cpu_s[row])
        return ceil((float(view.fixed_s[row]) + (cpu / self._cores(row, vm) if cpu else 0.0)) * SECOND)

    def _lost(self, vm: VmRecord, kept: Sequence[VcpuInterval]) -> Iterator[_Piece]:
        """What the VM lacks of `vcpu_max`, as load, so that one sum meets changing vCPUs."""
        zero = self.view.folder.estate.start
        changes = [(microseconds(c.from_, zero), microseconds(c.until, zero), c.vcpu) for c in kept]
        borders = sorted({-(10**18), 10**18, *(time for begin, end, _ in changes for time in (begin, end))})
        for begin, end in pairwise(borders):
            vcpu = next((count for since, until, count in changes if since <= begin < until), vm.vcpu)
            if vcpu < vm.vcpu_max:
                yield _Piece(begin, end, float(vm.vcpu_max - vcpu), 0)

    def _online(self, vm: VmRecord) -> Iterator[_Piece]:
        vms, begin, end, cores = self.view.online
        for at in np.flatnonzero(vms == self.view.vm_index[vm.id]).tolist():
            yield _Piece(int(begin[at]), int(end[at]), float(cores[at]), 0)


class _Pairs:
    """Precedence from one side: for a run the others, with their lags."""

    def __init__(self, of: Ints, other: Ints, lag_s: Floats, business_h: Floats) -> None:
        order = np.argsort(of, kind="stable")
        self._key = of[order]
        self._rest = (other[order], lag_s[order], business_h[order])

    def of(self, row: int) -> Iterable[tuple[int, float, float]]:
        low, high = int(np.searchsorted(self._key, row, "left")), int(np.searchsorted(self._key, row, "right"))
        other, lag_s, business_h = self._rest
        return zip(other[low:high].tolist(), lag_s[low:high].tolist(), business_h[low:high].tolist(), strict=True)


def _end_of(view: View) -> int:
    """A time after everything in the folder."""
    return int(
        max([view.horizon_us, *(view.deadline.max(), view.window_end.max())] if len(view) else [view.horizon_us])
    )


def _fits(pieces: Sequence[_Piece], start: int, end: int, cores: float, vm: VmRecord) -> bool:
    """Whether so many cores and a slot are free on `[start, end)`."""
    there = [piece for piece in pieces if piece.start < end and start < piece.end]
    for at in {start, *(piece.start for piece in there if piece.start > start)}:
        now = [piece for piece in there if piece.start <= at < piece.end]
        if sum(piece.cores for piece in now) + cores > vm.vcpu_max + _TOLERANCE:
            return False
        if sum(piece.slots for piece in now) + 1 > vm.slots:
            return False
    return True
