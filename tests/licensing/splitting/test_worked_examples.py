"""Splits worked out by hand, as data: ordinances with their truncation, months, and every rule for the remainder."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, Field

from estate import read_document
from layout.bill_records import BillItem
from licensing import splitting
from licensing.splitting import Grounds, Party, Peak, shapley
from licensing.splitting.records import Part
from tests.licensing.splitting.bills import item, licence, yen

CASES = Path(__file__).parents[2] / "cases" / "splitting"


class CaseRecord(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Town(CaseRecord):
    id: str
    population: int
    from_: date | None = Field(default=None, alias="from")
    until: date | None = None
    vcpu_hours: int = 0


class Case(CaseRecord):
    id: str
    method: str
    amounts: tuple[int, ...]
    towns: tuple[Town, ...]
    yen: dict[str, tuple[int, ...]]
    remainder_jpy: int
    remainder_to: str | None
    how: str


class CaseFile(CaseRecord):
    cases: tuple[Case, ...]


def towns(*populations: int, **grounds) -> Grounds:
    names = ("kou", "otsu", "hei", "tei")[: len(populations)]
    parties = (Party(name, f"{name}町", people) for name, people in zip(names, populations, strict=True))
    return Grounds(2027, tuple(parties), **grounds)


@pytest.fixture(scope="module")
def book():
    return splitting.load(CASES / "own")


@pytest.mark.parametrize(
    "case", read_document(CASES / "worked.yaml", CaseFile).cases, ids=lambda case: f"{case.method}-{case.id}"
)
def test_worked_example(case: Case, book):
    grounds = Grounds(
        fiscal_year=2027,
        parties=tuple(Party(t.id, f"{t.id}町", t.population, t.from_, t.until) for t in case.towns),
        use={"vcpu-hours": {t.id: Fraction(t.vcpu_hours) for t in case.towns}},
    )
    split = splitting.split(item(*case.amounts), book.method(case.method, "費目 item"), grounds)
    assert {share.tenant: tuple(year.amount_jpy for year in share.years) for share in split.shares} == case.yen
    assert (split.remainder_jpy, split.remainder_to) == (case.remainder_jpy, case.remainder_to), case.how


def test_peak_by_hand(book):
    """Of 12 hosts' site 3/4 and 1/4, of 4 hosts' site 0 and all: (12 x 3/4) : (12 x 1/4 + 4) = 9 : 7."""
    grounds = towns(
        1,
        1,
        peaks=(
            Peak("main", 12, {"kou": Fraction(30), "otsu": Fraction(10)}),
            Peak("backup", 4, {"otsu": Fraction(1, 2)}),
        ),
    )
    split = splitting.split(item(1600), book.method("peak", "費目 item"), grounds)
    assert yen(split) == {"kou": 900, "otsu": 700}
    assert [share.elements[0].quantity for share in split.shares] == [30, 10.5]
    assert {share.elements[0].unit for share in split.shares} == {"コア"}


RUNWAYS = {"kou": 800, "otsu": 1100, "hei": 1300, "tei": 1800}


def runways(_: BillItem):
    """The airport game of Littlechild and Owen (1973): 2, 3, 4 and 9 hundred."""
    return lambda coalition: max((RUNWAYS[tenant] for tenant in coalition), default=0)


def test_shapley_of_the_airport_game(book):
    split = splitting.split(licence(1800), book.method("shapley", "費目 item"), towns(1, 1, 1, 1, licence_cost=runways))
    assert yen(split) == {"kou": 200, "otsu": 300, "hei": 400, "tei": 900}
    assert [share.stand_alone_jpy for share in split.shares] == [800, 1100, 1300, 1800]
    assert "単独費用を超える団体はない" in split.because


def test_a_tenant_charged_more_than_alone_is_named_whatever_the_method(book):
    """Fees that are not shared: each alone 100, 200, 300; equal shares of 600 charge the first twice what it needs."""
    alone = {"kou": 100, "otsu": 200, "hei": 300}
    grounds = towns(1, 1, 4, licence_cost=lambda _: lambda coalition: sum(alone[tenant] for tenant in coalition))
    equal = splitting.split(licence(600), book.method("equal", "費目 item"), grounds)
    assert yen(equal) == {"kou": 200, "otsu": 200, "hei": 200}
    assert "単独費用を超える団体：kou町。" in equal.because
    by_people = splitting.split(licence(600), book.method("population", "費目 item"), grounds)
    assert "単独費用を超える団体：hei町。" in by_people.because
    value = splitting.split(licence(600), book.method("shapley", "費目 item"), grounds)
    assert yen(value) == alone


def test_what_runs_is_compared_by_months_what_is_bought_is_not(book):
    half = Party("otsu", "otsu町", 1, from_=date(2027, 10, 1))
    grounds = Grounds(2027, (Party("kou", "kou町", 1), half), licence_cost=lambda _: lambda who: 1200 * len(who))
    runs = splitting.split(licence(2400, kind="running"), book.method("equal", "費目 item"), grounds)
    bought = splitting.split(licence(2400), book.method("equal", "費目 item"), grounds)
    assert yen(runs) == yen(bought) == {"kou": 1600, "otsu": 800}
    assert [share.stand_alone_jpy for share in runs.shares] == [1200, 600]
    assert [share.stand_alone_jpy for share in bought.shares] == [1200, 1200]


def test_a_mix_shows_its_elements(book):
    split = splitting.split(item(1000000), book.method("niigata-union", "費目 item"), towns(30000, 10000))
    first = split.shares[0]
    assert [(e.by, e.ratio, e.unit, e.quantity) for e in first.elements] == [
        ("equal", 0.25, "団体", 1),
        ("population", 0.375, "人", 30000),
    ]
    assert first.ratio == 0.625


def test_only_the_tenants_of_an_item_share_it(book):
    split = splitting.split(item(90, tenants=("hei", "kou")), book.method("equal", "費目 item"), towns(1, 1, 1))
    assert yen(split) == {"kou": 45, "hei": 45}


def test_no_use_at_all_is_shared_equally_and_said(book):
    split = splitting.split(item(101), book.method("use", "費目 item"), towns(1, 1))
    assert yen(split) == {"kou": 51, "otsu": 50}
    assert "実績割の基礎がすべて 0 の年度は加入月数で等分" in split.because


def test_the_ordinances_say_what_was_not_checked(book):
    for method in book.methods.values():
        if "union" in method.id or "kozagawa" in method.id:
            assert any("誰が負担するか" in what for what in method.unverified), method.id
            said = splitting.split(item(5), method, towns(1, 2)).because
            assert "未確認：" in said


def twenty(amount_of) -> Grounds:
    parties = tuple(Party(f"town-{i:02}", f"{i} 町", 1000 * (i + 1)) for i in range(20))
    return Grounds(2027, parties, licence_cost=lambda _: amount_of)


def test_twenty_towns_are_drawn_with_intervals_and_still_add_up(book):
    """The airport game with runways 100, 200, … 2,000 thousand: town i owes the sum of 100 / (20 - k) over k <= i."""

    def cost(coalition):
        return 100_000 * max((int(name[-2:]) + 1 for name in coalition), default=0)

    grounds = twenty(cost)
    bill = licence(1_000_000, 1_000_000, rule="acme.unit")
    split = splitting.split(bill, book.method("shapley", "費目 item"), grounds)
    exact = [sum(Fraction(100_000, 20 - k) for k in range(i + 1)) for i in range(20)]
    held = [
        share.interval_jpy[0] <= value <= share.interval_jpy[1]
        for share, value in zip(split.shares, exact, strict=True)
    ]
    assert sum(held) >= 17
    drawn = shapley.values(
        [party.id for party in grounds.parties], cost, np.random.default_rng([0, crc32(b"('acme.unit', [])")])
    )
    assert {share.tenant: share.interval_jpy for share in split.shares} == {
        name: (floor(value.interval[0]), ceil(value.interval[1])) for name, value in drawn.items()
    }
    assert all(sum(yen(split, year).values()) == 1_000_000 for year in range(2))
    assert all(
        share.interval_jpy[0] <= sum(y.amount_jpy for y in share.years) <= share.interval_jpy[1] + 1
        for share in split.shares
    )
    assert "加入の順を抽出した推定値" in split.because
    assert splitting.split(bill, book.method("shapley", "費目 item"), grounds) == split
    other = splitting.split(bill, book.method("shapley", "費目 item"), grounds, seed=1)
    assert other.shares != split.shares


def test_purchase_and_maintenance_of_a_product_draw_the_same_orders(book):
    def cost(coalition):
        return 7 * -(-sum(int(name[-2:]) for name in coalition) // 11)

    total = cost(frozenset(party.id for party in twenty(cost).parties))
    one, two = (
        splitting.split(licence(total, id=name, rule="acme.unit"), book.method("shapley", "費目 item"), twenty(cost))
        for name in ("purchase", "maintenance")
    )
    assert one.shares == two.shares


def test_a_mix_keeps_the_interval_to_its_part(book):
    """Half equal, half by value: the interval is half as wide, around what is paid."""

    def cost(coalition):
        return 100_000 * max((int(name[-2:]) + 1 for name in coalition), default=0)

    whole = book.method("shapley", "費目 item")
    half = whole.model_copy(update={"parts": (Part(by="equal", share="50%"), Part(by="shapley", share="50%"))})
    bill = licence(2_000_000, rule="acme.unit")
    one, two = (splitting.split(bill, method, twenty(cost)) for method in (whole, half))
    for full, mixed in zip(one.shares, two.shares, strict=True):
        wide, narrow = (share.interval_jpy[1] - share.interval_jpy[0] for share in (full, mixed))
        assert narrow == pytest.approx(wide / 2, abs=2)
        assert mixed.interval_jpy[0] - 1 <= mixed.years[0].amount_jpy <= mixed.interval_jpy[1] + 1
