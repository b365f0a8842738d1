"""CPU peaks before and after levelling, and what the plan reached against its proven bounds."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from capacity.records import SLOT_S, Floats, Placement
from estate.resolved import ResolvedEstate
from layout.records import Bound, PeakRecord

SiteTenantLoad = dict[tuple[str, str], Floats]


def peak_records(
    estate: ResolvedEstate,
    epoch: datetime,
    before: SiteTenantLoad,
    after: SiteTenantLoad,
    peak_bounds: dict[str, tuple[float, str]],
    placed: Placement,
) -> tuple[PeakRecord, ...]:
    """One record per site that has load, in the order of the estate."""
    cores = {host.id: host.cores for host in estate.hosts}
    site_of = {host.id: host.site for host in estate.hosts}
    used = {placed.host_names[index] for index in set(placed.host.tolist()) if index >= 0}
    records = []
    for site in estate.sites:
        early, planned = _site_load(before, site.id), _site_load(after, site.id)
        if planned is None or early is None or planned.max(initial=0.0) <= 0:
            continue
        slot = int(planned.argmax())
        at = epoch + timedelta(seconds=slot * SLOT_S)
        records.append(
            PeakRecord(
                site=site.id,
                before_cores=float(early.max()),
                before_at=epoch + timedelta(seconds=int(early.argmax()) * SLOT_S),
                after_cores=float(planned[slot]),
                after_at=at,
                bound_cores=peak_bounds[site.id][0],
                capacity_cores=float(sum(cores[host] for host in used if site_of[host] == site.id)),
                tightest_week=(at.date() - timedelta(days=at.weekday())).isoformat(),
            )
        )
    return tuple(records)


def bound_records(
    estate: ResolvedEstate,
    peaks: tuple[PeakRecord, ...],
    peak_bounds: dict[str, tuple[float, str]],
    placed: Placement,
) -> tuple[Bound, ...]:
    """Bounds on the CPU peak and on the number of hosts, per site."""
    cpu = [
        _bound(peak.site, "cpu_peak_cores", peak.bound_cores, peak.after_cores, peak_bounds[peak.site][1])
        for peak in peaks
    ]
    hosts = [
        _bound(site.id, "hosts", placed.lower_bound[site.id], placed.used[site.id], placed.proof[site.id])
        for site in estate.sites
        if placed.used.get(site.id, 0) > 0
    ]
    return tuple(cpu + hosts)


def _bound(site: str, resource: str, lower_bound: float, plan: float, proof: str) -> Bound:
    gap = (plan - lower_bound) / lower_bound if lower_bound > 0 else 0.0
    return Bound.model_validate(
        {"site": site, "resource": resource, "lower_bound": lower_bound, "plan": plan, "gap": gap, "proof": proof}
    )


def _site_load(load: SiteTenantLoad, site: str) -> Floats | None:
    parts = [cores for (at, _), cores in load.items() if at == site]
    return np.sum(parts, axis=0) if parts else None
