"""The pilot estate: the ministry's table, this century's populations, and sizes that fit the hosts."""

import csv
from collections import Counter
from pathlib import Path

import pytest

import estate
from estate import EstateFile, read_document
from estate.catalogue_reader import STANDARD
from estate.resolved import ResolvedEstate

ROOT = Path(__file__).parents[2]
PILOT = ROOT / "examples/pilot/estate.yaml"
LAB = ROOT / "examples/lab/estate.yaml"

# The marks of the table as printed (positions 1-9); the body of 由布 copies position 4 (reading R).
TENANTS = ("hita", "usuki", "kitsuki", "usa", "nobeoka", "hyuga", "kushima", "aya", "kadogawa")
MARKS = """
resident-registry         oooooo.oo
seal-registration         o.oooo.oo
alien-registration        o.oooo.oo
electoral-roll            o.ooooooo
one-stop-counter          o.oooo.oo
school-education          o.oooo.oo
national-pension          o.oooo.oo
referendum                o.oooo.oo
resident-tax              o.oooo.oo
corporate-tax             o.oooo.oo
light-vehicle-tax         o.oooo.oo
fixed-asset-tax           o.oooo.oo
addressee                 o.ooooooo
tax-collection            o.oooo.oo
arrears                   o.oooo.oo
nhi-eligibility           o.oooo.oo
nhi-assessment            o.oooo.oo
nhi-benefits              o.oooo.oo
nhi-collection            o.oooo.oo
late-elderly-medical      o.oooo.oo
child-welfare             o.ooooooo
disability-welfare        o.ooooooo
elderly-welfare           o.ooooooo
single-parent-welfare     o.ooooooo
public-assistance         o.oooo.oo
long-term-care            o.oooo.oo
adult-checkups            o.oooo.oo
maternal-checkups         o.oooo.oo
vaccination               o.oooo.oo
infant-medical            o.oooo.oo
severe-disability-medical o.oooo.oo
budget-execution          ..oooo.oo
budget-preparation        ..oooo.oo
settlement                ..oooo.oo
supplies                  ..oooo.oo
settlement-statistics     ..oooo.oo
payroll                   ..oooo.oo
personnel                 ..oooo.oo
document-management       ..oooo.oo
e-approval                ....oo.oo
"""
ROWS = [line.split() for line in MARKS.strip().splitlines()]


@pytest.fixture(scope="module")
def pilot() -> ResolvedEstate:
    return estate.load(PILOT)


@pytest.fixture(scope="module")
def written() -> EstateFile:
    return read_document(PILOT, EstateFile)


def test_the_marks_of_reading_r(pilot):
    used = {(entry.tenant, entry.id) for entry in pilot.systems if entry.tenant != "common"}
    marked = {
        (tenant, system) for system, marks in ROWS for tenant, mark in zip(TENANTS, marks, strict=True) if mark == "o"
    }
    copied = {("yufu", system) for tenant, system in marked if tenant == "usa"}
    assert used == marked | copied


def test_column_sums_of_the_table(pilot):
    sums = Counter(entry.tenant for entry in pilot.systems)
    assert [sums[tenant] for tenant in TENANTS] == [31, 1, 39, 39, 40, 40, 6, 40, 40]
    assert sums["yufu"] == 39


def test_confidence_is_low_for_oita_and_medium_for_miyazaki(pilot):
    prefecture = {tenant.id: tenant.code[:2] for tenant in pilot.tenants if tenant.code}
    found = {(prefecture[entry.tenant], entry.confidence) for entry in pilot.systems if entry.tenant in prefecture}
    assert found == {("44", "low"), ("45", "medium")}


def test_codes_names_and_populations_are_those_of_the_table_of_municipalities(pilot):
    with (STANDARD / "municipalities.csv").open(encoding="utf-8", newline="") as lines:
        known = {row["code"]: row for row in csv.DictReader(lines)}
    assert len(known) == 1741
    tenants = [tenant for tenant in pilot.tenants if tenant.code]
    assert len(tenants) == 10
    for tenant in tenants:
        row = known[tenant.code]
        assert tenant.name == row["name"]
        assert tenant.population == round(int(row["population"]) * 1.03)
        assert tenant.population_basis is not None
        assert f"{int(row['population']):,} 人 × 1.03" in tenant.population_basis


def test_the_example_says_why_the_list_is_old():
    text = PILOT.read_text(encoding="utf-8")
    for word in ("2010年", "外国人登録", "国民投票", "2010年の人口ではない"):
        assert word in text


def test_about_four_hundred_vms_fit_the_hosts_with_one_spare(pilot):
    for site in pilot.sites:
        hosts = [host for host in pilot.hosts if host.site == site.id]
        in_use = len(hosts) - pilot.policy.spare_hosts
        vms = [vm for vm in pilot.vms if vm.site == site.id]
        most_vcpu = sum(max([vm.vcpu, *(change.vcpu for change in vm.vcpu_changes)]) for vm in vms)
        assert sum(vm.memory_gib for vm in vms) < 0.8 * in_use * hosts[0].memory_gib
        assert most_vcpu < 0.9 * in_use * hosts[0].cores * pilot.policy.vcpu_overcommit
        assert sum(disk.size_gib for vm in vms for disk in vm.disks) < 0.8 * in_use * hosts[0].disk_gib
    assert 350 <= len(pilot.vms) <= 450


def test_names_are_unique_and_short_enough(pilot):
    names = [vm.id for vm in pilot.vms]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 63


def test_registry_has_two_application_servers_from_fifty_thousand_residents(pilot):
    population = {tenant.id: tenant.population for tenant in pilot.tenants}
    replicas = Counter(vm.tenant for vm in pilot.vms if (vm.system, vm.role) == ("resident-registry", "ap"))
    assert {name: 2 if population[name] >= 50_000 else 1 for name in replicas} == replicas


def minutes(span: str) -> int:
    opens, closes = (int(clock[:2]) * 60 + int(clock[3:]) for clock in span.split("-"))
    return closes - opens if closes > opens else closes - opens + 24 * 60


def test_every_job_fits_its_shortest_window_twice(pilot):
    vms = {vm.id: vm for vm in pilot.vms}
    for job in pilot.jobs:
        window = job.window
        spans = [window.business_day, window.closed_day, window.month_end, window.year_end]
        shortest = min(minutes(span) for span in spans if span)
        duration_s = job.fixed_s + job.cpu_s / min(job.max_cores, vms[job.vm].vcpu)
        assert 2 * duration_s <= shortest * 60, f"{job.tenant}/{job.system}/{job.job}"


def test_the_longest_night_fits_one_after_the_other(pilot):
    """31 March: daily closing, month's end, year switch and backup of one system, one by one and with some room."""
    vms = {vm.id: vm for vm in pilot.vms}
    lengths: dict[tuple[str, str], float] = {}
    for job in pilot.jobs:
        if job.kind in ("nightly", "month-end", "year-end", "backup") and job.tenant != "common":
            key = (job.tenant, job.system)
            lengths[key] = lengths.get(key, 0) + job.fixed_s + job.cpu_s / min(job.max_cores, vms[job.vm].vcpu)
    assert len(lengths) == 315
    assert max(lengths.values()) * 1.5 <= 6.5 * 3600


def test_the_number_of_runs_is_that_of_a_year_of_315_systems(pilot):
    """The daily runs alone, counted by hand, are most of a year's runs."""
    days = (pilot.end - pilot.start).days
    daily = sum(job.when.rrule == "FREQ=DAILY" and job.when.only is None for job in pilot.jobs)
    nightly = sum(job.kind == "nightly" for job in pilot.jobs)
    assert days == 456
    assert (daily, nightly) == (315 + 3, 315)
    business_days = 304  # of 456: fewer than 5 in 7 because of holidays and the turn of the year
    assert 150_000 <= daily * days + nightly * business_days <= 300_000


def test_two_resident_tax_systems_get_more_vcpu_than_their_licences_cover(pilot):
    rule = "microsoft-sql-server.core-per-vm"
    licensed = [vm for vm in pilot.vms if any(product.rule == rule for product in vm.products)]
    busy = [vm for vm in pilot.vms if vm.vcpu_changes]
    assert [(vm.tenant, vm.system) for vm in busy] == [("hita", "resident-tax"), ("nobeoka", "resident-tax")]
    assert all(vm in licensed for vm in busy)
    (held,) = (entry.quantity for entry in pilot.entitlements if entry.rule == rule)
    normal = sum(max(4, vm.vcpu) for vm in licensed)
    in_june = sum(max(4, vm.vcpu, *(change.vcpu for change in vm.vcpu_changes)) for vm in licensed)
    assert held == normal < in_june


def test_per_system_licences_cover_every_vm_and_oracle_only_some_hosts(pilot):
    held = {entry.rule: entry.quantity for entry in pilot.entitlements}
    powergres = [vm for vm in pilot.vms for product in vm.products if product.rule == "sraoss-powergres.os"]
    assert held["sraoss-powergres.os"] == len(powergres)
    reachable = [host for host in pilot.hosts if host.site == "nobeoka"]
    needed = sum(host.cores * host.model.core_factors["oracle"] for host in reachable)
    assert 0 < held["oracle-database-enterprise.processor"] < needed


def test_the_near_backup_site_is_warned_about(pilot):
    assert any("148 km" in warning for warning in pilot.warnings)


def test_tenants_with_a_certificate_server_have_the_wide_window(pilot, written):
    (server,) = (entry for entry in written.shared if entry.system == "certificate-server")
    for job in pilot.jobs:
        if job.system in ("resident-registry", "seal-registration", "resident-tax"):
            wide = job.window.business_day == "20:00-06:00"
            assert wide == (job.tenant in server.tenants), job.tenant


def test_bodies_that_bill_in_may_have_their_own_dates(pilot):
    notices = {job.tenant: job for job in pilot.jobs if (job.system, job.job) == ("fixed-asset-tax", "notices")}
    may = {name for name, job in notices.items() if job.when.rrule and "BYMONTH=5;" in job.when.rrule}
    assert may == {"usa", "hyuga"}
    for job in pilot.jobs:
        rules = [job.when, *([job.latest] if job.latest else [])]
        if job.tenant in may:
            targets = {rule.relative_to for rule in rules}
            assert not targets & {"fixed-asset-due", "fixed-asset-first-due"}, f"{job.tenant}/{job.job}"


def test_the_laboratory_is_small():
    lab = estate.load(LAB)
    assert [host.id for host in lab.hosts] == ["lab01", "lab02"]
    assert len([tenant for tenant in lab.tenants if tenant.code]) == 2
    assert len({entry.id for entry in lab.systems}) == 3
    assert 5 <= len(lab.vms) <= 6
    for vm in lab.vms:
        assert vm.vcpu == 1
        assert vm.memory_gib <= 0.25
        assert vm.image == "kumiai-guest"
        assert all(disk.size_gib <= 0.25 for disk in vm.disks)
    assert (lab.end - lab.start).days == 28
    replicas = [vm for vm in lab.vms if vm.anti_affinity]
    assert len(replicas) == 2
