"""The shape of a measured day: how online load goes up and down on business and on closed days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.calendar import is_business_day
from capacity.records import Floats

from .load_records import LoadRecord, LoadSeries
from .override import quoted, rounded

_SPANS = 48
_CLOCK = [f"{half // 2:02d}:{half % 2 * 30:02d}" for half in range(_SPANS)] + ["24:00"]
FEWEST_DAYS = 3
"""Days of a kind below which a mean says nothing about it."""


@dataclass(frozen=True)
class DayShape:
    """Mean load per half hour, as shares of the highest half hour of business days."""

    name: str
    peak_cores: float
    """The highest half hour's mean over business days."""
    peak_spread: float
    """Standard deviation of that half hour between days, in cores; 0 for one day."""
    business_day: tuple[float, ...]
    closed_day: tuple[float, ...]
    """Empty where too few closed days were measured."""
    days: int
    first_day: str
    last_day: str


@dataclass(frozen=True)
class Unshaped:
    """A series that is too short for a shape, and why."""

    name: str
    reason: str


def day_shape(series: LoadSeries) -> DayShape | Unshaped:
    """The shape of one VM's days."""
    dates = sorted({at.date() for at in series.at})
    open_days = [day for day in dates if is_business_day(day)]
    if len(open_days) < FEWEST_DAYS:
        return Unshaped(series.name, f"開庁日の測定が {len(open_days)} 日しかありません（{FEWEST_DAYS} 日以上）")
    row = {day: number for number, day in enumerate(dates)}
    total, count = np.zeros((len(dates), _SPANS)), np.zeros((len(dates), _SPANS))
    where = (
        np.array([row[at.date()] for at in series.at]),
        np.array([at.hour * 2 + at.minute // 30 for at in series.at]),
    )
    np.add.at(total, where, np.array(series.cores))
    np.add.at(count, where, 1.0)
    means = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    is_open = np.array([is_business_day(day) for day in dates])
    business = _mean(means[is_open])
    peak = float(business.max())
    if peak <= 0:
        return Unshaped(series.name, "開庁日の負荷がありません")
    at_peak = means[is_open][:, int(business.argmax())]
    at_peak = at_peak[~np.isnan(at_peak)]
    closed = _mean(means[~is_open]) if (~is_open).sum() >= FEWEST_DAYS else np.zeros(0)
    return DayShape(
        name=series.name,
        peak_cores=peak,
        peak_spread=float(at_peak.std(ddof=1)) if len(at_peak) > 1 else 0.0,
        business_day=tuple((business / peak).tolist()),
        closed_day=tuple(np.minimum(closed / peak, 1.0).tolist()),
        days=len(dates),
        first_day=dates[0].isoformat(),
        last_day=dates[-1].isoformat(),
    )


def _mean(means: Floats) -> Floats:
    """Mean per half hour over the days that have samples in it; 0 where none has."""
    days = (~np.isnan(means)).sum(axis=0)
    found: Floats = np.divide(np.nansum(means, axis=0), days, out=np.zeros(_SPANS), where=days > 0)
    return found


def online_block(record: LoadRecord, shapes: list[DayShape], population: int | None) -> str:
    """Catalogue text: `online_profiles` and, for each VM, the `online` block of its role.

    Without the residents served, the block's `cores_per_1000_residents` is left for the reader, as a comment.
    """
    lines = ["online_profiles:"]
    for number, shape in enumerate(shapes, start=1):
        source = (
            f"{record.kind}、{shape.first_day}～{shape.last_day} の {shape.days} 日、30 分ごとの平均、{record.source}"
        )
        lines += [
            f"  measured-{number}:",
            f"    name: {quoted('実測 ' + shape.name[:60])}",
            f"    business_day: {_spans(shape.business_day)}",
            *([f"    closed_day: {_spans(shape.closed_day)}"] if shape.closed_day else []),
            "    basis: measured",
            f"    source: {quoted(source[:400])}",
        ]
    for number, shape in enumerate(shapes, start=1):
        peak = f"ピーク {shape.peak_cores:.3g} コア（日による標準偏差 {shape.peak_spread:.2f}）"
        lines.append(f"# {_comment(shape.name)}：{peak}。該当する役割の online に次を書く")
        if population is None:
            lines.append(
                f"# online: {{profile: measured-{number}, cores_per_1000_residents: ピーク ÷ 住民数 × 1000, …}}"
            )
        else:
            cores = rounded(shape.peak_cores / population * 1000)
            source = f"{record.kind}、{peak} ÷ {population:,} 人、{record.source}"
            lines.append(
                f"# online: {{profile: measured-{number}, cores_per_1000_residents: {cores}, basis: measured, "
                f"source: {quoted(source[:400])}}}"
            )
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:60]


def _spans(shares: tuple[float, ...]) -> str:
    """Spans of the day of equal share (two digits), those without load left out."""
    values = [min(1.0, round(share, 2)) for share in shares]
    spans = []
    begin = 0
    for half in range(1, _SPANS + 1):
        if half == _SPANS or values[half] != values[begin]:
            if values[begin] > 0:
                spans.append(f'"{_CLOCK[begin]}-{_CLOCK[half]}": {values[begin]:g}')
            begin = half
    return "{" + ", ".join(spans) + "}"
