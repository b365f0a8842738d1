"""Estate file and catalogue merged: one record per host, VM and job that exists.

Pure functions, results in the order of the files, time linear in the size of the result. References (ids of sites,
systems, roles, windows, events …) have been checked before; an unknown one raises KeyError.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime

from .assumptions import list_assumptions
from .batch import JobRate, Measurements, Setting, jobs_of, rates_of
from .catalogue_records import Catalogue, System
from .host_pattern import expand
from .records import EstateFile, Host, Policy, SharedSystem, SystemOverride, Tenant
from .resolved import ResolvedEstate, ResolvedHost, ResolvedJob, ResolvedSystem, ResolvedTenant, ResolvedVm
from .sizing import Deployment, class_of, midnight, vms_of

COMMON = "common"
"""Tenant id of the shared systems."""
_NO_OVERRIDE = SystemOverride()


def resolve(
    file: EstateFile, catalogue: Catalogue, digest: str, *, only: Collection[str] | None = None
) -> ResolvedEstate:
    """The estate that the planner works on. `digest` is the sha256 over both inputs as read.

    `only` leaves out all other tenants, but shared systems stay those of all their members.
    """
    start, end = horizon(file)
    shared = tuple(_shared_deployments(file, catalogue))
    deployments, setting = _deployed(file, catalogue, shared, only)
    groups = _policy_groups(file.policy)

    systems: list[ResolvedSystem] = []
    vms: list[ResolvedVm] = []
    jobs: list[ResolvedJob] = []
    for deployment in deployments:
        class_id = class_of(deployment.population, catalogue.classes)
        its_vms = vms_of(deployment, class_id, catalogue.system_disk_gib, groups)
        vms.extend(its_vms)
        jobs.extend(jobs_of(deployment, setting))
        systems.append(_resolved_system(catalogue, deployment, tuple(vm.id for vm in its_vms)))

    return ResolvedEstate(
        name=file.name,
        digest=digest,
        fiscal_year=file.fiscal_year,
        start=start,
        end=end,
        sites=file.sites,
        hosts=tuple(host for entry in file.hosts for host in expand_hosts(entry, catalogue)),
        tenants=tuple(_resolved_tenants(file, shared, only)),
        systems=tuple(systems),
        vms=tuple(vms),
        jobs=tuple(jobs),
        online_profiles=catalogue.online_profiles,
        events={**catalogue.events, **{event.id: event for event in file.events}},
        entitlements=file.licences,
        costs=file.costs,
        current_costs=file.current_costs,
        flows=file.flows,
        policy=file.policy,
        disturbances=setting.disturbances,
        assumptions=list_assumptions(file, catalogue, deployments, setting.measurements),
        warnings=tuple(_warnings(file, catalogue)),
    )


def job_rates(file: EstateFile, catalogue: Catalogue, *, only: Collection[str]) -> tuple[JobRate, ...]:
    """How the work of every job of `resolve(…, only=only)` follows from its tenant's population, in its order."""
    deployments, setting = _deployed(file, catalogue, tuple(_shared_deployments(file, catalogue)), only)
    return tuple(rate for deployment in deployments for rate in rates_of(deployment, setting))


def _deployed(
    file: EstateFile, catalogue: Catalogue, shared: tuple[Deployment, ...], only: Collection[str] | None
) -> tuple[tuple[Deployment, ...], Setting]:
    """The deployments that are resolved, and what their jobs have in common."""
    # Without shared systems nobody waits for another tenant, so that those left out need not be known.
    known = only if only is not None and not shared else None
    deployments = (*_own_deployments(file, catalogue, shared, known), *shared)
    disturbances = catalogue.disturbances.overridden_by(file.disturbances)
    measurements = Measurements(file.measured)
    setting = Setting(catalogue, measurements, _Directory(deployments), file.policy.rerun_room, disturbances)
    if only is not None:
        deployments = tuple(each for each in deployments if each.tenant in only or each.tenant == COMMON)
    return deployments, setting


def horizon(file: EstateFile) -> tuple[datetime, datetime]:
    """`[start, end)`, +09:00: the given dates, or the fiscal year with its lead-in months before it."""
    start, end = date(file.fiscal_year, 4, 1), date(file.fiscal_year + 1, 4, 1)
    if file.horizon.lead_in_months:
        months = file.fiscal_year * 12 + 3 - file.horizon.lead_in_months
        start = date(months // 12, months % 12 + 1, 1)
    return midnight(file.horizon.from_ or start), midnight(file.horizon.until or end)


def expand_hosts(entry: Host, catalogue: Catalogue) -> tuple[ResolvedHost, ...]:
    """One record per host of a row; `{id}` in the URI becomes the host's id."""
    return tuple(
        ResolvedHost(
            id=identity,
            site=entry.site,
            model_id=entry.model,
            model=catalogue.host_models[entry.model],
            memory_gib=entry.memory_gib,
            disk_gib=entry.disk_gib,
            uri=entry.uri.replace("{id}", identity),
            spare=entry.spare,
            pools=entry.pools,
            products=entry.products,
        )
        for identity in expand(entry.id)
    )


class _Directory:
    """Answers who runs a system for a deployment."""

    def __init__(self, deployments: Iterable[Deployment]) -> None:
        self._providers: dict[tuple[str, str], tuple[Deployment, ...]] = {}
        for deployment in deployments:
            alone = (deployment,)
            for user in (deployment.tenant, *deployment.members):
                self._providers[user, deployment.system_id] = alone

    def __call__(self, deployment: Deployment, system_id: str) -> tuple[Deployment, ...]:
        """The tenant's own, else the shared one it is a member of; for a shared deployment, that of every member."""
        found = self._providers.get((deployment.tenant, system_id))
        if found is not None:
            return found
        behind = (self._providers.get((member, system_id), ()) for member in deployment.members)
        return tuple(dict.fromkeys(provider for providers in behind for provider in providers))


def _primary_site(file: EstateFile) -> str:
    return next((site.id for site in file.sites if site.role == "primary"), file.sites[0].id)


def members_of(entry: SharedSystem, file: EstateFile) -> tuple[str, ...]:
    """The tenants that use a shared system, in the order of the file."""
    everybody = tuple(tenant.id for tenant in file.tenants)
    if entry.tenants == "all":
        return everybody
    chosen = set(entry.tenants)
    return tuple(tenant for tenant in everybody if tenant in chosen)


def uses(tenant: Tenant, system_id: str, system: System) -> bool:
    """Whether a tenant's selection names this system (`shared_only` systems are never a tenant's own)."""
    if system.shared_only or system_id in tenant.systems.except_:
        return False
    return tenant.systems.only is None or system_id in tenant.systems.only


def _own_deployments(
    file: EstateFile, catalogue: Catalogue, shared: tuple[Deployment, ...], only: Collection[str] | None
) -> Iterator[Deployment]:
    served = {(member, deployment.system_id) for deployment in shared for member in deployment.members}
    primary = _primary_site(file)
    for tenant in file.tenants:
        if only is not None and tenant.id not in only:
            continue
        for system_id, system in catalogue.systems.items():
            if (tenant.id, system_id) in served or not uses(tenant, system_id, system):
                continue
            override = tenant.overrides.get(system_id, _NO_OVERRIDE)
            yield Deployment(
                tenant=tenant.id,
                system_id=system_id,
                system=system,
                override=override,
                population=tenant.population,
                site=tenant.site or primary,
                from_=max((day for day in (tenant.from_, override.from_) if day), default=None),
                until=min((day for day in (tenant.until, override.until) if day), default=None),
                confidence=tenant.systems.confidence,
            )


def _shared_deployments(file: EstateFile, catalogue: Catalogue) -> Iterator[Deployment]:
    populations = {tenant.id: tenant.population for tenant in file.tenants}
    for entry in file.shared:
        members = members_of(entry, file)
        override = entry.overrides or _NO_OVERRIDE
        yield Deployment(
            tenant=COMMON,
            system_id=entry.system,
            system=catalogue.systems[entry.system],
            override=override,
            population=sum(populations[member] for member in members),
            site=entry.site or _primary_site(file),
            from_=override.from_,
            until=override.until,
            members=members,
        )


def _policy_groups(policy: Policy) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for group in policy.anti_affinity:
        for role in group:
            groups.setdefault(role, []).append("+".join(group))
    return groups


def _resolved_system(catalogue: Catalogue, deployment: Deployment, vms: tuple[str, ...]) -> ResolvedSystem:
    system = deployment.system
    return ResolvedSystem(
        tenant=deployment.tenant,
        id=deployment.system_id,
        name=system.name,
        group=system.group,
        segment=system.segment,
        site=deployment.site,
        service_hours=catalogue.windows[system.service_hours],
        restore_priority=system.restore_priority,
        confidence=deployment.confidence,
        vms=vms,
        members=deployment.members,
    )


def _resolved_tenants(
    file: EstateFile, shared: tuple[Deployment, ...], only: Collection[str] | None
) -> Iterator[ResolvedTenant]:
    for tenant in file.tenants:
        if only is not None and tenant.id not in only:
            continue
        yield ResolvedTenant(
            id=tenant.id,
            code=tenant.code,
            name=tenant.name,
            population=tenant.population,
            population_basis=tenant.population_basis,
            site=tenant.site or _primary_site(file),
            from_=tenant.from_,
            until=tenant.until,
            contact=tenant.contact,
        )
    if shared:
        behind = {member for deployment in shared for member in deployment.members}
        members = tuple(tenant for tenant in file.tenants if tenant.id in behind)
        yield ResolvedTenant(
            id=COMMON,
            code=None,
            name="共通",
            population=sum(tenant.population for tenant in members),
            population_basis="共同利用団体の合計",
            site=_primary_site(file),
            from_=None,
            until=None,
            contact=None,
            members=tuple(tenant.id for tenant in members),
        )


def _warnings(file: EstateFile, catalogue: Catalogue) -> Iterator[str]:
    largest = max(population_class.max_population for population_class in catalogue.classes)
    for tenant in file.tenants:
        if tenant.population > largest:
            yield (
                f"{tenant.name} の人口 {tenant.population:,} は最大の人口区分 {largest:,} を超えます。"
                "仮想サーバは最大の区分の大きさになります"
            )
