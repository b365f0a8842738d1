"""CPU load for drawing: the week of a site by tenant from `profile.parquet`, and the peak of every host."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from estate.clock import JST
from layout.checkers.load import host_load
from layout.checkers.view import look
from layout.folder import PlanFolder

SLOT = timedelta(minutes=10)
WEEK_SLOTS = 7 * 144
MOST_SERIES = 12
"""More tenants than this cannot be told apart by colour: the smallest are drawn as one."""


@dataclass(frozen=True)
class Series:
    """Load of one tenant (or of the rest) per slot of the week, cores."""

    name: str
    shared: bool
    """The shared systems, or the tenants that are drawn as one."""
    before: tuple[float, ...]
    after: tuple[float, ...]

    @property
    def core_hours(self) -> float:
        """Work of the week after levelling, core hours."""
        return sum(self.after) / 6


@dataclass(frozen=True)
class WeekLoad:
    """A site's week in slots of 10 minutes, stacked by tenant from the bottom."""

    monday: date
    planned_slots: int
    """Slots up to the end of the horizon; later ones hold only what was begun before."""
    series: tuple[Series, ...]

    def total(self, *, before: bool) -> tuple[float, ...]:
        """Load of all tenants per slot, cores."""
        rows = [series.before if before else series.after for series in self.series]
        return tuple(float(sum(column)) for column in zip(*rows, strict=True)) if rows else (0.0,) * WEEK_SLOTS


def week_load(folder: PlanFolder, site: str, monday: date) -> WeekLoad:
    """The load of the week that begins on `monday` (00:00 in Japan), by tenant, before and after levelling."""
    start = datetime(monday.year, monday.month, monday.day, tzinfo=JST)
    profile = folder.profile
    slot = profile.column("slot")
    inside = pc.and_(
        pc.equal(profile.column("site"), site),
        pc.and_(
            pc.greater_equal(slot, pa.scalar(start, slot.type)),
            pc.less(slot, pa.scalar(start + 7 * 144 * SLOT, slot.type)),
        ),
    )
    rows = profile.filter(inside)
    loads: dict[str, np.ndarray[tuple[int, int], np.dtype[np.float64]]] = {}
    numbers = (rows.column("slot").cast(pa.int64()).to_numpy() - int(start.timestamp() * 1e6)) // int(
        SLOT.total_seconds() * 1e6
    )
    before, after = rows.column("before").to_numpy(), rows.column("after").to_numpy()
    tenants = np.array(rows.column("tenant").to_pylist(), dtype=object)
    for tenant in sorted(set(tenants.tolist())):
        mine = tenants == tenant
        load = np.zeros((2, WEEK_SLOTS))
        np.add.at(load, (0, numbers[mine]), before[mine])
        np.add.at(load, (1, numbers[mine]), after[mine])
        loads[tenant] = load
    planned = int((folder.estate.end - start) / SLOT)
    return WeekLoad(monday=monday, planned_slots=min(max(planned, 0), WEEK_SLOTS), series=_series(folder, loads))


def host_peaks(folder: PlanFolder) -> dict[str, float]:
    """Largest average load of a 10-minute slot per host, cores, of the planned starts and the online load."""
    hosts = folder.layout.hosts
    load = host_load(look(folder))
    return {host.id: float(row.max(initial=0.0)) for host, row in zip(hosts, load, strict=True)}


def _series(
    folder: PlanFolder, loads: dict[str, np.ndarray[tuple[int, int], np.dtype[np.float64]]]
) -> tuple[Series, ...]:
    """Shared systems lowest, then the tenants in the estate's order; beyond MOST_SERIES the smallest become one."""
    order = {tenant.id: (not tenant.members, number) for number, tenant in enumerate(folder.estate.tenants)}
    names = {tenant.id: tenant.name for tenant in folder.estate.tenants}
    shared = {tenant.id for tenant in folder.estate.tenants if tenant.members}
    kept = sorted(loads, key=lambda tenant: (-float(loads[tenant][1].sum()), tenant))
    rest: list[str] = []
    if len(kept) > MOST_SERIES:
        kept, rest = kept[: MOST_SERIES - 1], kept[MOST_SERIES - 1 :]
    drawn = [
        _one(names.get(tenant, tenant), tenant in shared, loads[tenant])
        for tenant in sorted(kept, key=lambda tenant: (*order.get(tenant, (True, len(order))), tenant))
    ]
    if rest:
        drawn.append(_one(f"その他（{len(rest)} 団体）", True, np.sum([loads[tenant] for tenant in rest], axis=0)))
    return tuple(drawn)


def _one(name: str, shared: bool, load: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Series:
    return Series(name=name, shared=shared, before=tuple(load[0].tolist()), after=tuple(load[1].tolist()))
