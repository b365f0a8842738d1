"""What the measured runs of a job say about its `fixed_s` and `cpu_s_per_unit`."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .job_logs import JobLog, LoggedRun
from .robust import Estimate, fit_line, median_with_interval

FEWEST_ROWS = 8
FEWEST_UNITS = 3
"""Different numbers of units below which a line would be a guess."""


@dataclass(frozen=True)
class JobFit:
    """A calibrated job, for one tenant or (None) for all."""

    tenant: str | None
    system: str
    job: str
    fixed_s: Estimate
    cpu_s_per_unit: Estimate
    rows: int
    first_day: str
    last_day: str
    cores: float | None
    """Cores the runs used, where the log says so and it was always the same."""
    outliers: tuple[str, ...]
    """`file:line: ` and by how much, one Japanese line each."""
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Refusal:
    """A job that cannot be calibrated, and why."""

    tenant: str | None
    system: str
    job: str
    reason: str


@dataclass(frozen=True)
class Calibration:
    """Every job of a log, calibrated or not."""

    source: str
    fits: tuple[JobFit, ...]
    refusals: tuple[Refusal, ...]


def calibrate(log: JobLog, seed: int = 0) -> Calibration:
    """Fits every job of the log, over all its tenants and for each tenant that has rows enough."""
    groups: dict[tuple[str, str], list[LoggedRun]] = {}
    for run in log.runs:
        groups.setdefault((run.system, run.job), []).append(run)
    fits: list[JobFit] = []
    refusals: list[Refusal] = []
    for runs in groups.values():
        tenants = sorted({run.tenant for run in runs})
        parts: list[tuple[str | None, list[LoggedRun]]] = [
            (tenant, [run for run in runs if run.tenant == tenant]) for tenant in tenants if tenant
        ]
        # One tenant's measurements say nothing about the others.
        if len(tenants) > 1 or tenants == [""]:
            parts.insert(0, (None, runs))
        for tenant, rows in parts:
            found = _fit(tenant, rows, seed)
            if isinstance(found, JobFit):
                fits.append(found)
            else:
                refusals.append(found)
    return Calibration(log.source, tuple(fits), tuple(refusals))


def _fit(tenant: str | None, runs: Sequence[LoggedRun], seed: int) -> JobFit | Refusal:
    system, job = runs[0].system, runs[0].job
    different = len({run.units for run in runs})
    if len(runs) < FEWEST_ROWS:
        return Refusal(tenant, system, job, f"行が少なすぎます（{len(runs)} 行、{FEWEST_ROWS} 行以上）")
    if different < FEWEST_UNITS:
        reason = f"units が {different} 通りしかなく、固定の時間と分けられません（{FEWEST_UNITS} 通り以上）"
        return Refusal(tenant, system, job, reason)
    rng = np.random.default_rng(
        np.random.SeedSequence(seed, spawn_key=(zlib.crc32(f"{tenant}/{system}/{job}".encode()),))
    )
    units = np.array([run.units for run in runs])
    duration_s = np.array([run.duration_s for run in runs])
    cores = np.array([run.cores if run.cores is not None else 1.0 for run in runs])
    remarks = [] if all(run.cores is not None for run in runs) else ["cores のない行は 1 コアで動いたとしました"]
    measured_cpu_s = [run.cpu_s for run in runs]
    if None in measured_cpu_s:
        line = fit_line(units / cores, duration_s, rng)
        fixed_s, slope = line.intercept, line.slope
        if line.at_zero:
            remarks.append("固定の時間は 0 としました（0 より小さい値が最も合う）")
        if any(value is not None for value in measured_cpu_s):
            remarks.append("cpu_s のない行があるので、cpu_s は使っていません")
    else:
        line = fit_line(units, np.array(measured_cpu_s, dtype=np.float64), rng)
        slope = line.slope
        left = median_with_interval(duration_s - slope.value * units / cores, rng)
        fixed_s = Estimate(*(max(0.0, value) for value in (left.value, left.low, left.high)))
        remarks.append("cpu_s_per_unit は cpu_s から、fixed_s は残りの経過時間から求めました")
    if slope.value <= 0:
        return Refusal(tenant, system, job, "件数（units）が増えても時間が延びていません")
    days = sorted(run.start.date().isoformat() for run in runs)
    used = {run.cores for run in runs}
    return JobFit(
        tenant=tenant,
        system=system,
        job=job,
        fixed_s=fixed_s,
        cpu_s_per_unit=slope,
        rows=len(runs),
        first_day=days[0],
        last_day=days[-1],
        cores=used.pop() if len(used) == 1 else None,
        outliers=tuple(
            f"{run.place}: 外れ値（{run.start:%Y-%m-%d %H:%M} から {run.duration_s / 60:.1f} 分、"
            f"ほかの行の傾向から {far / 60:+.1f} 分）"
            for run, far, is_outlier in zip(runs, line.residual.tolist(), line.outlying.tolist(), strict=True)
            if is_outlier
        ),
        remarks=tuple(remarks),
    )
