"""Lateness per job over all replications, and the sentence that answers whether anything is late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from capacity.records import Floats
from estate.resolved import ResolvedEstate
from layout.simulation_records import Estimate, JobLateness
from layout.wareki import wareki

from .estimates import estimate, half_width, proportion
from .measures import TELLABLE_S, beyond
from .week import Week

JobKey: TypeAlias = tuple[str, str, str]
"""Tenant, system and job, by id."""


def labels(estate: ResolvedEstate) -> dict[JobKey, str]:
    """The names of tenant, system and job, as people say them."""
    tenants = {tenant.id: tenant.name for tenant in estate.tenants}
    systems = {(system.tenant, system.id): system.name for system in estate.systems}
    return {
        (job.tenant, job.system, job.job): " ".join(
            (tenants.get(job.tenant, job.tenant), systems.get((job.tenant, job.system), job.system), job.name)
        )
        for job in estate.jobs
    }


def lateness_by_job(week: Week, ends: Floats, names: Mapping[JobKey, str] | None = None) -> tuple[JobLateness, ...]:
    """Lateness per job from the simulated finite ends (replication x judged run), the worst first."""
    spoken = names or {}
    judged = np.flatnonzero(week.judged)
    columns: dict[JobKey, list[int]] = {}
    for column, row in enumerate(judged.tolist()):
        columns.setdefault((week.tenant[row], week.system_id[row], week.job[row]), []).append(column)
    runs = week.system.runs
    rerun_s = runs.fixed_s + week.cpu_s / runs.max_cores
    jobs = []
    for (tenant, system, job), of_job in columns.items():
        rows = judged[of_job]
        end_s = ends[:, of_job]
        overrun = beyond(end_s, week.window_end_s[rows])
        lateness = beyond(end_s, week.deadline_s[rows])
        room = week.window_end_s[rows] - end_s
        jobs.append(
            JobLateness(
                tenant=tenant,
                system=system,
                job=job,
                label=spoken.get((tenant, system, job), f"{tenant} {system} {job}"),
                runs=len(of_job),
                lateness_s=estimate(np.maximum(0.0, end_s - week.deadline_s[rows])),
                overrun_s=estimate(np.maximum(0.0, end_s - week.window_end_s[rows])),
                delay_s=estimate(end_s - week.planned_end_s[rows]),
                late_share=float((lateness > 0).mean()),
                overrun_share=float((overrun > 0).mean()),
                missed=proportion(np.any(lateness > 0, axis=1)),
                overran=proportion(np.any(overrun > 0, axis=1)),
                rerun_room_s=estimate(room),
                rerun_fits=proportion(np.all(room >= rerun_s[rows] - TELLABLE_S, axis=1)),
            )
        )
    return tuple(sorted(jobs, key=_worst_first))


def _worst_first(job: JobLateness) -> tuple[float | str, ...]:
    """By what is rare as well: a percentile would be 0 for every job that is late less often than it says."""
    return (-job.overrun_s.mean, -job.lateness_s.mean, -job.delay_s.p95, job.tenant, job.system, job.job)


def about(week: Week, replications: int, *, interrupted: bool = False) -> str:
    """What was simulated how often, as the beginning of a sentence."""
    span = f"{wareki(week.monday)}からの週" if week.night is None else f"{wareki(week.night)}の夜"
    stopped = "（中断）" if interrupted else ""
    return f"{span} {int(week.judged.sum()):,} 件を {replications:,} 回模擬{stopped}"


def verdict(week: Week, ends: Floats, jobs: tuple[JobLateness, ...], *, interrupted: bool = False) -> str:
    """One Japanese sentence: whether anything ended after its deadline or window, how often, and the worst job."""
    late = (beyond(ends, week.deadline_s[week.judged]) > 0).mean(axis=1)
    overrun = (beyond(ends, week.window_end_s[week.judged]) > 0).mean(axis=1)
    simulated = about(week, len(ends), interrupted=interrupted)
    if not overrun.any() and not late.any():
        return f"判定：遅れなし — {simulated}し、枠と期限を超えた処理はありません"
    worst = jobs[0]
    return (
        f"判定：遅れあり — {simulated}し、枠を超えた処理 {_share(overrun)}、期限を過ぎた処理 {_share(late)}"
        f"（最大は {worst.label}、平均で枠の超過 {_minutes(worst.overrun_s)}、期限の超過 {_minutes(worst.lateness_s)}）"
    )


def _share(shares: Floats) -> str:
    """The mean of the replications' shares with its interval, which ends at 0."""
    mean, half = float(shares.mean()), half_width(shares)
    if half is None or mean == 0:
        return _percent(mean)
    return f"{_percent(mean)}（95 % 区間 {_percent(max(0.0, mean - half))}〜{_percent(mean + half)}）"


def _percent(share: float) -> str:
    """Two decimals, or two digits of what is rarer: what has happened never shows as 0.00 %."""
    return f"{100 * share:.2f} %" if share == 0 or share >= 1e-4 else f"{100 * share:.2g} %"


def _minutes(spread: Estimate) -> str:
    half = "" if spread.half_width_95 is None else f" ± {spread.half_width_95 / 60:.1f}"
    return f"{spread.mean / 60:.1f}{half} 分"
