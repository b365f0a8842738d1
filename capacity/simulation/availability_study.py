"""How available is each system in a year of host failures, how sure is that, and does it keep what is promised?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

from capacity.records import Floats
from estate.disturbance_records import ServiceLevel
from layout.availability_records import AvailabilityResult, ServiceAvailability
from layout.errors import FolderError
from layout.folder import PlanFolder
from layout.results import write_result
from layout.wareki import fiscal_year_name

from .estimates import half_width, proportion
from .outage_years import OutageYears, outage_years
from .settings import Settings

RESULT_NAME = "simulation/availability.json"
YEARS = 1_000
HOUR_S = 3600.0


def availability(
    folder: PlanFolder,
    settings: Settings | None = None,
    *,
    years: int = YEARS,
    progress: Callable[[str, float], None] = lambda _text, _share: None,
) -> AvailabilityResult:
    """The fiscal year so many times over with failing hosts, each system on its own service hours.

    Of the settings only `seed` and `host_failures_per_year` count. Nothing is written (`write` does). Raises
    FolderError for an estate that gives host failures no size.
    """
    chosen = settings or Settings()
    record = folder.estate.disturbances.host_failure
    if record is None:
        raise FolderError("この計画の構成ファイルにはホストの故障（disturbances.host_failure）の大きさがありません")
    if chosen.host_failures_per_year is not None:
        record = record.model_copy(update={"per_host_year": chosen.host_failures_per_year})
    found = outage_years(folder, years, seed=chosen.seed, record=record, progress=progress)
    level = folder.estate.disturbances.service_level
    target = None if level is None else level.availability
    systems = _systems(folder, found, target)
    return AvailabilityResult(
        verdict=_verdict(folder, systems, level, years),
        layout_digest=folder.layout_digest,
        fiscal_year=folder.estate.fiscal_year,
        years=years,
        seed=chosen.seed,
        target=target,
        restore_limit_h=None if level is None else level.restore_h,
        host_failures_per_year=float(found.host_failures.mean()),
        host_failures_half_width_95=half_width(found.host_failures.astype(np.float64)),
        stranded_per_year=float(found.stranded.mean()),
        stranded_half_width_95=half_width(found.stranded.astype(np.float64)),
        tenants=_tenants(folder, found, target),
        systems=systems,
    )


def write(folder: PlanFolder, result: AvailabilityResult) -> None:
    """Put the result into the plan folder as `simulation/availability.json`. Raises FolderError."""
    write_result(folder, RESULT_NAME, (result.model_dump_json(indent=1) + "\n").encode())


def _systems(folder: PlanFolder, found: OutageYears, target: float | None) -> tuple[ServiceAvailability, ...]:
    names = {tenant.id: tenant.name for tenant in folder.estate.tenants}
    outages, shares = found.outages, found.availability
    rows = []
    for row, service in enumerate(found.services):
        count = outages.count[:, row].astype(np.float64)
        mean_h, half_h = ratio(outages.restore_s[:, row] / HOUR_S, count)
        rows.append(
            ServiceAvailability(
                tenant=service.tenant,
                system=service.system,
                label=f"{names.get(service.tenant, service.tenant)} {service.name}",
                service_h=service.time.total_s / HOUR_S,
                availability=float(shares[:, row].mean()),
                half_width_95=half_width(shares[:, row]),
                worst_year=float(shares[:, row].min()),
                target_met=None if target is None else proportion(shares[:, row] >= target),
                outages_per_year=float(count.mean()),
                outages_half_width_95=half_width(count),
                restore_h=mean_h,
                restore_half_width_95=half_h,
                longest_h=float(outages.longest_s[:, row].max()) / HOUR_S,
            )
        )
    return tuple(sorted(rows, key=lambda entry: (entry.availability, entry.tenant, entry.system)))


def _tenants(folder: PlanFolder, found: OutageYears, target: float | None) -> tuple[ServiceAvailability, ...]:
    names = {tenant.id: tenant.name for tenant in folder.estate.tenants}
    owner = np.array([service.tenant for service in found.services])
    rows = []
    for tenant, shares in found.of_tenants().items():
        mine = owner == tenant
        count = found.outages.count[:, mine].sum(axis=1).astype(np.float64)
        rows.append(
            ServiceAvailability(
                tenant=tenant,
                system="",
                label=names.get(tenant, tenant),
                service_h=float(found.service_s[mine].sum()) / HOUR_S,
                availability=float(shares.mean()),
                half_width_95=half_width(shares),
                worst_year=float(shares.min()),
                target_met=None if target is None else proportion(shares >= target),
                outages_per_year=float(count.mean()),
                outages_half_width_95=half_width(count),
                restore_h=None,
                restore_half_width_95=None,
                longest_h=float(found.outages.longest_s[:, mine].max()) / HOUR_S,
            )
        )
    return tuple(rows)


def ratio(totals: Floats, counts: Floats) -> tuple[float | None, float | None]:
    """Mean per count over independent years and half its 95 % interval; None where nothing was counted.

    The ratio estimator with its linearised variance (Cochran, Sampling Techniques, 6.3), Student's t over the years.
    """
    if not counts.sum() > 0:
        return None, None
    mean = float(totals.sum() / counts.sum())
    years = len(counts)
    if years < 2:
        return mean, None
    residuals = totals - mean * counts
    error = math.sqrt(float((residuals**2).sum()) / (years - 1) / years) / float(counts.mean())
    return mean, float(stats.t.ppf(0.975, years - 1)) * error


def _verdict(folder: PlanFolder, systems: Sequence[ServiceAvailability], level: ServiceLevel | None, years: int) -> str:
    about = f"{fiscal_year_name(folder.estate.fiscal_year)}を {years:,} 回模擬"
    if not systems:
        return f"判定：システムなし — {about}し、稼働率を数えるシステムがありません"
    worst = systems[0]
    found = f"最も低い {worst.label} の稼働率は平均 {worst.availability:.4%}"
    longest = max(systems, key=lambda entry: entry.longest_h)
    restored = f"最も長い停止は {longest.label} の {longest.longest_h:,.1f} 時間"
    if level is None:
        return f"判定：目標なし — {about}し、{found}、{restored}です"
    low = [entry for entry in systems if entry.availability < level.availability]
    slow = longest.longest_h > level.restore_h
    promised = f"目標は {level.availability:.1%}、復旧 {level.restore_h:g} 時間以内"
    if not low and not slow:
        return f"判定：目標を満たす — {about}し、{found}、{restored}です（{promised}）"
    if low:
        return f"判定：目標を下回る — {about}し、{len(low):,} システムが目標に届かず、{found}です（{promised}）"
    return f"判定：復旧が遅い — {about}し、{restored}です（{promised}）"
