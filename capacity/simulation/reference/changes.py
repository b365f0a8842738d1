"""Given changes of VMs: vCPU, online load, relocations. In one instant they are made in this order, then by row."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..columns import SimulationInput
from .clock import Occurrence

if TYPE_CHECKING:
    from .host import Host
    from .vm import Vm


@dataclass(frozen=True, eq=False)
class Change(Occurrence):
    """Something that is done to a VM at a given time; `order` says when among the changes of one instant."""

    order: tuple[int, int, int]
    vm: Vm


@dataclass(frozen=True, eq=False)
class VcpuChange(Change):
    """The VM has so many vCPU."""

    vcpu: float


@dataclass(frozen=True, eq=False)
class OnlineChange(Change):
    """The VM's online load wants so many cores."""

    cores: float


@dataclass(frozen=True, eq=False)
class LiveMove(Change):
    """The VM is on another host, with all its work."""

    to_host: Host


@dataclass(frozen=True, eq=False)
class Failure(Change):
    """The VM is down."""


@dataclass(frozen=True, eq=False)
class Restart(Change):
    """The VM is up again, on another host perhaps."""

    to_host: Host


def given_changes(system: SimulationInput, vms: list[Vm], hosts: list[Host]) -> Iterable[tuple[float, Change]]:
    """All changes of a system with their times."""
    changes = system.changes
    steps = zip(changes.vcpu_vm.tolist(), changes.vcpu_at_s.tolist(), changes.vcpu.tolist(), strict=True)
    for row, (vm, at_s, vcpu) in enumerate(steps):
        yield at_s, VcpuChange((0, row, 0), vms[vm], vcpu)
    for row, at_s, cores in _online_levels(system):
        yield at_s, OnlineChange((1, row, 0), vms[row], cores)
    moves = zip(
        changes.move_vm.tolist(),
        changes.move_at_s.tolist(),
        changes.move_until_s.tolist(),
        changes.move_to_host.tolist(),
        changes.move_keeps_work.tolist(),
        strict=True,
    )
    for row, (vm, at_s, until_s, to_host, keeps_work) in enumerate(moves):
        if keeps_work:
            yield at_s, LiveMove((2, row, 0), vms[vm], hosts[to_host])
            continue
        yield at_s, Failure((2, row, 0), vms[vm])
        if math.isfinite(until_s):
            yield until_s, Restart((2, row, 1), vms[vm], hosts[to_host])


def _online_levels(system: SimulationInput) -> Iterable[tuple[int, float, float]]:
    """Online load as steps: VM, from when, cores."""
    online = system.online
    classes = zip(system.vms.online_class.tolist(), system.vms.online_cores.tolist(), strict=True)
    for row, (number, scale) in enumerate(classes):
        if number >= 0 and scale > 0:
            of_class = slice(int(online.ptr[number]), int(online.ptr[number + 1]))
            for at_s, level in zip(online.at_s[of_class].tolist(), online.level[of_class].tolist(), strict=True):
                yield row, at_s, scale * level
