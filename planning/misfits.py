"""Why a plan does not fit, as records: runs outside every window, VMs without a host."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, cast

from capacity.records import Misfit, Placement, RunTable, Schedule
from estate.resolved import ResolvedEstate
from layout.records import MisfitRecord

Kind = Literal["window", "host", "capacity", "memory", "disk", "vcpu", "anti_affinity", "deadline", "checker"]


def misfit_records(
    estate: ResolvedEstate, runs: RunTable, planned: Schedule, placed: Placement
) -> tuple[MisfitRecord, ...]:
    """Misfits of the levelling and of the placement, in this order; runs in order of time."""
    names = {tenant.id: tenant.name for tenant in estate.tenants}
    return tuple(
        [_of_run(runs, planned, misfit, names) for misfit in planned.misfits]
        + [MisfitRecord(kind=cast(Kind, misfit.kind), reason=misfit.reason) for misfit in placed.misfits]
    )


def _of_run(runs: RunTable, planned: Schedule, misfit: Misfit, names: dict[str, str]) -> MisfitRecord:
    kind = cast(Kind, misfit.kind)
    if misfit.run is None:
        return MisfitRecord(kind=kind, reason=misfit.reason, minutes=misfit.minutes)
    tenant, system, job = runs.job_names[runs.job[misfit.run]].split("/")
    return MisfitRecord(
        kind=kind,
        reason=misfit.reason,
        tenant=names.get(tenant, tenant),
        system=system,
        job=job,
        at=runs.epoch + timedelta(seconds=float(planned.start_s[misfit.run])),
        minutes=misfit.minutes,
    )
