"""A week or night of a plan folder as a simulation input: every run is released when the plan starts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from capacity.records import Bools, Floats
from estate.resolved import ResolvedJob
from layout.errors import FolderError
from layout.folder import FolderContents
from layout.records import VmRecord

from . import validity
from .columns import SimulationInput
from .records import OnlineLoad, Relocation, SimulatedHost, SimulatedRun, SimulatedVm, VcpuStep
from .settings import Settings
from .shared_resources import lines_of, printers, windows_of_runs
from .streams import StreamKey, stream_key

TOKYO = timezone(timedelta(hours=9))
WEEK_S = 7 * 86400.0
AFTERMATH_S = 2 * 86400.0
"""Online load, vCPU changes and moves are kept for so long after the week, for runs that are late."""
EARLIEST, LATEST = date(2, 1, 1), date(9990, 1, 1)
"""Weeks between which no date is out of range."""


@dataclass(frozen=True)
class Week:
    """The runs of one week (or night), row by row with the simulation's. Times are seconds since `start`."""

    monday: date
    start: datetime
    """Beginning of the week or night, +09:00."""
    length_s: float
    system: SimulationInput
    judged: Bools
    """Runs that the plan starts in the week or night; the others began before it and still run: they take room."""
    tenant: tuple[str, ...]
    system_id: tuple[str, ...]
    job: tuple[str, ...]
    kind: tuple[str, ...]
    """Kind of the job, e.g. `backup`; empty where the estate knows no such job."""
    planned_start_s: Floats
    planned_end_s: Floats
    deadline_s: Floats
    window_end_s: Floats
    cpu_s: Floats
    """Planned work, not scaled."""
    work_cv: Floats
    rerun_room: Bools
    """The plan leaves room for a rerun in the window."""
    keys: tuple[StreamKey, ...]
    night: date | None = None
    """The day on which the night begins; None: the whole week."""


def monday_of(day: date) -> date:
    """The Monday of the day's week."""
    return day - timedelta(days=day.weekday())


def tightest_monday(folder: FolderContents) -> date:
    """Monday of the week that holds the highest planned peak of any site. Raises FolderError where no peak is known."""
    if not folder.run.peaks:
        raise FolderError("run.json に負荷の山の記録がないため、最も厳しい週が決まりません")
    highest = max(folder.run.peaks, key=lambda peak: peak.after_cores)
    return monday_of(date.fromisoformat(highest.tightest_week))


def read_week(folder: FolderContents, monday: date, settings: Settings | None = None) -> Week:
    """The simulation input of [monday, monday + 7 days).

    Each run is released at its planned start: it never starts earlier, and it waits for the end (plus lag) of its
    predecessors of the week, for its window, for a slot, and where it or the other is exclusive for the end of what
    the plan puts before it in the same system. Business-hour lags count as that many elapsed hours, which is the least
    they can be. Raises FolderError for a week without runs, or runs of VMs that have no host.
    """
    about = f"{monday.isoformat()} からの週"
    if not EARLIEST < monday < LATEST:
        raise FolderError(f"{about}には処理がありません")
    start = datetime(monday.year, monday.month, monday.day, tzinfo=TOKYO)
    return read_span(folder, start, WEEK_S, about, settings or Settings())


def read_span(
    folder: FolderContents, start: datetime, length_s: float, about: str, settings: Settings, night: date | None = None
) -> Week:
    """The simulation input of `[start, start + length_s)`; `about` names it in messages. Raises FolderError."""
    table = _rows_of_span(folder.runs, start, length_s)
    if table.num_rows == 0:
        raise FolderError(f"{about}には処理がありません")
    seconds = {
        name: _seconds(table, name, start) for name in ("start", "end", "deadline", "window_start", "window_end")
    }
    codes = {tenant.id: tenant.code for tenant in folder.estate.tenants}
    jobs_known = {(job.tenant, job.system, job.job): job for job in folder.estate.jobs}
    run_ids, tenants, systems, jobs = (tuple(table[name].to_pylist()) for name in ("run_id", "tenant", "system", "job"))
    known = [jobs_known.get(named) for named in zip(tenants, systems, jobs, strict=True)]
    earliest_s = float(seconds["start"].min())
    vm_rows = {vm.id: row for row, vm in enumerate(folder.layout.vms)}
    host_rows = {host.id: row for row, host in enumerate(folder.layout.hosts)}
    vms, vcpu_steps, relocations = _vms(folder, start, length_s, earliest_s, host_rows, vm_rows)
    run_windows, calendars = windows_of_runs(folder, known, seconds, start) if settings.windows else (None, ())
    lines, line_of_host = lines_of(folder, settings)
    pools, print_s = printers(folder, known, settings)
    system = SimulationInput.of(
        hosts=tuple(
            SimulatedHost(
                host.id,
                float(host.cores),
                io_mib_s=host.io_mib_s if settings.storage and host.io_mib_s > 0 else None,
                line=line_of_host.get(host.id),
            )
            for host in folder.layout.hosts
        ),
        vms=vms,
        runs=_runs(table, seconds, vm_rows, settings, known, run_windows, print_s),
        online=_online(folder.online, start, length_s, earliest_s, vm_rows, settings.online_factor),
        vcpu_steps=vcpu_steps,
        relocations=relocations,
        pools=pools,
        lines=lines,
        calendars=calendars,
        online_first=(settings.online or folder.estate.policy.online) == "first",
    )
    try:
        validity.check(system)
    except ValueError as error:
        raise FolderError(f"{about}: runs.parquet の内容が矛盾しています（{error}）") from None
    return Week(
        monday=monday_of(start.date()),
        start=start,
        length_s=length_s,
        system=system,
        judged=seconds["start"] >= 0,
        tenant=tenants,
        system_id=systems,
        job=jobs,
        kind=tuple(job.kind if job is not None else "" for job in known),
        planned_start_s=seconds["start"],
        planned_end_s=seconds["end"],
        deadline_s=seconds["deadline"],
        window_end_s=seconds["window_end"],
        cpu_s=_floats(table, "cpu_s"),
        work_cv=_floats(table, "work_cv"),
        rerun_room=np.asarray(table["rerun_room"].to_numpy(zero_copy_only=False), dtype=np.bool_),
        keys=tuple(
            stream_key(*named, codes.get(named[1])) for named in zip(run_ids, tenants, systems, jobs, strict=True)
        ),
        night=night,
    )


def _rows_of_span(runs: pa.Table, start: datetime, length_s: float) -> pa.Table:
    begins_before_its_end = pc.less(runs["start"], _moment(start + timedelta(seconds=length_s)))
    in_span = pc.greater_equal(runs["start"], _moment(start))
    still_running = pc.greater(runs["end"], _moment(start))
    return runs.filter(pc.and_(begins_before_its_end, pc.or_(in_span, still_running)))


def _runs(
    table: pa.Table,
    seconds: dict[str, Floats],
    vm_rows: dict[str, int],
    settings: Settings,
    known: Sequence[ResolvedJob | None],
    run_windows: Sequence[int | None] | None,
    print_s: Sequence[float],
) -> tuple[SimulatedRun, ...]:
    run_ids = table["run_id"].to_pylist()
    rows = {run_id: row for row, run_id in enumerate(run_ids)}
    keeps_apart = _exclusive_order(table, seconds)
    fixed_s, cpu_s, io_mib, max_cores = (_floats(table, name) for name in ("fixed_s", "cpu_s", "io_mib", "max_cores"))
    load = settings.load_factor
    found = []
    for row, (run_id, vm, after, job) in enumerate(
        zip(run_ids, table["vm"].to_pylist(), table["after"].to_pylist(), known, strict=True)
    ):
        if vm not in vm_rows:
            raise FolderError(f"仮想サーバ {vm} が配置されていないので模擬できません。不適合の理由を先に解いてください")
        lags = dict.fromkeys(keeps_apart[row], 0.0)
        for predecessor in after or ():
            if predecessor["run"] in rows:
                lag_s = predecessor["lag_s"] + 3600.0 * predecessor["lag_business_h"]
                before = rows[predecessor["run"]]
                lags[before] = max(lags.get(before, 0.0), lag_s)
        found.append(
            SimulatedRun(
                id=run_id,
                vm=vm_rows[vm],
                release_s=float(seconds["start"][row]),
                cpu_s=load * float(cpu_s[row]),
                max_cores=float(max_cores[row]),
                fixed_s=float(fixed_s[row]),
                after=tuple(lags),
                lag_s=tuple(lags.values()),
                io_mib=load * float(io_mib[row]) if settings.storage else 0.0,
                line_mib=load * job.line_mib if settings.line and job is not None else 0.0,
                calendar=None if run_windows is None else run_windows[row],
                pool=0 if print_s[row] > 0 else None,
                pool_s=load * print_s[row],
            )
        )
    return tuple(found)


def _exclusive_order(table: pa.Table, seconds: dict[str, Floats]) -> list[list[int]]:
    """Runs that each run waits for because one of the two has the system for itself, in the order of the plan."""
    waits_for: list[list[int]] = [[] for _ in range(table.num_rows)]
    exclusive = table["exclusive"].to_pylist()
    systems = list(zip(table["tenant"].to_pylist(), table["system"].to_pylist(), strict=True))
    last_exclusive: dict[tuple[str, str], int] = {}
    others_since: dict[tuple[str, str], list[int]] = {}
    for row in np.lexsort((seconds["end"], seconds["start"])).tolist():
        if seconds["end"][row] <= seconds["start"][row]:
            continue
        system = systems[row]
        if system in last_exclusive:
            waits_for[row].append(last_exclusive[system])
        if exclusive[row]:
            waits_for[row] += others_since.pop(system, [])
            last_exclusive[system] = row
        else:
            others_since.setdefault(system, []).append(row)
    return waits_for


def _vms(
    folder: FolderContents,
    start: datetime,
    length_s: float,
    earliest_s: float,
    host_rows: dict[str, int],
    vm_rows: dict[str, int],
) -> tuple[tuple[SimulatedVm, ...], tuple[VcpuStep, ...], tuple[Relocation, ...]]:
    first = start + timedelta(seconds=earliest_s)
    last = start + timedelta(seconds=length_s + AFTERMATH_S)
    moves = sorted(folder.layout.moves, key=lambda move: move.at)
    begins_on = {vm.id: vm.host for vm in folder.layout.vms}
    begins_on |= {move.vm: move.from_host for move in reversed(moves) if move.vm in begins_on}
    relocations = []
    for move in moves:
        if move.vm not in vm_rows or move.to_host not in host_rows:
            raise FolderError(f"layout.json: 移動 {move.vm} → {move.to_host} の仮想サーバかホストがありません")
        if move.at <= first:
            begins_on[move.vm] = move.to_host
        elif move.at < last:
            at_s = (move.at - start).total_seconds()
            relocations.append(Relocation(vm_rows[move.vm], at_s, at_s, host_rows[move.to_host], keeps_work=True))
    vms = []
    steps = []
    for row, vm in enumerate(folder.layout.vms):
        if begins_on[vm.id] not in host_rows:
            raise FolderError(f"仮想サーバ {vm.id} にホストが割り当てられていないため、模擬できません")
        vms.append(
            SimulatedVm(vm.id, host_rows[begins_on[vm.id]], float(_vcpu_at(vm, first)), vm.slots, weight=vm.weight)
        )
        moments = {moment for change in vm.vcpu_changes for moment in (change.from_, change.until)}
        steps += [
            VcpuStep(row, (moment - start).total_seconds(), float(_vcpu_at(vm, moment)))
            for moment in sorted(moments)
            if first < moment < last
        ]
    return tuple(vms), tuple(steps), tuple(relocations)


def _vcpu_at(vm: VmRecord, moment: datetime) -> int:
    return next((change.vcpu for change in vm.vcpu_changes if change.from_ <= moment < change.until), vm.vcpu)


def _online(
    online: pa.Table, start: datetime, length_s: float, earliest_s: float, vm_rows: dict[str, int], factor: float
) -> tuple[OnlineLoad, ...]:
    first = _moment(start + timedelta(seconds=earliest_s))
    last = _moment(start + timedelta(seconds=length_s + AFTERMATH_S))
    kept = online.filter(pc.and_(pc.greater(online["until"], first), pc.less(online["from"], last)))
    from_s, until_s = _seconds(kept, "from", start), _seconds(kept, "until", start)
    cores = factor * _floats(kept, "cores")
    vms = kept["vm"].to_pylist()
    unknown = next((vm for vm in vms if vm not in vm_rows), None)
    if unknown is not None:
        raise FolderError(f"online.parquet: 仮想サーバ {unknown} が layout.json にありません")
    return tuple(
        OnlineLoad(vm_rows[vm], float(from_s[row]), float(until_s[row]), float(cores[row]))
        for row, vm in enumerate(vms)
        if cores[row] > 0
    )


def _moment(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment, type=pa.timestamp("us", tz="Asia/Tokyo"))


def _seconds(table: pa.Table, name: str, start: datetime) -> Floats:
    origin_us = int(start.timestamp()) * 1_000_000
    stamps = table[name].cast(pa.int64()).to_numpy()
    return np.asarray((stamps - origin_us) / 1e6, dtype=np.float64)


def _floats(table: pa.Table, name: str) -> Floats:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)
