"""Japanese sentences for runs that fit no window: which run, which window, by how many minutes."""

from __future__ import annotations

import math
from datetime import timedelta

from capacity.records import Ints, Misfit, RunTable
from layout.wareki import wareki_time


def _minutes(seconds: float) -> str:
    """Whole minutes, rounded up: an excess of seconds is not zero minutes."""
    return f"{math.ceil(seconds / 60 - 1e-9):,} 分"


def window_misfit(runs: RunTable, run: int, row: int, start_s: float) -> Misfit:
    """Why a run that starts at `start_s` does not fit window row `row`, or its latest date."""

    def at(seconds: float) -> str:
        return wareki_time(runs.epoch + timedelta(seconds=seconds))

    job = int(runs.job[run])
    label = runs.job_labels[job] if runs.job_labels else runs.job_names[job]
    who = f"{label}（{runs.run_ids[run]}）"
    length = float(runs.fixed_s[run] + runs.cpu_s[run] / runs.max_cores[run])
    need = length * (2.0 if runs.rerun_room[run] else 1.0)
    opens, closes = float(runs.window_start_s[row]), float(runs.window_end_s[row])
    deadline = float(runs.deadline_s[run])
    rerun = f"、再実行の余裕 {_minutes(length)}を含む" if runs.rerun_room[run] else ""
    took = f"所要 {_minutes(length)}、開始 {at(start_s)}{rerun}"
    if closes <= opens:
        excess = start_s + need - closes
        return Misfit("window", f"{who}に使えるバッチ枠が {at(opens)} 以降にありません（{took}）。", run, excess / 60)
    if deadline < closes:
        excess = start_s + length - deadline
        reason = (
            f"{who}は期限 {at(deadline)} より前に始まるバッチ枠がなく、期限を {_minutes(excess)}超過します（{took}）。"
        )
        return Misfit("deadline", reason, run, excess / 60)
    excess = start_s + need - closes
    reason = f"{who}は {at(opens)} から {at(closes)} までのバッチ枠を {_minutes(excess)}超過します（{took}）。"
    return Misfit("window", reason, run, excess / 60)


def window_misfits(runs: RunTable, late: Ints, window: Ints, start_s: list[float]) -> tuple[Misfit, ...]:
    """The misfits of runs `late`, in order of release."""
    return tuple(window_misfit(runs, run, int(window[run]), start_s[run]) for run in sorted(late.tolist()))
