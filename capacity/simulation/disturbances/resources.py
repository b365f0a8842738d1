"""The further resources that a planned system shares: storage of each host, printers, the line to the backup site."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from capacity.records import Floats, Ints
from estate.disturbance_records import BackupLine, Disturbances, Printing
from estate.records import Site
from layout.records import HostRecord

from ..columns import SimulationInput
from .jobs import JobsOfRuns

PRINTERS = "printers"
HOUR_S = 3600.0


def with_resources(
    system: SimulationInput,
    jobs: JobsOfRuns,
    hosts: tuple[HostRecord, ...],
    sites: tuple[Site, ...],
    disturbances: Disturbances,
) -> SimulationInput:
    """The system with storage bandwidth, printers and lines; `hosts` in row order.

    Every site but the backup sites has a line of its own. A record that is null takes no time, and a host that states
    no bandwidth is no limit. Runs with demand steps keep to their steps and use neither storage nor line.
    """
    plain = np.diff(system.runs.demand_ptr) == 0
    changed = system.with_runs(io_mib=np.where(plain, jobs.io_mib, 0.0))
    bandwidth = np.array([host.io_mib_s if host.io_mib_s > 0 else np.inf for host in hosts], dtype=np.float64)
    changed = replace(changed, hosts=replace(changed.hosts, io_mib_s=bandwidth))
    if disturbances.line is not None:
        lines = _lines(hosts, sites)
        changed = _with_lines(changed, np.where(plain, jobs.line_mib, 0.0), disturbances.line, *lines)
    if disturbances.printing is not None:
        changed = _with_printers(changed, jobs.pages, disturbances.printing)
    return changed


def _lines(hosts: tuple[HostRecord, ...], sites: tuple[Site, ...]) -> tuple[tuple[str, ...], Ints]:
    """The sites that have a line, and per host the index of its line (-1: none)."""
    named = tuple(site.id for site in sites if site.role != "backup") if any(s.role == "backup" for s in sites) else ()
    rows = {site: row for row, site in enumerate(named)}
    return named, np.array([rows.get(host.site, -1) for host in hosts], dtype=np.int64)


def _with_lines(
    system: SimulationInput, line_mib: Floats, line: BackupLine, names: tuple[str, ...], of_host: Ints
) -> SimulationInput:
    centre = replace(system.centre, line_ids=names, line_mib_s=np.full(len(names), line.mib_s))
    return replace(system.with_runs(line_mib=line_mib), hosts=replace(system.hosts, line=of_host), centre=centre)


def _with_printers(system: SimulationInput, pages: Floats, printing: Printing) -> SimulationInput:
    """The printers as one more pool; pools that are there keep their index."""
    pool = len(system.centre.pool_slots)
    centre = replace(
        system.centre,
        pool_ids=(*system.centre.pool_ids, PRINTERS),
        pool_slots=np.append(system.centre.pool_slots, np.int64(printing.printers)),
    )
    prints = pages > 0
    printed = system.with_runs(
        pool=np.where(prints, pool, system.runs.pool),
        pool_s=np.where(prints, pages / printing.pages_per_hour * HOUR_S, system.runs.pool_s),
    )
    return replace(printed, centre=centre)
