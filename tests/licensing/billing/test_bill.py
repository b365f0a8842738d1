"""The bill of a small plan by hand, and what always holds: items, tenants and tables add up, tax stays at the edge."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layout.licence_records import CONTRACT_PREVAILS
from layout.records import Product
from licensing import LicensingError, billing, pricing
from licensing.billing import tables
from tests.licensing.billing.plans import bill, by_year, cost, current, plan
from tests.licensing.pricing.lists import book

POWERGRES = Product(rule="sraoss-powergres.os")
VPC = Product(rule="ibm.vpc")
SUBSCRIPTION = "rule: sraoss-powergres.os, kind: subscription, amount: 100"
PURCHASE = "rule: ibm.vpc, kind: perpetual, amount: 1000, maintenance: {rate: 0.2}"


def test_a_bill_by_hand(tmp_path):
    """Three db with PowerGres (3 a year at 100); six ap with 4 vCPU, two with 8 for two weeks: 32 VPC at 1,000."""
    of = plan(
        {"db": [POWERGRES], "ap": [VPC]},
        [cost("operation", 3000), cost("migration", 600, kind="initial", split="population")],
        [current("t00", 20000), current("t01", 4000), current("t02", 5000)],
    )
    result = bill(of, book(tmp_path, SUBSCRIPTION, PURCHASE), years=3, licence_split="equal")
    assert by_year(result) == {
        "ibm.vpc/list/purchase": (32000, 0, 0),
        "ibm.vpc/list/maintenance": (6400, 6400, 6400),
        "sraoss-powergres.os/list/subscription": (300, 300, 300),
        "operation": (3000, 3000, 3000),
        "migration": (600, 0, 0),
    }
    assert [item.kind for item in result.items] == ["initial", "running", "running", "running", "initial"]
    total = 32000 + 3 * (6400 + 300 + 3000) + 600
    assert sum(tenant.proposed_jpy for tenant in result.tenants) == total
    # A third of everything but the migration, which goes by 1,000, 3,000 and 6,000 people.
    third = (total - 600) // 3
    shares = {tenant.tenant: tenant.proposed_jpy for tenant in result.tenants}
    assert all(abs(shares[name] - third - part) <= 5 for name, part in (("t00", 60), ("t01", 180), ("t02", 360)))
    first = result.tenants[0]
    assert (first.current_jpy, first.saving_jpy) == (60000, 60000 - first.proposed_jpy)
    assert first.saving_rate == pytest.approx((60000 - first.proposed_jpy) / 60000)
    assert result.tenants[1].saving_jpy == 12000 - shares["t01"] < 0
    assert result.verdict == (
        "判定：3 年間の総額 62 千円（税抜） — 現行（A）87 千円に対し 25 千円の削減（29.1 %）、費用が増える団体 2"
    )
    assert result.notice == CONTRACT_PREVAILS
    assert any("2 年目から" in note for note in result.method_notes)


def test_a_rise_is_called_a_rise(tmp_path):
    of = plan(costs=[cost("operation", 3_000_000)], currents=[current(f"t0{i}", 500_000) for i in range(3)])
    result = bill(of, book(tmp_path, SUBSCRIPTION), years=1)
    assert "現行（A）1,500 千円に対し 1,500 千円の増額（100.0 %）、費用が増える団体 3" in result.verdict
    assert "増額" in billing.text(result)
    assert "-500" in billing.text(result)


def test_an_unknown_present_is_not_zero(tmp_path):
    of = plan(costs=[cost("operation", 3_000_000)], currents=[current("t01", 2_000_000)])
    result = bill(of, book(tmp_path, SUBSCRIPTION), years=1)
    assert [tenant.saving_jpy for tenant in result.tenants] == [None, 1_000_000, None]
    assert "現行が分かる 1 団体では現行（A）2,000 千円に対し 1,000 千円の削減（50.0 %）" in result.verdict
    nothing = bill(plan(), book(tmp_path, SUBSCRIPTION))
    assert "現行の費用（A）が無い" in nothing.verdict
    assert "current_costs）が無いため、比較できません" in billing.text(nothing)


def test_what_has_no_price_is_in_no_sum(tmp_path):
    of = plan({"db": [POWERGRES, VPC]})
    result = bill(of, book(tmp_path, SUBSCRIPTION), years=2)
    assert [item.rule for item in result.items] == ["sraoss-powergres.os"]
    (unpriced,) = result.unpriced
    assert (unpriced.rule, unpriced.quantity, unpriced.because) == ("ibm.vpc", 12, "価格表に価格がありません")
    assert "金額を出せない製品 1 件の費用は入っていない" in result.verdict
    assert result.left_out is not None
    assert result.unpriced[0].name in result.left_out
    assert "0 円ではない" in billing.text(result)


def test_costs_keep_their_years(tmp_path):
    of = plan(
        costs=[
            cost("late", 10, from_year=2029),
            cost("early", 20, until_year=2028),
            cost("both", 30, from_year=2028, until_year=2029),
            cost("once", 40, kind="initial"),
            cost("third", 50, kind="initial", from_year=2029),
            cost("past", 60, kind="initial", from_year=2020),
        ]
    )
    assert by_year(bill(of, book(tmp_path, SUBSCRIPTION), years=4)) == {
        "late": (0, 0, 10, 10),
        "early": (20, 20, 0, 0),
        "both": (0, 30, 30, 0),
        "once": (40, 0, 0, 0),
        "third": (0, 0, 50, 0),
        "past": (0, 0, 0, 0),
    }


def test_who_joins_late_pays_and_compares_by_months(tmp_path):
    of = plan(
        costs=[cost("operation", 33_000)], currents=[current("t00", 12_000)],
        dates={"t00": {"from_": date(2027, 7, 1), "until": date(2028, 10, 1)}},
    )  # fmt: skip
    result = bill(of, book(tmp_path, SUBSCRIPTION), years=2)
    first = result.tenants[0]
    # 9 of 12 months in the first year, 6 of 12 in the second: 9 : 12 : 12 and 6 : 12 : 12 of 33,000.
    assert [year.amount_jpy for year in first.years] == [9000, 6600]
    assert (first.months, first.current_jpy) == (15, 9000 + 6000)


def test_only_users_pay_for_a_licence(tmp_path):
    of = plan({"t01-s00-db-01": [POWERGRES]})
    result = bill(of, book(tmp_path, SUBSCRIPTION), years=1)
    assert result.items[0].tenants == ("t01",)
    assert [tenant.proposed_jpy for tenant in result.tenants] == [0, 100, 0]


def test_who_pays_more_than_alone_is_named(tmp_path):
    """One municipality needs 16 of the 20 licences, in its busy weeks; in equal shares the other pays for it."""
    of = plan({"t00-s00-ap-01": [VPC], "t00-s00-ap-02": [VPC], "t01-s00-ap-01": [VPC]})
    result = bill(of, book(tmp_path, "rule: ibm.vpc, kind: perpetual, amount: 1000"), years=1, licence_split="equal")
    assert [(tenant.tenant, tenant.over_stand_alone) for tenant in result.tenants] == [
        ("t00", False), ("t01", True), ("t02", False),
    ]  # fmt: skip
    assert (result.tenants[1].licences_jpy, result.tenants[1].stand_alone_jpy) == (10000, 4000)
    assert "注意：t01 のライセンス費の負担 10 千円は、単独費用 4 千円を 6 千円超えています" in billing.text(result)


def test_shapley_values_of_a_plan_are_its_bill(tmp_path):
    of = plan({"db": [POWERGRES], "ap": [VPC]})
    result = bill(of, book(tmp_path, SUBSCRIPTION, PURCHASE), years=2, licence_split="shapley")
    assert {split.method for split in result.splits} == {"shapley"}
    assert sum(tenant.proposed_jpy for tenant in result.tenants) == 32000 + 2 * (6400 + 300)
    assert not any(tenant.over_stand_alone for tenant in result.tenants)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"years": 0}, "契約は 1 年から 30 年まで"),
        ({"years": 31}, "契約は 1 年から 30 年まで"),
        ({"tax_rate": Fraction(2)}, "税率は 0 から 1 まで"),
        ({"licence_split": "equall"}, "equal のことですか"),
    ],
)
def test_wrong_use_is_one_line(tmp_path, options, words):
    with pytest.raises(LicensingError, match=words):
        bill(plan({"db": [POWERGRES]}), book(tmp_path, SUBSCRIPTION), **options)


def test_a_cost_with_an_unknown_split_method_is_refused(tmp_path):
    with pytest.raises(LicensingError, match="費目 operation の split: 負担方法 populaton がありません"):
        bill(plan(costs=[cost("operation", 1, split="populaton")]), book(tmp_path, SUBSCRIPTION))


SHIPPED = pricing.load()
METHODS = ("equal", "population", "use", "niigata-union", "shapley")
AMOUNTS = st.integers(0, 10**10)


@given(
    amounts=st.lists(st.tuples(AMOUNTS, st.sampled_from(METHODS[:4]), st.booleans()), max_size=4),
    licence_split=st.sampled_from(METHODS),
    years=st.integers(1, 30),
    rate=st.integers(0, 100),
    where=st.sampled_from([{}, {"db": [POWERGRES]}, {"ap": [VPC], "db": [POWERGRES, VPC]}]),
    joined=st.sampled_from([None, date(2027, 10, 1), date(2030, 4, 1)]),
)
@settings(max_examples=15, deadline=None)
def test_everything_adds_up_and_tax_stays_at_the_edge(amounts, licence_split, years, rate, where, joined):
    costs = [
        cost(f"c{i}", amount, split=split, kind="initial" if once else "running")
        for i, (amount, split, once) in enumerate(amounts)
    ]
    of = plan(where, costs, [current("t00", 1_000_000)], {"t02": {"from_": joined}})
    result = bill(of, SHIPPED, years=years, licence_split=licence_split, tax_rate=Fraction(rate, 100))
    total = sum(item.total_jpy for item in result.items)
    assert total == sum(tenant.proposed_jpy for tenant in result.tenants)
    for item, split in zip(result.items, result.splits, strict=True):
        paid = [sum(share.years[index].amount_jpy for share in split.shares) for index in range(years)]
        assert paid == [year.amount_jpy for year in item.years]
    for tenant in result.tenants:
        assert tenant.proposed_jpy == sum(year.amount_jpy for year in tenant.years)
        if tenant.current_jpy is not None:
            assert tenant.saving_jpy == tenant.current_jpy - tenant.proposed_jpy
    whole = (tables.item_years(result), tables.tenant_years(result), tables.tenant_items(result))
    assert all(sum(table.totals) == sum(line.total for line in table.lines) == total for table in whole)
    assert whole[0].totals == whole[1].totals
    assert whole[2].totals == tuple(line.total for line in whole[0].lines)
    for item in result.items:
        assert tables.item_tenant_years(result, item.id).totals == tuple(year.amount_jpy for year in item.years)
    edge = tables.contract_total(result)
    assert (edge.net, edge.gross - edge.tax, edge.tax) == (total, total, total * rate // 100)
    untaxed = bill(of, SHIPPED, years=years, licence_split=licence_split, tax_rate=Fraction(0))
    assert (untaxed.items, untaxed.tenants) == (result.items, result.tenants)
