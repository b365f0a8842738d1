"""A simulated week or night as lines for the terminal: the answer first, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from layout.simulation_records import Estimate, Figure, JobLateness, PlanSimulation

SHOWN_JOBS = 8
_STOPPED = {
    "replications": "決めた回数",
    "half_width": "区間が十分に狭くなったため終了",
    "most_replications": "最大の回数まで繰り返しても区間は狭くなりきらず",
    "interrupted": "中断",
}


def lines(result: PlanSimulation) -> Iterator[str]:
    """The verdict, how it was found, what may be missed, how full hosts are, and the jobs that end late."""
    yield result.verdict
    stopped = _STOPPED[result.stopped_by]
    yield f"反復 {result.replications:,} 回（{stopped}）、乱数の種 {result.seed}、計算方法 {result.engine}"
    known = {(figure.name, figure.scope): figure for figure in result.figures if figure.scope == "all"}
    for name, said in _CHANCES.items():
        figure = known.get((name, "all"))
        if figure is not None:
            yield f"  {said}：{figure.mean:.1%}（95 % 区間 {figure.low_95:.1%}〜{figure.high_95:.1%}）"
    for name, said in _MINUTES.items():
        figure = known.get((name, "all"))
        if figure is not None:
            yield f"  {said}：{_interval(figure)} 分、95 % 点 {signed_minutes(figure.p95)} 分"
    for figure in result.figures:
        if (figure.name, figure.scope) == ("cpu_utilisation", "site"):
            yield f"  {figure.label} の CPU 使用率：{figure.mean:.1%}{_half(figure, 100, ' 点')}"
    yield f"計画より遅く終わりやすい業務（実行 {result.runs:,} 件、{result.replications:,} 回反復）："
    for job in result.jobs[:SHOWN_JOBS]:
        yield f"  {_job(job)}"
    for late in result.late_runs:
        yield f"  {late.explanation}"


_CHANCES = {
    "deadline_missed": "期限に遅れる処理が 1 件でもある確率",
    "window_overrun": "枠を超える処理が 1 件でもある確率",
    "rerun_room_lost": "再実行の余裕を使い切る処理がある確率",
}
_MINUTES = {
    "mean_delay_s": "計画終了との差 平均",
    "worst_delay_s": "計画終了との差 最大の処理",
    "cpu_wait_s": "CPU などを待った時間 1 件平均",
}


def signed_minutes(seconds: float) -> str:
    """Signed minutes with one digit; what rounds to nothing is +0.0, never -0.0."""
    return f"{round(seconds / 60, 1) + 0.0:+.1f}"


def _job(job: JobLateness) -> str:
    missed = "" if job.missed is None else f"（反復の {job.missed.share:.1%} で遅れ）"
    return (
        f"{job.label}：計画終了から平均 {_mean(job.delay_s)} 分、95 % 点 {signed_minutes(job.delay_s.p95)} 分、"
        f"枠の超過 {job.overrun_share:.1%}、期限遅れ {job.late_share:.1%}{missed}"
    )


def _mean(estimate: Estimate) -> str:
    interval = "" if estimate.half_width_95 is None else f" ± {estimate.half_width_95 / 60:.1f}"
    return f"{signed_minutes(estimate.mean)}{interval}"


def _interval(figure: Figure) -> str:
    return f"{signed_minutes(figure.mean)}{_half(figure, 1 / 60)}"


def _half(figure: Figure, scale: float, unit: str = "") -> str:
    if figure.low_95 is None or figure.high_95 is None:
        return ""
    return f" ± {scale * (figure.high_95 - figure.low_95) / 2:.1f}{unit}"
