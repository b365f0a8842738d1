"""What a product costs: packs, currencies, tax, rounding, maintenance, and why some have no amount."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.clock import JST
from licensing import pricing
from licensing.pricing.book import rounded
from tests.licensing.pricing.lists import book, graded, product, written

SQL = "microsoft-sql-server.core-per-vm"
HOURLY = "microsoft-sql-server.core-hourly"
PACKAGE = "package.population-class"


def years(of: pricing.PriceBook, counted, number: int = 3) -> dict[str, tuple[int, ...]]:
    return {part.part: part.by_year for part in of.cost(counted, number) or ()}


def test_the_published_example_of_fifty_two_cores(tmp_path):
    """52 Enterprise cores at 5,000 USD are 260,000 USD (facts, vectors 12 and 13)."""
    of = book(
        tmp_path, f"rule: {SQL}, options: {{edition: enterprise}}, kind: perpetual, amount: 5000",
        currency="USD", rates={"USD": Fraction(100)},
    )  # fmt: skip
    counted = product(SQL, 52, options={"edition": "enterprise"}, packs=26, pack="2 コアパック")
    (part,) = of.cost(counted, 1) or ()
    assert (part.by_year, part.count, part.unit_price_jpy) == ((26_000_000,), 26, 1_000_000)
    assert "10,000 USD" in part.because


def test_the_last_pack_is_paid_whole(tmp_path):
    by_licence = book(tmp_path, f"rule: {SQL}, kind: perpetual, amount: 1000")
    by_pack = book(tmp_path, f"rule: {SQL}, kind: perpetual, per: pack, amount: 2000")
    counted = product(SQL, 7, options={"edition": "standard"}, packs=4, pack="2 コアパック")
    assert years(by_licence, counted) == years(by_pack, counted) == {"purchase": (8000, 0, 0)}


def test_half_a_licence_is_bought_whole(tmp_path):
    of = book(tmp_path, "rule: redhat-rhel.guest-pair, kind: subscription, amount: 100")
    assert years(of, product("redhat-rhel.guest-pair", 1.5)) == {"subscription": (200, 200, 200)}


def test_maintenance_by_rate_and_by_amount_after_free_years(tmp_path):
    of = book(tmp_path, "rule: ibm.vpc, kind: perpetual, amount: 333, maintenance: {rate: 0.2, free_years: 1}")
    assert years(of, product("ibm.vpc", 10)) == {"purchase": (3330, 0, 0), "maintenance": (0, 670, 670)}
    of = book(tmp_path, "rule: ibm.vpc, kind: perpetual, amount: 333, maintenance: {amount: 50}")
    assert years(of, product("ibm.vpc", 10)) == {"purchase": (3330, 0, 0), "maintenance": (500, 500, 500)}


def test_metered_units_keep_their_fractions_of_a_yen(tmp_path):
    of = book(tmp_path, f"rule: {HOURLY}, kind: metered, amount: 0.1", currency="USD", rates={"USD": Decimal("150.25")})
    counted = product(HOURLY, 1000, options={"edition": "standard"}, law="hourly-meter")
    assert years(of, counted) == {"metered": (15025, 15025, 15025)}
    assert (of.cost(counted, 1) or ())[0].unit_price_jpy == 15.025


@pytest.mark.parametrize("rule", ["up", "down", "half-up"])
@pytest.mark.parametrize(
    ("units", "yen"), [(100 / 3, 100), (200 / 3, 200), (1 / 3, 1), (8784 + 1 / 3600 * 1200, 26353)]
)
def test_thirds_of_an_hour_are_thirds_whatever_the_float_says(tmp_path, rule, units, yen):
    of = book(tmp_path, f"rule: {HOURLY}, kind: metered, amount: 3", rounding=rule)
    counted = product(HOURLY, units, options={"edition": "standard"}, law="hourly-meter")
    assert years(of, counted, 1) == {"metered": (yen,)}


@pytest.mark.parametrize(("rule", "yen"), [("up", 101), ("down", 100), ("half-up", 100)])
def test_tax_is_taken_out_and_the_list_says_how_to_round(tmp_path, rule, yen):
    head = {"tax": "inclusive", "tax_rate": "0.10", "rounding": rule}
    of = book(tmp_path, "rule: ibm.vpc, kind: perpetual, amount: 110.2", **head)
    assert years(of, product("ibm.vpc", 3), 1) == {"purchase": (3 * yen,)}


def test_half_a_yen_goes_up(tmp_path):
    of = book(tmp_path, "rule: ibm.vpc, kind: perpetual, amount: 100.5")
    assert years(of, product("ibm.vpc", 1), 1) == {"purchase": (101,)}


def test_the_rate_of_the_command_replaces_that_of_the_file(tmp_path):
    head = {"currency": "USD", "exchange": "{rate: 150, source: 2027-02-01 の TTS}"}
    row = "rule: ibm.vpc, kind: perpetual, amount: 1"
    assert years(book(tmp_path, row, **head), product("ibm.vpc", 1), 1) == {"purchase": (150,)}
    of = book(tmp_path, row, rates=pricing.exchange_rates(["USD=160"]), **head)
    assert years(of, product("ibm.vpc", 1), 1) == {"purchase": (160,)}
    assert of.references[0].exchange_source == "コマンドの --rate の指定"


def test_the_price_that_names_most_options_wins(tmp_path):
    of = book(
        tmp_path,
        f"rule: {SQL}, kind: perpetual, amount: 1",
        f"rule: {SQL}, options: {{edition: enterprise}}, kind: perpetual, amount: 4",
    )
    assert years(of, product(SQL, 2, packs=1, options={"edition": "enterprise"}), 1) == {"purchase": (8,)}
    assert years(of, product(SQL, 2, packs=1, options={"edition": "standard"}), 1) == {"purchase": (2,)}


def test_a_later_list_comes_first_and_dates_hold(tmp_path):
    old = written(tmp_path, "rule: ibm.vpc, kind: perpetual, amount: 5", name="old.yaml", id="old")
    row = "rule: ibm.vpc, kind: perpetual, amount: 7, valid_from: 2027-05-01, valid_to: 2027-06-01"
    new = written(tmp_path, row, name="new.yaml", id="new")
    of = pricing.load([old, new])
    for month, day, yen in ((4, 30, 5), (5, 1, 7), (5, 31, 7), (6, 1, 5)):
        counted = product("ibm.vpc", 1, at=datetime(2027, month, day, tzinfo=JST))
        assert years(of, counted, 1) == {"purchase": (yen,)}


def test_every_grade_has_its_price(tmp_path):
    rows = [f"rule: {PACKAGE}, grade: {grade}, kind: subscription, amount: {yen}"
            for grade, yen in (("5 千人未満", 100), ("1 万人未満", 300))]  # fmt: skip
    counted = graded(PACKAGE, **{"5 千人未満": 2, "1 万人未満": 1})
    found = book(tmp_path, *rows).cost(counted, 2) or ()
    assert [(part.grade, part.by_year) for part in found] == [("5 千人未満", (200, 200)), ("1 万人未満", (300, 300))]
    lacking = book(tmp_path, rows[0])
    assert lacking.cost(counted, 2) is None
    assert lacking.why_unpriced(counted) == "価格表に等級 1 万人未満 の価格がありません"


def test_no_price_is_no_zero(tmp_path):
    of = book(tmp_path, "rule: ibm.vpc, kind: perpetual, amount: 0")
    assert of.cost(product("ibm.pvu", 1), 1) is None
    assert of.why_unpriced(product("ibm.pvu", 1)) == "価格表に価格がありません"
    assert years(of, product("ibm.vpc", 1), 1) == {"purchase": (0,)}


@pytest.mark.parametrize("fields", [{"evidence": "unverified"}, {"unverified": ("x86 の係数",)}])
def test_values_that_were_not_checked_give_no_yen(tmp_path, fields):
    of = book(tmp_path, "rule: ibm.vpc, kind: perpetual, amount: 1")
    counted = product("ibm.vpc", 1, **fields)
    assert of.cost(counted, 1) is None
    assert "未確認" in (of.why_unpriced(counted) or "")


def test_a_price_of_another_kind_than_the_count(tmp_path):
    of = book(tmp_path, f"rule: {HOURLY}, kind: metered, amount: 1")
    counted = product(HOURLY, 5, options={"edition": "standard"})
    assert of.cost(counted, 1) is None
    assert "種類" in (of.why_unpriced(counted) or "")


def test_the_shipped_lists_are_examples_and_say_so():
    of = pricing.load()
    assert len(of.references) >= 4
    for reference in of.references:
        assert (reference.evidence, reference.name[:2]) == ("example", "例：")
    counted = product("oracle-database-enterprise.processor", 2, unit="Processor")
    (purchase, maintenance) = of.cost(counted, 5) or ()
    assert purchase.by_year == (10_326_000, 0, 0, 0, 0)
    assert "例：" in purchase.because
    assert "2014" in purchase.source
    assert "仮定値" in maintenance.source


@given(value=st.fractions(min_value=0, max_value=10**12))
def test_rounding_is_next_to_the_value(value):
    up, down, near = (rounded(value, rule) for rule in ("up", "down", "half-up"))
    assert down <= value <= up
    assert up - down == (value.denominator != 1)
    assert abs(value - near) <= Fraction(1, 2)


SHIPPED = pricing.load()


@given(packs=st.integers(0, 10_000), more=st.integers(0, 10_000), length=st.integers(1, 30))
def test_yen_are_proportional_to_packs(packs, more, length):
    def total(number: int) -> tuple[int, ...]:
        counted = product(SQL, 2 * number, options={"edition": "standard"}, packs=number, pack="2 コアパック")
        return tuple(sum(part.by_year) for part in SHIPPED.cost(counted, length) or ())

    assert [a + b for a, b in zip(total(packs), total(more), strict=True)] == list(total(packs + more))
