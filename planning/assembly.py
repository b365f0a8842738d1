"""Builds `layout.json`'s record from the resolved estate, the placement and the numbering."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from capacity.records import Placement
from estate.catalogue_records import ProductUse
from estate.clock import JST
from estate.records import Endpoint
from estate.resolved import ResolvedEstate, ResolvedHost, ResolvedVm
from layout.records import (
    Bound,
    DiskRecord,
    EstateReference,
    FlowEnd,
    FlowRecord,
    HostRecord,
    HostSet,
    ImageRecord,
    Layout,
    Product,
    StoragePool,
    VcpuInterval,
    VmRecord,
)

from .networks import Numbering

MIB_PER_GIB = 1024


def assemble(estate: ResolvedEstate, placement: Placement, numbering: Numbering, bounds: Sequence[Bound]) -> Layout:
    """The first layout of a placed estate. VMs without a host are left out; `Placement.misfits` says why."""
    host_of = {
        vm: placement.host_names[index]
        for vm, index in zip(placement.vm_names, placement.host.tolist(), strict=True)
        if index >= 0
    }
    reserve = set(placement.reserve)
    pool_of = {host.id: host.pools[0].name for host in estate.hosts}
    movable = estate.policy.may_run_on == "site"
    vms = tuple(
        _vm(vm, host_of[vm.id], pool_of[host_of[vm.id]], numbering, movable=movable)
        for vm in estate.vms
        if vm.id in host_of
    )
    return Layout(
        estate=EstateReference(name=estate.name, digest=estate.digest, fiscal_year=estate.fiscal_year),
        generation=1,
        hosts=tuple(_host(host, spare=host.id in reserve or host.spare) for host in estate.hosts),
        host_sets=_host_sets(estate, vms, movable=movable),
        vms=vms,
        images=tuple(ImageRecord(id=image) for image in sorted({vm.image for vm in vms})),
        networks=numbering.networks,
        flows=tuple(
            FlowRecord(
                source=_flow_end(flow.source),
                destination=_flow_end(flow.destination),
                protocol=flow.protocol,
                port=flow.port,
            )
            for flow in estate.flows
        ),
        bounds=tuple(bounds),
    )


def _host(host: ResolvedHost, *, spare: bool) -> HostRecord:
    model = host.model
    return HostRecord(
        id=host.id,
        site=host.site,
        model=host.model_id,
        sockets=model.sockets,
        socket_capacity=model.socket_capacity,
        cores_per_socket=model.cores_per_socket,
        threads_per_core=model.threads_per_core,
        core_factors=model.core_factors,
        memory_mib=round(host.memory_gib * MIB_PER_GIB),
        disk_gib=host.disk_gib,
        io_mib_s=model.io_mib_s,
        uri=host.uri,
        spare=spare,
        pools=tuple(StoragePool(name=pool.name, path=pool.path, kind=pool.kind) for pool in host.pools),
        products=_products(host.products),
    )


def _vm(vm: ResolvedVm, host: str, pool: str, numbering: Numbering, *, movable: bool) -> VmRecord:
    attachment = numbering.attachments[vm.id]
    return VmRecord(
        id=vm.id,
        tenant=vm.tenant,
        system=vm.system,
        role=vm.role,
        site=vm.site,
        segment=vm.segment,
        host=host,
        may_run_on=f"site-{vm.site}" if movable else f"host-{host}",
        pinned=not movable,
        vcpu=vm.vcpu,
        vcpu_max=max((vm.vcpu, *(change.vcpu for change in vm.vcpu_changes))),
        vcpu_changes=tuple(
            VcpuInterval.model_validate({"from": change.from_, "until": change.until, "vcpu": change.vcpu})
            for change in vm.vcpu_changes
        ),
        memory_mib=round(vm.memory_gib * MIB_PER_GIB),
        disks=tuple(
            DiskRecord(
                name=disk.name,
                size_gib=disk.size_gib,
                pool=pool,
                protect=disk.protect,
                base_image=None if disk.protect else vm.image,
            )
            for disk in vm.disks
        ),
        image=vm.image,
        network=attachment.network,
        mac=attachment.mac,
        address=attachment.address,
        slots=vm.slots,
        anti_affinity=vm.anti_affinity,
        restore_priority=vm.restore_priority,
        until=_midnight(vm.until),
        products=_products(vm.products),
    ).model_copy(update={"from_": _midnight(vm.from_)})  # `from` cannot be an argument's name


def _host_sets(estate: ResolvedEstate, vms: Sequence[VmRecord], *, movable: bool) -> tuple[HostSet, ...]:
    if movable:
        return tuple(
            HostSet(id=f"site-{site.id}", hosts=tuple(host.id for host in estate.hosts if host.site == site.id))
            for site in estate.sites
        )
    used = {vm.host for vm in vms}
    return tuple(HostSet(id=f"host-{host.id}", hosts=(host.id,)) for host in estate.hosts if host.id in used)


def _products(uses: Sequence[ProductUse]) -> tuple[Product, ...]:
    return tuple(Product(rule=use.rule, options=use.options) for use in uses)


def _flow_end(end: Endpoint) -> FlowEnd:
    return FlowEnd(tenant=end.tenant, segment=end.segment, system=end.system, address=end.address)


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=JST)
