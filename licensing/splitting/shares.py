"""One cost item, one method: who pays what in every year, checked to the yen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from zlib import crc32

import numpy as np

from layout.bill_records import BillItem, ItemShare, ItemSplit, SplitElement, YearAmount
from layout.licence_records import Number

from ..errors import LicensingError
from . import checks, ratios, shapley, wording
from .ground_records import CoalitionCost, Grounds, Party
from .ratios import ZERO, Basis
from .records import SplitMethod
from .yen import Paid, whole_yen


@dataclass(frozen=True)
class _Year:
    """One year of one item."""

    amount: int
    ratios: ratios.Ratios
    paid: Paid


def split(item: BillItem, method: SplitMethod, grounds: Grounds, *, seed: int = 0) -> ItemSplit:
    """Answers who pays what of an item by a method: whole yen that add up to the item in every year.

    A licence's tenants are also told what they would pay for it alone, and who pays more than that is named, whatever
    the method. `seed` draws joining orders where a Shapley value has more than 15 players.
    Raises LicensingError where the item has no payer, names an unknown one, or has no cost per group of tenants that a
    Shapley value could divide; RuntimeError where the shares do not add up, which would be our mistake.
    """
    parties = _parties(item, grounds)
    cost = grounds.licence_cost(item)
    values = _values(item, method, parties, cost, seed)
    phi = {name: value.value for name, value in values.items()}
    bases = [ratios.basis(part, parties, grounds, phi) for part in method.parts]
    known: dict[tuple[int, ...], ratios.Ratios] = {}
    years = []
    for year in item.years:
        months = tuple(party.months(year.year) for party in parties)
        if months not in known:
            known[months] = ratios.of_months(bases, parties, months)
        paid = whole_yen(year.amount_jpy, known[months].whole, method.truncate_jpy, method.remainder)
        years.append(_Year(year.amount_jpy, known[months], paid))
    shares = tuple(_share(item, party, bases, years, cost, values.get(party.id)) for party in parties)
    taken_by = list(dict.fromkeys(name for year in years for name in year.paid.taken_by))
    result = ItemSplit(
        item=item.id,
        method=method.id,
        method_name=method.name,
        source=method.source,
        truncate_jpy=method.truncate_jpy,
        remainder_to="、".join(taken_by) or None,
        remainder_jpy=sum(year.paid.remainder for year in years),
        shares=shares,
        because=wording.because(
            method,
            parties,
            over=[share.tenant for share in shares if checks.over_stand_alone(share)],
            empty=[
                basis.by for index, basis in enumerate(bases) if any(index in found.empty for found in known.values())
            ],
            has_cost=cost is not None,
            sampled=any(value.interval for value in values.values()),
        ),
    )
    checks.require_sum(item, result)
    return result


def _parties(item: BillItem, grounds: Grounds) -> tuple[Party, ...]:
    known = {party.id for party in grounds.parties}
    unknown = [name for name in item.tenants if name not in known]
    if unknown:
        raise LicensingError(f"費目 {item.id}: 団体 {'、'.join(unknown)} がありません")
    chosen = tuple(party for party in grounds.parties if not item.tenants or party.id in item.tenants)
    if not chosen:
        raise LicensingError(f"費目 {item.id}: 負担する団体がありません")
    return chosen


def _values(
    item: BillItem, method: SplitMethod, parties: Sequence[Party], cost: CoalitionCost | None, seed: int
) -> Mapping[str, shapley.Value]:
    if all(part.by != "shapley" for part in method.parts):
        return {}
    if cost is None:
        raise LicensingError(
            f"費目 {item.id}: 負担方法 {method.id} は使えません（シャープレイ値は、団体ごとの費用が分かるライセンスの"
            "費目に限ります）。ほかの負担方法を split に書いてください"
        )
    names = sorted(party.id for party in parties)
    if not item.tenants and (whole := cost(frozenset(names))) != item.total_jpy:
        raise RuntimeError(f"{item.id}: v of all tenants is {whole}, the item {item.total_jpy}")
    # Purchase and maintenance of one product draw the same orders: they are one count at two prices.
    article = repr((item.rule, sorted(item.options.items()))) if item.rule else item.id
    return shapley.values(names, cost, np.random.default_rng([seed, crc32(article.encode())]))


def _share(
    item: BillItem,
    party: Party,
    bases: Sequence[Basis],
    years: Sequence[_Year],
    cost: CoalitionCost | None,
    value: shapley.Value | None,
) -> ItemShare:
    elements = tuple(
        SplitElement(
            by=basis.by,
            ratio=float(basis.share * _mean((year.amount, year.ratios.of_basis[index][party.id]) for year in years)),
            unit=basis.unit,
            quantity=_number(basis.shown[party.id]),
        )
        for index, basis in enumerate(bases)
    )
    return ItemShare(
        tenant=party.id,
        ratio=float(_mean((year.amount, year.ratios.whole[party.id]) for year in years)),
        elements=elements,
        years=tuple(
            YearAmount(year=of.year, amount_jpy=year.paid.yen[party.id])
            for of, year in zip(item.years, years, strict=True)
        ),
        stand_alone_jpy=None if cost is None else checks.stand_alone(item, party, cost),
        interval_jpy=_interval(party, bases, years, value),
    )


def _mean(amounts: Iterable[tuple[int, Fraction]]) -> Fraction:
    """The ratio over the contract: years weigh by their amounts, all the same where every amount is 0."""
    pairs = list(amounts)
    if all(ratio == pairs[0][1] for _, ratio in pairs):
        return pairs[0][1] if pairs else ZERO
    total = sum(amount for amount, _ in pairs)
    if total:
        return sum((amount * ratio for amount, ratio in pairs), ZERO) / total
    return sum((ratio for _, ratio in pairs), ZERO) / len(pairs)


def _interval(
    party: Party, bases: Sequence[Basis], years: Sequence[_Year], value: shapley.Value | None
) -> tuple[int, int] | None:
    """The interval of what the tenant pays: that of its value, in the proportion of its payment to its value."""
    if value is None or value.interval is None:
        return None
    paid = sum((year.amount * year.ratios.whole[party.id] for year in years), ZERO)
    by_value = sum(
        (
            year.amount * basis.share * year.ratios.of_basis[index][party.id]
            for year in years
            for index, basis in enumerate(bases)
            if basis.by == "shapley"
        ),
        ZERO,
    )
    scale = by_value / value.value if value.value else ZERO
    rest = paid - by_value
    low, high = (rest + Fraction(end) * scale for end in value.interval)
    return floor(low), ceil(high)


def _number(value: Fraction) -> Number:
    return int(value) if value.denominator == 1 else float(value)
