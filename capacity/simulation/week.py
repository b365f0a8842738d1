"""One week of a plan folder as a simulation input: every run is released when the plan starts it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from capacity.records import Bools, Floats
from layout.errors import FolderError
from layout.folder import FolderContents
from layout.records import VmRecord

from .columns import SimulationInput
from .disturbance import StreamKey, stream_key
from .records import OnlineLoad, SimulatedHost, SimulatedRun, SimulatedVm, VcpuStep

TOKYO = timezone(timedelta(hours=9))
WEEK_S = 7 * 86400.0
AFTERMATH_S = 2 * 86400.0
"""Online load and vCPU changes are kept for so long after the week, for runs that are late."""


@dataclass(frozen=True)
class Week:
    """The runs of one week, row by row with the simulation's. Times are seconds since `monday` 00:00 +09:00."""

    monday: date
    system: SimulationInput
    judged: Bools
    """Runs that the plan starts in the week; the others began before it and still run, so they only take room."""
    tenant: tuple[str, ...]
    system_id: tuple[str, ...]
    job: tuple[str, ...]
    planned_end_s: Floats
    deadline_s: Floats
    window_end_s: Floats
    cpu_s: Floats
    work_cv: Floats
    keys: tuple[StreamKey, ...]


def monday_of(day: date) -> date:
    """The Monday of the day's week."""
    return day - timedelta(days=day.weekday())


def tightest_monday(folder: FolderContents) -> date:
    """Monday of the week that holds the highest planned peak of any site. Raises FolderError where no peak is known."""
    if not folder.run.peaks:
        raise FolderError("run.json に負荷の山の記録がないため、最も厳しい週が決まりません")
    highest = max(folder.run.peaks, key=lambda peak: peak.after_cores)
    return monday_of(date.fromisoformat(highest.tightest_week))


def read_week(folder: FolderContents, monday: date) -> Week:
    """The simulation input of [monday, monday + 7 days).

    Each run is released at its planned start: it never starts earlier, and it waits for the end (plus lag) of its
    predecessors of the week, for a slot, and where it or the other is exclusive for the end of what the plan puts
    before it in the same system. Business-hour lags count as that many elapsed hours, which is the least they can be.
    Raises FolderError for a week without runs, or runs of VMs that have no host.
    """
    if not date.min < monday < date.max - timedelta(days=14):
        raise FolderError(f"{monday.isoformat()} からの週には処理がありません")
    start = datetime(monday.year, monday.month, monday.day, tzinfo=TOKYO)
    table = _rows_of_week(folder.runs, start)
    if table.num_rows == 0:
        raise FolderError(f"{monday.isoformat()} からの週には処理がありません")
    seconds = {name: _seconds(table, name, start) for name in ("start", "end", "deadline", "window_end")}
    codes = {tenant.id: tenant.code for tenant in folder.estate.tenants}
    run_ids, tenants, systems, jobs = (tuple(table[name].to_pylist()) for name in ("run_id", "tenant", "system", "job"))
    earliest_s = float(seconds["start"].min())
    vm_rows = {vm.id: row for row, vm in enumerate(folder.layout.vms)}
    vms, vcpu_steps = _vms(folder, start, earliest_s)
    return Week(
        monday=monday,
        system=SimulationInput.of(
            hosts=tuple(SimulatedHost(host.id, float(host.cores)) for host in folder.layout.hosts),
            vms=vms,
            runs=_runs(table, seconds, vm_rows),
            online=_online(folder.online, start, earliest_s, vm_rows),
            vcpu_steps=vcpu_steps,
        ),
        judged=seconds["start"] >= 0,
        tenant=tenants,
        system_id=systems,
        job=jobs,
        planned_end_s=seconds["end"],
        deadline_s=seconds["deadline"],
        window_end_s=seconds["window_end"],
        cpu_s=_floats(table, "cpu_s"),
        work_cv=_floats(table, "work_cv"),
        keys=tuple(
            stream_key(*named, codes.get(named[1])) for named in zip(run_ids, tenants, systems, jobs, strict=True)
        ),
    )


def _rows_of_week(runs: pa.Table, start: datetime) -> pa.Table:
    begins_before_its_end = pc.less(runs["start"], _moment(start + timedelta(days=7)))
    in_week = pc.greater_equal(runs["start"], _moment(start))
    still_running = pc.greater(runs["end"], _moment(start))
    return runs.filter(pc.and_(begins_before_its_end, pc.or_(in_week, still_running)))


def _runs(table: pa.Table, seconds: dict[str, Floats], vm_rows: dict[str, int]) -> tuple[SimulatedRun, ...]:
    run_ids = table["run_id"].to_pylist()
    rows = {run_id: row for row, run_id in enumerate(run_ids)}
    keeps_apart = _exclusive_order(table, seconds)
    fixed_s, cpu_s, max_cores = (_floats(table, name) for name in ("fixed_s", "cpu_s", "max_cores"))
    found = []
    for row, (run_id, vm, after) in enumerate(
        zip(run_ids, table["vm"].to_pylist(), table["after"].to_pylist(), strict=True)
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
                cpu_s=float(cpu_s[row]),
                max_cores=float(max_cores[row]),
                fixed_s=float(fixed_s[row]),
                after=tuple(lags),
                lag_s=tuple(lags.values()),
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
    folder: FolderContents, start: datetime, earliest_s: float
) -> tuple[tuple[SimulatedVm, ...], tuple[VcpuStep, ...]]:
    host_rows = {host.id: row for row, host in enumerate(folder.layout.hosts)}
    first = start + timedelta(seconds=earliest_s)
    last = start + timedelta(seconds=WEEK_S + AFTERMATH_S)
    vms = []
    steps = []
    for row, vm in enumerate(folder.layout.vms):
        if vm.host not in host_rows:
            raise FolderError(f"仮想サーバ {vm.id} にホストが割り当てられていないため、模擬できません")
        vms.append(SimulatedVm(vm.id, host_rows[vm.host], float(_vcpu_at(vm, first)), vm.slots))
        moments = {moment for change in vm.vcpu_changes for moment in (change.from_, change.until)}
        steps += [
            VcpuStep(row, (moment - start).total_seconds(), float(_vcpu_at(vm, moment)))
            for moment in sorted(moments)
            if first < moment < last
        ]
    return tuple(vms), tuple(steps)


def _vcpu_at(vm: VmRecord, moment: datetime) -> int:
    return next((change.vcpu for change in vm.vcpu_changes if change.from_ <= moment < change.until), vm.vcpu)


def _online(online: pa.Table, start: datetime, earliest_s: float, vm_rows: dict[str, int]) -> tuple[OnlineLoad, ...]:
    first = _moment(start + timedelta(seconds=earliest_s))
    last = _moment(start + timedelta(seconds=WEEK_S + AFTERMATH_S))
    kept = online.filter(pc.and_(pc.greater(online["until"], first), pc.less(online["from"], last)))
    from_s, until_s, cores = _seconds(kept, "from", start), _seconds(kept, "until", start), _floats(kept, "cores")
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
