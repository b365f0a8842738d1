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
        f"ホストの故障 年 {result.host_failures_per_year:.2f} 件、"
        f"移る先がなく修理を待った仮想サーバ 年 {result.stranded_per_year:.2f} 台"
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
    interval = "" if entry.half_width_95 is None else f" ± {entry.half_width_95:.4%}"
    met = "" if entry.target_met is None else f"、目標を満たす年 {entry.target_met.share:.1%}"
    restored = "" if entry.restore_h is None else f"、平均復旧時間 {entry.restore_h * 60:,.1f} 分"
    return (
        f"  {entry.label}：稼働率 {entry.availability:.4%}{interval}（年 {entry.service_h:,.1f} 時間のうち）{met}、"
        f"停止 年 {entry.outages_per_year:.2f} 回{restored}"
    )
