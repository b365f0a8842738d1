"""Differences between plans as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from layout.plan_comparison_records import PairedDifference, PlanComparison

SHOWN_JOBS = 10
_SAID = {
    "mean_delay_s": "計画終了との差 平均",
    "worst_delay_s": "計画終了との差 最大の処理",
    "mean_overrun_s": "枠の超過 平均",
    "worst_overrun_s": "枠の超過 最大",
    "mean_lateness_s": "期限の超過 平均",
    "worst_lateness_s": "期限の超過 最大",
    "least_room_s": "再実行の余裕 最小",
    "queue_s": "枠や実行枠の空きを待った時間 1 件平均",
    "cpu_wait_s": "CPU などを待った時間 1 件平均",
    "further_attempts": "やり直した処理の件数",
    "never_ended": "終わらない処理の件数",
    "deadline_missed": "期限に遅れる確率",
    "window_overrun": "枠を超える確率",
    "rerun_room_lost": "再実行の余裕を使い切る確率",
    "cpu_utilisation": "CPU 使用率",
    "online_unserved": "処理できないオンライン負荷の割合",
    "end_s": "終了時刻",
}
_SHARES = {"deadline_missed", "window_overrun", "rerun_room_lost", "cpu_utilisation", "online_unserved"}
_COUNTS = {"further_attempts", "never_ended"}


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
        yield from (f"  {_said(item)}" for item in own if item.scope == "all")
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
    scale, unit = _unit(item.name)
    half = "" if item.high_95 is None else f" ± {scale * (item.high_95 - item.difference):.1f}"
    pair = "" if item.name == "end_s" else f"{scale * item.first:.1f} → {scale * item.other:.1f} {unit}、"
    difference = round(scale * item.difference, 1) + 0.0
    return f"{who}{_SAID.get(item.name, item.name)}：{pair}差 {difference:+.1f}{half} {unit}{mark}"


def _unit(name: str) -> tuple[float, str]:
    if name in _SHARES:
        return 100.0, "%"
    return (1.0, "件") if name in _COUNTS else (1 / 60, "分")
