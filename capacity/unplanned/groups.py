"""Which sites must be simulated together, and each such group as one closed system.

A tenant's runs wait for those of its own and of shared systems only. So every site stands alone, unless shared
systems join it to another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from capacity.records import Floats, Ints
from capacity.simulation.columns import (
    Centre,
    HostColumns,
    SimulationInput,
    VmChanges,
    VmColumns,
)
from estate.resolve import COMMON
from estate.resolved import ResolvedHost, ResolvedVm

from .columns import GroupRuns, Member, group_runs, members
from .online import OnlineBook
from .placement import PlacedVm, first_fit
from .templates import Templates


@dataclass(frozen=True)
class SiteGroup:
    """Sites that are simulated together. `runs` is how many there are."""

    sites: tuple[str, ...]
    tenants: tuple[int, ...]
    """Places in the file."""
    common: bool
    runs: int


@dataclass(frozen=True)
class GroupSystem:
    """A group as simulation input. `vm_site` and `host_site` are rows of the group's sites."""

    group: SiteGroup
    runs: GroupRuns
    system: SimulationInput
    hosts: tuple[ResolvedHost, ...]
    host_site: Ints
    vm_site: Ints
    deadline_s: Floats


def site_groups(templates: Templates) -> tuple[SiteGroup, ...]:
    """Every group with tenants, the one with the most runs first."""
    survey = templates.survey
    primary = next((site.id for site in survey.estate.sites if site.role == "primary"), survey.estate.sites[0].id)
    by_site: dict[str, list[int]] = {}
    for number, tenant in enumerate(survey.tenants):
        by_site.setdefault(tenant.site or primary, []).append(number)
    joined = _joined_by_shared(templates, by_site)
    groups = []
    for sites in _united(tuple(by_site), joined):
        tenants = tuple(sorted(number for site in sites for number in by_site.get(site, ())))
        common = sites == joined
        runs = sum(len(templates.template_of(number)) for number in tenants)
        runs += len(templates.common) if common and templates.common is not None else 0
        groups.append(SiteGroup(sites, tenants, common, runs))
    return tuple(sorted(groups, key=lambda group: -group.runs))


def _joined_by_shared(templates: Templates, by_site: dict[str, list[int]]) -> tuple[str, ...]:
    """The sites of shared systems and of their members, in the order of the file."""
    if templates.common is None:
        return ()
    estate = templates.survey.estate
    behind = {member for tenant in estate.tenants if tenant.id == COMMON for member in tenant.members}
    sites = {vm.site for vm in templates.common.vms}
    sites |= {
        site
        for site, tenants in by_site.items()
        if any(templates.survey.tenants[number].id in behind for number in tenants)
    }
    return tuple(site.id for site in estate.sites if site.id in sites)


def _united(sites: tuple[str, ...], joined: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if joined:
        yield joined
    for site in sites:
        if site not in joined:
            yield (site,)


def group_system(templates: Templates, group: SiteGroup) -> GroupSystem:
    """The group's hosts, VMs, online load and runs. Raises NoRoomError where its VMs find no hosts."""
    estate = templates.survey.estate
    sites = {site: row for row, site in enumerate(group.sites)}
    everyone = members(templates, group.tenants, common=group.common)
    hosts = tuple(host for host in estate.hosts if host.site in sites)
    vms = [placed for member in everyone for placed in _vms(member)]
    vm_site = np.array([sites[_site(templates, member, vm)] for member in everyone for vm in member.template.vms])
    host_site = np.array([sites[host.site] for host in hosts], dtype=np.int64)
    vm_host = np.full(len(vms), -1, dtype=np.int64)
    for site, number in sites.items():
        mine, there = np.flatnonzero(vm_site == number), np.flatnonzero(host_site == number)
        found = first_fit(site, [vms[row] for row in mine], [hosts[row] for row in there], estate.policy)
        vm_host[mine] = there[found]
    runs = group_runs(templates, everyone)
    online = OnlineBook(templates.calendar, estate.online_profiles)
    deadline_s = np.empty(len(runs.columns))
    for member, rows in zip(everyone, runs.rows, strict=True):
        deadline_s[rows] = member.template.deadline_s
    system = SimulationInput(
        hosts=HostColumns(
            ids=tuple(host.id for host in hosts),
            cores=np.array([float(host.cores) for host in hosts]),
            io_mib_s=np.full(len(hosts), np.inf),
            line=np.full(len(hosts), -1, dtype=np.int64),
        ),
        vms=_vm_columns(everyone, vms, vm_host, online),
        runs=runs.columns,
        online=online.classes(),
        changes=_changes(templates, vms),
        centre=Centre(
            calendar_ids=templates.windows.ids,
            window_ptr=templates.windows.ptr,
            window_open_s=templates.windows.open_s,
            window_close_s=templates.windows.close_s,
        ),
    )
    return GroupSystem(group, runs, system, hosts, host_site, vm_site, deadline_s)


def _site(templates: Templates, member: Member, vm: ResolvedVm) -> str:
    if member.tenant < 0:
        return vm.site
    tenant = templates.survey.tenants[member.tenant]
    primary = next(site.id for site in templates.survey.estate.sites if site.role == "primary")
    return tenant.site or primary


def _vms(member: Member) -> Iterator[PlacedVm]:
    """The member's VMs by name; anti-affinity groups are named `tenant:group` and belong to one tenant."""
    for vm in member.template.vms:
        name = f"{member.id}{vm.id.removeprefix(vm.tenant)}"
        yield PlacedVm(vm, name, tuple(f"{member.id}{group.removeprefix(vm.tenant)}" for group in vm.anti_affinity))


def _vm_columns(everyone: tuple[Member, ...], vms: list[PlacedVm], host: Ints, online: OnlineBook) -> VmColumns:
    cores = [
        vm.online_cores * (member.population / member.template.population if member.tenant >= 0 else 1.0)
        for member in everyone
        for vm in member.template.vms
    ]
    return VmColumns(
        ids=tuple(placed.name for placed in vms),
        host=host,
        vcpu=np.array([float(placed.vm.vcpu) for placed in vms]),
        slots=np.array([placed.vm.slots for placed in vms], dtype=np.int64),
        weight=np.ones(len(vms)),
        online_class=np.array([online.class_of(placed.vm) for placed in vms], dtype=np.int64),
        online_cores=np.array(cores),
    )


def _changes(templates: Templates, vms: list[PlacedVm]) -> VmChanges:
    start = templates.calendar.start
    steps = []
    for row, placed in enumerate(vms):
        for change in placed.vm.vcpu_changes:
            steps.append(((change.from_ - start).total_seconds(), row, float(change.vcpu)))
            after = next((c.vcpu for c in placed.vm.vcpu_changes if c.from_ == change.until), placed.vm.vcpu)
            steps.append(((change.until - start).total_seconds(), row, float(after)))
    steps.sort()
    return VmChanges(
        vcpu_vm=np.array([row for _, row, _ in steps], dtype=np.int64),
        vcpu_at_s=np.array([at_s for at_s, _, _ in steps]),
        vcpu=np.array([vcpu for _, _, vcpu in steps]),
    )
