"""A planned week many times over with disturbed work: how late each job may be, and how sure that is."""

from __future__ import annotations

import math
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date
from typing import Literal

import numpy as np
from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

from capacity.records import Floats
from estate.resolved import ResolvedEstate
from layout.folder import PlanFolder
from layout.results import write_result
from layout.simulation_records import Estimate, JobLateness, WeekSimulation
from layout.wareki import wareki

from .disturbance import disturbed_work
from .reference import simulate
from .week import Week, monday_of, read_week, tightest_monday

JobKey = tuple[str, str, str]
"""Tenant, system and job, by id."""

RESULT_NAME = "simulation/lateness.json"
TELLABLE_S = 1e-3
"""Less is rounding: the plan's times are microseconds."""
WORTH_PROCESSES = 20_000
"""Simulated runs from which on a second process pays for its start (about half a second)."""


def simulate_folder(
    folder: PlanFolder,
    *,
    week: date | Literal["tightest"] = "tightest",
    replications: int = 20,
    seed: int = 0,
    progress: Callable[[str, float], None] = lambda _text, _share: None,
    workers: int = 2,
) -> WeekSimulation:
    """How late each job of the week is when the work of its runs varies as the estate says (`work_cv`).

    `week` is any day of the week meant. The result depends on folder, week, replications and seed only, not on
    `workers`. Raises FolderError for a week that cannot be simulated, ValueError for replications < 1.
    """
    if replications < 1:
        raise ValueError(f"replications must be at least 1, got {replications}")
    planned = read_week(folder, tightest_monday(folder) if week == "tightest" else monday_of(week))
    ends = np.empty((replications, len(planned.keys)))
    for replication, end_s in enumerate(_replicate(planned, replications, seed, workers)):
        ends[replication] = end_s
        progress("週の模擬", (replication + 1) / replications)
    jobs = lateness_by_job(planned, ends, _labels(folder.estate))
    return WeekSimulation(
        verdict=_verdict(planned, ends, jobs),
        layout_digest=folder.layout_digest,
        week=planned.monday,
        replications=replications,
        seed=seed,
        runs=int(planned.judged.sum()),
        jobs=jobs,
    )


def write(folder: PlanFolder, result: WeekSimulation) -> None:
    """Put the result into the plan folder as `simulation/lateness.json`. Raises FolderError."""
    write_result(folder, RESULT_NAME, (result.model_dump_json(indent=1) + "\n").encode())


def _labels(estate: ResolvedEstate) -> dict[JobKey, str]:
    tenants = {tenant.id: tenant.name for tenant in estate.tenants}
    systems = {(system.tenant, system.id): system.name for system in estate.systems}
    return {
        (job.tenant, job.system, job.job): " ".join(
            (tenants.get(job.tenant, job.tenant), systems.get((job.tenant, job.system), job.system), job.name)
        )
        for job in estate.jobs
    }


def lateness_by_job(week: Week, ends: Floats, labels: Mapping[JobKey, str] | None = None) -> tuple[JobLateness, ...]:
    """Lateness per job from the simulated ends (replication x run), the worst first."""
    spoken = labels or {}
    rows: dict[tuple[str, str, str], list[int]] = {}
    for row in np.flatnonzero(week.judged).tolist():
        rows.setdefault((week.tenant[row], week.system_id[row], week.job[row]), []).append(row)
    jobs = []
    for (tenant, system, job), of_job in rows.items():
        end_s = ends[:, of_job]
        lateness = np.maximum(0.0, end_s - week.deadline_s[of_job])
        overrun = np.maximum(0.0, end_s - week.window_end_s[of_job])
        jobs.append(
            JobLateness(
                tenant=tenant,
                system=system,
                job=job,
                label=spoken.get((tenant, system, job), f"{tenant} {system} {job}"),
                runs=len(of_job),
                lateness_s=estimate(lateness),
                overrun_s=estimate(overrun),
                delay_s=estimate(end_s - week.planned_end_s[of_job]),
                late_share=float((lateness > TELLABLE_S).mean()),
                overrun_share=float((overrun > TELLABLE_S).mean()),
            )
        )
    return tuple(sorted(jobs, key=lambda job: (-job.overrun_s.p95, -job.delay_s.p95, job.tenant, job.system, job.job)))


def estimate(values: Floats) -> Estimate:
    """Mean, its 95 % interval and the 95th percentile of `values` (replication x run).

    Replications are independent, runs of one are not: the interval is Student's t over the replications' means.
    """
    means = values.mean(axis=1)
    count = len(means)
    half_width = None
    if count > 1:
        half_width = float(stats.t.ppf(0.975, count - 1) * means.std(ddof=1) / math.sqrt(count))
    return Estimate(mean=float(means.mean()), half_width_95=half_width, p95=float(np.percentile(values, 95)))


def _replicate(week: Week, replications: int, seed: int, workers: int) -> Iterator[Floats]:
    if workers < 2 or replications < 2 or replications * len(week.keys) < WORTH_PROCESSES:
        for replication in range(replications):
            yield _ends(week, seed, replication)
        return
    pool = ProcessPoolExecutor(
        min(workers, replications),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_Worker.set_up,
        initargs=(week, seed),
    )
    try:
        with _without_ctrl_c():
            ends = pool.map(_Worker.ends, range(replications))  # starts the workers
        yield from ends
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Processes and threads started here never see Ctrl-C, not even while they begin: it is the caller's to handle."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """What a worker process keeps between replications, so that the week travels to it once."""

    week: Week
    seed: int

    @classmethod
    def set_up(cls, week: Week, seed: int) -> None:
        cls.week, cls.seed = week, seed

    @classmethod
    def ends(cls, replication: int) -> Floats:
        return _ends(cls.week, cls.seed, replication)


def _ends(week: Week, seed: int, replication: int) -> Floats:
    work = disturbed_work(week.cpu_s, week.work_cv, week.keys, seed=seed, replication=replication)
    return simulate(week.system.with_runs(cpu_s=work)).end_s


def _verdict(week: Week, ends: Floats, jobs: tuple[JobLateness, ...]) -> str:
    judged = ends[:, week.judged]
    late = float((judged > week.deadline_s[week.judged] + TELLABLE_S).mean())
    overrun = float((judged > week.window_end_s[week.judged] + TELLABLE_S).mean())
    about = f"{wareki(week.monday)}からの週 {judged.shape[1]:,} 件を {judged.shape[0]} 回模擬"
    worst = jobs[0]
    if overrun == 0 and late == 0:
        return f"判定：遅れなし — {about}し、枠と期限を超えた処理はありません"
    return (
        f"判定：遅れあり — {about}し、枠の超過 {overrun:.2%}、期限の超過 {late:.2%}"
        f"（最大は {worst.label}、枠の超過の 95 パーセンタイル {worst.overrun_s.p95 / 60:.1f} 分）"
    )
