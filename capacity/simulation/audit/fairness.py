"""Weighted max-min fairness at every moment, between the VMs of a host and inside every VM.

An allocation is max-min fair exactly when everybody who got less than wanted has as much (per weight) as anybody
else has, and nothing is left over (Bertsekas and Gallager, Data Networks, 6.5.2: the bottleneck condition).
"""

from __future__ import annotations

import numpy as np

from capacity.records import Bools, Floats, Ints

from ..records import ServedTable
from .evidence import NEAR_S, Evidence
from .steps import Grid
from .wants import Wants


def check_fairness(evidence: Evidence, served: ServedTable, wants: Wants) -> None:
    """Note every VM and host that shared otherwise at some moment."""
    if not np.isfinite(evidence.horizon_s):
        return
    system, vcpu, online = evidence.system, evidence.vcpu, evidence.online
    vm_of_want = system.runs.vm[wants.run]
    places, ups = evidence.host_of, evidence.is_up
    all_vms = np.arange(len(system.vms))
    begin_s = _first_moment(evidence, served, wants)
    grid = Grid.of(
        (served.vm, served.from_s),
        (served.vm, served.until_s),
        (vm_of_want, wants.from_s),
        (vm_of_want, wants.until_s),
        *((steps.group, np.clip(steps.at_s, begin_s, evidence.horizon_s)) for steps in (vcpu, online, places, ups)),
        (all_vms, np.full(len(all_vms), evidence.horizon_s)),
    )
    moments = _VmMoments(evidence, grid, served, wants)
    moments.check_inside()
    _check_between(evidence, moments)


def _first_moment(evidence: Evidence, served: ServedTable, wants: Wants) -> float:
    times = (served.from_s, wants.from_s, evidence.online.at_s)
    return min([float(part.min()) for part in times if len(part)], default=evidence.horizon_s)


class _VmMoments:
    """What every VM wanted and had, stretch by stretch."""

    def __init__(self, evidence: Evidence, grid: Grid, served: ServedTable, wants: Wants) -> None:
        system = evidence.system
        self.evidence, self.grid, self.served, self.wants = evidence, grid, served, wants
        vm, middle_s = grid.group, grid.middle_s
        self.vm = vm
        self.from_s, self.length_s = grid.from_s, grid.length_s
        self.up: Bools = evidence.is_up.at(vm, middle_s) > 0.5
        self.host: Ints = evidence.host_of.at(vm, middle_s).astype(np.int64)
        self.vcpu: Floats = np.minimum(evidence.vcpu.at(vm, middle_s), system.hosts.cores[self.host])
        self.want_span = grid.span(system.runs.vm[wants.run], wants.from_s, wants.until_s)
        self.row_span = grid.span(served.vm, served.from_s, served.until_s)
        self.share: Floats = grid.total(self.row_span, served.cores)
        self.online: Floats = np.where(self.up, evidence.online.at(vm, middle_s), 0.0)
        self.online_served: Floats = grid.total(self.row_span, np.where(served.run < 0, served.cores, 0.0))
        finite = np.isfinite(wants.cap)
        capped = grid.total(self.want_span, np.where(finite, wants.cap, 0.0))
        uncapped = grid.total(self.want_span, np.where(finite, 0.0, 1.0))
        self.limits: Floats = self.online + capped + np.rint(uncapped) * self.vcpu
        self.want: Floats = np.where(self.up, np.minimum(self.vcpu, self.limits), 0.0)
        self.counts: Bools = self.length_s > 2 * NEAR_S

    def check_inside(self) -> None:
        """Online load and runs share what their VM has."""
        evidence, ids = self.evidence, self.evidence.system.vms.ids
        tolerance = evidence.tolerance
        evidence.require(
            "a VM has no more than it wants", ~self.counts | (self.share <= self.want + tolerance), ids, self.vm
        )
        if evidence.system.online_first:
            first = np.abs(self.online_served - np.minimum(self.online, self.share)) <= tolerance
            evidence.require("online load is served first", first | ~self.counts, ids, self.vm)
        short = self.counts & (self.share < self.limits - tolerance) & self.up
        run_at, cores, cap = self._takers(short)
        lowest = np.full(len(self.vm), np.inf)
        highest = np.zeros(len(self.vm))
        np.maximum.at(highest, run_at, cores)
        hungry = cores < cap - tolerance
        np.minimum.at(lowest, run_at[hungry], cores[hungry])
        if not evidence.system.online_first:
            highest = np.maximum(highest, np.where(short, self.online_served, 0.0))
            online_hungry = short & (self.online_served < self.online - tolerance)
            lowest = np.minimum(lowest, np.where(online_hungry, self.online_served, np.inf))
        evidence.require("a VM's share is fair between its runs", lowest >= highest - tolerance, ids, self.vm)

    def _takers(self, short: Bools) -> tuple[Ints, Floats, Floats]:
        """Every run that wants cores in a stretch where there are too few: stretch, cores it has, its limit."""
        runs = len(self.evidence.system.runs)
        want, at = self.grid.pairs(self.want_span, short)
        row, row_at = self.grid.pairs(self.row_span, short & True)
        of_run = self.served.run[row] >= 0
        row, row_at = row[of_run], row_at[of_run]
        had = row_at * runs + self.served.run[row]
        order = np.argsort(had, kind="stable")
        asked = at * runs + self.wants.run[want]
        cores = np.zeros(len(asked))
        if len(had):
            place = np.minimum(np.searchsorted(had[order], asked), len(had) - 1)
            found = had[order][place] == asked
            cores[found] = self.served.cores[row][order][place[found]]
        return at, cores, np.minimum(self.wants.cap[want], self.vcpu[at])


def _check_between(evidence: Evidence, moments: _VmMoments) -> None:
    """The VMs of a host share its cores by weight."""
    system, tolerance = evidence.system, evidence.tolerance
    some = np.flatnonzero(moments.counts & ((moments.want > 0) | (moments.share > 0)))
    host, from_s = moments.host[some], moments.from_s[some]
    until_s = from_s + moments.length_s[some]
    share, want = moments.share[some], moments.want[some]
    weight = system.vms.weight[moments.vm[some]]
    grid = Grid.of((host, from_s), (host, until_s))
    span = grid.span(host, from_s, until_s)
    hungry = share < want - tolerance
    lacking = (np.rint(grid.total(span, hungry.astype(np.float64))) > 0) & (grid.length_s > 2 * NEAR_S)
    full = grid.total(span, share) >= system.hosts.cores[grid.group] - tolerance
    evidence.require("no core is idle while a VM of the host wants it", full | ~lacking, system.hosts.ids, grid.group)
    piece, at = grid.pairs(span, lacking)
    level = share[piece] / weight[piece]
    highest, lowest = np.zeros(len(grid.group)), np.full(len(grid.group), np.inf)
    np.maximum.at(highest, at, level)
    np.minimum.at(lowest, at[hungry[piece]], level[hungry[piece]])
    lightest = float(system.vms.weight.min()) if len(system.vms) else 1.0
    fair = lowest >= highest - tolerance / min(1.0, lightest)
    evidence.require("a host's cores are fair between its VMs by weight", fair, system.hosts.ids, grid.group)
