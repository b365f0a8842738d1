"""A physical host that shares its cores between its VMs, max-min fairly by weight."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..sharing import max_min_fair
from .bandwidth import Bandwidth
from .vm import Vm
from .work import Work

if TYPE_CHECKING:
    from .resource import Wake


class Host:
    """Cores and the VMs that want some of them."""

    def __init__(self, row: int, cores: float, storage: Bandwidth | None, line: Bandwidth | None) -> None:
        self.row = row
        self.cores = cores
        self.storage = storage
        self.line = line
        self.wake: Wake | None = None
        self._busy: dict[int, Vm] = {}
        self._touched: dict[int, Vm] = {}

    def touch(self, vm: Vm) -> None:
        """What this VM wants, or what its runs are, may have changed."""
        self._touched[vm.row] = vm

    def part_with(self, vm: Vm, now: float) -> None:
        """The VM leaves; its account with this host is closed."""
        vm.close_all(now)
        vm.divide(0.0, now)
        self._busy.pop(vm.row, None)
        self._touched.pop(vm.row, None)

    def share(self, now: float) -> float:
        """Share the cores anew between the VMs, and each changed share within its VM; answers the next end."""
        touched, self._touched = self._touched, {}
        for row, vm in touched.items():
            if vm.look_what_is_wanted() > 0:
                self._busy[row] = vm
            elif self._busy.pop(row, None) is not None:
                vm.divide(0.0, now)
        vms = self._busy.values()
        wants = [vm.wants for vm in vms]
        shares = wants if sum(wants) <= self.cores else max_min_fair(self.cores, wants, [vm.weight for vm in vms])
        next_end_s = math.inf
        for vm, share in zip(vms, shares, strict=True):
            if share != vm.share or vm.row in touched:
                vm.divide(share, now)
            next_end_s = min(next_end_s, vm.next_end_s)
        return next_end_s

    def through(self, until_s: float) -> Iterable[Work]:
        """Work that is served by then."""
        return [
            work
            for vm in self._busy.values()
            if vm.next_end_s <= until_s
            for work in vm.working.values()
            if work.through_s <= until_s
        ]
