"""What a change would do to the violations of a rule: the same count again, on a changed layout or with more held."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fractions import Fraction
from functools import cached_property
from math import ceil
from pathlib import Path

from estate.records import Entitlement
from layout.licence_records import LicenceResult, ProductResult, ViolationResult
from layout.records import Layout

from ..counting import count

_ROUNDS = 20
"""Each round buys what is missing; two are enough where every licence serves every VM."""


@dataclass(frozen=True)
class Trial:
    """One rule of a plan: its products on their VMs and hosts, and the licences held for it."""

    rule: str
    layout: Layout
    """Only VMs that have the rule's product, and only its products."""
    entitlements: tuple[Entitlement, ...]
    fiscal_year: int
    as_of: date | None
    rules_dir: Path | None
    residents: Mapping[str, int] = field(default_factory=dict)
    known: tuple[ViolationResult, ...] | None = None
    """The rule's violations, where they have been counted already."""

    @classmethod
    def of(
        cls,
        rule: str,
        layout: Layout,
        entitlements: Sequence[Entitlement],
        result: LicenceResult,
        rules_dir: Path | None,
        residents: Mapping[str, int],
    ) -> Trial:
        """Cuts a counted layout down to one rule. `residents` are by tenant."""
        own = tuple(entitlement for entitlement in entitlements if entitlement.rule == rule)
        known = tuple(violation for violation in result.violations if violation.rule == rule)
        return cls(rule, only(layout, {rule}), own, result.fiscal_year, result.as_of, rules_dir, residents, known)

    def on(self, layout: Layout) -> Trial:
        """The same trial on a changed layout."""
        return replace(self, layout=layout, known=None)

    def holding(self, quantity: int) -> Trial:
        """The same trial with so many more licences, for everybody and the whole year."""
        more = Entitlement(id=_free_name(self.entitlements), rule=self.rule, quantity=quantity, source="買い足し")
        return replace(self, entitlements=(*self.entitlements, more), known=None)

    @cached_property
    def result(self) -> LicenceResult:
        """The rule counted again."""
        return count(
            self.layout,
            fiscal_year=self.fiscal_year,
            entitlements=self.entitlements,
            as_of=self.as_of,
            rules_dir=self.rules_dir,
            layout_digest="-",  # nobody reads it, and a digest takes longer than the count
            residents=self.residents,
        )

    def violations(self) -> tuple[ViolationResult, ...]:
        """The violations of the rule that are left."""
        if self.known is not None:
            return self.known
        return tuple(violation for violation in self.result.violations if violation.rule == self.rule)

    def products(self, rule: str) -> tuple[ProductResult, ...]:
        """What a rule needs on this layout, one for each value of its separate options."""
        return tuple(product for product in self.result.products if product.rule == rule)

    @cached_property
    def missing(self) -> int:
        """The least number of unrestricted licences with which no violation of the rule is left.

        A licence ends at most one licence's worth of shortage at an instant, so the largest shortage of an instant is
        needed; what is still short then is needed on top. Raises ValueError where buying does not help.
        """
        lacking = Fraction(0)
        for _ in range(_ROUNDS):
            bought = ceil(lacking)
            left = (self.holding(bought) if bought else self).violations()
            if not left:
                return bought
            lacking = bought + shortage(left)
        raise ValueError(f"{self.rule}: 買い足しても違反が残ります")


def only(layout: Layout, rules: Collection[str]) -> Layout:
    """Answers the layout with the products of these rules alone; VMs without one, and their moves, are left out."""
    vms = tuple(
        vm.model_copy(update={"products": own})
        for vm in layout.vms
        if (own := tuple(product for product in vm.products if product.rule in rules))
    )
    names = {vm.id for vm in vms}
    hosts = tuple(
        host.model_copy(update={"products": tuple(product for product in host.products if product.rule in rules)})
        for host in layout.hosts
    )
    moves = tuple(move for move in layout.moves if move.vm in names)
    return layout.model_copy(update={"vms": vms, "hosts": hosts, "moves": moves, "networks": (), "flows": ()})


def shortage(violations: Sequence[ViolationResult]) -> Fraction:
    """Answers the largest number of licences that all these violations of one rule lack at one instant."""
    points = sorted({instant for violation in violations for instant in (violation.from_, violation.until)})
    changes: dict[datetime, Fraction] = dict.fromkeys(points, Fraction(0))
    for violation in violations:
        lacking = exact(violation.needed) - exact(violation.held)
        changes[violation.from_] += lacking
        changes[violation.until] -= lacking
    now = most = Fraction(0)
    for point in points:
        now += changes[point]
        most = max(most, now)
    return most


def exact(number: int | float) -> Fraction:
    """The fraction that a result's number stands for: 0.3333333333333333 is a third."""
    return Fraction(number).limit_denominator(1_000_000)


def _free_name(entitlements: Sequence[Entitlement]) -> str:
    taken = {entitlement.id for entitlement in entitlements}
    return next(name for i in range(len(taken) + 1) if (name := f"bought-{i}") not in taken)
