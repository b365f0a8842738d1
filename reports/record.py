"""What a report says: one neutral record, gathered from a plan folder and the results saved in it.

Nothing is planned, counted or simulated here: sums and largest values of what was saved, no more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from layout.bill_records import BillResult
from layout.errors import FolderError
from layout.folder import PlanFolder
from layout.licence_records import LicenceResult
from layout.records import Bound, CheckVerdict, HostRecord, MisfitRecord, PeakRecord, VmRecord
from layout.simulation_records import PlanSimulation

from . import saved
from .isolation import Isolation, Responsibility, isolation, responsibilities
from .ledgers import Ledgers, ledgers
from .load import WeekLoad, host_peaks, week_load


@dataclass(frozen=True)
class HostLine:
    """A host and what the plan puts on it; VMs that never live at the same time are not added up."""

    id: str
    model: str
    spare: bool
    vms: int
    vcpu: int
    vcpu_limit: float
    memory_gib: float
    memory_limit_gib: float
    disk_gib: float
    disk_limit_gib: float
    peak_cores: float
    """Largest average over a 10-minute slot."""
    cores: int


@dataclass(frozen=True)
class SiteReport:
    """One data centre."""

    id: str
    name: str
    role: str
    hosts: tuple[HostLine, ...]
    peak: PeakRecord | None
    """None where nothing runs."""
    week: WeekLoad | None


@dataclass(frozen=True)
class TenantLine:
    """A municipality (or the shared systems) and what its figures rest on."""

    name: str
    shared: bool
    """Stands for all users of the shared systems."""
    population: int
    population_basis: str | None
    systems: int
    vms: int
    confidence: str | None
    """The lowest of its systems' list: high, medium, low, or None where none was stated."""


@dataclass(frozen=True)
class AssumptionLine:
    """One assumed value (仮定値)."""

    kind: str
    path: str
    what: str
    source: str


@dataclass(frozen=True)
class JobName:
    """Names of a simulated job for readers."""

    tenant: str
    system: str
    job: str


@dataclass(frozen=True)
class ReportRecord:
    """Everything a report shows, in no format."""

    verdict: str
    fits: bool
    interrupted: bool
    estate_name: str
    fiscal_year: int
    start: datetime
    end: datetime
    runs: int
    misfits: tuple[MisfitRecord, ...]
    warnings: tuple[str, ...]
    sites: tuple[SiteReport, ...]
    tenants: tuple[TenantLine, ...]
    licences: LicenceResult | None
    bill: BillResult | None
    ledgers: Ledgers
    simulation: PlanSimulation | None
    job_names: dict[tuple[str, str, str], JobName]
    """By (tenant, system, job); only of the simulated jobs."""
    bounds: tuple[Bound, ...]
    checks: tuple[CheckVerdict, ...]
    assumptions: tuple[AssumptionLine, ...]
    kumiai_version: str
    created: datetime | None
    versions: dict[str, str]
    seed: int
    generation: int
    estate_digest: str
    layout_digest: str
    timings_s: dict[str, float]
    isolation: Isolation
    responsibilities: tuple[Responsibility, ...]
    missing: tuple[str, ...]
    """Results that were not made yet, one Japanese line each."""


def gather(plan: PlanFolder) -> ReportRecord:
    """What the report of a plan folder says.

    A result that was not made yet is named in `missing`. Raises FolderError for one of another layout, changed or
    damaged.
    """
    licences, bill, simulation = saved.licences(plan), saved.bill(plan), saved.simulation(plan)
    missing = []
    if simulation is None:
        missing.append("最も混む週の模擬はまだありません（kumiai simulate を実行すると、次の報告書に入ります）")
    if licences is None:
        missing.append("ライセンスの計数はまだありません（kumiai license count を実行すると、次の報告書に入ります）")
    if bill is None:
        missing.append("費用と負担の計算はまだありません（kumiai license split を実行すると、次の報告書に入ります）")
    estate, layout, run = plan.estate, plan.layout, plan.run
    return ReportRecord(
        verdict=run.verdict,
        fits=run.fits,
        interrupted=run.interrupted,
        estate_name=estate.name,
        fiscal_year=estate.fiscal_year,
        start=estate.start,
        end=estate.end,
        runs=run.runs,
        misfits=run.misfits,
        warnings=estate.warnings,
        sites=_sites(plan),
        tenants=_tenants(plan),
        licences=licences,
        bill=bill,
        ledgers=ledgers(plan, licences),
        simulation=simulation,
        job_names=_job_names(plan, simulation),
        bounds=layout.bounds,
        checks=run.checks,
        assumptions=tuple(
            AssumptionLine(_kind(line.path), line.path, line.what, line.source)
            for line in estate.assumptions
            if line.basis == "assumed"
        ),
        kumiai_version=run.kumiai_version,
        created=run.created,
        versions=run.versions,
        seed=run.seed,
        generation=layout.generation,
        estate_digest=run.estate_digest,
        layout_digest=plan.layout_digest,
        timings_s=run.timings_s,
        isolation=isolation(plan),
        responsibilities=responsibilities(plan),
        missing=tuple(missing),
    )


def most_at_once(vms: Iterable[VmRecord]) -> tuple[int, int, float]:
    """Largest sums of maximum vCPU, memory (MiB) and disk (GiB) over VMs that live at the same moment, each alone."""
    alive = list(vms)
    births = sorted({vm.from_ for vm in alive if vm.from_ is not None})
    sums = [_sum(vm for vm in alive if vm.from_ is None)]
    for birth in births:
        sums.append(
            _sum(
                vm for vm in alive if (vm.from_ is None or vm.from_ <= birth) and (vm.until is None or vm.until > birth)
            )
        )
    return max(s[0] for s in sums), max(s[1] for s in sums), max(s[2] for s in sums)


def _sum(vms: Iterable[VmRecord]) -> tuple[int, int, float]:
    vcpu, memory, disk = 0, 0, 0.0
    for vm in vms:
        vcpu += vm.vcpu_max
        memory += vm.memory_mib
        disk += sum(volume.size_gib for volume in vm.disks)
    return vcpu, memory, disk


def _sites(plan: PlanFolder) -> tuple[SiteReport, ...]:
    on_host: dict[str, list[VmRecord]] = defaultdict(list)
    for vm in plan.layout.vms:
        on_host[vm.host].append(vm)
    peaks = {peak.site: peak for peak in plan.run.peaks}
    host_peak = host_peaks(plan)
    reports = []
    for site in plan.estate.sites:
        peak = peaks.get(site.id)
        hosts = tuple(
            _host(plan, host, on_host[host.id], host_peak[host.id])
            for host in plan.layout.hosts
            if host.site == site.id
        )
        week = None if peak is None else week_load(plan, site.id, _monday(peak))
        reports.append(SiteReport(site.id, site.name or site.id, site.role, hosts, peak, week))
    return tuple(reports)


def _monday(peak: PeakRecord) -> date:
    try:
        return date.fromisoformat(peak.tightest_week)
    except ValueError:
        raise FolderError(f"run.json: 拠点 {peak.site} の tightest_week が日付ではありません") from None


def _host(plan: PlanFolder, host: HostRecord, vms: list[VmRecord], peak_cores: float) -> HostLine:
    policy = plan.estate.policy
    vcpu, memory_mib, disk_gib = most_at_once(vms)
    return HostLine(
        id=host.id,
        model=host.model,
        spare=host.spare,
        vms=len(vms),
        vcpu=vcpu,
        vcpu_limit=host.cores * policy.vcpu_overcommit,
        memory_gib=memory_mib / 1024,
        memory_limit_gib=host.memory_mib * policy.memory_overcommit / 1024,
        disk_gib=disk_gib,
        disk_limit_gib=host.disk_gib,
        peak_cores=peak_cores,
        cores=host.cores,
    )


def _tenants(plan: PlanFolder) -> tuple[TenantLine, ...]:
    vms = Counter(vm.tenant for vm in plan.layout.vms)
    systems = Counter(system.tenant for system in plan.estate.systems)
    stated: dict[str, set[str]] = defaultdict(set)
    for system in plan.estate.systems:
        if system.confidence is not None:
            stated[system.tenant].add(system.confidence)
    lowest = {
        tenant: next(level for level in ("low", "medium", "high") if level in levels)
        for tenant, levels in stated.items()
    }
    return tuple(
        TenantLine(
            name=tenant.name,
            shared=bool(tenant.members),
            population=tenant.population,
            population_basis=tenant.population_basis,
            systems=systems[tenant.id],
            vms=vms[tenant.id],
            confidence=lowest.get(tenant.id),
        )
        for tenant in plan.estate.tenants
    )


def _job_names(plan: PlanFolder, simulation: PlanSimulation | None) -> dict[tuple[str, str, str], JobName]:
    if simulation is None:
        return {}
    tenants = {tenant.id: tenant.name for tenant in plan.estate.tenants}
    systems = {(system.tenant, system.id): system.name for system in plan.estate.systems}
    jobs = {(job.tenant, job.system, job.job): job.name for job in plan.estate.jobs}
    return {
        (line.tenant, line.system, line.job): JobName(
            tenants.get(line.tenant, line.tenant),
            systems.get((line.tenant, line.system), line.system),
            jobs.get((line.tenant, line.system, line.job), line.job),
        )
        for line in simulation.jobs
    }


_KINDS = {
    "work": "処理量（件あたりの CPU 秒、並列度など）",
    "when": "実施日",
    "latest": "期限",
    "size": "VM の規模",
    "online": "オンライン負荷",
    "systems": "団体が使う業務の一覧",
    "windows": "時間帯",
    "online_profiles": "オンライン負荷の形",
    "events": "行事・納期限の日付",
    "units": "住民あたりの件数",
    "host_models": "ホスト機種",
    "costs": "費用",
}


def _kind(path: str) -> str:
    """The kind of an assumption, by the last or the first part of where it stands."""
    parts = path.split(".")
    return _KINDS.get(parts[-1]) or _KINDS.get(parts[0]) or "その他"
