"""What part of an item each municipality owes in one year, before yen: exact fractions that add up to 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from .ground_records import Grounds, Party
from .records import MEASURE_UNITS, By, Part, exact

ZERO = Fraction(0)


@dataclass(frozen=True)
class Basis:
    """What one part is divided by."""

    by: By
    share: Fraction
    """Part of the item."""
    unit: str
    weights: Mapping[str, Fraction]
    """By tenant, for a whole month of membership; their proportions matter."""
    shown: Mapping[str, Fraction]
    """By tenant, the quantity that the reader knows."""


def basis(part: Part, parties: Sequence[Party], grounds: Grounds, values: Mapping[str, Fraction]) -> Basis:
    """Answers what a part is divided by among `parties`; `values` are the item's Shapley values where it needs them."""
    names = [party.id for party in parties]
    if part.by == "use" and part.measure is not None:
        used = grounds.use.get(part.measure, {})
        shown = {name: used.get(name, ZERO) for name in names}
        # Use was measured over the months of membership in the plan's year: a month's use goes with every month.
        there = {party.id: party.months(grounds.fiscal_year) for party in parties}
        weights = {name: use / there[name] if there[name] else ZERO for name, use in shown.items()}
        return Basis("use", exact(part.share), MEASURE_UNITS[part.measure], weights, shown)
    if part.by == "equal":
        unit, shown = "団体", dict.fromkeys(names, Fraction(1))
    elif part.by == "population":
        unit, shown = "人", {party.id: Fraction(party.population) for party in parties}
    elif part.by == "fixed":
        unit, shown = "%", {name: exact(part.shares[name]) * 100 if name in part.shares else ZERO for name in names}
    elif part.by == "peak":
        unit, shown = "コア", {name: sum((p.cores.get(name, ZERO) for p in grounds.peaks), ZERO) for name in names}
        return Basis("peak", exact(part.share), unit, _peak_weights(names, grounds), shown)
    else:
        unit, shown = "円", {name: values[name] for name in names}
    return Basis(part.by, exact(part.share), unit, shown, shown)


def _peak_weights(names: Sequence[str], grounds: Grounds) -> dict[str, Fraction]:
    """Share of each site's peak slot, the sites weighed by their hosts."""
    weights = dict.fromkeys(names, ZERO)
    for peak in grounds.peaks:
        total = sum((peak.cores.get(name, ZERO) for name in names), ZERO)
        if total:
            for name in names:
                weights[name] += peak.hosts * peak.cores.get(name, ZERO) / total
    return weights


def of_year(of: Basis, parties: Sequence[Party], fiscal_year: int) -> tuple[dict[str, Fraction], bool]:
    """Answers each tenant's ratio of one basis in a year, and whether the basis was empty.

    Weights count by months of membership. Where nobody has a weight (no use at all, say), the part is shared equally
    by months; in a year without members, equally by all.
    """
    months = {party.id: party.months(fiscal_year) for party in parties}
    weighed = {name: of.weights[name] * months[name] for name in months}
    total = sum(weighed.values(), ZERO)
    if total:
        return {name: weight / total for name, weight in weighed.items()}, False
    members = sum(months.values())
    if members:
        return {name: Fraction(count, members) for name, count in months.items()}, True
    return {name: Fraction(1, len(months)) for name in months}, True
