"""CPU load per slot: runs (their cores between start + fixed_s and end) and online load, summed by groups of VMs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .sweep import Loads, slot_averages
from .view import SECOND, Floats, Ints, View


def host_load(view: View) -> Floats:
    """Average cores per host and slot, shape (hosts, slots)."""
    groups = np.append(view.vm_host, -1)
    return _load(view, view.load_begin_s, groups[view.vm], groups[view.online[0]], len(view.folder.layout.hosts))


def _load(view: View, begin_s: Floats, group_of_run: Ints, group_of_online: Ints, groups: int) -> Floats:
    """Average cores per group and 600 s slot, shape (groups, slots); group -1 is left out."""
    _, begin, end, cores = view.online
    group = np.concatenate([group_of_run, group_of_online])
    begins = np.concatenate([begin_s, begin / SECOND])
    lengths = np.concatenate([view.cpu_length_s, np.maximum(end - begin, 0) / SECOND])
    amounts = np.concatenate([view.max_cores, cores])
    known = group >= 0
    return slot_averages(Loads(group[known], begins[known], lengths[known], amounts[known]), groups, view.slots)


@dataclass(frozen=True, eq=False)
class SiteLoads:
    """Load per (site, tenant) and slot, as planned and at earliest starts."""

    view: View

    @cached_property
    def groups(self) -> list[tuple[str, str]]:
        """Every (site, tenant) that has VMs in the estate, placed or not, sorted."""
        return sorted({(vm.site, vm.tenant) for vm in self.view.folder.estate.vms})

    @cached_property
    def sites(self) -> list[str]:
        """Every site that has VMs, sorted."""
        return sorted({site for site, _ in self.groups})

    @cached_property
    def group_of_vm(self) -> Ints:
        """Per VM of the estate: index into `groups`; -1 follows for unknown VMs."""
        index = {group: number for number, group in enumerate(self.groups)}
        return np.array([*(index[vm.site, vm.tenant] for vm in self.view.folder.estate.vms), -1], dtype=np.int64)

    @cached_property
    def before(self) -> Floats:
        """Shape (groups, slots), at earliest starts."""
        return self._since(self.view.earliest / SECOND + self.view.fixed_s)

    @cached_property
    def after(self) -> Floats:
        """Shape (groups, slots), as planned."""
        return self._since(self.view.load_begin_s)

    def _since(self, begin_s: Floats) -> Floats:
        group, view = self.group_of_vm, self.view
        return _load(view, begin_s, group[view.estate_vm], group[view.online_estate_vm], len(self.groups))

    def of_site(self, site: str, load: Floats) -> Floats:
        """One site's load per slot, all tenants together."""
        rows = [number for number, group in enumerate(self.groups) if group[0] == site]
        return np.asarray(load[rows].sum(axis=0), dtype=np.float64)
