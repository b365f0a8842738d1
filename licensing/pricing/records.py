"""The records of a price file: what a licence costs, where that is written, and how it becomes whole yen."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from estate.base_records import Id, Name, OptionValue, Record, Text

Rounding = Literal["up", "down", "half-up"]
RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")]
Amount = Annotated[float, Field(ge=0, le=1e12)]
Evidence = Literal["example", "list", "quote"]

EVIDENCE: dict[Evidence, str] = {"example": "例", "list": "定価", "quote": "見積"}
"""What kind of list it is, as people call it. 例 stands in every output: such prices are not to be relied on."""


class Maintenance(Record):
    """Yearly maintenance (保守) of a perpetual licence: exactly one of `rate` and `amount`."""

    rate: Annotated[float, Field(ge=0, le=10)] | None = None
    """Part of the purchase price per year."""
    amount: Amount | None = None
    """Per licence or pack and year, in the list's currency."""
    free_years: Annotated[int, Field(ge=0, le=30)] = 0
    """Contract years at the beginning that the purchase already pays for."""


class Price(Record):
    """What one licence or pack of a rule costs."""

    rule: RuleId
    options: dict[str, OptionValue] = Field(default_factory=dict)
    """The price holds for products with these options; the price that names most options wins."""
    grade: Text | None = None
    """Class of the licence, for rules where size chooses one."""
    kind: Literal["perpetual", "subscription", "metered"]
    """Bought once; paid per year; or per metered unit (e.g. one core for one hour)."""
    per: Literal["licence", "pack"] = "licence"
    amount: Amount
    maintenance: Maintenance | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    """The first day on which it holds no more."""
    source: Text | None = None
    """Where this price is written, if not where the list is."""

    def holds_on(self, day: date) -> bool:
        """Answers whether the price is valid on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)


class HostPrice(Record):
    """What one physical host costs."""

    model: Text
    """Id of the host model, as layouts name it."""
    amount: Amount
    """Bought once, in the list's currency."""
    maintenance: Maintenance | None = None
    source: Text | None = None


class Exchange(Record):
    """Yen per unit of the list's currency."""

    rate: Annotated[float, Field(gt=0, le=1e6)]
    source: Text


class PriceFile(Record):
    """A price list (価格表)."""

    format: Literal[1]
    id: Id
    name: Name
    date: date
    currency: Name
    """ISO 4217, e.g. JPY."""
    exchange: Exchange | None = None
    """For other currencies than JPY; a rate given to the command comes first."""
    tax: Literal["exclusive", "inclusive"]
    tax_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    """Consumption tax that the amounts include; only with `inclusive`."""
    rounding: Rounding = "half-up"
    """How a price becomes whole yen."""
    evidence: Evidence
    source: Text
    prices: tuple[Price, ...] = ()
    hosts: tuple[HostPrice, ...] = ()


def label(file: PriceFile) -> str:
    """Answers the list's name behind what kind of list it is, e.g. `例：Oracle Database`."""
    kind = f"{EVIDENCE[file.evidence]}："
    return file.name if file.name.startswith(kind) else kind + file.name


def exact(number: float) -> Fraction:
    """Answers the number as it was written: 0.1 is a tenth."""
    return Fraction(str(number))
