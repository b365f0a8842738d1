"""The report's section on the simulated week: how late jobs may be, and how sure that is."""

from __future__ import annotations

from layout.simulation_records import Estimate, JobLateness

from .figures import minutes, number, share, signed_minutes, week_name
from .markup import Markup, join, table, tag
from .record import ReportRecord

SHOWN = 15


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
                f"{week_name(simulation.week)}に計画が始める {number(simulation.runs)} 件を、処理量を乱数で変えて"
                f" {number(simulation.replications)} 回模擬しました（乱数の種 {simulation.seed}）。"
                "± は平均の 95 % 信頼区間の半幅、95 % 点は全反復・全件の 95 パーセンタイルです。",
            ),
            table(
                f"終了が最も遅れうる処理（{number(len(simulation.jobs))} 種のうち {len(shown)} 種、時間は分）",
                (
                    "団体・業務・処理",
                    "件数",
                    "期限超過の割合",
                    "期限の超過 平均",
                    "枠超過の割合",
                    "枠の超過 平均",
                    "計画終了との差 平均",
                    "同 95 % 点",
                ),
                (_row(record, job) for job in shown),
                numbers=range(1, 8),
            ),
        )
    )


def _row(record: ReportRecord, job: JobLateness) -> tuple[Markup | str, ...]:
    name = record.job_names[job.tenant, job.system, job.job]
    return (
        join((f"{name.tenant} {name.system} {name.job}", tag("span", f"{job.system} / {job.job}", class_="id"))),
        number(job.runs),
        share(job.late_share, 1, 1),
        _mean(job.lateness_s, minutes(job.lateness_s.mean)),
        share(job.overrun_share, 1, 1),
        _mean(job.overrun_s, minutes(job.overrun_s.mean)),
        _mean(job.delay_s, signed_minutes(job.delay_s.mean)),
        signed_minutes(job.delay_s.p95),
    )


def _mean(spread: Estimate, mean: str) -> str:
    return mean if spread.half_width_95 is None else f"{mean} ± {minutes(spread.half_width_95)}"
