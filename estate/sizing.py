"""Which VMs does one system of one user need, and how large are they?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from .base_records import Confidence
from .catalogue_records import PopulationClass, Role, System
from .clock import JST
from .records import RoleOverride, SystemOverride
from .resolved import Disk, ResolvedVm, VcpuChange

NO_ROLE_OVERRIDE = RoleOverride()


@dataclass(frozen=True, eq=False)
class Deployment:
    """One system as one user runs it: a tenant's own, or a shared one as `common`. Compared by identity."""

    tenant: str
    system_id: str
    system: System
    override: SystemOverride
    population: int
    site: str
    from_: date | None
    until: date | None
    confidence: Confidence | None = None
    """How sure it is that the tenant uses the system."""
    members: tuple[str, ...] = ()
    """The tenants behind a shared system; empty for a tenant's own."""


def midnight(day: date) -> datetime:
    """The start of a day, +09:00."""
    return datetime.combine(day, time(), JST)


def class_of(population: int, classes: Sequence[PopulationClass]) -> str:
    """The first class whose `max_population` is not below the population; the largest class above all limits."""
    for population_class in classes:
        if population <= population_class.max_population:
            return population_class.id
    return max(classes, key=lambda population_class: population_class.max_population).id


def vm_id(tenant: str, system: str, role: str, replica: int) -> str:
    """`tenant-system-role-nn`, replicas counted from 1."""
    return f"{tenant}-{system}-{role}-{replica:02d}"


def replicas_of(role: Role, override: RoleOverride, class_id: str) -> int:
    """VMs of the role: the tenant's own number, else the class's, else 1."""
    return override.replicas or role.size.replicas.get(class_id, 1)


def vms_of(
    deployment: Deployment, class_id: str, system_disk_gib: float, policy_groups: Mapping[str, Sequence[str]]
) -> tuple[ResolvedVm, ...]:
    """Every VM of a deployment, roles in catalogue order.

    `policy_groups` maps `system/role` to the names of the policy's anti-affinity groups it belongs to. Online load of
    a role is shared equally by its replicas.
    """
    vms: list[ResolvedVm] = []
    for role_id, role in deployment.system.roles.items():
        override = deployment.override.roles.get(role_id, NO_ROLE_OVERRIDE)
        replicas = replicas_of(role, override, class_id)
        groups = [f"{deployment.tenant}:{name}" for name in policy_groups.get(f"{deployment.system_id}/{role_id}", ())]
        if replicas > 1:
            groups.append(f"{deployment.tenant}:{deployment.system_id}/{role_id}")
        changes = tuple(
            VcpuChange(from_=midnight(busy.from_), until=midnight(busy.until), vcpu=busy.vcpu)
            for busy in sorted(deployment.override.vcpu_busy, key=lambda busy: busy.from_)
            if busy.role == role_id
        )
        online = role.online.cores_per_1000_residents * deployment.population / 1000 if role.online else 0.0
        for replica in range(1, replicas + 1):
            identity = vm_id(deployment.tenant, deployment.system_id, role_id, replica)
            vms.append(
                ResolvedVm(
                    id=identity,
                    tenant=deployment.tenant,
                    system=deployment.system_id,
                    role=role_id,
                    replica=replica,
                    site=deployment.site,
                    segment=deployment.system.segment,
                    vcpu=override.vcpu or role.size.vcpu[class_id],
                    vcpu_changes=changes,
                    memory_gib=override.memory_gib or role.size.memory_gib[class_id],
                    disks=(
                        Disk(name=f"{identity}-system", size_gib=system_disk_gib, protect=False),
                        Disk(
                            name=f"{identity}-data",
                            size_gib=override.disk_gib or role.size.disk_gib[class_id],
                            protect=True,
                        ),
                    ),
                    image=role.image,
                    slots=role.slots,
                    products=role.products if override.products is None else override.products,
                    anti_affinity=tuple(groups),
                    online_cores=online / replicas,
                    online_profile=role.online.profile if role.online else None,
                    restore_priority=deployment.system.restore_priority,
                    from_=deployment.from_,
                    until=deployment.until,
                )
            )
    return tuple(vms)
