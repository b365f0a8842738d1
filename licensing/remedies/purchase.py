"""What it costs to add licences: whole packs, over the contract's years, by the buyer's price files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from layout.licence_records import Number, ProductResult

from ..records import Rule
from ..rulebook import version_at
from ..wording import mark, plain


class Part(Protocol):
    """One priced part of a product."""

    @property
    def by_year(self) -> tuple[int, ...]:
        """Yen per contract year."""

    @property
    def because(self) -> str:
        """How the amount came to be, with the price list."""


class Prices(Protocol):
    """The price book, as far as remedies need it."""

    def cost(self, product: ProductResult, years: int) -> Sequence[Part] | None:
        """Answers the priced parts of a product over so many years; None where there is no price."""

    def why_unpriced(self, product: ProductResult) -> str | None:
        """Answers why a product has no price; None where it has one."""


@dataclass(frozen=True)
class Purchase:
    """Licences (or metered units) to add, and what they cost."""

    quantity: Number
    unit: str
    packs: int | None
    cost_jpy: int | None
    """Yen over the contract; None where there is no price."""
    because: str
    """What is bought and what it costs, or why that is not known."""


NOTHING = Purchase(0, "", None, 0, "買い足すものはありません")


@dataclass(frozen=True)
class Pricing:
    """Prices and the length of the contract."""

    prices: Prices | None
    years: int

    def licences(self, rule: Rule, products: Sequence[ProductResult], missing: int) -> Purchase:
        """Prices `missing` licences of a rule, in whole packs.

        Where several articles of the rule are in use (editions, say) the dearest is taken: entitlements do not say
        which of them they are for.
        """
        if not missing:
            return NOTHING
        pack = version_at(rule, products[0].at.date()).pack
        packs = None if pack is None else ceil(max(missing, pack.least or 0) / pack.size)
        quantity = missing if pack is None or packs is None else packs * pack.size
        what = f"{_amount(quantity, rule.unit)}" + (f"（{pack.name} x {packs}）" if pack is not None else "")
        added = [
            product.model_copy(update={"quantity": quantity, "packs": packs, "details": (), "series": None})
            for product in products
        ]
        if any(product.grades for product in products):
            return Purchase(quantity, rule.unit, packs, None, f"{what}。等級で価格が変わるため金額は出せません")
        several = "。商品の違う行があるため最も高い商品の価格です" if len(products) > 1 else ""
        return self._priced(added, quantity, rule.unit, packs, what, several, dearest=True)

    def products(self, products: Sequence[ProductResult]) -> Purchase:
        """Prices everything that these products need; nothing is held for them."""
        quantity = sum(product.quantity for product in products)
        packs = [product.packs for product in products if product.packs is not None]
        what = "、".join(
            f"{product.name}［{mark(product.evidence)}］{_amount(product.quantity, product.unit)}"
            + (f"（{product.pack} x {product.packs}）" if product.packs is not None else "")
            for product in products
        )
        return self._priced(
            products, quantity, products[0].unit, sum(packs) if packs else None, what, "", dearest=False
        )

    def _priced(
        self,
        products: Sequence[ProductResult],
        quantity: Number,
        unit: str,
        packs: int | None,
        what: str,
        remark: str,
        *,
        dearest: bool,
    ) -> Purchase:
        if self.prices is None:
            return Purchase(quantity, unit, packs, None, f"{what}。価格表が無いため金額は出せません")
        costs = []
        for product in products:
            parts = self.prices.cost(product, self.years)
            if parts is None:
                why = self.prices.why_unpriced(product) or "価格がありません"
                return Purchase(quantity, unit, packs, None, f"{what}。{why}")
            costs.append((_total(parts), [part.because for part in parts]))
        chosen = [max(costs)] if dearest else costs
        cost = sum(total for total, _ in chosen)
        how = "、".join(reason for _, reasons in chosen for reason in reasons)
        return Purchase(quantity, unit, packs, cost, f"{what}、{self.years} 年で {cost:,} 円{remark}［{how}］")


def together(one: Purchase, other: Purchase) -> Purchase:
    """Two purchases as one; the number is that of the first that buys anything."""
    if not other.quantity:
        return one
    if not one.quantity:
        return other
    cost = None if one.cost_jpy is None or other.cost_jpy is None else one.cost_jpy + other.cost_jpy
    return Purchase(one.quantity, one.unit, one.packs, cost, f"{one.because}。あわせて {other.because}")


def _total(parts: Iterable[Part]) -> int:
    return sum(yen for part in parts for yen in part.by_year)


def _amount(quantity: Number, unit: str) -> str:
    return f"{plain(quantity)} {unit}"
