"""`bill.json`: what a layout costs over the contract, item by item and year by year, and who pays what.

Money is whole yen, tax-exclusive; tax is added at the edge with `tax_rate`. A product without a price is in
`unpriced` and in no sum.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from .licence_records import CONTRACT_PREVAILS, Number
from .records import FORMAT_VERSION, LayoutRecord

SPLIT_BASES = {
    "equal": "均等割",
    "population": "人口割",
    "use": "実績割",
    "fixed": "固定割合",
    "peak": "ピーク責任割",
    "shapley": "シャープレイ値",
}
"""What a part of a cost is divided by, as files name it and as people call it."""
NOTHING_DEDUCTED = "保有しているライセンスは差し引いていません。必要数のすべてを購入する場合の額です。"
"""What goes with every bill of licences."""


class PriceListReference(LayoutRecord):
    """A price list that was used."""

    id: str
    name: str
    date: date
    currency: str
    exchange_rate: Number | None
    """Yen per unit of the currency; null where the list is in yen."""
    exchange_source: str | None
    tax: Literal["exclusive", "inclusive"]
    evidence: Literal["example", "list", "quote"]
    """example: made up to show the product, not to be relied on; a vendor's list; a quotation."""
    source: str


class YearAmount(LayoutRecord):
    """Yen of one fiscal year."""

    year: int
    amount_jpy: int


class BillItem(LayoutRecord):
    """One cost item (費目)."""

    id: str
    """Of a licence: rule, separate options, price list and part (purchase, maintenance, …); unique in the bill."""
    name: str
    phase: str
    """e.g. 調達, 移行, 運用."""
    kind: Literal["initial", "running"]
    category: Literal["licence", "maintenance", "other"]
    rule: str | None = None
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)
    quantity: Number | None = None
    unit: str | None = None
    packs: int | None = None
    """What is bought where licences come in packs."""
    unit_price_jpy: Number | None = None
    """Yen per licence, or per pack where `packs` is set."""
    years: tuple[YearAmount, ...]
    """Every year of the contract, zeros included."""
    tenants: tuple[str, ...] = ()
    """Who shares it; every municipality where empty."""
    split: str
    """Id of the split method."""
    grant: Literal["eligible", "not", "unknown"] = "unknown"
    basis: str
    """Evidence mark of a licence rule (P, D, S, C, unverified), or the basis of the estate's item."""
    source: str
    price_list: str | None = None
    because: str
    """How the amount came to be, in one Japanese sentence."""

    @property
    def total_jpy(self) -> int:
        """Yen over the contract."""
        return sum(year.amount_jpy for year in self.years)


class UnpricedProduct(LayoutRecord):
    """A product that has no amount, and why: no price, or a rule whose values are unverified."""

    rule: str
    name: str
    options: dict[str, bool | int | float | str]
    quantity: Number
    unit: str
    evidence: str
    """Evidence mark of the rule: P, D, S, C or unverified."""
    because: str


class SplitElement(LayoutRecord):
    """One part of a share: `ratio` of the whole item by one basis."""

    by: Literal["equal", "population", "use", "fixed", "peak", "shapley"]
    ratio: float
    unit: str
    """e.g. 団体, 人, vCPU時間, コア, 円."""
    quantity: Number


class ItemShare(LayoutRecord):
    """What one municipality pays of one item."""

    tenant: str
    ratio: float
    """Share of the item before truncation; over all tenants they add up to 1."""
    elements: tuple[SplitElement, ...]
    """Their ratios add up to `ratio`."""
    years: tuple[YearAmount, ...]
    """Whole yen after truncation and remainder; over all tenants they add up to the item's year."""
    stand_alone_jpy: int | None = None
    """Over the contract: what the tenant would pay for the item alone; null where that is not known."""
    interval_jpy: tuple[int, int] | None = None
    """95 % interval of a sampled Shapley value over the contract."""


class ItemSplit(LayoutRecord):
    """Who pays what of one item."""

    item: str
    method: str
    method_name: str
    source: str
    """The ordinance or text that the method follows."""
    truncate_jpy: int
    remainder_to: str | None
    """Who takes what truncation leaves; null where nothing was left."""
    remainder_jpy: int
    shares: tuple[ItemShare, ...]
    because: str


class TenantBill(LayoutRecord):
    """One municipality's bill over the contract."""

    tenant: str
    name: str
    population: int
    months: int
    """Months of membership in the contract's years."""
    years: tuple[YearAmount, ...]
    proposed_jpy: int
    """B: the sum of its shares over the contract."""
    current_jpy: int | None
    """A: what it pays today, over the same years; null where the estate does not say."""
    saving_jpy: int | None
    """A - B; negative where the cost rises."""
    saving_rate: float | None
    """(A - B) / A."""
    licences_jpy: int
    """Of B, what has a stand-alone cost."""
    stand_alone_jpy: int | None
    """What these items would cost it alone."""
    over_stand_alone: bool
    """It is charged more than it would pay alone."""


class BreakEven(LayoutRecord):
    """From where on one metric of a product is cheaper than another, computed from the price lists."""

    rule: str
    other: str
    variable: str
    """What grows, e.g. 1 ホストのゲスト数."""
    at: Number | None
    """The first value at which `other` is cheaper; null where it never is within reason."""
    because: str


class BillResult(LayoutRecord):
    """The whole bill."""

    format_version: str = FORMAT_VERSION
    layout_digest: str
    verdict: str
    fiscal_year: int
    """First year of the contract."""
    years: int
    tax_rate: float
    notice: str = CONTRACT_PREVAILS
    method_notes: tuple[str, ...] = ()
    """What the reader must know: what v(S) means, that later years repeat the first, ..."""
    price_lists: tuple[PriceListReference, ...]
    items: tuple[BillItem, ...]
    unpriced: tuple[UnpricedProduct, ...]
    splits: tuple[ItemSplit, ...]
    """One per item, in the order of `items`."""
    tenants: tuple[TenantBill, ...]
    break_evens: tuple[BreakEven, ...] = ()

    @property
    def left_out(self) -> str | None:
        """What no amount knows of products without one, in one sentence: they are not free. None where all have one."""
        if not self.unpriced:
            return None
        names = "、".join(dict.fromkeys(product.name for product in self.unpriced))
        return (
            f"金額を出せない製品 {len(self.unpriced)} 件（{names}）の費用は、提案（B）に入っていません。"
            "0 円ではないので、その分だけ B は少なく、削減額と削減率は大きく見えます。"
        )

    def to_json(self) -> str:
        """Answers the document of `bill.json` and of `--json`."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"
