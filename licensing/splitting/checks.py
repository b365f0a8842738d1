"""What is checked on every split: shares add up to the yen, and nobody pays more than alone without being named."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from layout.bill_records import BillItem, ItemShare, ItemSplit

from .ground_records import CoalitionCost, Party


def require_sum(item: BillItem, split: ItemSplit) -> None:
    """Raises RuntimeError where the shares of a year are not the item's amount: a mistake of this program."""
    for index, year in enumerate(item.years):
        shares = [share.years[index] for share in split.shares]
        total = sum(share.amount_jpy for share in shares)
        if total != year.amount_jpy or any(share.year != year.year for share in shares):
            raise RuntimeError(f"{item.id}: shares of {year.year} are {total} yen, the item {year.amount_jpy} yen")


def stand_alone(item: BillItem, party: Party, cost: CoalitionCost) -> int:
    """Answers what a municipality would pay for the item alone over the contract, v({i}), in yen rounded up.

    What runs is owed for the months of its membership only; what is bought is bought whole.
    """
    months = sum(party.months(year.year) for year in item.years)
    alone = Fraction(cost(frozenset((party.id,))) if months else 0)
    if item.kind == "running":
        alone *= Fraction(months, 12 * len(item.years))
    return ceil(alone)


def over_stand_alone(share: ItemShare) -> bool:
    """Answers whether a municipality is charged more than it would pay alone; not where that is unknown."""
    charged = sum(year.amount_jpy for year in share.years)
    return share.stand_alone_jpy is not None and charged > share.stand_alone_jpy
