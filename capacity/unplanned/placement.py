"""Where VMs are put without a plan: each on the first host of its site that has room.

Room is memory and vCPU at its highest, both with the overcommit of the policy, and disk. The reserve stays empty: the
hosts marked as spare and, of the others, the last `spare_hosts`. Anti-affinity groups and the separation of segments
are kept. Where the order of the file leaves a VM without a host, the largest are placed first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capacity.records import Floats, Ints
from estate.kinds import most_vcpu
from estate.records import Policy
from estate.resolved import ResolvedHost, ResolvedVm

_ROUNDING = 1e-9


@dataclass(frozen=True)
class PlacedVm:
    """What placement needs to know of a VM. `groups` name the VMs that never share a host with it."""

    vm: ResolvedVm
    name: str
    groups: tuple[str, ...]


class NoRoomError(Exception):
    """A VM of the site finds no host, even with the largest placed first."""

    def __init__(self, site: str, vm: str, hosts: int) -> None:
        super().__init__(f"{site}: {vm} ({hosts} hosts)")
        self.site, self.vm, self.hosts = site, vm, hosts


class _Room:
    """What is left on the hosts of one site."""

    def __init__(self, hosts: Sequence[ResolvedHost], policy: Policy) -> None:
        self.policy = policy
        self.left: Floats = np.array(
            [
                (host.memory_gib * policy.memory_overcommit, host.cores * policy.vcpu_overcommit, host.disk_gib)
                for host in hosts
            ]
        ).reshape(-1, 3)
        self.segment = np.full(len(hosts), "", dtype=object)
        self.groups: dict[str, list[int]] = {}

    def place(self, placed: PlacedVm) -> int:
        """The first host with room, now taken; -1 without one."""
        vm = placed.vm
        need = np.array(_need(vm))
        fits = (self.left >= need - _ROUNDING).all(axis=1)
        for group in placed.groups:
            fits[self.groups.get(group, [])] = False
        if self.policy.separate_segments:
            fits &= (self.segment == "") | (self.segment == vm.segment)
        host = int(np.argmax(fits)) if len(fits) else 0
        if not len(fits) or not fits[host]:
            return -1
        self.left[host] -= need
        self.segment[host] = vm.segment
        for group in placed.groups:
            self.groups.setdefault(group, []).append(host)
        return host


def first_fit(site: str, vms: Sequence[PlacedVm], hosts: Sequence[ResolvedHost], policy: Policy) -> Ints:
    """Row of `hosts` for each VM. Raises NoRoomError."""
    usable = [row for row, host in enumerate(hosts) if not host.spare]
    usable = usable[: len(usable) - policy.spare_hosts] if policy.spare_hosts else usable
    room = [hosts[row] for row in usable]
    found = _in_order(vms, range(len(vms)), room, policy)
    if (found < 0).any():
        largest_first = sorted(range(len(vms)), key=lambda row: _size(vms[row].vm, room), reverse=True)
        found = _in_order(vms, largest_first, room, policy)
    if (found < 0).any():
        raise NoRoomError(site, vms[int(np.argmax(found < 0))].name, len(usable))
    return np.array(usable, dtype=np.int64)[found] if len(found) else found


def _in_order(vms: Sequence[PlacedVm], order: Sequence[int], hosts: Sequence[ResolvedHost], policy: Policy) -> Ints:
    room = _Room(hosts, policy)
    found = np.full(len(vms), -1, dtype=np.int64)
    for row in order:
        found[row] = room.place(vms[row])
        if found[row] < 0:
            break
    return found


def _need(vm: ResolvedVm) -> tuple[float, float, float]:
    return vm.memory_gib, float(most_vcpu(vm)), sum(disk.size_gib for disk in vm.disks)


def _size(vm: ResolvedVm, hosts: Sequence[ResolvedHost]) -> float:
    """The largest share that the VM takes of the largest host."""
    if not hosts:
        return 0.0
    memory, vcpu, disk = _need(vm)
    return max(
        memory / max(host.memory_gib for host in hosts),
        vcpu / max(host.cores for host in hosts),
        disk / max(host.disk_gib for host in hosts),
    )
