"""A against B: what each municipality pays today, over the same years and months as the proposed bill."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import floor

from estate.records import CurrentCost
from layout.bill_records import ItemShare, ItemSplit, TenantBill

from ..splitting import Party
from .items import year_amounts, yearly


def current_of(party: Party, costs: Sequence[CurrentCost], contract: Sequence[int]) -> int | None:
    """Answers what a municipality pays today (A) over the contract's years, in yen; None where it has no costs.

    Running costs count for the months of its membership, as the proposed bill does; half a yen is rounded up.
    """
    if not costs:
        return None
    total = Fraction(0)
    for cost in costs:
        amounts = yearly(cost.kind, cost.amount_jpy, cost.from_year, cost.until_year, contract)
        for year, amount in zip(contract, amounts, strict=True):
            part = Fraction(1) if cost.kind == "initial" else Fraction(party.months(year), 12)
            total += amount * part
    return floor(total + Fraction(1, 2))


def tenant_bills(
    parties: Sequence[Party],
    splits: Sequence[ItemSplit],
    current: Iterable[CurrentCost],
    contract: Sequence[int],
) -> tuple[TenantBill, ...]:
    """Answers each municipality's bill: the sum of its shares, A, saving (negative where the cost rises), alone."""
    costs: dict[str, list[CurrentCost]] = {}
    for cost in current:
        costs.setdefault(cost.tenant, []).append(cost)
    shares: dict[str, list[ItemShare]] = {party.id: [] for party in parties}
    for split in splits:
        for share in split.shares:
            shares[share.tenant].append(share)
    bills = []
    for party in parties:
        mine = shares[party.id]
        years = [sum(share.years[index].amount_jpy for share in mine) for index in range(len(contract))]
        proposed, paid = sum(years), current_of(party, costs.get(party.id, ()), contract)
        saving = None if paid is None else paid - proposed
        comparable = [share for share in mine if share.stand_alone_jpy is not None]
        licences = sum(year.amount_jpy for share in comparable for year in share.years)
        alone = sum(share.stand_alone_jpy or 0 for share in comparable) if comparable else None
        bills.append(
            TenantBill(
                tenant=party.id,
                name=party.name,
                population=party.population,
                months=sum(party.months(year) for year in contract),
                years=year_amounts(contract, years),
                proposed_jpy=proposed,
                current_jpy=paid,
                saving_jpy=saving,
                saving_rate=None if saving is None or not paid else saving / paid,
                licences_jpy=licences,
                stand_alone_jpy=alone,
                over_stand_alone=alone is not None and licences > alone,
            )
        )
    return tuple(bills)
