"""A simulated week or night as lines for the terminal: the answer first, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from layout.simulation_records import Estimate, Figure, JobLateness, PlanSimulation, Proportion

from .simulation_words import FIGURES, STOPPED, scale_and_unit

SHOWN_JOBS = 8
SHOWN_LATE = 8
_OVERALL = ("deadline_missed", "window_overrun", "room_short_runs", "mean_delay_s", "worst_delay_s", "cpu_wait_s")

_SIGNED = ("mean_delay_s", "worst_delay_s")


def lines(result: PlanSimulation) -> Iterator[str]:
    """The verdict, how it was found, what may be missed, how full sites are, and the jobs and runs that end late."""
    yield result.verdict
    stopped = STOPPED[result.stopped_by]
    yield f"反復 {result.replications:,} 回（{stopped}）、乱数の種 {result.seed}、計算方法 {result.engine}"
    overall = {figure.name: figure for figure in result.figures if figure.scope == "all"}
    for name in _OVERALL:
        if name in overall:
            yield f"  {_figure(overall[name])}"
    for figure in result.figures:
        if (figure.name, figure.scope) == ("cpu_utilisation", "site"):
            yield f"  {figure.label} の {_figure(figure)}"
    rests_on = f"実行 {result.runs:,} 件、{result.replications:,} 回反復、± と括弧は 95 % 区間"
    yield f"計画より遅く終わりやすい業務（{rests_on}）："
    for job in result.jobs[:SHOWN_JOBS]:
        yield f"  {_job(job)}"
    if result.late_runs:
        yield f"枠の超過が最も大きかった {result.late_runs[0].replication + 1:,} 回目の反復で、枠か期限を過ぎた処理："
    for late in result.late_runs[:SHOWN_LATE]:
        yield f"  {late.explanation}"
    if len(result.late_runs) > SHOWN_LATE:
        yield f"  ほか {len(result.late_runs) - SHOWN_LATE} 件は simulation/lateness.json の late_runs にあります"


def signed_minutes(seconds: float) -> str:
    """Signed minutes with one digit; what rounds to nothing is +0.0, never -0.0."""
    return f"{round(seconds / 60, 1) + 0.0:+.1f}"


def _figure(figure: Figure) -> str:
    _, unit = scale_and_unit(figure.name)
    interval = ""
    if figure.low_95 is not None and figure.high_95 is not None:
        interval = f"（95 % 区間 {_shown(figure.name, figure.low_95)}〜{_shown(figure.name, figure.high_95)}）"
    return f"{FIGURES[figure.name]}：{_shown(figure.name, figure.mean)} {unit}{interval}"


def _shown(name: str, value: float) -> str:
    scale, _ = scale_and_unit(name)
    number = round(scale * value, 1) + 0.0
    return f"{number:+.1f}" if name in _SIGNED else f"{number:.1f}"


def _job(job: JobLateness) -> str:
    return (
        f"{job.label}：計画終了から平均 {_mean(job.delay_s)} 分、95 % 点 {_percentile(job.delay_s)}、"
        f"枠を超える確率 {_chance(job.overran, job.overrun_share)}、"
        f"期限に遅れる確率 {_chance(job.missed, job.late_share)}"
    )


def _chance(proportion: Proportion | None, share: float) -> str:
    """In how many replications it happens; of records without that, in how many runs."""
    if proportion is None:
        return f"{100 * share:.1f} %"
    return f"{100 * proportion.share:.1f} %（{100 * proportion.low_95:.1f}〜{100 * proportion.high_95:.1f}）"


def _percentile(estimate: Estimate) -> str:
    low, high = ("" if end is None else signed_minutes(end) for end in (estimate.p95_low, estimate.p95_high))
    return f"{signed_minutes(estimate.p95)} 分" + (f"（{low}〜{high}）" if low or high else "")


def _mean(estimate: Estimate) -> str:
    interval = "" if estimate.half_width_95 is None else f" ± {estimate.half_width_95 / 60:.1f}"
    return f"{signed_minutes(estimate.mean)}{interval}"
