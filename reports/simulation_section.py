"""The report's section on the simulated week or night: how late jobs may be, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator

from layout.simulation_records import Estimate, Figure, JobLateness, LateRun, PlanSimulation, Proportion

from .figures import minutes, number, share, signed_minutes
from .markup import Markup, join, table, tag
from .record import ReportRecord
from .simulation_words import FIGURES, METHODS, STOPPED, scale_and_unit, span_name

SHOWN = 15
SHOWN_LATE = 15
_OVERALL = (
    "deadline_missed",
    "window_overrun",
    "rerun_room_lost",
    "late_runs",
    "overrun_runs",
    "room_short_runs",
    "mean_delay_s",
    "worst_delay_s",
    "worst_overrun_s",
    "least_room_s",
    "queue_s",
    "cpu_wait_s",
    "further_attempts",
    "never_ended",
    "online_unserved",
)
_SAID_ABOVE = ("week", "night", "seed", "replications")
_BY_SCOPE = (("cpu_utilisation", "site"), ("online_unserved", "site"), ("deadline_missed", "tenant"))


def simulation_section(record: ReportRecord) -> Markup:
    """The worst jobs of the week; or that nothing was simulated yet."""
    simulation = record.simulation
    if simulation is None:
        return tag("p", "最も混む週の模擬はまだありません。", tag("span", "kumiai simulate", class_="mono"),
                   " を実行すると、次の報告書に入ります。", class_="note")  # fmt: skip
    shown = simulation.jobs[:SHOWN]
    late = any(job.late_share > 0 or job.overrun_share > 0 for job in simulation.jobs)
    return join(
        (
            tag("p", simulation.verdict, class_="alarm" if late else None),
            tag(
                "p",
                f"{span_name(simulation)}に計画が始める {number(simulation.runs)} 件を、処理量を乱数で変えて"
                f" {number(simulation.replications)} 回模擬しました（乱数の種 {simulation.seed}）。"
                "± は平均の 95 % 信頼区間の半幅、（ ）は 95 % 区間、確率はその処理が 1 件でも超える反復の割合、"
                "95 % 点は全反復・全件の 95 パーセンタイルです。",
            ),
            _circumstances(simulation),
            _figures(simulation),
            table(
                f"終了が最も遅れうる処理（{number(len(simulation.jobs))} 種のうち {len(shown)} 種、時間は分）",
                (
                    "団体・業務・処理",
                    "件数",
                    "期限を超える確率",
                    "期限の超過 平均",
                    "枠を超える確率",
                    "枠の超過 平均",
                    "計画終了との差 平均",
                    "同 95 % 点",
                ),
                (_row(record, job) for job in shown),
                numbers=range(1, 8),
            ),
            _late_runs(simulation),
        )
    )


def _circumstances(simulation: PlanSimulation) -> Markup | None:
    """What differs from an ordinary simulation, where anything does."""
    said = [f"{name} = {value}" for name, value in simulation.settings.items() if name not in _SAID_ABOVE]
    if simulation.stopped_by != "replications":
        said.append(f"反復は{STOPPED[simulation.stopped_by]}")
    return tag("p", f"設定：{'、'.join(said)}。", class_="note") if said else None


def _figures(simulation: PlanSimulation) -> Markup | None:
    rows = list(_figure_rows(simulation))
    if not rows:
        return None
    heads = ("数値", "対象", "平均（確率）", "95 % 区間", "反復の 95 % 点", "単位", "区間の求め方")
    return table("模擬の数値", heads, rows, numbers=range(2, 5))


def _figure_rows(simulation: PlanSimulation) -> Iterator[tuple[str, ...]]:
    by_name = {figure.name: figure for figure in simulation.figures if figure.scope == "all"}
    yield from (_figure_row(by_name[name], "全体") for name in _OVERALL if name in by_name)
    for name, scope in _BY_SCOPE:
        for figure in simulation.figures:
            if (figure.name, figure.scope) == (name, scope):
                yield _figure_row(figure, figure.label or figure.id)


def _figure_row(figure: Figure, whose: str) -> tuple[str, ...]:
    scale, unit = scale_and_unit(figure.name)
    interval = "—"
    if figure.low_95 is not None and figure.high_95 is not None:
        interval = f"{number(scale * figure.low_95, 1)} 〜 {number(scale * figure.high_95, 1)}"
    chance = figure.method == "wilson"
    return (
        FIGURES.get(figure.name, figure.name),
        whose,
        number(scale * figure.mean, 1),
        interval,
        "—" if chance else number(scale * figure.p95, 1),
        unit,
        METHODS[figure.method],
    )


def _late_runs(simulation: PlanSimulation) -> Markup | None:
    late = simulation.late_runs[:SHOWN_LATE]
    if not late:
        return None
    replication = late[0].replication + 1
    caption = (
        f"枠の超過が最も大きかった {number(replication)} 回目の反復で、枠か期限を過ぎた処理"
        f"（{number(len(simulation.late_runs))} 件のうち {len(late)} 件、時間は分）"
    )
    return table(caption, ("処理", "枠の超過", "期限の超過", "理由"), map(_late_row, late), numbers=(1, 2))


def _late_row(late: LateRun) -> tuple[str, ...]:
    return (late.label, minutes(late.overrun_s), minutes(late.lateness_s), late.explanation)


def _row(record: ReportRecord, job: JobLateness) -> tuple[Markup | str, ...]:
    name = record.job_names[job.tenant, job.system, job.job]
    return (
        join((f"{name.tenant} {name.system} {name.job}", tag("span", f"{job.system} / {job.job}", class_="id"))),
        number(job.runs),
        _chance(job.missed, job.late_share),
        _mean(job.lateness_s, minutes(job.lateness_s.mean)),
        _chance(job.overran, job.overrun_share),
        _mean(job.overrun_s, minutes(job.overrun_s.mean)),
        _mean(job.delay_s, signed_minutes(job.delay_s.mean)),
        _percentile(job.delay_s),
    )


def _chance(happened: Proportion | None, of_runs: float) -> str:
    """Of replications, with its interval; results of earlier versions have the share of runs only."""
    if happened is None:
        return share(of_runs, 1, 1)
    return f"{share(happened.share, 1, 1)}（{share(happened.low_95, 1, 1)}〜{share(happened.high_95, 1, 1)}）"


def _percentile(spread: Estimate) -> str:
    low, high = ("" if end is None else signed_minutes(end) for end in (spread.p95_low, spread.p95_high))
    return signed_minutes(spread.p95) + (f"（{low}〜{high}）" if low or high else "")


def _mean(spread: Estimate, mean: str) -> str:
    return mean if spread.half_width_95 is None else f"{mean} ± {minutes(spread.half_width_95)}"
