"""How many cores each site and tenant uses in every 600-second slot.

The load of a slot is (core-seconds delivered in it) / 600, exact for runs and online spans that cover a slot partly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.records import SLOT_S, Floats, Ints, OnlineTable, RunTable


@dataclass(frozen=True)
class SlotLoad:
    """Cores per slot: `cores[site, tenant, slot]`; slot k is `[600 k, 600 (k + 1))` seconds since the epoch."""

    site_names: tuple[str, ...]
    tenant_names: tuple[str, ...]
    cores: Floats

    @property
    def site_cores(self) -> Floats:
        """Cores per site and slot, all tenants together."""
        total: Floats = self.cores.sum(axis=1)
        return total

    def peaks(self) -> dict[str, tuple[float, int]]:
        """Per site: the largest slot load in cores, and the first slot that has it."""
        load = self.site_cores
        highest = load.max(axis=1)
        # Equal nights differ by rounding: the first of them has the peak.
        first = (load >= highest[:, None] - 1e-9).argmax(axis=1)
        return {name: (float(highest[site]), int(first[site])) for site, name in enumerate(self.site_names)}


def slots_of_horizon(end_s: float) -> int:
    """The number of slots that cover the horizon."""
    return int(np.ceil(end_s / SLOT_S - 1e-9))


def deliver(rows: Ints, from_s: Floats, until_s: Floats, cores: Floats, shape: tuple[int, int]) -> Floats:
    """Slot loads of `shape` = (profiles, slots), when interval i delivers `cores[i]` to profile `rows[i]`.

    A constant rate contributes whole slots between its first and last one and shares of these two: the profile is the
    running sum of rate changes, corrected in the slots in which the rate changes. Work beyond the last slot is lost.
    """
    row_count, slots = shape
    width = slots + 1
    flat = np.zeros(row_count * width)
    step = np.zeros(row_count * width)
    for moment, sign in ((from_s, 1.0), (until_s, -1.0)):
        inside = np.clip(moment / SLOT_S, 0.0, float(slots))
        slot = np.minimum(np.floor(inside).astype(np.int64), slots)
        share = inside - slot
        at = rows * width + slot
        step += np.bincount(at, weights=sign * cores, minlength=len(step))
        flat -= np.bincount(at, weights=sign * cores * share, minlength=len(flat))
    total = np.cumsum(step.reshape(row_count, width), axis=1) + flat.reshape(row_count, width)
    return np.ascontiguousarray(total[:, :slots])


def slot_load(runs: RunTable, start_s: Floats, online: OnlineTable) -> SlotLoad:
    """Cores per site, tenant and slot, when run i starts at `start_s[i]`; online load included.

    Covers the horizon, and as many further slots as the last runs need: the sum of all slots x 600 is all the work.
    """
    until_s = start_s + runs.duration_s
    last = max(runs.end_s, float(until_s.max(initial=0.0)))
    slots = slots_of_horizon(last)
    tenants = len(runs.tenant_names)
    rows = np.concatenate(
        (runs.site * tenants + runs.tenant, runs.vm_site[online.vm] * tenants + runs.vm_tenant[online.vm])
    )
    cores = deliver(
        rows,
        np.concatenate((start_s + runs.fixed_s, online.from_s)),
        np.concatenate((until_s, online.until_s)),
        np.concatenate((runs.max_cores, online.cores)),
        (len(runs.site_names) * tenants, slots),
    )
    return SlotLoad(runs.site_names, runs.tenant_names, cores.reshape(len(runs.site_names), tenants, slots))


def online_site_load(runs: RunTable, online: OnlineTable, slots: int) -> Floats:
    """Cores per site and slot of the online load alone."""
    sites = runs.vm_site[online.vm]
    return deliver(sites, online.from_s, online.until_s, online.cores, (len(runs.site_names), slots))
