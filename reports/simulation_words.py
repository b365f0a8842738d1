"""What the figures of a simulation are called, and in which unit they are shown."""

from __future__ import annotations

from layout.simulation_records import PlanSimulation
from layout.wareki import wareki

from .figures import week_name

FIGURES = {
    "deadline_missed": "期限に遅れる処理が 1 件でもある確率",
    "window_overrun": "枠を超える処理が 1 件でもある確率",
    "rerun_room_lost": "再実行の余裕が足りない処理が 1 件でもある確率",
    "mean_delay_s": "計画終了との差 平均",
    "worst_delay_s": "計画終了との差 最大の処理",
    "mean_overrun_s": "枠の超過 平均",
    "worst_overrun_s": "枠の超過 最大の処理",
    "mean_lateness_s": "期限の超過 平均",
    "worst_lateness_s": "期限の超過 最大の処理",
    "least_room_s": "再実行の余裕 最小の処理",
    "queue_s": "枠や実行枠の空きを待った時間 1 件平均",
    "cpu_wait_s": "CPU などを待った時間 1 件平均",
    "further_attempts": "やり直した処理の件数",
    "never_ended": "終わらない処理の件数",
    "late_runs": "期限に遅れる処理の件数",
    "overrun_runs": "枠を超える処理の件数",
    "room_short_runs": "計画より延び、失敗しても枠内でやり直せない処理の件数",
    "cpu_utilisation": "CPU 使用率",
    "online_unserved": "処理できないオンライン負荷の割合",
    "end_s": "終了時刻",
}
SHARES = frozenset({"deadline_missed", "window_overrun", "rerun_room_lost", "cpu_utilisation", "online_unserved"})
COUNTS = frozenset({"further_attempts", "never_ended", "late_runs", "overrun_runs", "room_short_runs"})
STOPPED = {
    "replications": "決めた回数",
    "half_width": "区間が十分に狭くなったため終了",
    "most_replications": "最大の回数まで繰り返しても区間は狭くなりきらず",
    "interrupted": "中断",
}
METHODS = {"student_t": "t 分布", "wilson": "Wilson のスコア区間"}


def scale_and_unit(name: str) -> tuple[float, str]:
    """What a figure is multiplied by to be shown, and its unit then."""
    if name in SHARES:
        return 100.0, "%"
    return (1.0, "件") if name in COUNTS else (1 / 60, "分")


def span_name(result: PlanSimulation) -> str:
    """The week or night that was simulated."""
    return week_name(result.week) if result.night is None else f"{wareki(result.night)}の夜（翌日の正午まで）"
