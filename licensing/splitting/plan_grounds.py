"""A plan folder -> what its costs may be divided by: population, months, use, and demand in the peak slot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc

from estate.resolved import ResolvedEstate
from layout.bill_records import BillItem
from layout.folder import FolderContents
from layout.records import VmRecord

from ..timeline import fiscal_span
from . import wording
from .ground_records import CoalitionCost, Grounds, Party, Peak
from .records import Measure

COMMON = "common"
SLOT = timedelta(seconds=600)
_HOUR = timedelta(hours=1)
_MICRO = 1_000_000
"""Core-seconds and cores of the tables are taken to six digits, so that equal loads are equal fractions."""

Weights = Mapping[str, Fraction]


def grounds(plan: FolderContents, licence_cost: Callable[[BillItem], CoalitionCost | None] = lambda _: None) -> Grounds:
    """Answers what the costs of a plan may be divided by; use is that of its fiscal year, `licence_cost` is passed on.

    The shared systems' use is their users', by population and months of membership. CPU hours are those of runs
    released in the year. The peak slot of a site is the first of its greatest planned load, online load included.
    """
    parties = tuple(
        Party(tenant.id, tenant.name, tenant.population, tenant.from_, tenant.until)
        for tenant in plan.estate.tenants
        if tenant.id != COMMON
    )
    year = plan.layout.estate.fiscal_year
    users = users_of(plan.estate, parties, year)
    use: dict[Measure, Weights] = {
        "vcpu-hours": _attributed(_vcpu_hours(plan.layout.vms, year), users, parties),
        "cpu-hours": _attributed(_cpu_hours(plan.runs, year), users, parties),
        "vms": _attributed(_vm_numbers(plan.layout.vms, year), users, parties),
    }
    return Grounds(
        fiscal_year=year,
        parties=parties,
        use=use,
        peaks=_peaks(plan, parties, users),
        licence_cost=licence_cost,
        notes=wording.METHOD_NOTES,
    )


def members_of(estate: ResolvedEstate) -> dict[str, frozenset[str]]:
    """Answers the users of each shared system; of a system whose users the plan does not name, all that share any."""
    everybody = frozenset(name for tenant in estate.tenants if tenant.id == COMMON for name in tenant.members)
    return {system.id: frozenset(system.members) or everybody for system in estate.systems if system.tenant == COMMON}


def users_of(estate: ResolvedEstate, parties: Iterable[Party], fiscal_year: int) -> dict[str, Weights]:
    """Answers each shared system's users with their part of it: by population and months; the parts add up to 1.

    A shared system is sized by the sum of its users' populations, so that is what its load follows.
    """
    found: dict[str, Weights] = {}
    for system, members in members_of(estate).items():
        users = [party for party in parties if party.id in members]
        weights = {party.id: Fraction(party.population * party.months(fiscal_year)) for party in users}
        total = sum(weights.values(), Fraction(0))
        found[system] = {party.id: weights[party.id] / total if total else Fraction(1, len(users)) for party in users}
    return found


def _attributed(
    used: Mapping[tuple[str, str], Fraction], users: Mapping[str, Weights], parties: Iterable[Party]
) -> Weights:
    """Use by (tenant, system) -> use by tenant, the shared systems' by their users."""
    total = {party.id: Fraction(0) for party in parties}
    for (tenant, system), quantity in used.items():
        if tenant == COMMON:
            for user, part in users.get(system, {}).items():
                total[user] += quantity * part
        elif tenant in total:
            total[tenant] += quantity
    return total


def _vcpu_hours(vms: Iterable[VmRecord], fiscal_year: int) -> Mapping[tuple[str, str], Fraction]:
    """vCPUs times the hours that a VM has them, within the fiscal year and the VM's own dates."""
    found: Counter[tuple[str, str]] = Counter()
    for vm in vms:
        begin, end = _alive(vm, fiscal_year)
        microhours = vm.vcpu * _micro(end - begin)
        for change in vm.vcpu_changes:
            microhours += (change.vcpu - vm.vcpu) * _micro(min(change.until, end) - max(change.from_, begin))
        found[vm.tenant, vm.system] += microhours
    return {key: Fraction(value, _micro(_HOUR)) for key, value in found.items()}


def _micro(span: timedelta) -> int:
    return max(0, span // timedelta(microseconds=1))


def _alive(vm: VmRecord, fiscal_year: int) -> tuple[datetime, datetime]:
    start, end = fiscal_span(fiscal_year)
    begin = start if vm.from_ is None else max(start, vm.from_)
    return begin, max(begin, end if vm.until is None else min(end, vm.until))


def _vm_numbers(vms: Iterable[VmRecord], fiscal_year: int) -> Mapping[tuple[str, str], Fraction]:
    """VMs that exist at some time in the fiscal year."""
    spans = ((vm, *_alive(vm, fiscal_year)) for vm in vms)
    found = Counter((vm.tenant, vm.system) for vm, begin, end in spans if begin < end)
    return {key: Fraction(number) for key, number in found.items()}


def _cpu_hours(runs: pa.Table, fiscal_year: int) -> Mapping[tuple[str, str], Fraction]:
    """Core-hours of the runs released in the fiscal year."""
    start, end = (pa.scalar(at, runs.schema.field("release").type) for at in fiscal_span(fiscal_year))
    work = runs.select(["tenant", "system", "release", "cpu_s"])
    release = work.column("release")
    mine = work.filter(pc.and_(pc.greater_equal(release, start), pc.less(release, end)))
    # In one thread: floats added in another order differ in their last bits.
    sums = mine.group_by(["tenant", "system"], use_threads=False).aggregate([("cpu_s", "sum")]).to_pylist()
    return {(row["tenant"], row["system"]): _exact(row["cpu_s_sum"]) / 3600 for row in sums}


def _peaks(plan: FolderContents, parties: Iterable[Party], users: Mapping[str, Weights]) -> tuple[Peak, ...]:
    """Each site's first slot of the greatest planned load, by tenant."""
    found = []
    for site in plan.estate.sites:
        profile = plan.profile.filter(pc.equal(plan.profile.column("site"), site.id))
        if not profile.num_rows:
            continue
        sums = profile.group_by("slot", use_threads=False).aggregate([("after", "sum")])
        cores = pc.round(sums.column("after_sum"), ndigits=6)
        when = pc.min(sums.filter(pc.equal(cores, pc.max(cores))).column("slot"))
        at = when.as_py()
        rows = profile.filter(pc.equal(profile.column("slot"), when)).to_pylist()
        demand: dict[tuple[str, str], Fraction] = {}
        for row in rows:
            if row["tenant"] == COMMON:
                for system, part in _shared_parts(plan, site.id, at).items():
                    demand[COMMON, system] = part * _exact(row["after"])
            else:
                demand[row["tenant"], ""] = _exact(row["after"])
        hosts = sum(host.site == site.id for host in plan.layout.hosts)
        found.append(Peak(site.id, hosts, _attributed(demand, users, parties)))
    return tuple(found)


def _exact(value: float) -> Fraction:
    return Fraction(round(value * _MICRO), _MICRO)


def _shared_parts(plan: FolderContents, site: str, slot: datetime) -> Mapping[str, Fraction]:
    """What part of the shared load in a slot of a site is whose system's; equal parts where the tables show none."""
    system_of = {vm.id: vm.system for vm in plan.layout.vms if vm.tenant == COMMON and vm.site == site}
    load: dict[str, Fraction] = dict.fromkeys(system_of.values(), Fraction(0))
    end, names = slot + SLOT, pa.array(system_of, pa.string())
    runs = plan.runs.select(["vm", "start", "end", "fixed_s", "max_cores"])
    for table, first, last in ((runs, "start", "end"), (plan.online, "from", "until")):
        kind = table.schema.field(first).type
        here = table.filter(
            pc.and_(
                pc.is_in(table.column("vm"), names),
                pc.and_(
                    pc.less(table.column(first), pa.scalar(end, kind)),
                    pc.greater(table.column(last), pa.scalar(slot, kind)),
                ),
            )
        )
        for row in here.to_pylist():
            begin = row[first] + timedelta(seconds=row.get("fixed_s", 0.0))
            overlap = _micro(min(row[last], end) - max(begin, slot))
            load[system_of[row["vm"]]] += _exact(row["max_cores"] if "max_cores" in row else row["cores"]) * overlap
    total = sum(load.values(), Fraction(0))
    return {system: cores / total if total else Fraction(1, len(load)) for system, cores in load.items()}
