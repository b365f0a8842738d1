"""Differences between plans as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor, log10

from layout.plan_comparison_records import PairedDifference, PlanComparison

from .simulation_words import FIGURES, scale_and_unit

SHOWN_JOBS = 10
_ALWAYS = ("mean_delay_s", "deadline_missed", "window_overrun")
"""Shown even where they do not differ."""


def lines(result: PlanComparison) -> Iterator[str]:
    """The verdict, the plans, and per plan what differs from the first one: sums, sites, tenants, then jobs."""
    yield result.verdict
    first = result.plans[0]
    yield f"基準：{first.name}（{first.runs:,} 件）"
    for plan in result.plans[1:]:
        yield f"比較：{plan.name}（{plan.runs:,} 件、差は「この計画 − 基準」、± は 95 % 信頼区間の半幅）"
        if plan.jobs_only_here or first.jobs_only_here:
            yield f"  片方にしかない処理：基準に {first.jobs_only_here:,} 種、この計画に {plan.jobs_only_here:,} 種"
        own = [difference for difference in result.differences if difference.plan == plan.name]
        overall = [item for item in own if item.scope == "all" and (item.differs or item.name in _ALWAYS)]
        yield from (f"  {_said(item)}" for item in overall)
        differing = [item for item in own if item.differs and item.scope in ("site", "tenant")]
        yield from (f"  {_said(item)}" for item in differing)
        jobs = [item for item in own if item.differs and item.scope == "job"]
        jobs.sort(key=lambda item: -abs(item.difference))
        yield from (f"  {_said(item)}" for item in jobs[:SHOWN_JOBS])
        if len(jobs) > SHOWN_JOBS:
            yield f"  ほか、処理ごとの数値 {len(jobs) - SHOWN_JOBS:,} 個に差があります（--json に全部）"


def _said(item: PairedDifference) -> str:
    who = f"{item.label} " if item.label else ""
    mark = "" if item.differs else "（差とはいえない）"
    scale, unit = scale_and_unit(item.name)
    digits = _digits(scale * item.difference) if item.differs else 1
    half = 0.0 if item.high_95 is None else scale * (item.high_95 - item.difference)
    # Differences that were all equal have shown no spread; that they can never differ is not known.
    interval = f" ± {half:.{digits}f}" if half > 0 else ""
    first = _with_half(scale * item.first, item.first_half_width_95, scale, digits)
    other = _with_half(scale * item.other, item.other_half_width_95, scale, digits)
    pair = "" if item.name == "end_s" else f"{first} → {other} {unit}、"
    difference = round(scale * item.difference, digits) + 0.0
    return f"{who}{FIGURES[item.name]}：{pair}差 {difference:+.{digits}f}{interval} {unit}{mark}"


def _with_half(value: float, half_width: float | None, scale: float, digits: int) -> str:
    half = f" ± {scale * half_width:.{digits}f}" if half_width else ""
    return f"{value:.{digits}f}{half}"


def _digits(difference: float) -> int:
    """Decimals in which a difference that there is does not show as 0."""
    return 1 if abs(difference) >= 0.05 or difference == 0 else min(9, 1 - floor(log10(abs(difference))))
