"""CPU load per slot: runs (their cores between start + fixed_s and end) and online load, summed by groups of VMs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .sweep import Loads, slot_averages
from .view import SECOND, Floats, Ints, View


def slot_load(view: View, group_of_vm: Ints, groups: int, *, earliest: bool = False) -> Floats:
    """Average cores per group and 600 s slot, shape (groups, slots); group -1 is left out.

    With `earliest`, runs start at `earliest_start` instead of `start`.
    """
    begin_s = view.earliest / SECOND + view.fixed_s if earliest else view.load_begin_s
    vm, begin, end, cores = view.online
    vms = np.concatenate([view.vm, vm])
    begins = np.concatenate([begin_s, begin / SECOND])
    lengths = np.concatenate([view.cpu_length_s, np.maximum(end - begin, 0) / SECOND])
    amounts = np.concatenate([view.max_cores, cores])
    group = np.append(group_of_vm, -1)[vms]
    known = group >= 0
    return slot_averages(Loads(group[known], begins[known], lengths[known], amounts[known]), groups, view.slots)


@dataclass(frozen=True, eq=False)
class SiteLoads:
    """Load per (site, tenant) and slot, as planned and at earliest starts."""

    view: View

    @cached_property
    def groups(self) -> list[tuple[str, str]]:
        """Every (site, tenant) that has VMs, sorted."""
        return sorted({(vm.site, vm.tenant) for vm in self.view.folder.layout.vms})

    @cached_property
    def sites(self) -> list[str]:
        """Every site that has VMs, sorted."""
        return sorted({site for site, _ in self.groups})

    @cached_property
    def group_of_vm(self) -> Ints:
        """Per VM: index into `groups`."""
        index = {group: number for number, group in enumerate(self.groups)}
        return np.array([index[vm.site, vm.tenant] for vm in self.view.folder.layout.vms], dtype=np.int64)

    @cached_property
    def before(self) -> Floats:
        """Shape (groups, slots), at earliest starts."""
        return slot_load(self.view, self.group_of_vm, len(self.groups), earliest=True)

    @cached_property
    def after(self) -> Floats:
        """Shape (groups, slots), as planned."""
        return slot_load(self.view, self.group_of_vm, len(self.groups))

    def of_site(self, site: str, load: Floats) -> Floats:
        """One site's load per slot, all tenants together."""
        rows = [number for number, group in enumerate(self.groups) if group[0] == site]
        return np.asarray(load[rows].sum(axis=0), dtype=np.float64)
