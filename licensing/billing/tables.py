"""The bill as tables in yen: cost items, municipalities and years, each with its total; tax is added at the edge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from layout.bill_records import BillResult


@dataclass(frozen=True)
class Line:
    """One row of a table: its label, its amounts in the order of the columns, and their sum."""

    label: str
    amounts: tuple[int, ...]

    @property
    def total(self) -> int:
        """Sum over the columns."""
        return sum(self.amounts)


@dataclass(frozen=True)
class AmountTable:
    """Yen by row and column."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def totals(self) -> tuple[int, ...]:
        """Sum of every column."""
        return tuple(sum(line.amounts[index] for line in self.lines) for index in range(len(self.columns)))


@dataclass(frozen=True)
class Taxed:
    """An amount at the edge: without tax, the tax, with tax."""

    net: int
    tax: int

    @property
    def gross(self) -> int:
        """With tax."""
        return self.net + self.tax


def item_years(result: BillResult) -> AmountTable:
    """Answers 費目 x 年度."""
    lines = tuple(
        Line(f"{number}. {item.name}", tuple(year.amount_jpy for year in item.years))
        for number, item in enumerate(result.items, 1)
    )
    return AmountTable("費目 x 年度", _years(result), lines)


def tenant_years(result: BillResult) -> AmountTable:
    """Answers 団体 x 年度."""
    lines = tuple(Line(tenant.name, tuple(year.amount_jpy for year in tenant.years)) for tenant in result.tenants)
    return AmountTable("団体 x 年度", _years(result), lines)


def tenant_items(result: BillResult) -> AmountTable:
    """Answers 団体 x 費目 over the contract; columns are the numbers of `item_years`."""
    shares: Mapping[str, list[int]] = {tenant.tenant: [] for tenant in result.tenants}
    for split in result.splits:
        paid = {share.tenant: sum(year.amount_jpy for year in share.years) for share in split.shares}
        for tenant, amounts in shares.items():
            amounts.append(paid.get(tenant, 0))
    lines = tuple(Line(tenant.name, tuple(shares[tenant.tenant])) for tenant in result.tenants)
    columns = tuple(f"費目 {number}" for number in range(1, len(result.items) + 1))
    return AmountTable("団体 x 費目（契約期間の計）", columns, lines)


def item_tenant_years(result: BillResult, item: str) -> AmountTable:
    """Answers 団体 x 年度 of one cost item: the third dimension of the bill."""
    split = next(split for split in result.splits if split.item == item)
    names = {tenant.tenant: tenant.name for tenant in result.tenants}
    lines = tuple(Line(names[share.tenant], tuple(year.amount_jpy for year in share.years)) for share in split.shares)
    return AmountTable(next(found.name for found in result.items if found.id == item), _years(result), lines)


def taxed(net: int, tax_rate: float) -> Taxed:
    """Answers an amount with its tax; what is less than a yen of tax is dropped."""
    return Taxed(net, floor(net * Fraction(str(tax_rate))))


def contract_total(result: BillResult) -> Taxed:
    """Answers what the contract costs, without and with tax. The tax is that of the sum, not a sum of taxes."""
    return taxed(sum(item.total_jpy for item in result.items), result.tax_rate)


def _years(result: BillResult) -> tuple[str, ...]:
    return tuple(f"{year} 年度" for year in range(result.fiscal_year, result.fiscal_year + result.years))
