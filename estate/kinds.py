"""The estate by kinds of tenants: what thousands of municipalities have in common is said once.

Tenants of one kind have the same systems, overrides, dates, size class and shared systems; they differ in name, site
and population. Everything but the amounts of work and the names is therefore that of the kind's representative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .batch import JobRate
from .catalogue_records import Catalogue
from .records import EstateFile, Policy, Tenant
from .resolve import job_rates, members_of, resolve
from .resolved import ResolvedEstate, ResolvedHost, ResolvedVm
from .sizing import class_of

_LONGEST_VM_ID = 63


@dataclass(frozen=True)
class TenantKind:
    """Tenants that differ in name, site and population only; the representative is the most populous of them."""

    representative: str
    tenants: tuple[Tenant, ...]
    """In the order of the file, the representative among them."""


@dataclass(frozen=True)
class Survey:
    """An estate without repetition. `estate` is the resolved one as if there were only the representatives.

    Shared systems (tenant `common`) are in it as they are for all tenants: their work is that of all members, and
    their jobs name the predecessors of every member.
    """

    estate: ResolvedEstate
    kinds: tuple[TenantKind, ...]
    tenants: tuple[Tenant, ...]
    """All municipalities, in the order of the file."""
    rates: tuple[JobRate, ...]
    """Row by row with `estate.jobs`: how the work follows from the residents of a tenant."""


def survey_of(file: EstateFile, catalogue: Catalogue, digest: str) -> Survey:
    """The survey of a sound estate file."""
    shared = [(entry.system, frozenset(members_of(entry, file))) for entry in file.shared]
    measured = {entry.tenant for entry in file.measured}
    groups: dict[object, list[Tenant]] = {}
    for tenant in file.tenants:
        key = (
            class_of(tenant.population, catalogue.classes),
            tenant.systems.only,
            tenant.systems.except_,
            tenant.from_,
            tenant.until,
            tuple((system, override.model_dump_json()) for system, override in tenant.overrides.items()),
            tuple(system for system, members in shared if tenant.id in members),
            tenant.id if tenant.id in measured else None,
        )
        groups.setdefault(key, []).append(tenant)
    kinds = tuple(
        TenantKind(max(members, key=lambda tenant: tenant.population).id, tuple(members)) for members in groups.values()
    )
    chosen = frozenset(kind.representative for kind in kinds)
    return Survey(
        estate=resolve(file, catalogue, digest, only=chosen),
        kinds=kinds,
        tenants=file.tenants,
        rates=job_rates(file, catalogue, only=chosen),
    )


def surely_fits(survey: Survey, file: EstateFile) -> bool:
    """Whether what fits for the representatives fits for every tenant, on whatever site it is.

    Jobs need no look: the representative has the most work of its kind. False says nothing more than that the whole
    estate must be looked at.
    """
    by_site: dict[str, list[ResolvedHost]] = {site.id: [] for site in file.sites}
    for host in survey.estate.hosts:
        by_site[host.site].append(host)
    primary = next((site.id for site in file.sites if site.role == "primary"), file.sites[0].id)
    vms: dict[str, list[ResolvedVm]] = {}
    for vm in survey.estate.vms:
        vms.setdefault(vm.tenant, []).append(vm)
    judged: set[tuple[str, frozenset[tuple[float, float, int]]]] = set()
    for kind in survey.kinds:
        needed = vms.get(kind.representative, [])
        if not needed:
            continue
        suffix = max(len(vm.id) for vm in needed) - len(kind.representative)
        if max(len(tenant.id) for tenant in kind.tenants) + suffix > _LONGEST_VM_ID:
            return False
        for site in {tenant.site or primary for tenant in kind.tenants}:
            there = by_site[site]
            if sum(not host.spare for host in there) <= file.policy.spare_hosts:
                return False
            shapes = frozenset((host.memory_gib, host.disk_gib, host.cores) for host in there)
            if (kind.representative, shapes) in judged:
                continue
            judged.add((kind.representative, shapes))
            if not all(any(fits(vm, host, file.policy) for host in there) for vm in _sizes(needed)):
                return False
    return not _may_collide([tenant.id for tenant in file.tenants])


def _sizes(vms: Sequence[ResolvedVm]) -> list[ResolvedVm]:
    """One VM of each size."""
    sizes = {(vm.memory_gib, sum(disk.size_gib for disk in vm.disks), most_vcpu(vm)): vm for vm in vms}
    return list(sizes.values())


def most_vcpu(vm: ResolvedVm) -> int:
    """The most vCPU the VM ever has."""
    return max([vm.vcpu, *(change.vcpu for change in vm.vcpu_changes)])


def fits(vm: ResolvedVm, host: ResolvedHost, policy: Policy) -> bool:
    """Whether an empty host can carry the VM."""
    return (
        vm.memory_gib <= host.memory_gib * policy.memory_overcommit
        and sum(disk.size_gib for disk in vm.disks) <= host.disk_gib
        and most_vcpu(vm) <= host.cores * policy.vcpu_overcommit
    )


def _may_collide(tenants: list[str]) -> bool:
    """Whether two tenants could have VMs of one name: one's id begins with the other's and a hyphen."""
    known = {*tenants, "common"}
    return any(
        tenant[:position] in known for tenant in known for position, letter in enumerate(tenant) if letter == "-"
    )
