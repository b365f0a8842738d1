"""10,000 random bills: whatever the method, every year adds up to the yen and nobody outside pays."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from licensing import splitting
from licensing.splitting import Grounds, Party, Peak, SplitMethod
from licensing.splitting.records import Part, TenantTakes, exact
from tests.licensing.splitting.bills import ids, licence, yen

BILLS = 10_000
UNITS = (1, 1, 1, 10, 100, 1000, 1000, 10_000)


def some_day(rng) -> date:
    return date(2026 + int(rng.integers(0, 5)), int(rng.integers(1, 13)), int(rng.integers(1, 29)))


def some_parties(rng, number: int) -> tuple[Party, ...]:
    parties = []
    for name in rng.permutation(ids(number)):
        joined, left = (some_day(rng) if rng.random() < 0.2 else None for _ in range(2))
        people = 0 if rng.random() < 0.05 else int(rng.integers(1, 10 ** int(rng.integers(1, 7))))
        parties.append(Party(str(name), f"{name}町", people, joined, left))
    return tuple(parties)


def cut_in(rng, number: int) -> list[str]:
    """Ratios that add up to 1, as a file would write them."""
    cuts = [0, *sorted(int(cut) for cut in rng.integers(0, 1001, number - 1)), 1000]
    return [f"{b - a}/1000" for a, b in pairwise(cuts)]


def some_method(rng, parties: tuple[Party, ...], with_value: bool) -> SplitMethod:
    kinds = ["equal", "population", "use", "fixed", "peak", *(["shapley"] if with_value else [])]
    number = int(rng.integers(1, 4))
    parts = []
    for share in cut_in(rng, number):
        by = kinds[rng.integers(0, len(kinds))]
        shares = {}
        if by == "fixed":
            shares = dict(zip([party.id for party in parties], cut_in(rng, len(parties)), strict=True))
        measure = ["vcpu-hours", "cpu-hours", "vms"][rng.integers(0, 3)] if by == "use" else None
        parts.append(Part(by=by, share=share, measure=measure, shares=shares))
    takers = [
        "largest-share",
        "first",
        "largest-remainder",
        TenantTakes(tenant=parties[rng.integers(0, len(parties))].id),
    ]
    return SplitMethod(
        format=1,
        id="random",
        name="乱数",
        parts=tuple(parts),
        truncate_jpy=UNITS[rng.integers(0, len(UNITS))],
        remainder=takers[rng.integers(0, len(takers))],
        source="乱数",
        evidence="example",
    )


def some_grounds(rng, parties: tuple[Party, ...]) -> Grounds:
    def quantities():
        return {
            party.id: Fraction(0 if rng.random() < 0.3 else int(rng.integers(0, 10**6)), int(rng.integers(1, 100)))
            for party in parties
            if rng.random() < 0.9
        }

    return Grounds(
        fiscal_year=2027,
        parties=parties,
        use={measure: quantities() for measure in ("vcpu-hours", "cpu-hours", "vms") if rng.random() < 0.9},
        peaks=tuple(Peak(site, int(rng.integers(1, 20)), quantities()) for site in ("main", "backup")),
    )


def some_game(rng, parties):
    """A step function of the tenants' sizes, as licences in packs are: neither convex nor concave."""
    sizes = {party.id: int(rng.integers(0, 40)) for party in parties}
    pack, price = int(rng.integers(1, 30)), int(rng.integers(0, 10**6))
    return lambda coalition: -(-sum(sizes[tenant] for tenant in coalition) // pack) * price


def amounts(rng, total: int | None) -> list[int]:
    years = int(rng.integers(1, 4))
    if total is None:
        return [0 if rng.random() < 0.1 else int(rng.integers(0, 10 ** int(rng.integers(1, 10)))) for _ in range(years)]
    return [total // years + (total % years if year == 0 else 0) for year in range(years)]


def checked(bill, method: SplitMethod, grounds: Grounds, split) -> None:
    parties = {party.id: party for party in grounds.parties}
    assert [share.tenant for share in split.shares] == list(parties)
    assert sum(share.ratio for share in split.shares) == pytest.approx(1, abs=1e-9)
    for share in split.shares:
        assert sum(element.ratio for element in share.elements) == pytest.approx(share.ratio, abs=1e-9)
    for index, year in enumerate(bill.years):
        paid = yen(split, index)
        months = {name: party.months(year.year) for name, party in parties.items()}
        assert sum(paid.values()) == year.amount_jpy
        assert min(paid.values()) >= 0
        if any(months.values()):
            assert all(months[name] for name, amount in paid.items() if amount), "a stranger pays"
        odd = [amount for amount in paid.values() if amount % method.truncate_jpy]
        if method.remainder != "largest-remainder":
            assert len(odd) <= 1, "only who takes the remainder pays odd yen"
    assert 0 <= split.remainder_jpy < method.truncate_jpy * len(parties) * len(bill.years)
    assert (split.remainder_to is None) == (split.remainder_jpy == 0)
    if method.remainder == "first" and split.remainder_to is not None and len(bill.years) == 1:
        first = next(share.tenant for share in split.shares if share.ratio)
        assert split.remainder_to == first


def test_ten_thousand_random_bills():
    rng = np.random.default_rng(20270401)
    sums = 0
    for number in range(BILLS):
        parties = some_parties(rng, int(rng.integers(1, 9)))
        grounds = some_grounds(rng, parties)
        game = some_game(rng, parties) if number % 4 == 0 and len(parties) <= 5 else None
        method = some_method(rng, parties, with_value=game is not None)
        if game is not None:
            grounds = Grounds(
                **{**vars(grounds), "licence_cost": lambda _, game=game: game},
            )
        total = None if game is None else game(frozenset(party.id for party in parties))
        bill = licence(*amounts(rng, total))
        split = splitting.split(bill, method, grounds)
        checked(bill, method, grounds, split)
        sums += sum(sum(yen(split, index).values()) for index in range(len(bill.years)))
        if number % 10 == 0 and method.remainder != "first":
            mixed = Grounds(**{**vars(grounds), "parties": tuple(parties[i] for i in rng.permutation(len(parties)))})
            again = splitting.split(bill, method, mixed)
            assert {share.tenant: share for share in again.shares} == {share.tenant: share for share in split.shares}
    assert sums > 10**9


def test_ratios_of_the_generator_are_ratios():
    rng = np.random.default_rng(1)
    assert all(sum(exact(ratio) for ratio in cut_in(rng, number)) == 1 for number in range(1, 9))
