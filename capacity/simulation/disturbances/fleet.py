"""Hosts and VMs as somebody sees them who must restart VMs elsewhere: room, needs, order."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from capacity.records import Bools, Floats, Ints
from layout.folder import FolderContents

_ROUNDING = 1e-6


@dataclass(frozen=True)
class Fleet:
    """Rows are those of the layout, and so of the simulation. Room and needs are MiB, GiB and vCPU."""

    host_ids: tuple[str, ...]
    host_site: tuple[str, ...]
    backup_sites: frozenset[str]
    room: Floats
    """Hosts x 3, overcommit included."""
    spare: Bools
    vm_ids: tuple[str, ...]
    vm_host: Ints
    needs: Floats
    """VMs x 3."""
    data_mib: Floats
    """Per VM: its volumes with residents' data."""
    priority: Ints
    """Restore priority, 1 first."""
    host_set: Ints
    """Per VM: row of `allowed`."""
    allowed: Bools
    """Host sets x hosts: where the VMs of a set may run."""
    groups: tuple[tuple[str, ...], ...]
    """Per VM: anti-affinity groups."""
    service: tuple[tuple[str, str], ...]
    """Per VM: tenant and system."""
    role: tuple[str, ...]

    def restart_order(self, vms: Ints) -> list[int]:
        """Restore priority, then the largest memory, then row."""
        return [int(vm) for vm in vms[np.lexsort((vms, -self.needs[vms, 0], self.priority[vms]))]]


def fleet_of(folder: FolderContents) -> Fleet:
    """The fleet of a plan. Its VMs have hosts (a week of the plan was read)."""
    layout, policy = folder.layout, folder.estate.policy
    hosts = {host.id: row for row, host in enumerate(layout.hosts)}
    sets = {host_set.id: row for row, host_set in enumerate(layout.host_sets)}
    allowed = np.zeros((len(layout.host_sets), len(layout.hosts)), dtype=np.bool_)
    for row, host_set in enumerate(layout.host_sets):
        allowed[row, [hosts[host] for host in host_set.hosts]] = True
    room = [
        (host.memory_mib * policy.memory_overcommit, host.disk_gib, host.cores * policy.vcpu_overcommit)
        for host in layout.hosts
    ]
    needs = [(float(vm.memory_mib), sum(disk.size_gib for disk in vm.disks), float(vm.vcpu_max)) for vm in layout.vms]
    return Fleet(
        host_ids=tuple(host.id for host in layout.hosts),
        host_site=tuple(host.site for host in layout.hosts),
        backup_sites=frozenset(site.id for site in folder.estate.sites if site.role == "backup"),
        room=np.array(room, dtype=np.float64).reshape(-1, 3),
        spare=np.array([host.spare for host in layout.hosts], dtype=np.bool_),
        vm_ids=tuple(vm.id for vm in layout.vms),
        vm_host=np.array([hosts[vm.host] for vm in layout.vms], dtype=np.int64),
        needs=np.array(needs, dtype=np.float64).reshape(-1, 3),
        data_mib=np.array(
            [1024.0 * sum(disk.size_gib for disk in vm.disks if disk.protect) for vm in layout.vms], dtype=np.float64
        ),
        priority=np.array([vm.restore_priority for vm in layout.vms], dtype=np.int64),
        host_set=np.array([sets[vm.may_run_on] for vm in layout.vms], dtype=np.int64),
        allowed=allowed,
        groups=tuple(vm.anti_affinity for vm in layout.vms),
        service=tuple((vm.tenant, vm.system) for vm in layout.vms),
        role=tuple(vm.role for vm in layout.vms),
    )


class Occupancy:
    """Which VM is where, while hosts stop and come back."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.host = fleet.vm_host.copy()
        self._free = fleet.room.copy()
        np.subtract.at(self._free, self.host, fleet.needs)
        self.back_s = np.full(len(fleet.host_ids), -np.inf)
        """Per host: from when on it is up."""
        self._on_host: list[dict[str, int]] = [defaultdict(int) for _ in fleet.host_ids]
        for vm, host in enumerate(self.host.tolist()):
            self._count_groups(vm, host, 1)

    def vms_on(self, host: int) -> Ints:
        """Rows of the VMs that are (or wait) on a host."""
        return np.flatnonzero(self.host == host)

    def find_room(self, vm: int, allowed: Bools, at_s: float) -> int | None:
        """A host of `allowed` that is up and has room: the first spare one, else the one with most free memory.

        None where no host has room. Groups that never share a host are kept apart.
        """
        fits = allowed & (self.back_s <= at_s) & (self._free >= self._fleet.needs[vm] - _ROUNDING).all(axis=1)
        if self._fleet.groups[vm]:
            fits = fits & ~np.array([self._shares_group(vm, host) for host in range(len(fits))], dtype=np.bool_)
        spare = np.flatnonzero(fits & self._fleet.spare)
        if len(spare):
            return int(spare[0])
        rows = np.flatnonzero(fits)
        return int(rows[np.argmax(self._free[rows, 0])]) if len(rows) else None

    def move(self, vm: int, host: int) -> None:
        """Put the VM on another host."""
        before = int(self.host[vm])
        self._free[before] += self._fleet.needs[vm]
        self._count_groups(vm, before, -1)
        self._free[host] -= self._fleet.needs[vm]
        self._count_groups(vm, host, 1)
        self.host[vm] = host

    def _count_groups(self, vm: int, host: int, change: int) -> None:
        for group in self._fleet.groups[vm]:
            self._on_host[host][group] += change

    def _shares_group(self, vm: int, host: int) -> bool:
        return host != self.host[vm] and any(self._on_host[host].get(group, 0) > 0 for group in self._fleet.groups[vm])
