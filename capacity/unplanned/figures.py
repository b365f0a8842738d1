"""What a simulated group says about its sites: peaks, utilisation, runs that ended late."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from capacity.records import SLOT_S, Bools, Floats
from capacity.simulation.columns import SimulationInput
from capacity.simulation.records import SimulationResult

from .columns import run_id
from .groups import GroupSystem

ROUNDING_S = 1e-6
"""Ends so close to a deadline are on time."""


@dataclass
class SiteFigures:
    """One site over the horizon. Cores are averages over 600-second slots; utilisation is of the whole horizon."""

    site: str
    tenants: int
    vms: int
    runs: int
    hosts: int
    hosts_used: int
    peak_cores: float
    peak_at_s: float
    late_runs: int
    never_started: int
    latest_s: float
    """The longest time by which a run missed its deadline."""
    latest_run: str
    utilisation: dict[str, float] = field(default_factory=dict)
    """Per host: share of its core-seconds that was served."""
    late_jobs: Counter[str] = field(default_factory=Counter)
    """Late runs per `system/job`."""


def figures(made: GroupSystem, result: SimulationResult, end_s: float) -> list[SiteFigures]:
    """The figures of every site of a group; `end_s` is the horizon's length.

    A run's CPU work counts evenly from the end of its idle time to the end of its work, online load as it is wanted.
    """
    late_s = np.maximum(result.end_s - made.deadline_s, 0.0)
    late_s[late_s <= ROUNDING_S] = 0.0
    site_of_run = made.vm_site[made.system.runs.vm]
    found = []
    for number, site in enumerate(made.group.sites):
        mine = site_of_run == number
        hosts = np.flatnonzero(made.host_site == number)
        vms = np.flatnonzero(made.vm_site == number)
        load = _slot_cores(made.system, result, mine, end_s) + _online_cores(made.system, vms, end_s)
        peak = int(np.argmax(load)) if len(load) else 0
        late, latest = _late(made, late_s, mine)
        ever = np.isfinite(result.end_s[mine])
        found.append(
            SiteFigures(
                site=site,
                tenants=len({made.runs.members[row].id for row in _members_at(made, vms)}),
                vms=len(vms),
                runs=int(mine.sum()),
                hosts=len(hosts),
                hosts_used=len(np.unique(made.system.vms.host[vms])),
                peak_cores=float(load[peak]) if len(load) else 0.0,
                peak_at_s=peak * SLOT_S,
                late_runs=sum(late.values()),
                never_started=int((~ever).sum()),
                latest_s=latest[0],
                latest_run=latest[1],
                utilisation={
                    made.hosts[row].id: float(result.host_core_s[row] / (made.hosts[row].cores * end_s))
                    for row in hosts.tolist()
                },
                late_jobs=late,
            )
        )
    return found


def _members_at(made: GroupSystem, vms: np.ndarray) -> list[int]:
    """Members with a VM at the site."""
    return np.unique(np.searchsorted(made.runs.first_vm, vms, side="right") - 1).tolist()


def _late(made: GroupSystem, late_s: Floats, mine: Bools) -> tuple[Counter[str], tuple[float, str]]:
    counts: Counter[str] = Counter()
    latest = (0.0, "")
    for member, rows in zip(made.runs.members, made.runs.rows, strict=True):
        own = np.where(mine[rows], late_s[rows], 0.0)
        if not own.any():
            continue
        jobs = np.bincount(member.template.job[own > 0], minlength=len(member.template.jobs))
        for number in np.flatnonzero(jobs).tolist():
            job = member.template.jobs[number]
            counts[f"{job.system}/{job.job}"] += int(jobs[number])
        ended = np.where(np.isfinite(own), own, 0.0)
        worst = int(np.argmax(ended))
        if ended[worst] > latest[0]:
            latest = (float(ended[worst]), run_id(member, worst))
    return counts, latest


def _slot_cores(system: SimulationInput, result: SimulationResult, mine: Bools, end_s: float) -> Floats:
    """Average cores of runs per slot of the horizon."""
    runs = system.runs
    chosen = mine & np.isfinite(result.work_end_s) & (runs.cpu_s > 0)
    begin_s = result.start_s[chosen] + runs.fixed_s[chosen]
    stop_s = np.maximum(result.work_end_s[chosen], begin_s + 1e-9)
    cores = runs.cpu_s[chosen] / (stop_s - begin_s)
    return _stepped(np.concatenate((begin_s, stop_s)), np.concatenate((cores, -cores)), end_s)


def _online_cores(system: SimulationInput, vms: np.ndarray, end_s: float) -> Floats:
    """Average cores that online load wants per slot of the horizon, never more than its VM's vCPU."""
    online = system.online
    at_s: list[Floats] = [np.zeros(0)]
    change: list[Floats] = [np.zeros(0)]
    classes = system.vms.online_class[vms]
    for number in range(len(online.ptr) - 1):
        mine = vms[classes == number]
        steps = slice(int(online.ptr[number]), int(online.ptr[number + 1]))
        levels, place = np.unique(online.level[steps], return_inverse=True)
        wanted = np.array(
            [np.minimum(system.vms.online_cores[mine] * level, system.vms.vcpu[mine]).sum() for level in levels]
        )
        at_s.append(online.at_s[steps])
        change.append(np.diff(wanted[place], prepend=0.0))
    return _stepped(np.concatenate(at_s), np.concatenate(change), end_s)


def _stepped(at_s: Floats, change: Floats, end_s: float) -> Floats:
    """Averages per slot of a level that changes by `change` at `at_s`."""
    slots = int(np.ceil(end_s / SLOT_S))
    slot = np.minimum(at_s // SLOT_S, slots).astype(np.int64)
    rest = np.maximum((slot + 1) - at_s / SLOT_S, 0.0)
    total = np.bincount(slot, change, minlength=slots + 1)
    in_slot = np.bincount(slot, change * rest, minlength=slots + 1)
    level = np.concatenate(([0.0], np.cumsum(total)[:-1]))
    found: Floats = np.maximum(level + in_slot, 0.0)[:slots]
    return found
