"""`kumiai simulate DIR --availability`: a year of host failures many times over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import RefusedError, emit, emit_text, progress_bar

if TYPE_CHECKING:
    from capacity.simulation.settings import Settings
    from layout.availability_records import AvailabilityResult, ServiceAvailability

SHOWN = 8
MOST_YEARS = 100_000


def show_availability(directory: Path, settings: Settings, years: int, *, as_json: bool) -> None:
    """Simulate the years, put `simulation/availability.json` into the folder, and say it."""
    if not 1 <= years <= MOST_YEARS:
        raise RefusedError(f"--availability: 年数は 1 から {MOST_YEARS:,} までです（{years}）")
    from capacity.simulation import availability_study
    from layout import folder

    plan = folder.read_planned(directory)
    with progress_bar() as progress:
        result = availability_study.availability(plan, settings, years=years, progress=progress)
    availability_study.write(plan, result)
    if as_json:
        emit_text(result.model_dump_json(indent=1))
        return
    for line in lines(result):
        emit(line)


def lines(result: AvailabilityResult) -> list[str]:
    """The verdict, the failures, and a line for each tenant and for the systems that are down most."""
    failures = (
        f"ホストの故障 年 {_count(result.host_failures_per_year, result.host_failures_half_width_95)} 件、"
        f"移る先がなく修理を待った仮想サーバ 年 {_count(result.stranded_per_year, result.stranded_half_width_95)} 台"
        "（± と括弧は 95 % 区間）"
    )
    return [
        result.verdict,
        failures,
        "団体ごと（各システムのサービス時間で数えた稼働率）：",
        *(_line(entry) for entry in result.tenants),
        "稼働率の低いシステム：",
        *(_line(entry) for entry in result.systems[:SHOWN]),
    ]


def _line(entry: ServiceAvailability) -> str:
    hours = f"（年 {'' if entry.system else 'のべ '}{entry.service_h:,.1f} 時間のうち）"
    return (
        f"  {entry.label}：稼働率 {entry.availability:.4%}{_spread(entry.half_width_95, '.4%')}{hours}{_met(entry)}、"
        f"停止 年 {_count(entry.outages_per_year, entry.outages_half_width_95)} 回{_restored(entry)}"
    )


def _spread(half: float | None, form: str) -> str:
    """Half an interval; nothing where all years were equal: that no year differed is not that none can."""
    return f" ± {half:{form}}" if half else ""


def _count(mean: float, half: float | None) -> str:
    return f"{mean:.2f}{_spread(half, '.2f')}"


def _met(entry: ServiceAvailability) -> str:
    met = entry.target_met
    if met is None:
        return ""
    return f"、目標を満たす年 {met.share:.1%}（{100 * met.low_95:.1f}〜{100 * met.high_95:.1f}）"


def _restored(entry: ServiceAvailability) -> str:
    if entry.restore_h is None:
        return ""
    half = None if entry.restore_half_width_95 is None else entry.restore_half_width_95 * 60
    return f"、平均復旧時間 {entry.restore_h * 60:,.1f}{_spread(half, ',.1f')} 分"
