"""What a cost may be divided by: the municipalities, their months of membership, use, peak and licence costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

from layout.bill_records import BillItem

from .records import Measure

CoalitionCost = Callable[[frozenset[str]], int]
"""Yen of one item over the contract if only these tenants were there; 0 of nobody."""


@dataclass(frozen=True)
class Party:
    """A municipality that pays. It is a member on `[from_, until)`; None is open."""

    id: str
    name: str
    population: int
    from_: date | None = None
    until: date | None = None

    def months(self, fiscal_year: int) -> int:
        """Answers the months of membership in a fiscal year (April to March), 0 to 12: a month begun counts whole."""
        first, last = fiscal_year * 12 + 3, fiscal_year * 12 + 14
        joined = first if self.from_ is None else max(first, _month(self.from_))
        left = last if self.until is None else min(last, _month(self.until - timedelta(days=1)))
        if self.from_ is not None and self.until is not None and self.until <= self.from_:
            return 0
        return max(0, left - joined + 1)


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


@dataclass(frozen=True)
class Peak:
    """Demand in one site's peak slot."""

    site: str
    hosts: int
    """Hosts of the site: what its peak weighs beside the other sites'."""
    cores: Mapping[str, Fraction]
    """By tenant."""


@dataclass(frozen=True)
class Grounds:
    """Everything that the methods divide by. Quantities are of the plan's fiscal year."""

    fiscal_year: int
    parties: tuple[Party, ...]
    """In the order of the estate."""
    use: Mapping[Measure, Mapping[str, Fraction]] = field(default_factory=dict)
    """By measure and tenant; the shared systems' use is their users'."""
    peaks: tuple[Peak, ...] = ()
    licence_cost: Callable[[BillItem], CoalitionCost | None] = lambda _: None
    """What an item would cost for some tenants alone; None for items that have no such cost."""
    notes: tuple[str, ...] = ()
    """What the reader must know about them, in Japanese."""
