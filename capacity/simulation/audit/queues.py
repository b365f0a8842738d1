"""Slots of VMs: never more runs than slots, none free while a run waits that may start, and the order of the queue."""

from __future__ import annotations

import heapq

import numpy as np

from capacity.records import Bools, Floats, Ints

from .evidence import NEAR_S, Evidence
from .steps import Grid
from .takes import Takes


def check_queues(evidence: Evidence, takes: Takes) -> None:
    """Note every VM whose slots are handed out otherwise than the page says."""
    system = evidence.system
    vm = system.runs.vm[takes.run]
    started = np.flatnonzero(np.isfinite(evidence.result.start_s))
    up = evidence.is_up.at(system.runs.vm[started], evidence.result.start_s[started]) > 0.5
    evidence.require("no slot is taken on a VM that is down", up, system.runs.ids, started)
    waits = _waits(evidence, takes)
    waiting_vm = system.runs.vm[waits[0]]
    ups = evidence.is_up
    grid = Grid.of(
        (vm, takes.from_s),
        (vm, takes.until_s),
        (waiting_vm, waits[1]),
        (waiting_vm, waits[2]),
        (ups.group, ups.at_s),
    )
    holding = grid.total(grid.span(vm, takes.from_s, takes.until_s), np.ones(len(vm)))
    waiting = grid.total(grid.span(waiting_vm, waits[1], waits[2]), np.ones(len(waiting_vm)))
    slots = np.where(system.vms.slots > 0, system.vms.slots, np.inf)[grid.group]
    long = grid.length_s > NEAR_S
    ids = system.vms.ids
    evidence.require("a VM runs no more runs at once than it has slots", ~long | (holding <= slots), ids, grid.group)
    up = evidence.is_up.at(grid.group, grid.middle_s) > 0.5
    idle = long & up & (waiting > 0) & (holding < slots)
    evidence.require("no slot is free while a run waits that may take it", ~idle, ids, grid.group)
    in_order = _in_order(evidence, takes, waits)
    evidence.require("slots are taken by ready time, then row", in_order, system.runs.ids, takes.run)


def check_attempts(evidence: Evidence, takes: Takes, has_failed: Bools) -> None:
    """Attempts are the slots taken and the run's own failure, where it struck."""
    runs, result = evidence.system.runs, evidence.result
    counted = np.bincount(takes.run, minlength=len(runs)) + (np.isfinite(runs.failed_cpu_s) & has_failed)
    known = np.isfinite(result.work_end_s) | np.isinf(runs.failed_cpu_s)
    evidence.require("attempts are slots taken and own failures", ~known | (result.attempts == counted), runs.ids)


def _waits(evidence: Evidence, takes: Takes) -> tuple[Ints, Floats, Floats]:
    """Stretches (run, from, until) over which a run waits in the queue and its window is open."""
    result, runs = evidence.result, evidence.system.runs
    ready = np.flatnonzero(np.isfinite(result.ready_s))
    run = np.concatenate((ready, takes.run[takes.lost]))
    from_s = np.concatenate((result.ready_s[ready], takes.until_s[takes.lost]))
    until_s = _next_takes(takes, run, from_s)
    some = until_s > from_s
    run, from_s, until_s = run[some], from_s[some], until_s[some]
    free = runs.calendar[run] < 0
    parts = [(run[free], from_s[free], until_s[free])]
    centre = evidence.system.centre
    for number in np.unique(runs.calendar[run[~free]]).tolist():
        windows = slice(int(centre.window_ptr[number]), int(centre.window_ptr[number + 1]))
        opens, closes = centre.window_open_s[windows], centre.window_close_s[windows]
        mine = np.flatnonzero(runs.calendar[run] == number)
        first = np.searchsorted(closes, from_s[mine], side="right")
        counts = np.maximum(np.searchsorted(opens, until_s[mine], side="left") - first, 0)
        wait = np.repeat(mine, counts)
        offset = np.arange(len(wait)) - np.repeat(np.cumsum(counts) - counts, counts)
        window = np.repeat(first, counts) + offset
        parts.append((run[wait], np.maximum(from_s[wait], opens[window]), np.minimum(until_s[wait], closes[window])))
    runs_of, begins, ends = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return runs_of, begins, ends


def _next_takes(takes: Takes, run: Ints, from_s: Floats) -> Floats:
    """When each run next takes a slot at or after a time; infinite when it never does."""
    order = np.lexsort((takes.from_s, takes.run))
    taken = np.empty(len(order), dtype=np.complex128)
    taken.real, taken.imag = takes.run[order], takes.from_s[order]
    asked = np.empty(len(run), dtype=np.complex128)
    asked.real, asked.imag = run, from_s
    place = np.searchsorted(taken, asked, side="left")
    inside = place < len(taken)
    until_s = np.full(len(run), np.inf)
    hit = np.flatnonzero(inside)
    same = takes.run[order][place[hit]] == run[hit]
    until_s[hit[same]] = takes.from_s[order][place[hit[same]]]
    return until_s


def _in_order(evidence: Evidence, takes: Takes, waits: tuple[Ints, Floats, Floats]) -> Bools:
    """Whether no run takes a slot while another waits before it in the queue.

    Who became ready in the instant of the take does not count: it may have been a round later.
    """
    ready_s, vm_of = evidence.result.ready_s.tolist(), evidence.system.runs.vm
    holds = np.ones(len(takes.run), dtype=np.bool_)
    for vm in np.unique(vm_of[waits[0]]).tolist():
        mine = np.flatnonzero(vm_of[waits[0]] == vm)
        mine = mine[np.argsort(waits[1][mine], kind="stable")]
        queue = zip(waits[1][mine].tolist(), waits[2][mine].tolist(), waits[0][mine].tolist(), strict=True)
        upcoming = iter(queue)
        next_one = next(upcoming, None)
        heap: list[tuple[float, int, float]] = []
        of_vm = np.flatnonzero(vm_of[takes.run] == vm)
        for take in of_vm[np.argsort(takes.from_s[of_vm], kind="stable")].tolist():
            now, run = float(takes.from_s[take]), int(takes.run[take])
            while next_one is not None and next_one[0] < now - NEAR_S:
                heapq.heappush(heap, (ready_s[next_one[2]], next_one[2], next_one[1]))
                next_one = next(upcoming, None)
            while heap and heap[0][2] <= now + NEAR_S:
                heapq.heappop(heap)
            holds[take] = not heap or heap[0][:2] >= (ready_s[run], run)
    return holds
