"""The served table: rows that can be, hosts and VMs never above what they have, and the account."""

from __future__ import annotations

import numpy as np

from capacity.records import Bools, Floats, Ints

from ..records import ServedTable
from .evidence import NEAR_S, Evidence
from .steps import Grid


def check_rows(evidence: Evidence, served: ServedTable) -> bool:
    """Whether every row names what exists; rows at the wrong place or time become findings."""
    system, result = evidence.system, evidence.result
    columns = (served.host, served.run, served.from_s, served.until_s, served.cores)
    if any(len(column) != len(served) for column in columns):
        evidence.findings.append("served table: columns of different length")
        return False
    exists = (served.host >= 0) & (served.host < len(system.hosts)) & (served.vm >= 0) & (served.vm < len(system.vms))
    exists &= (served.run >= -1) & (served.run < len(system.runs))
    exists &= np.isfinite(served.from_s) & np.isfinite(served.until_s) & np.isfinite(served.cores)
    evidence.require("served rows name host, VM, run, times and cores", exists)
    if not exists.all():
        return False
    evidence.require("service takes time and cores", (served.from_s < served.until_s) & (served.cores > 0))
    within = served.until_s <= evidence.horizon_s + NEAR_S
    evidence.require("nothing is served after the last end", within)
    middle_s = (served.from_s + served.until_s) / 2
    place = evidence.host_of.at(served.vm, middle_s) == served.host
    inside_from, inside_until = served.from_s + NEAR_S, served.until_s - NEAR_S
    place &= evidence.host_of.changes_inside(served.vm, inside_from, inside_until) == 0
    evidence.require("a VM is served on the host it is on", place, system.vms.ids, served.vm)
    up = evidence.is_up.at(served.vm, middle_s) > 0.5
    up &= evidence.is_up.changes_inside(served.vm, inside_from, inside_until) == 0
    evidence.require("a VM that is down is not served", up, system.vms.ids, served.vm)
    rows = np.flatnonzero(served.run >= 0)
    run = served.run[rows]
    evidence.require("a run is served on its VM", system.runs.vm[run] == served.vm[rows], system.runs.ids, run)
    held = (served.from_s[rows] >= result.start_s[run] - NEAR_S) & (
        served.until_s[rows] <= result.work_end_s[run] + NEAR_S
    )
    evidence.require("a run is served between its start and its work's end", held, system.runs.ids, run)
    capped = served.cores[rows] <= system.runs.max_cores[run] + evidence.tolerance
    evidence.require("a run has no more than its max_cores", capped, system.runs.ids, run)
    return True


def check_totals(evidence: Evidence, served: ServedTable) -> None:
    """No host above its cores, no VM above its vCPU, no online load above its level, at any moment."""
    system = evidence.system
    hosts = Grid.of((served.host, served.from_s), (served.host, served.until_s))
    used = hosts.total(hosts.span(served.host, served.from_s, served.until_s), served.cores)
    fits = used <= system.hosts.cores[hosts.group] + evidence.tolerance
    long = hosts.length_s > NEAR_S
    evidence.require("no host above its cores", fits | ~long, system.hosts.ids, hosts.group)
    vcpu, online = evidence.vcpu, evidence.online
    vms = Grid.of(
        (served.vm, served.from_s),
        (served.vm, served.until_s),
        (vcpu.group, vcpu.at_s),
        (online.group, online.at_s),
    )
    span = vms.span(served.vm, served.from_s, served.until_s)
    long = vms.length_s > NEAR_S
    above = vms.total(span, served.cores) > vcpu.at(vms.group, vms.middle_s) + evidence.tolerance
    evidence.require("no VM above its vCPU", ~(above & long), system.vms.ids, vms.group)
    of_online = np.where(served.run < 0, served.cores, 0.0)
    above = vms.total(span, of_online) > online.at(vms.group, vms.middle_s) + evidence.tolerance
    evidence.require("no online load above its level", ~(above & long), system.vms.ids, vms.group)


def check_accounts(evidence: Evidence, served: ServedTable) -> None:
    """The totals of the result are those of its rows, and of the online load that was given."""
    system, result = evidence.system, evidence.result
    core_s = (served.until_s - served.from_s) * served.cores
    by_host = _summed(served.host, core_s, len(system.hosts))
    alike = _alike(result.host_core_s, by_host)
    evidence.require("host_core_s is what was served", alike, system.hosts.ids)
    of_online = served.run < 0
    by_vm = _summed(served.vm[of_online], core_s[of_online], len(system.vms))
    alike = _alike(result.online_served_core_s, by_vm)
    evidence.require("online_served_core_s is what was served", alike, system.vms.ids)
    alike = _alike(result.online_wanted_core_s, _wanted(evidence))
    evidence.require("online_wanted_core_s is the load up to the last end", alike, system.vms.ids)


def _wanted(evidence: Evidence) -> Floats:
    online, vms = evidence.online, len(evidence.system.vms)
    group: Ints = np.concatenate((online.group, np.arange(vms)))
    at_s = np.concatenate((np.minimum(online.at_s, evidence.horizon_s), np.full(vms, evidence.horizon_s)))
    if not np.isfinite(evidence.horizon_s):
        return np.zeros(vms)
    grid = Grid.of((group, at_s))
    return _summed(grid.group, online.at(grid.group, grid.middle_s) * grid.length_s, vms)


def _summed(row: Ints, amount: Floats, rows: int) -> Floats:
    return np.asarray(np.bincount(row, amount, rows), dtype=np.float64)


def _alike(found: Floats, expected: Floats) -> Bools:
    if len(found) != len(expected):
        return np.zeros(len(expected), dtype=np.bool_)
    alike: Bools = np.isclose(found, expected, rtol=1e-9, atol=1e-5)
    return alike
