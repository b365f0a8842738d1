"""`kumiai simulate DIR --growth`: in which year the plan stops fitting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import RefusedError, emit, emit_text, progress_bar

if TYPE_CHECKING:
    from capacity.simulation.settings import Settings
    from layout.growth_records import GrowthResult, GrowthYear

MOST_YEARS = 50


def grow(directory: Path, settings: Settings, years: int, *, as_json: bool) -> None:
    """Judge the plan year by year, put `simulation/growth.json` into the folder, and say it."""
    if not 1 <= years <= MOST_YEARS:
        raise RefusedError(f"--growth: 年数は 1 から {MOST_YEARS} までです（{years}）")
    from capacity.simulation import growth
    from layout import folder

    plan = folder.read_planned(directory)
    with progress_bar() as progress:
        result = growth.years_that_fit(plan, settings, most_years=years, progress=progress)
    growth.write(plan, result)
    if as_json:
        emit_text(result.model_dump_json(indent=1))
        return
    for line in lines(result):
        emit(line)


def lines(result: GrowthResult) -> list[str]:
    """The verdict, the rates, and a line per simulated year."""
    assumed = "（仮定値）" if result.basis == "assumed" else ""
    rates = (
        f"年々の伸び{assumed}：住民 {result.residents_per_year:+.1%}、1 件あたりの処理量 {result.work_per_year:+.1%}、"
        f"住民 1 人あたりのオンライン負荷 {result.online_per_year:+.1%}"
    )
    return [result.verdict, rates, *(_line(year) for year in result.years)]


def _line(year: GrowthYear) -> str:
    fits = "収まる" if year.fits else "収まらない"
    return (
        f"  {year.fiscal_year} 年度：処理量 {year.work_factor:.2f} 倍、オンライン {year.online_factor:.2f} 倍、{fits}"
        f"（枠の超過 {year.windows_overrun:,} 件 最大 {year.worst_overrun_s / 60:,.1f} 分、"
        f"期限遅れ {year.deadlines_missed:,} 件 最大 {year.worst_lateness_s / 60:,.1f} 分）"
    )
