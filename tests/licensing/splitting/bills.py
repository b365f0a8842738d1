"""Small bills for the tests of this room."""

from __future__ import annotations

from collections.abc import Sequence

from layout.bill_records import BillItem, ItemSplit, YearAmount


def item(*amounts: int, first_year: int = 2027, **fields) -> BillItem:
    """An item with these amounts, year after year."""
    years = tuple(YearAmount(year=first_year + i, amount_jpy=amount) for i, amount in enumerate(amounts))
    plain = {"id": "item", "name": "費目", "phase": "運用", "kind": "running", "category": "other", "split": "-"}
    return BillItem(**{**plain, "basis": "assumed", "source": "試験", "because": "試験", "years": years, **fields})


def licence(*amounts: int, **fields) -> BillItem:
    return item(*amounts, **{"category": "licence", "kind": "initial", **fields})


def yen(split: ItemSplit, year: int = 0) -> dict[str, int]:
    return {share.tenant: share.years[year].amount_jpy for share in split.shares}


def ids(number: int) -> Sequence[str]:
    return [f"town-{i:02}" for i in range(number)]
