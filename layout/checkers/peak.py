"""Do the profile and the recorded peaks follow from the runs and the online load?"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from layout.records import PeakRecord

from .findings import Findings
from .load import SiteLoads
from .view import JST, SECOND, SLOT_S, Floats, View, microseconds

_TOLERANCE = 1e-6
_SLOT = int(SLOT_S) * SECOND


def check(view: View, loads: SiteLoads) -> Findings:
    """Violations: a profile value or a peak of run.json that differs from the one counted from the tables."""
    found = Findings()
    _profile(view, loads, found)
    found.add_all(_peaks(view, loads))
    return found


def _profile(view: View, loads: SiteLoads, found: Findings) -> None:
    table, zero = view.folder.profile, view.folder.estate.start
    names = pa.array([f"{site}/{tenant}" for site, tenant in loads.groups], type=pa.string())
    joined = pc.binary_join_element_wise(table.column("site"), table.column("tenant"), "/")
    group = np.asarray(pc.fill_null(pc.index_in(joined, value_set=names), -1).to_numpy(), dtype=np.int64)
    origin = microseconds(zero, dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
    raw = pc.cast(table.column("slot"), pa.int64()).to_numpy()
    slot, rest = np.divmod(raw - origin, _SLOT)
    known = (group >= 0) & (rest == 0) & (slot >= 0) & (slot < view.slots)

    def where(i: int) -> str:
        return f"profile.parquet {i + 1} 行目（{joined[i].as_py()}、{table.column('slot')[i].as_py():%Y-%m-%d %H:%M}）"

    values = {name: np.asarray(table.column(name).to_numpy(), dtype=np.float64) for name in ("before", "after")}
    empty = (values["before"] == 0) & (values["after"] == 0)
    found.add_where(~known & ~empty, lambda i: f"{where(i)}: 拠点と団体、または時刻が計画にありません")
    cell = group * view.slots + slot
    _, first = np.unique(cell[known], return_index=True)
    again = np.ones(int(known.sum()), dtype=np.bool_)
    again[first] = False
    rows = np.flatnonzero(known)
    found.add_where(again, lambda i: f"{where(int(rows[i]))}: 同じ枠が二度あります")
    # Beyond the horizon's end a profile may stop.
    required = np.tile(np.arange(view.slots) * _SLOT < view.horizon_us, len(loads.groups))
    required[cell[known]] = True
    for name, load in (("before", loads.before), ("after", loads.after)):
        counted = load.ravel()
        stated = np.zeros(load.size)
        stated[cell[known]] = values[name][known]
        lines = _Differences(view, loads, name, stated, counted)
        found.add_where(required & (np.abs(stated - counted) > _TOLERANCE), lines.line)


class _Differences(NamedTuple):
    """Lines about profile values that differ."""

    view: View
    loads: SiteLoads
    column: str
    stated: Floats
    counted: Floats

    def line(self, cell: int) -> str:
        group, slot = divmod(cell, self.view.slots)
        return (
            f"profile.parquet: {'/'.join(self.loads.groups[group])} {self.view.moment(slot * _SLOT)} の"
            f" {self.column} が {self.stated[cell]:.6f} です（実行表からの計算では {self.counted[cell]:.6f}）"
        )


def _peaks(view: View, loads: SiteLoads) -> Iterator[str]:
    records = {peak.site: peak for peak in view.folder.run.peaks}
    for site, count in Counter(peak.site for peak in view.folder.run.peaks).items():
        if count > 1:
            yield f"拠点 {site}: 最大値が {count} 回あります"
    for site in loads.sites:
        if site not in records:
            if loads.of_site(site, loads.after).max(initial=0.0) <= _TOLERANCE:
                continue
            yield f"拠点 {site}: 最大値が run.json にありません"
            continue
        record = records[site]
        for name, load, value, moment in (
            ("平準化前", loads.of_site(site, loads.before), record.before_cores, record.before_at),
            ("平準化後", loads.of_site(site, loads.after), record.after_cores, record.after_at),
        ):
            yield from _peak(view, f"拠点 {site}: {name}の最大値", load, value, moment)
        yield from _around(view, record)


def _peak(view: View, what: str, load: Floats, value: float, moment: dt.datetime) -> Iterator[str]:
    highest = float(load.max(initial=0.0))
    within = float(load[: view.horizon_us // _SLOT].max(initial=0.0))
    if min(abs(value - highest), abs(value - within)) > _TOLERANCE:
        yield f"{what} {value:.6f} コアが、実行表からの計算 {highest:.6f} と違います"
        return
    if moment.utcoffset() is None:
        yield f"{what}: 時刻に時差（+09:00）がありません"
        return
    slot, rest = divmod(microseconds(moment, view.folder.estate.start), _SLOT)
    if rest or not 0 <= slot < len(load) or abs(load[slot] - value) > _TOLERANCE:
        yield f"{what}: {moment:%Y-%m-%d %H:%M} は最大の枠ではありません"


def _around(view: View, record: PeakRecord) -> Iterator[str]:
    local = record.after_at.astimezone(JST).date()
    monday = local - dt.timedelta(days=local.weekday())
    if record.tightest_week != monday.isoformat():
        yield f"拠点 {record.site}: 最も厳しい週 {record.tightest_week} が、最大の枠の週 {monday} と違います"
    carrying = {vm.host for vm in view.folder.layout.vms}
    cores = sum(host.cores for host in view.folder.layout.hosts if host.site == record.site and host.id in carrying)
    if abs(record.capacity_cores - cores) > _TOLERANCE:
        yield f"拠点 {record.site}: capacity_cores {record.capacity_cores:g} が、使うホストのコア数 {cores} と違います"
