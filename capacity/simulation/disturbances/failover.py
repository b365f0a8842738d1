"""Where and when VMs are up again after hosts stop or a whole site is lost."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from capacity.records import Bools, Ints
from estate.disturbance_records import HostFailure, SiteLoss

from ..records import Relocation
from .durations import MINUTE_S
from .fleet import Fleet, Occupancy

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class HostStop:
    """A host stops at `at_s` and is back, empty, at `back_s`."""

    host: int
    at_s: float
    back_s: float


@dataclass(frozen=True, slots=True)
class SiteStop:
    """All hosts of a site stop at `at_s` and are back at `back_s`."""

    site: str
    at_s: float
    back_s: float


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """A live move that the plan makes at `at_s`: left out where the VM has been restarted or its new host is down."""

    vm: int
    at_s: float
    to_host: int


@dataclass(frozen=True, slots=True)
class Stranded:
    """A VM that found no room anywhere: it waits for its own host."""

    vm: int
    at_s: float
    until_s: float


@dataclass(frozen=True)
class Failover:
    """Every restart, in order of the stops (never two at once of one VM), and who found no room."""

    relocations: tuple[Relocation, ...]
    stranded: tuple[Stranded, ...]


def failover(
    fleet: Fleet,
    stops: Iterable[HostStop | SiteStop],
    *,
    planned: Iterable[PlannedMove] = (),
    host_failure: HostFailure | None = None,
    site_loss: SiteLoss | None = None,
    line_mib_s: float | None = None,
) -> Failover:
    """The restarts after these stops, taken in order of time.

    After a host stop its VMs start on other hosts that they may run on, spare ones first, in `restart_order`, so many
    at once per site as the record says. After the loss of a site they start at the backup sites: whole systems in
    order of restore priority, one VM of each role first, the other replicas with what room is left; each VM waits for
    its part of the data, which comes over the line one VM after the other. What finds no room starts on its own host
    when that is back. A stop of a host that is down is passed over. Data are taken to be within reach of every host
    that a VM may run on. Moves that the plan makes live are among the relocations. VMs do not return: a host that is
    back is free for the next failure. Raises ValueError where the record for a kind of stop is missing.
    """
    state = _State(fleet, host_failure, site_loss, line_mib_s)
    for event in sorted([*stops, *planned], key=lambda event: event.at_s):
        state.take(event)
    return Failover(tuple(state.relocations), tuple(state.stranded))


class _State:
    def __init__(
        self, fleet: Fleet, host_failure: HostFailure | None, site_loss: SiteLoss | None, line_mib_s: float | None
    ) -> None:
        self._fleet = fleet
        self._host_failure = host_failure
        self._site_loss = site_loss
        self._line_mib_s = line_mib_s
        self._occupancy = Occupancy(fleet)
        self._last: dict[int, int] = {}
        self._starters: dict[str, list[float]] = {}
        self.relocations: list[Relocation] = []
        self.stranded: list[Stranded] = []

    def take(self, event: HostStop | SiteStop | PlannedMove) -> None:
        if isinstance(event, PlannedMove):
            self._moves(event)
        elif isinstance(event, SiteStop):
            self._site_stops(event)
        elif self._occupancy.back_s[event.host] <= event.at_s:
            self._host_stops(event)

    def _moves(self, move: PlannedMove) -> None:
        if move.vm not in self._last and self._occupancy.back_s[move.to_host] <= move.at_s:
            self._occupancy.move(move.vm, move.to_host)
            self.relocations.append(Relocation(move.vm, move.at_s, move.at_s, move.to_host, keeps_work=True))

    def _host_stops(self, stop: HostStop) -> None:
        record = self._host_failure
        if record is None:
            raise ValueError("a host stops, and no record says how its VMs restart")
        self._occupancy.back_s[stop.host] = stop.back_s
        vms = self._fleet.restart_order(self._occupancy.vms_on(stop.host))
        site = self._fleet.host_site[stop.host]
        starters = self._starters.setdefault(site, [-np.inf] * record.parallel_restarts)
        first_s, takes_s = stop.at_s + MINUTE_S * record.detection_min, MINUTE_S * record.restart_min
        waiting = []
        for vm in vms:
            to_host = self._occupancy.find_room(vm, self._fleet.allowed[self._fleet.host_set[vm]], stop.at_s)
            if to_host is None:
                waiting.append((vm, stop.host))
            else:
                self._occupancy.move(vm, to_host)
                self._restart(vm, stop.at_s, _next_start(starters, first_s, takes_s), to_host)
        self._wait(waiting, stop.at_s, {stop.host: stop.back_s}, takes_s, record.parallel_restarts)

    def _site_stops(self, stop: SiteStop) -> None:
        record = self._site_loss
        if record is None:
            raise ValueError("a site is lost, and no record says how its VMs restart")
        fleet, occupancy = self._fleet, self._occupancy
        lost = np.array([site == stop.site for site in fleet.host_site], dtype=np.bool_)
        occupancy.back_s[lost] = np.maximum(occupancy.back_s[lost], stop.back_s)
        backup = np.array([site in fleet.backup_sites for site in fleet.host_site], dtype=np.bool_) & ~lost
        vms = np.flatnonzero(lost[occupancy.host])
        takes_s = MINUTE_S * record.restart_min
        starters = [-np.inf] * record.parallel_restarts
        first_s = stop.at_s + HOUR_S * record.decision_h
        arrived_s = first_s
        placed = self._placed_at(backup, vms, stop.at_s)
        for vm in placed:
            if self._line_mib_s is not None:
                arrived_s += record.transfer_share * fleet.data_mib[vm] / self._line_mib_s
            self._restart(vm, stop.at_s, _next_start(starters, arrived_s, takes_s), int(occupancy.host[vm]))
        there = set(placed)
        waiting = [(vm, int(occupancy.host[vm])) for vm in fleet.restart_order(vms) if vm not in there]
        backs = dict(zip(range(len(lost)), occupancy.back_s.tolist(), strict=True))
        self._wait(waiting, stop.at_s, backs, takes_s, record.parallel_restarts)

    def _placed_at(self, allowed: Bools, vms: Ints, at_s: float) -> list[int]:
        """Rows that find room, in the order in which they start; they are moved there."""
        placed: list[int] = []
        further: list[int] = []
        for of_system in _systems(self._fleet, self._fleet.restart_order(vms)):
            one_each, replicas = _one_of_each_role(self._fleet, of_system)
            if self._all_placed(one_each, allowed, at_s):
                placed += one_each
                further += replicas
        for vm in further:
            if self._all_placed([vm], allowed, at_s):
                placed.append(vm)
        return placed

    def _all_placed(self, vms: list[int], allowed: Bools, at_s: float) -> bool:
        """Whether all of these found room; otherwise all are where they were."""
        before = [(vm, int(self._occupancy.host[vm])) for vm in vms]
        for number, vm in enumerate(vms):
            to_host = self._occupancy.find_room(vm, allowed, at_s)
            if to_host is None:
                for moved, host in before[:number]:
                    self._occupancy.move(moved, host)
                return False
            self._occupancy.move(vm, to_host)
        return True

    def _wait(
        self, vms: list[tuple[int, int]], at_s: float, back_s: dict[int, float], takes_s: float, parallel: int
    ) -> None:
        for number, (vm, host) in enumerate(vms):
            until_s = back_s[host] + takes_s * (1 + number // parallel)
            self.stranded.append(Stranded(vm, at_s, until_s))
            self._restart(vm, at_s, until_s, host)

    def _restart(self, vm: int, at_s: float, until_s: float, to_host: int) -> None:
        """Note the restart; a VM that was down still stays down from its first failure on."""
        last = self._last.get(vm)
        if last is not None and self.relocations[last].until_s > at_s:
            down_since_s = self.relocations[last].at_s
            self.relocations[last] = Relocation(vm, down_since_s, until_s, to_host, keeps_work=False)
            return
        self._last[vm] = len(self.relocations)
        self.relocations.append(Relocation(vm, at_s, until_s, to_host, keeps_work=False))


def _next_start(starters: list[float], ready_s: float, takes_s: float) -> float:
    """When the VM is up that is ready to start at `ready_s`: the first free starter takes it."""
    up_s = max(starters[0], ready_s) + takes_s
    heapq.heapreplace(starters, up_s)
    return up_s


def _systems(fleet: Fleet, ordered: Sequence[int]) -> Iterator[list[int]]:
    """The VMs by system, systems in the order of their first VM."""
    found: dict[tuple[str, str], list[int]] = {}
    for vm in ordered:
        found.setdefault(fleet.service[vm], []).append(vm)
    yield from found.values()


def _one_of_each_role(fleet: Fleet, vms: Sequence[int]) -> tuple[list[int], list[int]]:
    seen: set[str] = set()
    first: list[int] = []
    others: list[int] = []
    for vm in vms:
        (others if fleet.role[vm] in seen else first).append(vm)
        seen.add(fleet.role[vm])
    return first, others
