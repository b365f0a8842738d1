"""Storage and lines: when everything that a run reads, writes and sends is through, worked out once more.

Service of bandwidth is not in the served table. But when it begins, who takes part and how it is shared are known, so
its ends are too: work is through when cores, storage and line are.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from .evidence import INSTANT_S, NEAR_S, Evidence
from .wants import Works

AFTER_IDLE, MOVE, LOSS, SLOT_TAKEN, THROUGH = range(5)
"""What happens at one time, in this order: idle time ends before a VM moves, a slot is taken after it."""


def check_bandwidth(evidence: Evidence, works: Works) -> None:
    """Note every run whose work ends otherwise than cores, storage and line say."""
    runs = evidence.system.runs
    some = np.flatnonzero((runs.io_mib[works.run] > 0) | (runs.line_mib[works.run] > 0))
    if not len(some):
        return
    replay = _Replay(evidence, works, some.tolist())
    replay.run()
    ends = np.flatnonzero(works.ends)
    ends = ends[np.isin(ends, some)]
    through_s = np.array([replay.through_s[work] for work in ends.tolist()], dtype=np.float64)
    expected = np.maximum(through_s, works.cpu_through_s[ends])
    found = works.until_s[ends]
    slack = 2 * NEAR_S + 1e-9 * np.abs(found - works.from_s[ends])
    in_time = np.abs(found - expected) <= slack
    evidence.require("work ends when cores, storage and line are through", in_time, runs.ids, works.run[ends])


@dataclass
class _Transfer:
    """What one work has left on one resource."""

    work: int
    vm: int
    left: float
    rate: float = 0.0


@dataclass
class _Resource:
    """Storage of a host, or a line; `by_weight` tells which."""

    mib_s: float
    by_weight: bool
    transfers: list[_Transfer] = field(default_factory=list)
    since_s: float = 0.0
    version: int = 0


class _Replay:
    """From event to event: works begin, are lost, move with their VM, and are through."""

    def __init__(self, evidence: Evidence, works: Works, some: list[int]) -> None:
        system = evidence.system
        self.system = system
        self.works = works
        self.through_s = {work: float(works.from_s[work]) for work in some}
        self.storage = [_Resource(mib_s, by_weight=True) for mib_s in system.hosts.io_mib_s.tolist()]
        self.lines = [_Resource(mib_s, by_weight=False) for mib_s in system.centre.line_mib_s.tolist()]
        self.on: dict[int, list[tuple[_Resource, _Transfer]]] = defaultdict(list)
        self.of_vm: dict[int, set[int]] = defaultdict(set)
        self.events: list[tuple[float, int, int, int]] = []
        self.resources = [*self.storage, *self.lines]
        self.number = {id(resource): number for number, resource in enumerate(self.resources)}
        at_slot = works.at_slot[some]
        vm = system.runs.vm[works.run[some]]
        nudge = np.where(at_slot, NEAR_S / 10, -NEAR_S / 10)
        self.host = dict(
            zip(some, evidence.host_of.at(vm, works.from_s[some] + nudge).astype(int).tolist(), strict=True)
        )
        moves_of: dict[int, list[float]] = defaultdict(list)
        for moved, at_s in zip(system.changes.move_vm.tolist(), system.changes.move_at_s.tolist(), strict=True):
            moves_of[moved].append(at_s)
        for work in some:
            kind = SLOT_TAKEN if works.at_slot[work] else AFTER_IDLE
            begin_s = float(works.from_s[work])
            same_instant = (
                at_s for at_s in moves_of[system.runs.vm[works.run[work]]] if abs(at_s - begin_s) <= INSTANT_S
            )
            heapq.heappush(self.events, (next(same_instant, begin_s), kind, work, 0))
            if not works.ends[work] and np.isfinite(works.until_s[work]):
                heapq.heappush(self.events, (float(works.until_s[work]), LOSS, work, 0))
        changes = system.changes
        for row in np.flatnonzero(changes.move_keeps_work).tolist():
            event = (float(changes.move_at_s[row]), MOVE, int(changes.move_vm[row]), int(changes.move_to_host[row]))
            heapq.heappush(self.events, event)

    def run(self) -> None:
        """Until nothing is left to be served."""
        while self.events:
            now, kind, subject, detail = heapq.heappop(self.events)
            if kind == MOVE:
                self._move(subject, detail, now)
            elif kind == LOSS:
                self._stop(subject, now)
            elif kind == THROUGH:
                self._through(self.resources[subject], detail, now)
            else:
                run = self.works.run[subject]
                vm, host = int(self.system.runs.vm[run]), self.host[subject]
                self.of_vm[vm].add(subject)
                self._put(self.storage[host], _Transfer(subject, vm, float(self.system.runs.io_mib[run])), now)
                self._put(self._line(host), _Transfer(subject, vm, float(self.system.runs.line_mib[run])), now)

    def _line(self, host: int) -> _Resource | None:
        line = int(self.system.hosts.line[host])
        return self.lines[line] if line >= 0 else None

    def _put(self, resource: _Resource | None, transfer: _Transfer, now: float) -> None:
        if transfer.left <= transfer.rate * NEAR_S / 10:  # nothing, or through in the instant of a move
            self.through_s[transfer.work] = max(self.through_s[transfer.work], now)
            return
        if resource is None or np.isinf(resource.mib_s):
            self.through_s[transfer.work] = max(self.through_s[transfer.work], now)
            return
        self._settle(resource, now)
        resource.transfers.append(transfer)
        self.on[transfer.work].append((resource, transfer))
        self._share(resource, now)

    def _stop(self, work: int, now: float) -> list[tuple[_Resource, _Transfer]]:
        stopped = self.on.pop(work, [])
        for resource, transfer in stopped:
            self._settle(resource, now)
            resource.transfers.remove(transfer)
            self._share(resource, now)
        self.of_vm[int(self.system.runs.vm[self.works.run[work]])].discard(work)
        return stopped

    def _move(self, vm: int, to_host: int, now: float) -> None:
        for work in sorted(self.of_vm[vm]):
            stopped = self._stop(work, now)
            self.of_vm[vm].add(work)
            for resource, transfer in stopped:
                self._put(self.storage[to_host] if resource.by_weight else self._line(to_host), transfer, now)

    def _through(self, resource: _Resource, version: int, now: float) -> None:
        if version != resource.version:
            return
        self._settle(resource, now)
        for transfer in [each for each in resource.transfers if each.left <= each.rate * NEAR_S / 10]:
            resource.transfers.remove(transfer)
            self.on[transfer.work].remove((resource, transfer))
            self.through_s[transfer.work] = max(self.through_s[transfer.work], now)
        self._share(resource, now)

    def _settle(self, resource: _Resource, now: float) -> None:
        for transfer in resource.transfers:
            transfer.left -= transfer.rate * (now - resource.since_s)
        resource.since_s = now

    def _share(self, resource: _Resource, now: float) -> None:
        resource.version += 1
        transfers = resource.transfers
        if not transfers:
            return
        vms = [transfer.vm for transfer in transfers]
        weight = self.system.vms.weight if resource.by_weight else None
        total = float(sum(weight[vm] for vm in set(vms))) if weight is not None else 1.0
        for transfer in transfers:
            part = weight[transfer.vm] / total / vms.count(transfer.vm) if weight is not None else 1 / len(vms)
            transfer.rate = resource.mib_s * float(part)
        next_s = now + min(max(0.0, transfer.left) / transfer.rate for transfer in transfers)
        heapq.heappush(self.events, (next_s, THROUGH, self.number[id(resource)], resource.version))
