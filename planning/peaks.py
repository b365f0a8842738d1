"""CPU peaks before and after levelling, and what the plan reached against its proven bounds."""

from __future__ import annotations

from datetime import datetime, timedelta

from capacity.profile import SlotLoad
from capacity.records import SLOT_S, Placement
from estate.resolved import ResolvedEstate
from layout.records import Bound, PeakRecord


def peak_records(
    estate: ResolvedEstate,
    epoch: datetime,
    before: SlotLoad,
    after: SlotLoad,
    peak_bounds: dict[str, tuple[float, str]],
    placed: Placement,
) -> tuple[PeakRecord, ...]:
    """One record per site that has load, in the order of the estate."""
    cores = {host.id: host.cores for host in estate.hosts}
    site_of = {host.id: host.site for host in estate.hosts}
    used = {placed.host_names[index] for index in set(placed.host.tolist()) if index >= 0}
    records = []
    before_peaks, after_peaks = before.peaks(), after.peaks()
    for site in estate.sites:
        planned, slot = after_peaks.get(site.id, (0.0, 0))
        if planned <= 0:
            continue
        early, early_slot = before_peaks[site.id]
        at = epoch + timedelta(seconds=slot * SLOT_S)
        records.append(
            PeakRecord(
                site=site.id,
                before_cores=early,
                before_at=epoch + timedelta(seconds=early_slot * SLOT_S),
                after_cores=planned,
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
