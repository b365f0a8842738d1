"""What the licences of a product cost over a contract: the price that fits, in whole yen, year by year."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil, floor
from typing import Literal

from estate.clock import JST
from layout.bill_records import PriceListReference
from layout.licence_records import Number, ProductResult

from .. import wording
from ..rulebook import RuleBook, version_at
from .records import Price, PriceFile, Rounding, exact, label

Part = Literal["purchase", "maintenance", "subscription", "metered"]

_MOST_PARTS = 3_600_000
"""Parts of a licence that a count makes: seconds of an hour, and a factor of up to three digits."""

PARTS: dict[Part, str] = {
    "purchase": "購入",
    "maintenance": "保守",
    "subscription": "使用料",
    "metered": "従量",
}


@dataclass(frozen=True)
class PricedPart:
    """One part of what a product costs. Yen, tax-exclusive."""

    part: Part
    kind: Literal["initial", "running"]
    category: Literal["licence", "maintenance"]
    grade: str | None
    """Class of the licence, where size chooses one."""
    count: Number
    """What is paid for: packs where the product comes in packs, else whole licences; metered units of a year."""
    unit_price_jpy: Number
    """Per pack, licence or metered unit. Whole yen, but for metered units."""
    by_year: tuple[int, ...]
    price_list: str
    source: str
    because: str


@dataclass(frozen=True)
class PriceList:
    """A price list and the rate that makes it yen."""

    file: PriceFile
    rate: Fraction
    exchange_source: str | None
    """None where the list is in yen."""

    @property
    def reference(self) -> PriceListReference:
        """The list as results name it."""
        file = self.file
        return PriceListReference(
            id=file.id,
            name=file.name,
            date=file.date,
            currency=file.currency,
            exchange_rate=None if self.exchange_source is None else wording.number(self.rate),
            exchange_source=self.exchange_source,
            tax=file.tax,
            evidence=file.evidence,
            source=file.source,
        )

    def yen(self, amount: Fraction) -> Fraction:
        """Answers an amount of the list in exact yen without tax."""
        tax = Fraction(0) if self.file.tax_rate is None else exact(self.file.tax_rate)
        return amount * self.rate / (1 + tax)


@dataclass(frozen=True)
class PriceBook:
    """Every price that is known. A later list comes before an earlier one."""

    lists: tuple[PriceList, ...]
    rules: RuleBook

    @property
    def references(self) -> tuple[PriceListReference, ...]:
        """The lists as results name them, in the order given."""
        return tuple(entry.reference for entry in self.lists)

    def cost(self, product: ProductResult, years: int) -> tuple[PricedPart, ...] | None:
        """Answers what a product costs over a contract of `years` years that each need what this year needs.

        It is proportional to packs, licences and grades. None where it has no price, or where its rule has values
        that were not checked: `why_unpriced` says which.
        """
        if self.why_unpriced(product) is not None:
            return None
        parts: list[PricedPart] = []
        for grade, count in _counts(product):
            found = self._find(product, grade)
            if found is not None:
                parts.extend(self._parts(product, grade, count, *found, years))
        return tuple(parts)

    def why_unpriced(self, product: ProductResult) -> str | None:
        """Answers in a Japanese sentence why a product has no amount; None where it has one."""
        if product.evidence == "unverified" or product.unverified:
            values = f"（{'、'.join(product.unverified)}）" if product.unverified else ""
            return f"規則に未確認の値があるため、金額を出しません{values}"
        for grade, _ in _counts(product):
            found = self._find(product, grade)
            what = f"等級 {grade} の" if grade is not None else ""
            if found is None:
                return f"価格表に{what}価格がありません"
            if (found[1].kind == "metered") != (product.law == "hourly-meter"):
                return f"価格表「{found[0].file.name}」の価格の種類が、数え方（時間課金かどうか）と合いません"
        return None

    @cached_property
    def _by_rule(self) -> Mapping[str, Sequence[tuple[PriceList, tuple[Price, ...]]]]:
        """The prices of each rule, the last list first."""
        found: dict[str, list[tuple[PriceList, tuple[Price, ...]]]] = {}
        for entry in reversed(self.lists):
            for rule in dict.fromkeys(price.rule for price in entry.file.prices):
                prices = tuple(price for price in entry.file.prices if price.rule == rule)
                found.setdefault(rule, []).append((entry, prices))
        return found

    def _find(self, product: ProductResult, grade: str | None) -> tuple[PriceList, Price] | None:
        day = product.at.astimezone(JST).date()
        for entry, prices in self._by_rule.get(product.rule, ()):
            fitting = [
                price
                for price in prices
                if price.grade == grade
                and price.holds_on(day)
                and all(_same(product.options.get(name), value) for name, value in price.options.items())
            ]
            if fitting:
                return entry, max(fitting, key=lambda price: len(price.options))
        return None

    def _parts(
        self, product: ProductResult, grade: str | None, count: Fraction, entry: PriceList, price: Price, years: int
    ) -> Iterable[PricedPart]:
        file, whole = entry.file, self._whole(product, price)
        source = price.source or file.source

        def part(name: Part, unit: Fraction, how: str, first: int, last: int) -> PricedPart:
            amount = rounded(unit * count, file.rounding)
            unit_text = "パック" if product.packs is not None else product.unit
            because = f"{_money(count)} {unit_text} x {_money(unit)} 円{how} = {amount:,} 円"
            if name != "purchase":
                because += "／年"
            return PricedPart(
                part=name,
                kind="initial" if name == "purchase" else "running",
                category="maintenance" if name == "maintenance" else "licence",
                grade=grade,
                count=wording.number(count),
                unit_price_jpy=wording.number(unit),
                by_year=tuple(amount if first <= year < last else 0 for year in range(years)),
                price_list=file.id,
                source=source,
                because=f"{because}（{label(file)}、{file.date}）",
            )

        unit = entry.yen(exact(price.amount) * whole)
        how = _origin(entry, exact(price.amount) * whole)
        if price.kind == "metered":
            yield part("metered", unit, how, 0, years)
            return
        unit = Fraction(rounded(unit, file.rounding))
        if price.kind == "subscription":
            yield part("subscription", unit, how, 0, years)
            return
        yield part("purchase", unit, how, 0, 1)
        care = price.maintenance
        if care is not None and care.rate is not None:
            yearly = Fraction(rounded(unit * exact(care.rate), file.rounding))
            how = f"（購入単価の {wording.plain(exact(care.rate) * 100)}%）"
            yield part("maintenance", yearly, how, care.free_years, years)
        elif care is not None and care.amount is not None:
            each = exact(care.amount) * whole
            yearly = Fraction(rounded(entry.yen(each), file.rounding))
            yield part("maintenance", yearly, _origin(entry, each), care.free_years, years)

    def _whole(self, product: ProductResult, price: Price) -> int:
        """How many times the price is paid for one unit of the count: a pack is paid licence by licence."""
        if product.packs is None or price.per == "pack":
            return 1
        rule = self.rules.rule(product.rule, "価格")
        pack = version_at(rule, product.at.astimezone(JST).date()).pack
        return 1 if pack is None else pack.size


def rounded(value: Fraction, rule: Rounding) -> int:
    """Answers whole yen: up, down, or half a yen and more up."""
    if rule == "up":
        return ceil(value)
    return floor(value) if rule == "down" else floor(value + Fraction(1, 2))


def _counts(product: ProductResult) -> tuple[tuple[str | None, Fraction], ...]:
    """What is paid for, by grade. Licences are bought whole; metered units are not."""
    if product.grades:
        return tuple((grade.grade, Fraction(ceil(_fraction(grade.quantity)))) for grade in product.grades)
    if product.law == "hourly-meter":
        return ((None, _fraction(product.quantity)),)
    return ((None, Fraction(ceil(_fraction(product.quantity)) if product.packs is None else product.packs)),)


def _fraction(number: Number) -> Fraction:
    """The number that a result shows, as the count had it: 33.333333333333336 was a hundred thirds.

    The simplest fraction with the same float, so that rounding up does not add a yen; else the number as written.
    """
    written = Fraction(str(number))
    simple = written.limit_denominator(_MOST_PARTS)
    return simple if float(simple) == number else written


def _same(one: object, other: object) -> bool:
    # `True == 1` in Python: an option is the same value of the same type.
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _money(value: Fraction) -> str:
    """An amount for a sentence: whole, or with as many decimals as it needs, at most four."""
    whole, rest = divmod(rounded(value * 10_000, "half-up"), 10_000)
    return f"{whole:,}" + (f".{rest:04}".rstrip("0") if rest else "")


def _origin(entry: PriceList, amount: Fraction) -> str:
    file = entry.file
    said = []
    if file.currency != "JPY":
        said.append(f"{_money(amount)} {file.currency}、1 {file.currency} = {wording.plain(entry.rate)} 円")
    if file.tax_rate is not None:
        said.append(f"税率 {wording.plain(exact(file.tax_rate) * 100)}% を除く")
    return f"（{'、'.join(said)}）" if said else ""
