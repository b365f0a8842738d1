"""Layouts side by side, worked out by hand with the round prices of the remedies' cases."""

from __future__ import annotations

import pytest

import licensing
from layout.records import Layout, Product
from licensing import pricing
from licensing.comparison import MOST, Counted, compare
from tests.licensing.remedies.plans import PRICES, held
from tests.licensing.small_layouts import host, layout, vm

ORACLE = Product(rule="oracle-database-enterprise.processor")
SQL = Product(rule="microsoft-sql-server.core-per-vm")
ENTERPRISE = Product(rule=SQL.rule, options={"edition": "enterprise"})
WEBOTX = Product(rule="nec-webotx.core-pair")
BOOK = pricing.load([PRICES])
HOSTS = [host("kvm01"), host("kvm02"), host("kvm03")]


def counted(name: str, of: Layout, entitlements=None, year: int = 2027) -> Counted:
    return Counted(name, of, licensing.count(of, fiscal_year=year, entitlements=entitlements))


def compared(*layouts: Layout, years: int = 5):
    return compare([counted(f"layout-{i}", each) for i, each in enumerate(layouts)], BOOK, years=years)


MOVABLE = layout(HOSTS, [vm("a", "kvm01", [ORACLE, SQL], may_run_on="all")])
PINNED = layout(HOSTS, [vm("a", "kvm01", [ORACLE, SQL], may_run_on="all", pinned=True)])


def test_pinning_is_the_cheaper_layout():
    result = compared(MOVABLE, PINNED)
    sql, oracle = result.products
    # Reach of three hosts of 32 cores x 0.5; 5,000,000 and 1,000,000 a year each. SQL: 4 cores x 100,000.
    assert [(c.letter, c.quantity, c.cost_jpy, c.difference, c.difference_jpy) for c in oracle.counts] == [
        ("A", 48, 480_000_000, 0, 0),
        ("B", 16, 160_000_000, -32, -320_000_000),
    ]
    assert [(c.quantity, c.packs, c.cost_jpy, c.difference) for c in sql.counts] == [(4, 2, 400_000, 0)] * 2
    # One host in use: 1,000,000 and 100,000 for four of five years.
    assert [
        (one.hosts_in_use, one.hosts_spare, one.hosts_jpy, one.licences_jpy, one.total_jpy) for one in result.layouts
    ] == [
        (1, 0, 1_400_000, 480_400_000, 481_800_000),
        (1, 0, 1_400_000, 160_400_000, 161_800_000),
    ]
    assert [(curve.letter, [(p.hosts, p.quantity) for p in curve.points]) for curve in result.curves] == [
        ("A", [(1, 16), (2, 32), (3, 48)]),
        ("B", [(1, 16)]),
    ]
    assert not result.equal
    assert result.verdict == (
        "判定：差あり — 2 製品のうち 1 製品で必要数が違います。ホストとライセンスの 5 年の費用は B が最も安く"
        " 161,800,000 円、最も高い A より 320,000,000 円少ない"
    )
    assert result.notice == licensing.count(PINNED, fiscal_year=2027, entitlements=None).notice


def test_equal_layouts_are_equal():
    result = compared(MOVABLE, MOVABLE, MOVABLE)
    assert result.equal
    assert result.verdict == "判定：差なし — 3 つの構成で、必要なライセンス、ホスト、違反の数は同じです"
    assert {count.difference for product in result.products for count in product.counts} == {0}


def test_a_product_that_one_layout_lacks_counts_nothing_there():
    without = layout(HOSTS, [vm("a", "kvm01", [SQL])])
    both = layout(HOSTS, [vm("a", "kvm01", [SQL]), vm("b", "kvm02", [ENTERPRISE])])
    result = compared(without, both)
    standard, enterprise = sorted(result.products, key=lambda product: product.options["edition"], reverse=True)
    assert [c.quantity for c in standard.counts] == [4, 4]
    assert [(c.quantity, c.packs, c.cost_jpy) for c in enterprise.counts] == [(0, 0, 0), (4, 2, 400_000)]
    assert [one.hosts_in_use for one in result.layouts] == [1, 2]
    assert "ホスト A 1 台、B 2 台" in result.verdict


def test_what_has_no_price_is_listed_and_in_no_sum():
    result = compared(layout(HOSTS, [vm("a", "kvm01", [SQL])]), layout(HOSTS, [vm("a", "kvm01", [SQL, WEBOTX])]))
    webotx = next(product for product in result.products if product.rule == WEBOTX.rule)
    assert [count.cost_jpy for count in webotx.counts] == [0, None]
    assert webotx.because == "価格表に価格がありません"
    assert [one.licences_jpy for one in result.layouts] == [400_000, 400_000]
    assert [one.unpriced for one in result.layouts] == [(), (WEBOTX.rule,)]
    assert result.verdict.endswith(f"価格の無い製品（{webotx.name}）の必要数が違うため、どれが安いかは言えません")
    assert any(WEBOTX.rule in note for note in result.notes)


def test_what_has_no_price_may_be_left_out_where_every_layout_needs_the_same():
    one = vm("a", "kvm01", [SQL, WEBOTX])
    result = compared(layout(HOSTS, [one]), layout(HOSTS, [one, vm("b", "kvm01", [SQL])]))
    assert result.verdict.endswith(
        "は A が最も安く 1,800,000 円、最も高い B より 400,000 円少ない（価格の無いものを除く）"
    )


def test_a_host_model_without_a_price_leaves_the_hosts_out():
    unknown = layout([host("kvm01", model="power10")], [vm("a", "kvm01", [SQL])])
    result = compared(layout(HOSTS, [vm("a", "kvm01", [SQL], vcpu=8)]), unknown)
    assert [one.hosts_jpy for one in result.layouts] == [1_400_000, None]
    assert result.layouts[1].unpriced == ("ホスト機種 power10",)
    assert "ライセンスの 5 年の費用は B が最も安く 400,000 円" in result.verdict


def test_reserve_hosts_are_bought_too():
    spare = HOSTS[2].model_copy(update={"spare": True})
    result = compared(
        layout(HOSTS, [vm("a", "kvm01", [SQL])]), layout([*HOSTS[:2], spare], [vm("a", "kvm01", [SQL])]), years=1
    )
    assert [(one.hosts_in_use, one.hosts_spare, one.hosts_jpy) for one in result.layouts] == [
        (1, 0, 1_000_000),
        (1, 1, 2_000_000),
    ]
    assert not result.equal


def test_violations_differ_where_they_are_known():
    short, enough = [held(SQL.rule, 2)], [held(SQL.rule, 4)]
    plan = layout(HOSTS, [vm("a", "kvm01", [SQL])])
    assert not compare([counted("a", plan, short), counted("b", plan, enough)], BOOK, years=5).equal
    # For a bare layout nothing is known: that is no difference.
    result = compare([counted("a", plan, short), counted("b", plan)], BOOK, years=5)
    assert result.equal
    assert [one.violations for one in result.layouts] == [1, None]


def test_layouts_of_different_years_are_refused():
    with pytest.raises(licensing.LicensingError, match="年度が違う構成は比べられません"):
        compare([counted("a", MOVABLE), counted("b", MOVABLE, year=2028)], BOOK, years=5)


@pytest.mark.parametrize("number", [0, 1, MOST + 1])
def test_one_layout_or_too_many_are_refused(number):
    with pytest.raises(licensing.LicensingError, match="2 から 26"):
        compared(*[PINNED] * number)
