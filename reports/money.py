"""Money as reports show it: thousand yen on display, whole yen inside, tax at the edge."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from layout.bill_records import NOTHING_DEDUCTED, BillItem, BillResult, TenantBill, YearAmount

from .figures import number

CATEGORIES = {"licence": "ライセンス", "maintenance": "保守", "other": "その他"}
KINDS = {"initial": "初期", "running": "経常"}
GRANTS = {"eligible": "対象", "not": "対象外", "unknown": "未確認"}


EXAMPLE_PRICES = "価格は動作を示すための例を含みます。実際の価格ではありません。"


def price_notes(bill: BillResult) -> tuple[str, ...]:
    """Says that prices are examples, where some are, and that products without a price are not free."""
    examples = (EXAMPLE_PRICES,) if any(prices.evidence == "example" for prices in bill.price_lists) else ()
    return examples if bill.left_out is None else (*examples, bill.left_out)


def held_note(bill: BillResult) -> tuple[str, ...]:
    """Says that licences held are not deducted, where licences are billed."""
    return (NOTHING_DEDUCTED,) if any(item.category != "other" for item in bill.items) else ()


def price_evidence(bill: BillResult, item: BillItem) -> str:
    """Whether an item's price is an example, a vendor's list or a quotation; empty where it has no price list."""
    return next((prices.evidence for prices in bill.price_lists if prices.id == item.price_list), "")


def thousand(yen: int) -> str:
    """Thousand yen, rounded half away from zero, as spreadsheets show them."""
    rounded = (abs(yen) + 500) // 1000
    return number(-rounded if yen < 0 else rounded)


def years_of(bill: BillResult) -> tuple[int, ...]:
    """The fiscal years of the contract."""
    return tuple(range(bill.fiscal_year, bill.fiscal_year + bill.years))


def amounts(lines: Iterable[YearAmount]) -> dict[int, int]:
    """Yen by fiscal year."""
    return {line.year: line.amount_jpy for line in lines}


def sums(bill: BillResult, items: Iterable[BillItem]) -> list[int]:
    """Yen of items by fiscal year of the contract, and over the contract."""
    by_year = dict.fromkeys(years_of(bill), 0)
    for item in items:
        for year, yen in amounts(item.years).items():
            by_year[year] = by_year.get(year, 0) + yen
    values = [by_year[year] for year in years_of(bill)]
    return [*values, sum(values)]


def tax(amount: int, rate: float) -> int:
    """Consumption tax of a tax-exclusive amount, yen; fractions of a yen are cut off (端数切り捨て)."""
    exact = amount * Fraction(str(rate))
    return int(exact) if exact >= 0 else -int(-exact)


def taxed_total(bill: BillResult) -> int:
    """Yen over the contract with tax: the tax is that of the sum, not a sum of the years' taxes."""
    total = sums(bill, bill.items)[-1]
    return total + tax(total, bill.tax_rate)


def change(tenant: TenantBill) -> str:
    """削減, 増額, 同額, or 現行不明."""
    return "現行不明" if tenant.current_jpy is None else change_word(tenant.current_jpy - tenant.proposed_jpy)


def change_word(saving: int) -> str:
    """What a difference A - B is called."""
    return "削減" if saving > 0 else "増額" if saving < 0 else "同額"


def change_sentence(bill: BillResult) -> str:
    """How many municipalities pay less, more, the same, in one sentence; rises as plainly as savings."""
    words = [change(tenant) for tenant in bill.tenants]
    kinds = ("削減", "増額", "同額", "現行不明")
    parts = [f"{word} {number(words.count(word))} 団体" for word in kinds if word in words]
    return f"{'、'.join(parts)}。" if parts else "団体はありません。"
