"""A closed system as arrays: what both engines are given, and what readers, importers and generators make.

Ragged data (predecessors, demand steps, windows, steps of an online class) are compressed rows: row `i` is
`values[ptr[i]:ptr[i + 1]]`. "No limit" is infinity, "none" of an index is -1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from capacity.records import Bools, Floats, Ints

from .records import (
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


def _floats(values: Sequence[float] = ()) -> Floats:
    return np.array(values, dtype=np.float64)


def _ints(values: Sequence[int] = ()) -> Ints:
    return np.array(values, dtype=np.int64)


def _bools(values: Sequence[bool] = ()) -> Bools:
    return np.array(values, dtype=np.bool_)


def _pointers(counts: Sequence[int]) -> Ints:
    return np.concatenate(([0], np.cumsum(_ints(counts)))).astype(np.int64)


@dataclass(frozen=True)
class HostColumns:
    """Per host."""

    ids: Sequence[str]
    cores: Floats
    io_mib_s: Floats
    line: Ints

    def __len__(self) -> int:
        return len(self.cores)


@dataclass(frozen=True)
class VmColumns:
    """Per VM. `online_class` names the step function that times `online_cores` is its online load."""

    ids: Sequence[str]
    host: Ints
    vcpu: Floats
    slots: Ints
    """0: no limit."""
    weight: Floats
    online_class: Ints
    online_cores: Floats

    def __len__(self) -> int:
        return len(self.host)


@dataclass(frozen=True)
class RunColumns:
    """Per run. `ids` may be any sequence, so that millions of names need not exist until they are asked for."""

    ids: Sequence[str]
    vm: Ints
    release_s: Floats
    cpu_s: Floats
    max_cores: Floats
    fixed_s: Floats
    after_ptr: Ints
    after: Ints
    lag_s: Floats
    demand_ptr: Ints
    demand_from_s: Floats
    demand_until_s: Floats
    demand_cores: Floats
    io_mib: Floats
    line_mib: Floats
    calendar: Ints
    pool: Ints
    pool_s: Floats
    failed_cpu_s: Floats
    """Infinite: no failure."""
    rerun_delay_s: Floats

    def __len__(self) -> int:
        return len(self.vm)


@dataclass(frozen=True)
class OnlineClasses:
    """Online load by profile class, as step functions: from `at_s` on the level is `level` (0 before the first)."""

    ptr: Ints = field(default_factory=lambda: _ints([0]))
    at_s: Floats = field(default_factory=_floats)
    level: Floats = field(default_factory=_floats)


@dataclass(frozen=True)
class VmChanges:
    """vCPU steps and relocations, each in order of time."""

    vcpu_vm: Ints = field(default_factory=_ints)
    vcpu_at_s: Floats = field(default_factory=_floats)
    vcpu: Floats = field(default_factory=_floats)
    move_vm: Ints = field(default_factory=_ints)
    move_at_s: Floats = field(default_factory=_floats)
    move_until_s: Floats = field(default_factory=_floats)
    move_to_host: Ints = field(default_factory=_ints)
    move_keeps_work: Bools = field(default_factory=_bools)


@dataclass(frozen=True)
class Centre:
    """What belongs to the centre as a whole: slot pools, lines, window calendars."""

    pool_ids: Sequence[str] = ()
    pool_slots: Ints = field(default_factory=_ints)
    line_ids: Sequence[str] = ()
    line_mib_s: Floats = field(default_factory=_floats)
    calendar_ids: Sequence[str] = ()
    window_ptr: Ints = field(default_factory=lambda: _ints([0]))
    window_open_s: Floats = field(default_factory=_floats)
    window_close_s: Floats = field(default_factory=_floats)


@dataclass(frozen=True)
class SimulationInput:
    """A closed system: hosts, VMs, runs in row order, online load, changes, and what the centre shares."""

    hosts: HostColumns
    vms: VmColumns
    runs: RunColumns
    online: OnlineClasses = field(default_factory=OnlineClasses)
    changes: VmChanges = field(default_factory=VmChanges)
    centre: Centre = field(default_factory=Centre)
    online_first: bool = True
    """Online load of a VM is served before its runs; otherwise it shares with them, max-min fairly."""

    @classmethod
    def of(
        cls,
        hosts: Sequence[SimulatedHost],
        vms: Sequence[SimulatedVm],
        runs: Sequence[SimulatedRun],
        online: Sequence[OnlineLoad] = (),
        vcpu_steps: Sequence[VcpuStep] = (),
        *,
        relocations: Sequence[Relocation] = (),
        pools: Sequence[SlotPool] = (),
        lines: Sequence[Line] = (),
        calendars: Sequence[WindowCalendar] = (),
        online_first: bool = True,
    ) -> SimulationInput:
        """The system of these rows. Online loads of one VM become a class of its own."""
        classes, class_of = _online_classes(online)
        return cls(
            hosts=HostColumns(
                ids=tuple(host.id for host in hosts),
                cores=_floats([host.cores for host in hosts]),
                io_mib_s=_floats([_limit(host.io_mib_s) for host in hosts]),
                line=_ints([_index(host.line) for host in hosts]),
            ),
            vms=VmColumns(
                ids=tuple(vm.id for vm in vms),
                host=_ints([vm.host for vm in vms]),
                vcpu=_floats([_limit(vm.vcpu) for vm in vms]),
                slots=_ints([vm.slots if vm.slots is not None else 0 for vm in vms]),
                weight=_floats([vm.weight for vm in vms]),
                online_class=_ints([class_of.get(row, -1) for row in range(len(vms))]),
                online_cores=_floats([1.0 if row in class_of else 0.0 for row in range(len(vms))]),
            ),
            runs=run_columns(runs),
            online=classes,
            changes=_changes(vcpu_steps, relocations),
            centre=Centre(
                pool_ids=tuple(pool.id for pool in pools),
                pool_slots=_ints([pool.slots for pool in pools]),
                line_ids=tuple(line.id for line in lines),
                line_mib_s=_floats([line.mib_s for line in lines]),
                calendar_ids=tuple(calendar.id for calendar in calendars),
                window_ptr=_pointers([len(calendar.windows) for calendar in calendars]),
                window_open_s=_floats([window[0] for calendar in calendars for window in calendar.windows]),
                window_close_s=_floats([window[1] for calendar in calendars for window in calendar.windows]),
            ),
            online_first=online_first,
        )

    def with_runs(self, **columns: Floats | Ints) -> SimulationInput:
        """The same system with other values in some columns of its runs, e.g. `cpu_s` or `release_s`."""
        return replace(self, runs=replace(self.runs, **columns))  # type: ignore[arg-type]  # names are the columns'

    def run_rows(self) -> Iterator[SimulatedRun]:
        """The runs one by one, as a reader writes them down."""
        runs = self.runs
        for row in range(len(runs)):
            before = slice(int(runs.after_ptr[row]), int(runs.after_ptr[row + 1]))
            steps = slice(int(runs.demand_ptr[row]), int(runs.demand_ptr[row + 1]))
            yield SimulatedRun(
                id=runs.ids[row],
                vm=int(runs.vm[row]),
                release_s=float(runs.release_s[row]),
                cpu_s=float(runs.cpu_s[row]),
                max_cores=_or_none(runs.max_cores[row]),
                fixed_s=float(runs.fixed_s[row]),
                after=tuple(runs.after[before].tolist()),
                lag_s=tuple(runs.lag_s[before].tolist()),
                demand=tuple(
                    DemandStep(*step)
                    for step in zip(
                        runs.demand_from_s[steps].tolist(),
                        runs.demand_until_s[steps].tolist(),
                        runs.demand_cores[steps].tolist(),
                        strict=True,
                    )
                ),
                io_mib=float(runs.io_mib[row]),
                line_mib=float(runs.line_mib[row]),
                calendar=_row_or_none(runs.calendar[row]),
                pool=_row_or_none(runs.pool[row]),
                pool_s=float(runs.pool_s[row]),
                failed_cpu_s=_or_none(runs.failed_cpu_s[row]),
                rerun_delay_s=float(runs.rerun_delay_s[row]),
            )


def run_columns(runs: Sequence[SimulatedRun]) -> RunColumns:
    """The columns of these runs."""
    lags = [run.lag_s or (0.0,) * len(run.after) for run in runs]
    steps = [step for run in runs for step in run.demand]
    return RunColumns(
        ids=tuple(run.id for run in runs),
        vm=_ints([run.vm for run in runs]),
        release_s=_floats([run.release_s for run in runs]),
        cpu_s=_floats([run.cpu_s for run in runs]),
        max_cores=_floats([_limit(run.max_cores) for run in runs]),
        fixed_s=_floats([run.fixed_s for run in runs]),
        after_ptr=_pointers([len(run.after) for run in runs]),
        after=_ints([row for run in runs for row in run.after]),
        lag_s=_floats([lag for of_run in lags for lag in of_run]),
        demand_ptr=_pointers([len(run.demand) for run in runs]),
        demand_from_s=_floats([step.from_s for step in steps]),
        demand_until_s=_floats([step.until_s for step in steps]),
        demand_cores=_floats([step.cores for step in steps]),
        io_mib=_floats([run.io_mib for run in runs]),
        line_mib=_floats([run.line_mib for run in runs]),
        calendar=_ints([_index(run.calendar) for run in runs]),
        pool=_ints([_index(run.pool) for run in runs]),
        pool_s=_floats([run.pool_s for run in runs]),
        failed_cpu_s=_floats([_limit(run.failed_cpu_s) for run in runs]),
        rerun_delay_s=_floats([run.rerun_delay_s for run in runs]),
    )


def plain_runs(
    ids: Sequence[str],
    vm: Ints,
    release_s: Floats,
    cpu_s: Floats,
    *,
    max_cores: Floats | None = None,
    fixed_s: Floats | None = None,
    after: tuple[Ints, Ints, Floats] | None = None,
    calendar: Ints | None = None,
) -> RunColumns:
    """Columns of runs that use none of the rarer resources; `after` is (ptr, rows, lags in seconds)."""
    count = len(vm)
    nothing, unlimited = np.zeros(count), np.full(count, math.inf)
    none, no_rows = np.full(count, -1, dtype=np.int64), np.zeros(count + 1, dtype=np.int64)
    ptr, rows, lags = after if after is not None else (no_rows, _ints(), _floats())
    return RunColumns(
        ids=ids,
        vm=vm,
        release_s=release_s,
        cpu_s=cpu_s,
        max_cores=unlimited if max_cores is None else max_cores,
        fixed_s=nothing if fixed_s is None else fixed_s,
        after_ptr=ptr,
        after=rows,
        lag_s=lags,
        demand_ptr=no_rows,
        demand_from_s=_floats(),
        demand_until_s=_floats(),
        demand_cores=_floats(),
        io_mib=nothing,
        line_mib=nothing,
        calendar=none if calendar is None else calendar,
        pool=none,
        pool_s=nothing,
        failed_cpu_s=unlimited,
        rerun_delay_s=nothing,
    )


def _limit(value: float | None) -> float:
    return math.inf if value is None else value


def _index(row: int | None) -> int:
    return -1 if row is None else row


def _or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _row_or_none(row: int) -> int | None:
    return int(row) if row >= 0 else None


def _changes(vcpu_steps: Sequence[VcpuStep], relocations: Sequence[Relocation]) -> VmChanges:
    steps = sorted(vcpu_steps, key=lambda step: step.at_s)
    moves = sorted(relocations, key=lambda move: move.at_s)
    return VmChanges(
        vcpu_vm=_ints([step.vm for step in steps]),
        vcpu_at_s=_floats([step.at_s for step in steps]),
        vcpu=_floats([_limit(step.vcpu) for step in steps]),
        move_vm=_ints([move.vm for move in moves]),
        move_at_s=_floats([move.at_s for move in moves]),
        move_until_s=_floats([move.until_s for move in moves]),
        move_to_host=_ints([move.to_host for move in moves]),
        move_keeps_work=_bools([move.keeps_work for move in moves]),
    )


def _online_classes(online: Sequence[OnlineLoad]) -> tuple[OnlineClasses, dict[int, int]]:
    """One class per VM that has online load, and the class of each such VM; loads that overlap add up."""
    by_vm: dict[int, list[OnlineLoad]] = {}
    for load in online:
        by_vm.setdefault(load.vm, []).append(load)
    steps = [list(_levels(loads)) for loads in by_vm.values()]
    return OnlineClasses(
        ptr=_pointers([len(levels) for levels in steps]),
        at_s=_floats([at_s for levels in steps for at_s, _ in levels]),
        level=_floats([level for levels in steps for _, level in levels]),
    ), {vm: number for number, vm in enumerate(by_vm)}


def _levels(loads: list[OnlineLoad]) -> Iterator[tuple[float, float]]:
    begins = sorted(loads, key=lambda load: load.from_s)
    running: list[OnlineLoad] = []
    upcoming = 0
    level = 0.0
    for at_s in sorted({load.from_s for load in loads} | {load.until_s for load in loads}):
        while upcoming < len(begins) and begins[upcoming].from_s <= at_s:
            running.append(begins[upcoming])
            upcoming += 1
        running = [load for load in running if load.until_s > at_s]
        cores = math.fsum(load.cores for load in running)
        if cores != level:
            level = cores
            yield at_s, level
