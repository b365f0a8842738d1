"""Which jobs does one system of one user run, with how much work, in which window and after what?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from .base_records import Basis
from .catalogue_records import Catalogue, Job
from .disturbance_records import Disturbances
from .records import JobOverride, Measured
from .resolved import Predecessor, ResolvedJob
from .sizing import Deployment, vm_id

NO_JOB_OVERRIDE = JobOverride()
Providers: TypeAlias = Callable[[Deployment, str], Iterable[Deployment]]
"""Who runs a system for a deployment: the tenant itself, `common`, every member of a shared system, or nobody."""


class Measurements:
    """The user's own measurements, found by tenant, system and job."""

    def __init__(self, measured: Iterable[Measured]) -> None:
        self._by_key = {(entry.tenant, entry.system, entry.job): entry for entry in measured}

    def find(self, tenant: str | None, system: str, job: str) -> Measured | None:
        """The measurement for this tenant (None: for everybody), or None."""
        return self._by_key.get((tenant, system, job))


@dataclass(frozen=True)
class _Effort:
    fixed_s: float
    cpu_s_per_unit: float
    basis: Basis
    source: str


def _effort(
    deployment: Deployment, job_id: str, job: Job, override: JobOverride, measurements: Measurements
) -> _Effort:
    """Most specific first: measured for the tenant, the tenant's override, measured for all, the catalogue."""
    own = measurements.find(deployment.tenant, deployment.system_id, job_id)
    if own:
        return _Effort(own.fixed_s, own.cpu_s_per_unit, "measured", own.source)
    everybody = measurements.find(None, deployment.system_id, job_id)
    if everybody:
        base = _Effort(everybody.fixed_s, everybody.cpu_s_per_unit, "measured", everybody.source)
    else:
        base = _Effort(job.work.fixed_s, job.work.cpu_s_per_unit, job.work.basis, job.work.source)
    if override.fixed_s is None and override.cpu_s_per_unit is None:
        return base
    return _Effort(
        base.fixed_s if override.fixed_s is None else override.fixed_s,
        base.cpu_s_per_unit if override.cpu_s_per_unit is None else override.cpu_s_per_unit,
        "assumed",
        f"estate file: tenants.{deployment.tenant}.overrides.{deployment.system_id}.jobs.{job_id}",
    )


def enabled(deployment: Deployment, job_id: str) -> bool:
    """Whether the deployment runs this job."""
    return deployment.override.jobs.get(job_id, NO_JOB_OVERRIDE).enabled


def window_of(deployment: Deployment, job: Job, override: JobOverride) -> str:
    """The window's id: the job's override, the catalogue's job, the system's override, the system."""
    return override.window or job.window or deployment.override.window or deployment.system.window


def _predecessors(deployment: Deployment, job: Job, providers: Providers) -> tuple[Predecessor, ...]:
    return tuple(
        Predecessor(
            tenant=provider.tenant,
            system=provider.system_id,
            job=after.job,
            lag_s=after.lag_h * 3600.0,
            lag_business_h=after.lag_business_h,
            within_days=after.within_days,
        )
        for after in job.after
        for provider in providers(deployment, after.system or deployment.system_id)
        if enabled(provider, after.job)
    )


@dataclass(frozen=True)
class Setting:
    """What the jobs of every deployment have in common."""

    catalogue: Catalogue
    measurements: Measurements
    providers: Providers
    rerun_room: bool
    """The policy's: false gives up rerun room everywhere."""
    disturbances: Disturbances


@dataclass(frozen=True)
class JobRate:
    """How a job's work follows from the residents: `cpu_s_per_unit x (residents x units_per_resident)` core-seconds."""

    cpu_s_per_unit: float
    units_per_resident: float


def rates_of(deployment: Deployment, setting: Setting) -> tuple[JobRate, ...]:
    """The rate of every job of a deployment, in the order of `jobs_of`."""
    rates = []
    for job_id, job in deployment.system.jobs.items():
        override = deployment.override.jobs.get(job_id, NO_JOB_OVERRIDE)
        if override.enabled:
            effort = _effort(deployment, job_id, job, override, setting.measurements)
            rates.append(JobRate(effort.cpu_s_per_unit, setting.catalogue.units[job.work.unit].per_resident))
    return tuple(rates)


def jobs_of(deployment: Deployment, setting: Setting) -> tuple[ResolvedJob, ...]:
    """Every job of a deployment in catalogue order, with this deployment's work."""
    jobs: list[ResolvedJob] = []
    for job_id, job in deployment.system.jobs.items():
        override = deployment.override.jobs.get(job_id, NO_JOB_OVERRIDE)
        if not override.enabled:
            continue
        effort = _effort(deployment, job_id, job, override, setting.measurements)
        count = deployment.population * setting.catalogue.units[job.work.unit].per_resident
        jobs.append(
            ResolvedJob(
                tenant=deployment.tenant,
                system=deployment.system_id,
                job=job_id,
                name=job.name,
                kind=job.kind,
                vm=vm_id(deployment.tenant, deployment.system_id, job.role, 1),
                when=override.when or job.when,
                latest=override.latest or job.latest,
                window=setting.catalogue.windows[window_of(deployment, job, override)],
                nights=override.nights or job.nights,
                after=_predecessors(deployment, job, setting.providers),
                fixed_s=effort.fixed_s,
                cpu_s=effort.cpu_s_per_unit * count,
                io_mib=job.work.io_mib_per_unit * count,
                max_cores=override.max_cores or job.work.max_cores,
                work_cv=job.work.work_cv,
                exclusive=job.exclusive,
                rerun_room=job.rerun_room and setting.rerun_room,
                basis=effort.basis,
                source=effort.source,
                from_=deployment.from_,
                until=deployment.until,
                units=count,
                pages=_pages(job, count, setting.disturbances),
                line_mib=_line_mib(job, count, setting.disturbances),
            )
        )
    return tuple(jobs)


def _pages(job: Job, count: float, disturbances: Disturbances) -> float:
    printing = disturbances.printing
    return printing.pages_per_unit * count if printing is not None and job.kind == "print" else 0.0


def _line_mib(job: Job, count: float, disturbances: Disturbances) -> float:
    line = disturbances.line
    return line.backup_share * job.work.io_mib_per_unit * count if line is not None and job.kind == "backup" else 0.0
