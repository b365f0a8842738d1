"""The sentences that a planner reads after `kumiai plan`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layout.records import Bound, MisfitRecord, PeakRecord, RunRecord
from layout.wareki import wareki_time


def verdict(
    fiscal_year: str,
    peaks: Sequence[PeakRecord],
    bounds: Sequence[Bound],
    misfits: Sequence[MisfitRecord],
    site_names: Mapping[str, str],
) -> str:
    """The first line: does it fit, and how tight or why not."""
    if misfits:
        first = misfits[0].reason
        more = f"（ほか {len(misfits) - 1} 件）" if len(misfits) > 1 else ""
        return f"判定：不適合 — {first}{more}"
    if not peaks:
        return f"判定：適合 — {fiscal_year}、CPU 負荷はありません"
    tightest = max(peaks, key=lambda peak: peak.after_cores / max(peak.capacity_cores, 1e-9))
    room = 1 - tightest.after_cores / tightest.capacity_cores
    hosts = "、".join(f"{site_names[bound.site]} {bound.plan:.0f} 台" for bound in bounds if bound.resource == "hosts")
    return (
        f"判定：適合 — {fiscal_year}、最繁忙 {wareki_time(tightest.after_at)}（{site_names[tightest.site]}）、"
        f"CPU 余裕 {room:.0%}、物理サーバ {hosts}（予備を含む）"
    )


def summary(record: RunRecord, site_names: Mapping[str, str]) -> tuple[str, ...]:
    """Lines below the verdict: runs, peaks before and after levelling with their bound, misfits, checks."""
    lines = [f"実行数：{record.runs:,} 件"]
    lines += [
        f"CPU 最大負荷（{site_names[peak.site]}）：平準化前 {peak.before_cores:.1f} → "
        f"平準化後 {peak.after_cores:.1f} コア"
        f"（{_ratio(peak.after_cores, peak.before_cores)}）、理論下限 {peak.bound_cores:.1f}"
        f"（{_times(peak.after_cores, peak.bound_cores)}）、使用中の物理サーバ {peak.capacity_cores:.0f} コア"
        for peak in record.peaks
    ]
    lines += [f"不適合：{misfit.reason}" for misfit in record.misfits[:20]]
    if len(record.misfits) > 20:
        lines.append(f"不適合：ほか {len(record.misfits) - 20} 件（run.json の misfits を参照）")
    failed = [check for check in record.checks if not check.passed]
    lines.append(f"独立検査：{len(record.checks) - len(failed)} / {len(record.checks)} 合格")
    lines += [f"検査 {check.checker}：{check.violations[0]}（{check.count} 件）" for check in failed]
    return tuple(lines)


def _ratio(after: float, before: float) -> str:
    return f"{after / before:.0%}" if before > 0 else "—"


def _times(plan: float, bound: float) -> str:
    return f"{plan / bound:.2f} 倍" if bound > 0 else "—"
