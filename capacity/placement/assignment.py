"""Which host carries which VM: as few hosts as found, the reserve empty, with a proven lower bound per site."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from capacity.records import Fewest, Floats, Ints, LoweredReserve, Misfit, Placement, Relocated
from estate.resolved import ResolvedEstate, ResolvedHost, ResolvedVm

from .bound import needed_bins
from .fewest_moves import repack
from .kept import KeptPlacement, Reasons, lowered_choices, must_move, reserve_choices
from .load import VmLoad
from .misfit import too_large, without_room
from .packing import pack
from .problem import RESOURCES, PackingProblem

_SURENESS: tuple[Fewest, ...] = ("proven", "for this reserve", "unproven")
"""The least sure at last."""


@dataclass(frozen=True)
class _SitePlacement:
    """What was found for one site: host index per VM of the site (-1 for none) and its figures."""

    vms: tuple[ResolvedVm, ...]
    host_of: tuple[str | None, ...]
    reserve: tuple[str, ...]
    lower_bound: int
    proof: str
    misfits: tuple[Misfit, ...]
    relocated: tuple[Relocated, ...] = ()
    fewest: Fewest = "unproven"
    moves_only_those_who_must: bool = False
    lowered: LoweredReserve | None = None


def place(estate: ResolvedEstate, load: VmLoad, *, seed: int = 0, kept: KeptPlacement | None = None) -> Placement:
    """A host for every VM of the estate, on the VM's site, on as few hosts as found.

    Per host: memory x overcommit, all disks, the largest vCPU numbers x overcommit, and in every slot of `load` the
    cores; replicas and groups apart; segments apart where the policy says so. A VM counts from the start of the
    horizon to its end. Hosts with `spare` and `policy.spare_hosts` more per site stay empty: the largest, and no host
    carries more than the first of them has, so that it can take over any host. VMs that are not in `load` use no CPU.
    What does not fit is a Misfit, not an exception. Same estate, load and seed, same answer.

    With `kept` VMs stay on their hosts and the reserve stays the reserve, unless they must change; then as few VMs as
    possible move. The reserve becomes smaller than the policy says only where `kept` uses one of its hosts, or does
    without a host, and VMs that need not move, or have no other place, would have to make up for that
    (`Placement.lowered`). The bound on the number of hosts is that of the free problem.
    """
    rows = {name: row for row, name in enumerate(load.vm_names)}
    none = np.zeros(load.load.shape[1])
    sites = {}
    for position, site in enumerate(estate.sites):
        vms = tuple(vm for vm in estate.vms if vm.site == site.id)
        loads = [load.load[rows[vm.id]] if vm.id in rows else none for vm in vms]
        vm_load = np.array(loads).reshape(len(vms), len(none))
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(position,)))
        sites[site.id] = _place_site(estate, site.id, vms, vm_load, rng, kept)
    host_rows = {host.id: row for row, host in enumerate(estate.hosts)}
    found = {vm.id: host for part in sites.values() for vm, host in zip(part.vms, part.host_of, strict=True)}
    carrying = {site: {host for host in part.host_of if host is not None} for site, part in sites.items()}
    return Placement(
        vm_names=tuple(vm.id for vm in estate.vms),
        host_names=tuple(host.id for host in estate.hosts),
        host=np.array([host_rows.get(found.get(vm.id) or "", -1) for vm in estate.vms], dtype=np.int64),
        reserve=tuple(host for part in sites.values() for host in part.reserve),
        lower_bound={site: part.lower_bound for site, part in sites.items()},
        used={site: len(carrying[site]) + len(part.reserve) for site, part in sites.items()},
        proof={site: part.proof for site, part in sites.items()},
        misfits=tuple(misfit for part in sites.values() for misfit in part.misfits),
        relocated=tuple(moved for part in sites.values() for moved in part.relocated),
        fewest=max((part.fewest for part in sites.values()), key=_SURENESS.index, default="unproven"),
        lowered=tuple(part.lowered for part in sites.values() if part.lowered is not None),
    )


def _place_site(
    estate: ResolvedEstate,
    site: str,
    vms: tuple[ResolvedVm, ...],
    load: Floats,
    rng: np.random.Generator,
    kept: KeptPlacement | None,
) -> _SitePlacement:
    every_host = [host for host in estate.hosts if host.site == site and not host.spare]
    hosts = every_host if kept is None else [host for host in every_host if host.id not in kept.without]
    by_size = _largest_first(hosts)
    count = estate.policy.spare_hosts

    def with_reserve(reserved: list[ResolvedHost]) -> _SitePlacement:
        return _place_around(estate, site, vms, load, rng, kept, every_host, hosts, reserved)

    if kept is None:
        return with_reserve(by_size[:count])
    found: _SitePlacement | None = None
    for reserved in reserve_choices(by_size, count, kept):
        part = with_reserve(reserved)
        if found is None or len(part.misfits) < len(found.misfits):
            found = part
        if not found.misfits:
            break
    assert found is not None  # noqa: S101 - there is at least one choice
    without = tuple(host.id for host in every_host if host.id in kept.without)
    for reserved in lowered_choices(by_size, count, kept, len(without)):
        if not found.misfits and found.moves_only_those_who_must:
            break
        part = with_reserve(reserved)
        if (len(part.misfits), len(part.relocated)) < (len(found.misfits), len(found.relocated)):
            used = tuple(sorted({host.id for host in hosts} & set(kept.moves.values()) & kept.reserve))
            found = replace(part, lowered=LoweredReserve(site, count, len(reserved), used, without))
    return found


def _place_around(
    estate: ResolvedEstate,
    site: str,
    vms: tuple[ResolvedVm, ...],
    load: Floats,
    rng: np.random.Generator,
    kept: KeptPlacement | None,
    every_host: list[ResolvedHost],
    hosts: list[ResolvedHost],
    reserved: list[ResolvedHost],
) -> _SitePlacement:
    """The VMs of a site on `hosts` without those `reserved`; `every_host` of the site counts for the bound."""
    always_empty = [host.id for host in estate.hosts if host.site == site and host.spare]
    usable = [host for host in hosts if host not in reserved]
    reserve = (*always_empty, *sorted(host.id for host in reserved))
    if not usable:
        count = estate.policy.spare_hosts
        return _nowhere(site, vms, len(hosts), reserve, (1 if vms else 0) + len(always_empty) + count, count)
    problem = _problem(estate, vms, load, usable, reserved).binding_blocks()
    whole = _problem(estate, vms, problem.load, every_host, [])
    possible = np.flatnonzero(problem.fits_alone().any(axis=1))
    needed, proof = needed_bins(whole.only(possible), RESOURCES)
    bin_of = np.full(len(vms), -1, dtype=np.int64)
    relocated: tuple[Relocated, ...] = ()
    fewest: Fewest = "unproven"
    forced = False
    if kept is None:
        bin_of[possible] = pack(problem.only(possible), bound=needed, rng=rng)
    else:
        home, fixed = _kept_bins(problem, vms, kept)
        repacked = repack(problem.only(possible), home[possible], fixed[possible])
        bin_of[possible] = repacked.bin_of
        sites = {host.id: host.site for host in estate.hosts}
        reasons = Reasons(problem, vms, home, kept, sites, frozenset(reserve))
        relocated = _relocated(reasons, bin_of)
        forced = all(must_move(moved, site, sites, kept) for moved in relocated)
        if forced or (repacked.fewest and not reserved):
            fewest = "proven"
        elif repacked.fewest:
            fewest = "for this reserve"
    if reserve:
        proof += f"。ほかに予備 {len(reserve)} 台"
    return _SitePlacement(
        vms=vms,
        host_of=tuple(usable[index].id if index >= 0 else None for index in bin_of.tolist()),
        reserve=reserve,
        lower_bound=needed + len(reserve),
        proof=proof,
        misfits=_misfits(site, problem, possible, bin_of),
        relocated=relocated,
        fewest=fewest,
        moves_only_those_who_must=forced,
    )


def _nowhere(
    site: str, vms: tuple[ResolvedVm, ...], hosts: int, reserve: tuple[str, ...], bound: int, spare: int
) -> _SitePlacement:
    """A site without a host that may carry anything."""
    reason = (
        f"拠点 {site}：仮想サーバ {len(vms)} 台を置けるホストがありません"
        f"（ホスト {hosts} 台、予備として空けておく台数 {spare}）"
    )
    missing = spare - hosts
    misfits = (Misfit("host", reason),) if vms or (hosts and missing > 0) else ()
    return _SitePlacement(vms, (None,) * len(vms), reserve, bound, "置けるホストがありません", misfits)


def _kept_bins(problem: PackingProblem, vms: tuple[ResolvedVm, ...], kept: KeptPlacement) -> tuple[Ints, Ints]:
    """Per VM the bin that it has had and the one that it is to get, -1 for none (or for one that cannot carry it)."""
    bins = {name: index for index, name in enumerate(problem.bin_names)}
    fits = problem.fits_alone()

    def of(hosts: Mapping[str, str]) -> Ints:
        rows = [bins.get(hosts.get(vm.id, ""), -1) for vm in vms]
        return np.array([row if row >= 0 and fits[item, row] else -1 for item, row in enumerate(rows)], dtype=np.int64)

    return of(kept.host), of(kept.moves)


def _relocated(reasons: Reasons, bin_of: Ints) -> tuple[Relocated, ...]:
    """Who has left its host for another one, and why."""
    names, host = reasons.problem.bin_names, reasons.kept.host
    return tuple(
        Relocated(vm.id, host[vm.id], names[index], reasons.of(item))
        for item, (vm, index) in enumerate(zip(reasons.vms, bin_of.tolist(), strict=True))
        if index >= 0 and vm.id in host and host[vm.id] != names[index]
    )


def _misfits(site: str, problem: PackingProblem, possible: Ints, bin_of: Ints) -> tuple[Misfit, ...]:
    fits = set(possible.tolist())
    return tuple(
        without_room(site, problem, item, bin_of) if item in fits else too_large(site, problem, item)
        for item in np.flatnonzero(bin_of < 0).tolist()
    )


def _largest_first(hosts: list[ResolvedHost]) -> list[ResolvedHost]:
    """By the mean of their shares of the largest memory, cores and disk; of equal hosts the last named one first."""
    if not hosts:
        return []
    sizes = np.array([[host.memory_gib, host.cores, host.disk_gib] for host in hosts])
    shares = (sizes / sizes.max(axis=0)).sum(axis=1)
    return [hosts[row] for row in sorted(range(len(hosts)), key=lambda row: (-shares[row], -row))]


def _problem(
    estate: ResolvedEstate,
    vms: tuple[ResolvedVm, ...],
    load: Floats,
    hosts: list[ResolvedHost],
    reserved: list[ResolvedHost],
) -> PackingProblem:
    """VMs for hosts, of which none may carry more than the first reserve host could take over."""
    room = _room(estate, hosts)
    cores = np.array([float(host.cores) for host in hosts])
    if reserved:
        room = np.minimum(room, _room(estate, reserved[:1]))
        cores = np.minimum(cores, float(reserved[0].cores))
    need = np.array(
        [
            # whole MiB, as the layout has them: rounded up for VMs, down for hosts
            [math.ceil(vm.memory_gib * 1024) / 1024, math.fsum(disk.size_gib for disk in vm.disks), _largest_vcpu(vm)]
            for vm in vms
        ]
    )
    groups: dict[str, list[int]] = {}
    for row, vm in enumerate(vms):
        for name in vm.anti_affinity:
            groups.setdefault(name, []).append(row)
    segments = sorted({vm.segment for vm in vms})
    return PackingProblem(
        item_names=tuple(vm.id for vm in vms),
        bin_names=tuple(host.id for host in hosts),
        need=need.reshape(len(vms), len(RESOURCES)),
        room=room,
        load=load,
        cores=cores,
        apart=tuple(tuple(rows) for _, rows in sorted(groups.items()) if len(rows) > 1),
        kind=np.array([segments.index(vm.segment) for vm in vms], dtype=np.int64)
        if estate.policy.separate_segments
        else None,
    )


def _room(estate: ResolvedEstate, hosts: list[ResolvedHost]) -> Floats:
    policy = estate.policy
    return np.array(
        [
            [
                math.floor(host.memory_gib * 1024) / 1024 * policy.memory_overcommit,
                host.disk_gib,
                host.cores * policy.vcpu_overcommit,
            ]
            for host in hosts
        ]
    )


def _largest_vcpu(vm: ResolvedVm) -> int:
    return max(vm.vcpu, *(change.vcpu for change in vm.vcpu_changes), 0)
