"""What each VM has at a time: site, tenant, slots, vCPU and its changes, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.calendar import Calendar
from capacity.records import Floats, Ints
from estate.resolved import ResolvedEstate


@dataclass(frozen=True)
class VmTable:
    """Every VM of the estate, in its order. `change_*` rows say where a VM has another vCPU for a while."""

    names: tuple[str, ...]
    site: Ints
    tenant: Ints
    slots: Ints
    vcpu: Ints
    from_s: Floats
    until_s: Floats
    change_vm: Ints
    change_from_s: Floats
    change_until_s: Floats
    change_vcpu: Ints

    def least_vcpu(self, vm: int, from_s: Floats, until_s: Floats) -> Floats:
        """The vCPU that VM `vm` has throughout each interval `[from_s, until_s)`: the least value it takes there."""
        rows = np.flatnonzero(self.change_vm == vm)
        base = float(self.vcpu[vm])
        if len(rows) == 0:
            return np.full(len(from_s), base)
        covered = np.zeros(len(from_s))
        least = np.full(len(from_s), np.inf)
        for row in rows:
            overlap = np.minimum(until_s, self.change_until_s[row]) - np.maximum(from_s, self.change_from_s[row])
            covered += np.maximum(overlap, 0.0)
            least = np.where(overlap > 0, np.minimum(least, float(self.change_vcpu[row])), least)
        whole = covered >= until_s - from_s - 1e-6
        return np.where(whole & np.isfinite(least), least, np.minimum(least, base))


def vm_table(estate: ResolvedEstate, calendar: Calendar) -> VmTable:
    """The VMs of an estate; times are seconds since the calendar's start."""
    sites = {site.id: index for index, site in enumerate(estate.sites)}
    tenants = {tenant.id: index for index, tenant in enumerate(estate.tenants)}
    vms = estate.vms
    changes = [(index, change) for index, vm in enumerate(vms) for change in vm.vcpu_changes]
    start = calendar.start
    return VmTable(
        names=tuple(vm.id for vm in vms),
        site=np.array([sites[vm.site] for vm in vms], dtype=np.int64),
        tenant=np.array([tenants[vm.tenant] for vm in vms], dtype=np.int64),
        slots=np.array([vm.slots for vm in vms], dtype=np.int64),
        vcpu=np.array([vm.vcpu for vm in vms], dtype=np.int64),
        from_s=np.array([-np.inf if vm.from_ is None else calendar.seconds(vm.from_) for vm in vms]),
        until_s=np.array([np.inf if vm.until is None else calendar.seconds(vm.until) for vm in vms]),
        change_vm=np.array([index for index, _ in changes], dtype=np.int64),
        change_from_s=np.array([(change.from_ - start).total_seconds() for _, change in changes], dtype=np.float64),
        change_until_s=np.array([(change.until - start).total_seconds() for _, change in changes], dtype=np.float64),
        change_vcpu=np.array([change.vcpu for _, change in changes], dtype=np.int64),
    )
