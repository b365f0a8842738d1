"""Online load after a disaster, on top of the ordinary one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from capacity.calendar import clock_span
from capacity.records import Floats, Ints
from estate.disturbance_records import Emergency
from estate.resolved import ResolvedEstate, ResolvedVm
from layout.records import Layout

from ..columns import OnlineClasses, SimulationInput
from ..records import OnlineLoad

DAY_S = 86400.0


def emergency_load(
    record: Emergency,
    estate: ResolvedEstate,
    layout: Layout,
    *,
    monday: datetime,
    disaster: datetime,
    tenants: Collection[str] | None = None,
) -> tuple[OnlineLoad, ...]:
    """The load of each day from the disaster's on, in seconds since `monday`; VM rows are the layout's.

    A system's peak is `cores_per_1000_residents` times its residents (the members' of a shared system), shared by its
    VMs in proportion to their ordinary online load. `tenants` are those that the disaster struck: all where None.
    Nothing is served before the disaster. Raises KeyError for a profile that the estate lacks.
    """
    residents = {tenant.id: tenant.population for tenant in estate.tenants}
    rows = {vm.id: row for row, vm in enumerate(layout.vms)}
    spans = [(*clock_span(span), share) for span, share in estate.online_profiles[record.profile].business_day.items()]
    vms: dict[str, ResolvedVm] = {vm.id: vm for vm in estate.vms}
    first_day = datetime(disaster.year, disaster.month, disaster.day, tzinfo=disaster.tzinfo)
    struck_s = (disaster - monday).total_seconds()
    loads: list[OnlineLoad] = []
    for system in estate.systems:
        users = [tenant for tenant in (system.members or (system.tenant,)) if tenants is None or tenant in tenants]
        if system.id not in record.systems or not users:
            continue
        peak = record.cores_per_1000_residents * sum(residents[user] for user in users) / 1000.0
        serving = [vms[vm] for vm in system.vms if vm in rows and vms[vm].online_cores > 0]
        ordinary = sum(vm.online_cores for vm in serving)
        for day, of_peak in enumerate(record.by_day):
            midnight_s = (first_day + timedelta(days=day) - monday).total_seconds()
            for opens_s, closes_s, share in spans:
                from_s, until_s = max(struck_s, midnight_s + opens_s), midnight_s + closes_s
                loads += [
                    OnlineLoad(rows[vm.id], from_s, until_s, peak * of_peak * share * vm.online_cores / ordinary)
                    for vm in serving
                    if until_s > from_s and peak * of_peak * share > 0
                ]
    return tuple(loads)


def with_more_online(system: SimulationInput, loads: Collection[OnlineLoad]) -> SimulationInput:
    """The system with these loads on top of its own online load. VMs with more load get a class of their own."""
    by_vm: dict[int, list[OnlineLoad]] = {}
    for load in loads:
        by_vm.setdefault(load.vm, []).append(load)
    of_class, factor = system.vms.online_class.copy(), system.vms.online_cores.copy()
    steps: list[tuple[Floats, Floats]] = []
    for vm, more in by_vm.items():
        steps.append(_with_loads(*_own_steps(system, vm), more))
        of_class[vm], factor[vm] = len(system.online.ptr) - 2 + len(steps), 1.0
    online = OnlineClasses(
        ptr=np.concatenate((system.online.ptr, system.online.ptr[-1] + np.cumsum(_counts(steps), dtype=np.int64))),
        at_s=np.concatenate((system.online.at_s, *(at_s for at_s, _ in steps))),
        level=np.concatenate((system.online.level, *(level for _, level in steps))),
    )
    return replace(system, online=online, vms=replace(system.vms, online_class=of_class, online_cores=factor))


def _counts(steps: list[tuple[Floats, Floats]]) -> Ints:
    return np.array([len(at_s) for at_s, _ in steps], dtype=np.int64)


def _own_steps(system: SimulationInput, vm: int) -> tuple[Floats, Floats]:
    own = int(system.vms.online_class[vm])
    if own < 0:
        return np.zeros(0), np.zeros(0)
    part = slice(int(system.online.ptr[own]), int(system.online.ptr[own + 1]))
    return system.online.at_s[part], system.online.level[part] * system.vms.online_cores[vm]


def _with_loads(at_s: Floats, level: Floats, loads: list[OnlineLoad]) -> tuple[Floats, Floats]:
    """The sum of a step function and loads, as a step function."""
    times = np.unique(np.concatenate((at_s, [load.from_s for load in loads], [load.until_s for load in loads])))
    before = np.searchsorted(at_s, times, side="right")
    total = np.concatenate(([0.0], level))[before]
    for load in loads:
        total = total + np.where((load.from_s <= times) & (times < load.until_s), load.cores, 0.0)
    return times, total
