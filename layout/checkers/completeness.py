"""Does the plan hold every VM of the estate and its runs, with the estate's sizes and work?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, time

import numpy as np
import pyarrow.compute as pc

from estate.resolved import ResolvedVm
from layout.records import VmRecord

from .findings import Findings
from .view import JST, Floats, View, microseconds

_RUN_ID = re.compile(r"([^/]+/[^/]+/[^/]+)/([0-9]{4}-[0-9]{2}-[0-9]{2})(#[1-9][0-9]*)?")


def check(view: View) -> Findings:
    """Violations: a VM or run that is missing, unknown, twice there, or that differs from the estate."""
    found = Findings()
    found.add_all(_vms(view))
    _runs(view, found)
    _work(view, found)
    _lifetimes(view, found)
    return found


def _vms(view: View) -> Iterator[str]:
    estate = {vm.id: vm for vm in view.folder.estate.vms}
    planned = Counter(vm.id for vm in view.folder.layout.vms)
    yield from (f"VM {name}: 計画に {planned[name]} 回あります（1 回が必要）" for name in estate if planned[name] != 1)
    for vm in view.folder.layout.vms:
        if vm.id not in estate:
            yield f"VM {vm.id}: 対象データ（estate.json）にありません"
        else:
            for what, have, want in _differences(vm, estate[vm.id]):
                yield f"VM {vm.id}: {what} が {have} です（対象データでは {want}）"


def _differences(vm: VmRecord, want: ResolvedVm) -> Iterator[tuple[str, object, object]]:
    for name in ("tenant", "system", "role", "site", "segment", "vcpu", "image", "slots", "restore_priority"):
        if getattr(vm, name) != getattr(want, name):
            yield name, getattr(vm, name), getattr(want, name)
    if abs(vm.memory_mib - want.memory_gib * 1024) > 1:
        yield "memory_mib", vm.memory_mib, want.memory_gib * 1024
    changes = sorted((change.from_, change.until, change.vcpu) for change in vm.vcpu_changes)
    if changes != sorted((change.from_, change.until, change.vcpu) for change in want.vcpu_changes):
        yield "vcpu_changes", len(vm.vcpu_changes), f"{len(want.vcpu_changes)} 件で、時期か数が違う"
    if vm.vcpu_max != max([want.vcpu, *(change.vcpu for change in want.vcpu_changes)]):
        yield "vcpu_max", vm.vcpu_max, "最大の vCPU"
    if missing := Counter((d.size_gib, d.protect) for d in want.disks) - Counter(
        (d.size_gib, d.protect) for d in vm.disks
    ):
        yield "disks", len(vm.disks), f"大きさと保護が合うもの {sorted(missing)}"
    if set(vm.anti_affinity) != set(want.anti_affinity):
        yield "anti_affinity", sorted(vm.anti_affinity), sorted(want.anti_affinity)
    products = Counter((p.rule, tuple(sorted(p.options.items()))) for p in vm.products)
    if products != Counter((p.rule, tuple(sorted(p.options.items()))) for p in want.products):
        yield "products", len(vm.products), f"{len(want.products)} 件で、内容が違う"
    for name in ("from_", "until"):
        have, day = getattr(vm, name), getattr(want, name)
        if have != (datetime.combine(day, time(), JST) if isinstance(day, date) else None):
            yield name.rstrip("_"), have, day


def _runs(view: View, found: Findings) -> None:
    runs, estate = view.folder.runs, view.folder.estate
    if view.folder.run.runs != len(view):
        found.add(f"実行が {len(view)} 件あります（run.json では {view.folder.run.runs} 件）")
    counts = pc.value_counts(runs.column("run_id"))
    repeated = counts.filter(pc.greater(pc.struct_field(counts, "counts"), 1))
    found.add_all(f"{row['values']}: 同じ実行が {row['counts']} 件あります" for row in repeated.to_pylist())
    found.add_where(view.job < 0, lambda i: f"{view.run_id(i)}: 業務が対象データ（estate.json）にありません")
    found.add_where(view.vm < 0, lambda i: f"{view.run_id(i)}: VM {runs.column('vm')[i].as_py()} が計画にありません")
    index = view.vm_index
    vm_of_job = np.array([index.get(job.vm, -1) for job in estate.jobs] + [-1], dtype=np.int64)
    found.add_where(
        (view.job >= 0) & (view.vm >= 0) & (vm_of_job[view.job] != view.vm),
        lambda i: f"{view.run_id(i)}: VM が業務の VM {estate.jobs[view.job[i]].vm} と違います",
    )
    names = runs.column("run_id").to_pylist()
    jobs = [f"{job.tenant}/{job.system}/{job.job}" for job in estate.jobs]
    wrong = np.zeros(len(view), dtype=np.bool_)
    for row, (name, job) in enumerate(zip(names, view.job.tolist(), strict=True)):
        match = _RUN_ID.fullmatch(name)
        wrong[row] = match is None or (job >= 0 and match.group(1) != jobs[job])
    found.add_where(wrong, lambda i: f"{names[i]}: 実行の名前が「団体/システム/業務/日付」ではありません")


def _work(view: View, found: Findings) -> None:
    jobs, runs = view.folder.estate.jobs, view.folder.runs
    known = view.job >= 0
    for name in ("fixed_s", "cpu_s", "io_mib", "work_cv", "exclusive"):
        want = np.array([float(getattr(job, name)) for job in jobs] + [0.0])
        have = np.asarray(runs.column(name).to_numpy(), dtype=np.float64)
        _differ(view, found, name, have, want[view.job])
    asked = np.array([job.rerun_room and view.folder.estate.policy.rerun_room for job in jobs] + [False])
    found.add_where(
        known & asked[view.job] & ~view.rerun_room,
        lambda i: f"{view.run_id(i)}: rerun_room が偽です（対象データでは再実行の余裕が必要）",
    )
    job_cores = np.array([job.max_cores for job in jobs] + [0.0])
    cores = np.where(known, job_cores[view.job], view.max_cores)
    levels = sorted({vm.vcpu for vm in view.folder.layout.vms} | {
        change.vcpu for vm in view.folder.layout.vms for change in vm.vcpu_changes
    })  # fmt: skip
    allowed = np.zeros((len(view.folder.layout.vms) + 1, len(levels)), dtype=np.bool_)
    for row, vm in enumerate(view.folder.layout.vms):
        for vcpu in (vm.vcpu, *(change.vcpu for change in vm.vcpu_changes)):
            allowed[row, levels.index(vcpu)] = True
    right = np.zeros(len(view), dtype=np.bool_)
    for column, vcpu in enumerate(levels):
        right |= allowed[view.vm, column] & (np.abs(view.max_cores - np.minimum(cores, vcpu)) <= 1e-9)
    found.add_where(
        known & (view.vm >= 0) & ~right,
        lambda i: (
            f"{view.run_id(i)}: max_cores {view.max_cores[i]:g} が、業務の上限 {cores[i]:g} と VM の vCPU の"
            "小さい方ではありません"
        ),
    )


def _differ(view: View, found: Findings, name: str, have: Floats, want: Floats) -> None:
    found.add_where(
        (view.job >= 0) & (have != want),
        lambda i: f"{view.run_id(i)}: {name} が {have[i]:g} です（対象データでは {want[i]:g}）",
    )


def _lifetimes(view: View, found: Findings) -> None:
    """No run before its VM exists or after it is gone."""
    zero, far = view.folder.estate.start, np.iinfo(np.int64).max
    vms = view.folder.layout.vms
    born = np.array([microseconds(vm.from_, zero) if vm.from_ else -far for vm in vms] + [-far], dtype=np.int64)
    gone = np.array([microseconds(vm.until, zero) if vm.until else far for vm in vms] + [far], dtype=np.int64)
    found.add_where(
        (view.start < born[view.vm]) | (view.end > gone[view.vm]),
        lambda i: f"{view.run_id(i)}: VM {vms[view.vm[i]].id} がまだないか、もうない時の実行です",
    )
