"""When is a system down, and how much of its own service hours does that cost?

A system serves while at least one VM of each of its roles is up. VMs are down while they restart after a failure, and,
where that is asked for, through hours in which too much of their online load is not served.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time

import numpy as np

from capacity.records import Floats, Ints
from estate.clock import JST
from layout.folder import FolderContents

from .records import Relocation
from .service_time import ServiceTime, service_time
from .spans import Interval, common, union

HOUR_S = 3600.0


@dataclass(frozen=True)
class Service:
    """One system of one tenant: its VM rows by role, and its service hours."""

    tenant: str
    system: str
    name: str
    roles: tuple[tuple[int, ...], ...]
    time: ServiceTime


@dataclass(frozen=True)
class Outages:
    """Per system, or replications x systems: how long, how often, and how long until it served again."""

    down_s: Floats
    """Service seconds lost."""
    count: Ints
    restore_s: Floats
    """Sum over the outages of the elapsed time until the system served again, closed hours included."""
    longest_s: Floats
    """Longest elapsed time of one outage."""

    def availability(self, service_s: Floats) -> Floats:
        """Share of the service seconds that was served; 1 where there are none."""
        share = np.divide(self.down_s, service_s, out=np.zeros_like(self.down_s), where=service_s > 0)
        return np.asarray(1.0 - share, dtype=np.float64)


def services(folder: FolderContents, origin: datetime, from_s: float, until_s: float) -> tuple[Service, ...]:
    """Every system of the estate with VMs in the layout, its service hours in `[from_s, until_s)` since `origin`.

    A system serves from the first day of its VMs until the last.
    """
    roles: dict[tuple[str, str], dict[str, list[int]]] = {}
    lives: dict[tuple[str, str], list[Interval]] = {}
    for row, vm in enumerate(folder.layout.vms):
        key = (vm.tenant, vm.system)
        roles.setdefault(key, {}).setdefault(vm.role, []).append(row)
        lives.setdefault(key, []).append(
            (
                -np.inf if vm.from_ is None else (vm.from_ - origin).total_seconds(),
                np.inf if vm.until is None else (vm.until - origin).total_seconds(),
            )
        )
    found = []
    for system in folder.estate.systems:
        key = (system.tenant, system.id)
        if key not in roles:
            continue
        first_s = max(from_s, min(life[0] for life in lives[key]))
        last_s = min(until_s, max(life[1] for life in lives[key]))
        hours = service_time(system.service_hours, origin, first_s, last_s) if first_s < last_s else _NEVER_OPEN
        found.append(Service(*key, system.name, tuple(tuple(vms) for vms in roles[key].values()), hours))
    return tuple(found)


_NEVER_OPEN = ServiceTime(np.zeros(0), np.zeros(0))


def fiscal_year(folder: FolderContents) -> tuple[datetime, float]:
    """The first midnight of the estate's fiscal year, and its length in seconds."""
    year = folder.estate.fiscal_year
    start, end = (datetime.combine(datetime(y, 4, 1), time.min, tzinfo=JST) for y in (year, year + 1))
    return start, (end - start).total_seconds()


def outages(
    served: Sequence[Service],
    relocations: Iterable[Relocation],
) -> Outages:
    """The outages of each system through these restarts."""
    down: dict[int, list[Interval]] = {}
    for move in relocations:
        if not move.keeps_work and move.until_s > move.at_s:
            down.setdefault(move.vm, []).append((move.at_s, move.until_s))
    count = len(served)
    found = Outages(np.zeros(count), np.zeros(count, dtype=np.int64), np.zeros(count), np.zeros(count))
    for row, service in enumerate(served):
        spans = union(span for role in service.roles for span in _all_down([down.get(vm, []) for vm in role]))
        if not spans:
            continue
        from_s, until_s = np.array(spans).T
        found.down_s[row] = service.time.within(from_s, until_s).sum()
        found.count[row] = len(spans)
        found.restore_s[row] = (until_s - from_s).sum()
        found.longest_s[row] = (until_s - from_s).max()
    return found


def _all_down(of_vms: Sequence[Sequence[Interval]]) -> list[Interval]:
    """When all of them are down at once."""
    at_once = union(of_vms[0])
    for spans in of_vms[1:]:
        at_once = common(at_once, spans)
    return at_once
