"""見積内訳書: every item of the bill over the years of the contract, with totals, tax and the total with tax."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from layout.bill_records import BillItem, BillResult
from layout.wareki import fiscal_year_name

from ..evidence import mark
from ..ledgers import written
from ..money import CATEGORIES, GRANTS, KINDS, held_note, price_notes, sums, tax, years_of
from .paper import Cell, Column, Formula, Paper, Sheet

NAME = "見積内訳書"
_KIND, _QUANTITY, _PRICE, _FIRST_YEAR = 4, 6, 8, 9
"""Columns (from 0): initial or running, quantity, unit price, first fiscal year."""


def estimate(paper: Paper, bill: BillResult, title: str) -> None:
    """The sheet."""
    years = years_of(bill)
    months = 12 * bill.years
    sheet = paper.sheet(
        NAME,
        f"{NAME}　{title}",
        (
            f"契約期間：{fiscal_year_name(years[0])}から{fiscal_year_name(years[-1])}まで（{bill.years} 年、"
            f"{months} か月）",
            "金額は税抜きの円です。表示は千円単位（四捨五入）なので、表示の合計が合わないことがあります。セルの値は円です。",
            f"価格のない製品が {len(bill.unpriced)} 件あり、合計に含みません（0 円ではありません）。"
            if bill.unpriced
            else "すべての製品に価格があります。",
            *held_note(bill),
            *price_notes(bill),
        ),
    )
    percent = float(Fraction(str(bill.tax_rate)) * 100)
    sheet.cells((None, "消費税率", "（%）", percent), ("", "sum_text", "sum_text", "number"))
    rate_at = sheet.at(3, sheet.row - 1, fixed=True)
    columns = (
        Column("番号", "number", width=6), Column("区分", width=14), Column("費目", width=34), Column("段階", width=9),
        Column("初期・\n経常", width=8), Column("交付金等", width=9), Column("数量", "number", width=9),
        Column("単位", width=13), Column("単価\n（円、税抜き）", "yen", width=12),
        *(Column(f"{year}年度\n（千円）", "thousand", width=12) for year in years),
        Column(f"契約期間計\n{months} か月\n（千円）", "thousand", width=14), Column("根拠", width=8),
        Column("価格表", width=14), Column("分担方法", width=13), Column("金額の理由・出典", width=40),
    )  # fmt: skip
    sheet.heads(columns, freeze_columns=3)
    body = _Body(sheet, bill, years)
    first = sheet.row
    for category in CATEGORIES:
        body.lines(category)
    last = sheet.row - 1
    body.totals(first, last, rate_at)
    body.unpriced()
    sheet.close_table(columns, last=last)


class _Body:
    """The rows of the form; sums are formulas that carry their values."""

    def __init__(self, sheet: Sheet, bill: BillResult, years: Sequence[int]) -> None:
        self.sheet, self.bill, self.years = sheet, bill, years
        self.total_column = _FIRST_YEAR + len(years)
        self.subtotal_rows: list[int] = []
        self.number = 0

    def lines(self, category: str) -> None:
        """The items of one category and their subtotal."""
        items = [item for item in self.bill.items if item.category == category]
        if not items:
            return
        splits = {split.item: split.method_name for split in self.bill.splits}
        lists = {prices.id: prices.name for prices in self.bill.price_lists}
        first = self.sheet.row
        for item in items:
            self.number += 1
            amounts = {year.year: year.amount_jpy for year in item.years}
            wanted = _bought(item)
            cells: list[Cell] = [
                self.number, CATEGORIES[category], item.name, item.phase, KINDS[item.kind], GRANTS[item.grant],
                wanted, _unit(item), item.unit_price_jpy,
                *(self._amount(item, amounts.get(year, 0)) for year in self.years),
                self._row_sum(item.total_jpy), mark(item.basis), lists.get(item.price_list or "", item.price_list),
                splits.get(item.id, item.split),
                f"{item.because}　出典：{item.source}",
            ]  # fmt: skip
            self.sheet.cells(cells, self._formats("text", "thousand"))
        self.subtotal_rows.append(self.sheet.row)
        self._sum_row(
            f"{CATEGORIES[category]} 小計",
            [
                Formula(f"SUM({self._at(index, first)}:{self._at(index, self.sheet.row - 1)})", value)
                for index, value in enumerate(sums(self.bill, items), _FIRST_YEAR)
            ],
        )

    def totals(self, first: int, last: int, rate_at: str) -> None:
        """Total, by kind, tax, total with tax, and the monthly share of it."""
        sheet, items = self.sheet, self.bill.items
        net = sums(self.bill, items)
        net_row = sheet.row
        self._sum_row(
            "合計（税抜き）",
            [
                Formula("+".join(self._at(index, row) for row in self.subtotal_rows) or "0", value)
                for index, value in enumerate(net, _FIRST_YEAR)
            ],
        )
        for kind, name in KINDS.items() if items else ():
            self._sum_row(
                f"うち{name}費用",
                [
                    Formula(f'SUMIF({self._span(_KIND, first, last)},"{name}",{self._span(index, first, last)})', value)
                    for index, value in enumerate(
                        sums(self.bill, [item for item in items if item.kind == kind]), _FIRST_YEAR
                    )
                ],
            )
        taxes = [tax(value, self.bill.tax_rate) for value in net]
        tax_row = sheet.row
        self._sum_row(
            "消費税（列の合計から、切り捨て）",
            [
                Formula(f"ROUNDDOWN({self._at(index, net_row)}*{rate_at}/100,0)", value)
                for index, value in enumerate(taxes, _FIRST_YEAR)
            ],
        )
        gross = [value + levy for value, levy in zip(net, taxes, strict=True)]
        gross_row = sheet.row
        self._sum_row(
            "税込み合計",
            [
                Formula(f"{self._at(index, net_row)}+{self._at(index, tax_row)}", value)
                for index, value in enumerate(gross, _FIRST_YEAR)
            ],
        )
        months = [12] * len(self.years) + [12 * len(self.years)]
        self._sum_row(
            "1 か月あたり（税込み、切り捨て）",
            [
                Formula(f"ROUNDDOWN({self._at(index, gross_row)}/{count},0)", _quotient(value, count))
                for index, (value, count) in enumerate(zip(gross, months, strict=True), _FIRST_YEAR)
            ],
        )

    def unpriced(self) -> None:
        """Products without a price, below the totals: named, in no sum."""
        formats = self._formats("text", "text")
        for product in self.bill.unpriced:
            self.number += 1
            name = f"{product.name}（{written(product.options)}）" if product.options else product.name
            without = ["価格なし"] * (len(self.years) + 1)
            self.sheet.cells(
                (self.number, "価格なし", name, None, None, None, product.quantity, product.unit, None, *without,
                 mark(product.evidence), None, None, f"{product.rule}：{product.because}（合計に含みません）"),
                formats,
            )  # fmt: skip

    def _amount(self, item: BillItem, amount: int) -> Cell:
        """Quantity x unit price where that is the amount, else the plain number."""
        bought, price = _bought(item), item.unit_price_jpy
        if amount and bought is not None and price is not None and _exact(bought) * _exact(price) == amount:
            return Formula(f"{self._at(_QUANTITY)}*{self._at(_PRICE)}", amount)
        return amount

    def _sum_row(self, name: str, values: Sequence[Cell]) -> None:
        cells: list[Cell] = [None, None, name, *([None] * (_FIRST_YEAR - 3)), *values, *([None] * 4)]
        self.sheet.cells(cells, self._formats("sum_text", "sum_thousand"))

    def _formats(self, text: str, money: str) -> list[str]:
        if text == "sum_text":
            return ["sum_text"] * _FIRST_YEAR + [money] * (len(self.years) + 1) + ["sum_text"] * 4
        head = ["number", "text", "text", "text", "text", "text", "number", "text", "yen"]
        return head + [money] * (len(self.years) + 1) + ["text"] * 4

    def _row_sum(self, value: int) -> Formula:
        return self._across(self.sheet.row, value)

    def _across(self, row: int, value: int) -> Formula:
        return Formula(f"SUM({self._at(_FIRST_YEAR, row)}:{self._at(self.total_column - 1, row)})", value)

    def _span(self, column: int, first: int, last: int) -> str:
        return f"{self._at(column, first)}:{self._at(column, last)}"

    def _at(self, column: int, row: int | None = None) -> str:
        return self.sheet.at(column, row)


def _bought(item: BillItem) -> int | float | None:
    """What the unit price is for: packs where there are packs."""
    return item.packs if item.packs is not None else item.quantity


def _unit(item: BillItem) -> str:
    if item.packs is not None:
        return f"パック（{item.quantity:g} {item.unit or ''}）" if item.quantity is not None else "パック"
    return item.unit or ""


def _exact(value: float) -> Fraction:
    return Fraction(str(value))


def _quotient(value: int, count: int) -> int:
    return value // count if value >= 0 else -(-value // count)
