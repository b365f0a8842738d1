"""Violations with dates worked out by hand."""

from __future__ import annotations

from datetime import date, datetime

import pytest

import licensing
from estate.clock import JST
from estate.records import Entitlement
from layout.records import Product
from tests.licensing.small_layouts import host, layout, vm

SQL = Product(rule="microsoft-sql-server.core-per-vm")
ORACLE = Product(rule="oracle-database-enterprise.processor")
POWERGRES = Product(rule="sraoss-powergres.os")


def at(month: int, day: int, year: int = 2027) -> datetime:
    return datetime(year, month, day, tzinfo=JST)


YEAR = (at(4, 1), at(4, 1, 2028))
SEASON = (at(5, 1), at(6, 15))


def held(
    product: Product,
    quantity: float,
    *,
    name: str = "e",
    tenants: tuple[str, ...] = (),
    systems: tuple[str, ...] = (),
    from_: date | None = None,
    until: date | None = None,
) -> Entitlement:
    return Entitlement(
        id=name,
        rule=product.rule,
        quantity=quantity,
        tenants=tenants,
        systems=systems,
        **{"from": from_},
        until=until,
        source="契約書",
    )


def found(plan, entitlements, **options):
    result = licensing.count(plan, fiscal_year=2027, entitlements=entitlements, **options)
    return result, [(v.vm or v.host, v.from_, v.until, v.held, v.needed) for v in result.violations]


def busy_layout():
    return layout(
        [host("kvm01")],
        [
            vm("hita-resident-tax-db-01", "kvm01", [SQL], changes=[(*SEASON, 8)]),
            vm("hita-resident-tax-db-02", "kvm01", [SQL]),
            vm("usa-resident-tax-db-01", "kvm01", [SQL], tenant="usa"),
        ],
    )


def test_the_vm_that_grows_in_the_busy_season_is_named():
    result, violations = found(busy_layout(), [held(SQL, 12)])
    assert violations == [("hita-resident-tax-db-01", *SEASON, 4, 8)]
    assert result.verdict == (
        "判定：ライセンス違反 1 件 — 令和9年5月1日から6月14日まで hita-resident-tax-db-01 が 8 コア必要、"
        "保有 4（microsoft-sql-server.core-per-vm）"
    )
    assert result.findings.busy_season == result.violations
    assert result.exit_code == 3


def test_what_is_left_over_serves_the_busy_season():
    assert found(busy_layout(), [held(SQL, 14)])[1] == [("hita-resident-tax-db-01", *SEASON, 6, 8)]
    result, violations = found(busy_layout(), [held(SQL, 16)])
    assert violations == []
    assert result.verdict.startswith("判定：適合")
    assert result.exit_code == 0


def test_licences_of_one_tenant_do_not_serve_another():
    # 20 licences are enough in all (16 at most), but usa's 12 do not serve hita.
    entitlements = [held(SQL, 8, name="hita", tenants=("hita",)), held(SQL, 12, name="usa", tenants=("usa",))]
    assert found(busy_layout(), entitlements)[1] == [("hita-resident-tax-db-01", *SEASON, 4, 8)]


def test_licences_of_one_system_serve_that_system_only():
    plan = layout(
        [host("kvm01")],
        [vm("a", "kvm01", [POWERGRES], system="resident-tax"), vm("b", "kvm01", [POWERGRES], system="welfare")],
    )
    entitlements = [held(POWERGRES, 5, systems=("resident-tax",))]
    assert found(plan, entitlements)[1] == [("b", *YEAR, 0, 1)]


def test_licences_are_assigned_so_that_as_many_as_possible_are_served():
    # a may use both pools, b only the tenant's, c only the system's; with 1 + 2 licences nobody goes without.
    plan = layout(
        [host("kvm01")],
        [
            vm("a", "kvm01", [POWERGRES], tenant="hita", system="resident-tax"),
            vm("b", "kvm01", [POWERGRES], tenant="hita", system="welfare"),
            vm("c", "kvm01", [POWERGRES], tenant="usa", system="resident-tax"),
        ],
    )
    for one, two in ((1, 2), (2, 1)):
        entitlements = [
            held(POWERGRES, one, name="x", tenants=("hita",)),
            held(POWERGRES, two, name="y", systems=("resident-tax",)),
        ]
        assert found(plan, entitlements)[1] == []
    entitlements = [
        held(POWERGRES, 1, name="x", tenants=("hita",)),
        held(POWERGRES, 1, name="y", systems=("resident-tax",)),
    ]
    assert len(found(plan, entitlements)[1]) == 1


def test_an_entitlement_that_expires_in_mid_year():
    plan = layout([host("kvm01")], [vm("a", "kvm01", [POWERGRES])])
    entitlements = [held(POWERGRES, 1, from_=date(2026, 10, 1), until=date(2027, 10, 1))]
    assert found(plan, entitlements)[1] == [("a", at(10, 1), at(4, 1, 2028), 0, 1)]


def test_an_entitlement_that_begins_late_and_a_vm_that_joins_and_leaves():
    plan = layout([host("kvm01")], [vm("a", "kvm01", [POWERGRES], from_=at(6, 1), until=at(12, 1))])
    entitlements = [held(POWERGRES, 1, from_=date(2027, 7, 1))]
    assert found(plan, entitlements)[1] == [("a", at(6, 1), at(7, 1), 0, 1)]


def test_the_violation_changes_its_size_with_the_season():
    plan = layout([host("kvm01")], [vm("a", "kvm01", [SQL], changes=[(*SEASON, 8), (at(6, 15), at(7, 1), 6)])])
    assert found(plan, [held(SQL, 4)])[1] == [("a", *SEASON, 4, 8), ("a", at(6, 15), at(7, 1), 4, 6)]


def test_hosts_beyond_the_licences_are_named():
    plan = layout(
        [host("kvm01"), host("kvm02"), host("kvm03")], [vm("a", "kvm02", [ORACLE], may_run_on="all", tenant="hita")]
    )
    result, violations = found(plan, [held(ORACLE, 32)])
    # kvm02, where it runs, is served first, then kvm01; kvm03 is not covered.
    assert violations == [("kvm03", *YEAR, 32, 48)]
    assert result.violations[0].hosts == ("kvm03",)
    assert result.violations[0].because == (
        "令和9年4月1日から令和10年3月31日まで 製品全体で 48 Processor 必要、保有 32"
        "（oracle-database-enterprise.processor、ホスト kvm03 の分が不足）"
    )
    assert found(plan, [held(ORACLE, 16)])[0].violations[0].hosts == ("kvm01", "kvm03")
    assert found(plan, [held(ORACLE, 48)])[1] == []


def test_movable_vms_need_every_host_only_where_the_rule_says_so():
    vms = [vm("a", "kvm01", [ORACLE, SQL], may_run_on="all")]
    plan = layout([host("kvm01"), host("kvm02")], vms)
    assert found(plan, [held(ORACLE, 16), held(SQL, 4)])[1] == [("kvm02", *YEAR, 16, 32)]


def test_restricted_licences_count_for_hosts_only_as_far_as_their_vms_need_them():
    plan = layout(
        [host("kvm01"), host("kvm02")],
        [vm("a", "kvm01", [ORACLE], tenant="hita"), vm("b", "kvm02", [ORACLE], tenant="usa")],
    )
    # hita alone needs 16 of its 64; usa has none.
    assert found(plan, [held(ORACLE, 64, tenants=("hita",))])[1] == [("kvm02", *YEAR, 16, 32)]
    # Both share one host: 16 suffice for the host, but nothing covers usa's VM.
    shared = layout(
        [host("kvm01")], [vm("a", "kvm01", [ORACLE], tenant="hita"), vm("b", "kvm01", [ORACLE], tenant="usa")]
    )
    assert found(shared, [held(ORACLE, 64, tenants=("hita",))])[1] == [("kvm01", *YEAR, 0, 16)]


def test_nothing_is_held_for_a_product():
    assert found(busy_layout(), [])[1] == [
        ("hita-resident-tax-db-01", YEAR[0], SEASON[0], 0, 4),
        ("hita-resident-tax-db-02", *YEAR, 0, 4),
        ("usa-resident-tax-db-01", *YEAR, 0, 4),
        ("hita-resident-tax-db-01", *SEASON, 0, 8),
        ("hita-resident-tax-db-01", SEASON[1], YEAR[1], 0, 4),
    ]


def test_unknown_entitlements_give_counts_only():
    result, violations = found(busy_layout(), None)
    assert violations == []
    assert result.entitlements_known is False
    assert result.verdict.startswith("判定：必要数のみ")
    assert result.products[0].quantity == 16


@pytest.mark.parametrize(("day", "expected"), [(date(2027, 4, 30), 0), (date(2027, 5, 1), 1), (date(2027, 6, 15), 0)])
def test_as_of_judges_that_day(day, expected):
    assert len(found(busy_layout(), [held(SQL, 12)], as_of=day)[1]) == expected
