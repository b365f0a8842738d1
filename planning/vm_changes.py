"""What a plan has otherwise about VMs than the plan that it keeps: place, size, disks, addresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from capacity.records import Placement
from estate.resolved import ResolvedEstate
from layout.folder import PlanFolder
from layout.records import ChangeRecord, DiskRecord, Layout, VcpuInterval, VmRecord

from .change_record import FROM_ESTATE, change

_OTHER = ("tenant", "system", "role", "slots", "restore_priority", "weight", "pinned", "from_", "until")
"""What no VM has to be touched for."""


def vm_changes(kept: PlanFolder, estate: ResolvedEstate, layout: Layout, placed: Placement) -> Iterator[ChangeRecord]:
    """Moves first, then VMs that went and came, then what changed about those that stay."""
    before = {vm.id: vm for vm in kept.layout.vms}
    after = {vm.id: vm for vm in layout.vms}
    stay = [(before[name], vm) for name, vm in after.items() if name in before]
    why = {moved.vm: moved.reason for moved in placed.relocated}
    for old, new in stay:
        if old.host != new.host:
            runbook = "migrate-vm" if old.site == new.site else "restore-vm"
            reason = why.get(new.id, FROM_ESTATE)
            yield change("host", "changed", new.id, "host", old.host, new.host, reason=reason, runbook=runbook)
    tenants = {tenant.id for tenant in estate.tenants}
    tenants_before = {tenant.id for tenant in kept.estate.tenants}
    wanted = {vm.id for vm in estate.vms}
    for name, vm in before.items():
        if name not in after:
            yield _removed(vm, homeless=name in wanted, tenant_left=vm.tenant not in tenants)
    for name, vm in after.items():
        if name not in before:
            joins = vm.tenant not in tenants_before
            reason = "新しい団体の仮想サーバのため" if joins else "構成ファイルに加わったため"
            runbook = "add-tenant" if joins else ""
            yield change("vm", "added", name, after=vm.host, reason=reason, runbook=runbook)
    for old, new in stay:
        yield from _sizes(old, new)
    for old, new in stay:
        yield from _disks(old.disks, new.disks)
    for old, new in stay:
        yield from _attachment(old, new)
    for old, new in stay:
        yield from _rest(old, new)


def _removed(vm: VmRecord, *, homeless: bool, tenant_left: bool) -> ChangeRecord:
    if homeless:
        return change("vm", "removed", vm.id, before=vm.host, reason="置けるホストがないため（不適合）")
    reason = (
        "団体が構成ファイルにないため"
        if tenant_left
        else "構成ファイルにないため。団体は残るので、削除は担当者が確かめて行う"
    )
    return change("vm", "removed", vm.id, before=vm.host, reason=reason, runbook="remove-tenant" if tenant_left else "")


def _sizes(old: VmRecord, new: VmRecord) -> Iterator[ChangeRecord]:
    if old.memory_mib != new.memory_mib:
        yield change(
            "size", "changed", new.id, "memory_mib", str(old.memory_mib), str(new.memory_mib),
            reason=f"{FROM_ESTATE}。計画停止が必要", runbook="resize-memory",
        )  # fmt: skip
    if old.vcpu_max != new.vcpu_max:
        yield change(
            "size", "changed", new.id, "vcpu_max", str(old.vcpu_max), str(new.vcpu_max),
            reason=f"{FROM_ESTATE}。vCPU の上限は稼働中に変えられず、計画停止が必要", runbook="resize-memory",
        )  # fmt: skip
    if old.vcpu != new.vcpu:
        runbook = "raise-vcpu" if new.vcpu > old.vcpu else "restore-vcpu"
        yield change(
            "size", "changed", new.id, "vcpu", str(old.vcpu), str(new.vcpu), reason=FROM_ESTATE, runbook=runbook
        )
    if old.vcpu_changes != new.vcpu_changes:
        yield change(
            "size", "changed", new.id, "vcpu_changes", _spans(old.vcpu_changes), _spans(new.vcpu_changes),
            reason=f"{FROM_ESTATE}。その日に vCPU を変える", runbook="raise-vcpu",
        )  # fmt: skip


def _spans(intervals: Sequence[VcpuInterval]) -> str:
    return "、".join(f"{span.from_:%Y-%m-%d}〜{span.until:%Y-%m-%d} {span.vcpu}" for span in intervals)


def _disks(old: Sequence[DiskRecord], new: Sequence[DiskRecord]) -> Iterator[ChangeRecord]:
    before, after = ({disk.name: disk for disk in disks} for disks in (old, new))
    for name, disk in before.items():
        if name not in after:
            reason = f"{FROM_ESTATE}。ボリュームの削除は担当者が確かめて行う"
            yield change("disk", "removed", name, before=f"{disk.size_gib:g}", reason=reason)
    for name, disk in after.items():
        was = before.get(name)
        if was is None:
            reason = f"{FROM_ESTATE}。立っている仮想サーバへの接続は担当者が行う"
            yield change("disk", "added", name, after=f"{disk.size_gib:g}", reason=reason)
            continue
        if was.size_gib != disk.size_gib:
            grows = disk.size_gib > was.size_gib
            yield change(
                "disk", "changed", name, "size_gib", f"{was.size_gib:g}", f"{disk.size_gib:g}",
                reason=FROM_ESTATE if grows else f"{FROM_ESTATE}。縮小する手順はない",
                runbook="grow-disk" if grows else "",
            )  # fmt: skip
        for field in ("pool", "protect", "base_image"):
            values = [str(getattr(each, field)) for each in (was, disk)]
            if values[0] != values[1]:
                yield change("disk", "changed", name, field, *values, reason=FROM_ESTATE)


def _attachment(old: VmRecord, new: VmRecord) -> Iterator[ChangeRecord]:
    moved = (old.site, old.segment, old.network) != (new.site, new.segment, new.network)
    reason = "拠点か区分が変わったため" if moved else "ネットワークのサブネットを広げたため"
    for name in ("network", "mac", "address"):
        values = [str(getattr(vm, name)) for vm in (old, new)]
        if values[0] != values[1]:
            yield change("address", "changed", new.id, name, *values, reason=reason, runbook="apply-network")


def _rest(old: VmRecord, new: VmRecord) -> Iterator[ChangeRecord]:
    if old.image != new.image:
        reason = f"{FROM_ESTATE}。新しく作る仮想サーバにだけ使われる"
        yield change("image", "changed", new.id, "image", old.image, new.image, reason=reason)
    for name in _OTHER:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            words = ["" if value is None else str(value) for value in (before, after)]
            yield change("vm", "changed", new.id, name.rstrip("_"), *words, reason=FROM_ESTATE)
    for name in ("anti_affinity", "affinity"):
        groups = [" ".join(getattr(vm, name)) for vm in (old, new)]
        if groups[0] != groups[1]:
            yield change("vm", "changed", new.id, name, *groups, reason=FROM_ESTATE)
    if old.products != new.products:
        products = [" ".join(product.rule for product in vm.products) for vm in (old, new)]
        yield change("vm", "changed", new.id, "products", *products, reason=FROM_ESTATE)
