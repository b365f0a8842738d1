"""Small layouts for the tests of this room: only what a licence count looks at, the rest is filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from layout.records import (
    EstateReference,
    HostRecord,
    HostSet,
    Layout,
    MoveRecord,
    Product,
    VcpuInterval,
    VmRecord,
)


def host(
    name: str,
    sockets: int = 2,
    cores: int = 16,
    factors: Mapping[str, float] | None = None,
    *,
    site: str = "main",
    model: str = "xeon",
    products: Sequence[Product] = (),
    socket_capacity: int | None = None,
    threads: int | None = 2,
    memory_mib: int = 524288,
) -> HostRecord:
    return HostRecord(
        id=name,
        site=site,
        model=model,
        sockets=sockets,
        socket_capacity=socket_capacity or sockets,
        cores_per_socket=cores,
        core_factors=dict({"oracle": 0.5} if factors is None else factors),
        memory_mib=memory_mib,
        disk_gib=7680.0,
        io_mib_s=2000.0,
        uri="qemu:///system",
        spare=False,
        pools=(),
        products=tuple(products),
        **({} if threads is None else {"threads_per_core": threads}),
    )


def vm(
    name: str,
    on: str,
    products: Sequence[Product],
    *,
    vcpu: int = 4,
    may_run_on: str | None = None,
    pinned: bool = False,
    vcpu_max: int | None = None,
    changes: Sequence[tuple[datetime, datetime, int]] = (),
    tenant: str = "hita",
    system: str = "resident-tax",
    site: str = "main",
    from_: datetime | None = None,
    until: datetime | None = None,
    affinity: Sequence[str] = (),
    memory_mib: int = 8192,
) -> VmRecord:
    return VmRecord(
        id=name,
        tenant=tenant,
        system=system,
        role="db",
        site=site,
        segment="mynumber",
        host=on,
        may_run_on=may_run_on or f"only-{on}",
        pinned=pinned,
        vcpu=vcpu,
        vcpu_max=vcpu_max or max([vcpu, *(count for _, _, count in changes)]),
        vcpu_changes=tuple(VcpuInterval(**{"from": a, "until": b, "vcpu": count}) for a, b, count in changes),
        memory_mib=memory_mib,
        disks=(),
        image="base",
        network="net",
        mac="52:54:00:00:00:01",
        address="10.0.0.1",
        slots=1,
        affinity=tuple(affinity),
        restore_priority=5,
        **{"from": from_},
        until=until,
        products=tuple(products),
    )


def layout(
    hosts: Sequence[HostRecord],
    vms: Sequence[VmRecord],
    *,
    sets: Mapping[str, Sequence[str]] | None = None,
    moves: Sequence[MoveRecord] = (),
) -> Layout:
    """Every host also has a set of its own, `only-HOST`; `all` holds every host."""
    own = {f"only-{h.id}": (h.id,) for h in hosts}
    named = {**own, "all": tuple(h.id for h in hosts), **{k: tuple(v) for k, v in (sets or {}).items()}}
    return Layout(
        estate=EstateReference(name="小さな計画", digest="0" * 64, fiscal_year=2027),
        generation=1,
        hosts=tuple(hosts),
        host_sets=tuple(HostSet(id=name, hosts=members) for name, members in named.items()),
        vms=tuple(vms),
        images=(),
        moves=tuple(moves),
        networks=(),
    )
