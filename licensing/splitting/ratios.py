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


@dataclass(frozen=True)
class Ratios:
    """What part of an item each tenant owes in a year, by tenant."""

    whole: Mapping[str, Fraction]
    """Of all bases together; they add up to 1."""
    of_basis: tuple[Mapping[str, Fraction], ...]
    """Of each basis alone; each adds up to 1."""
    empty: frozenset[int]
    """Bases in which nobody has a weight."""


def of_months(bases: Sequence[Basis], parties: Sequence[Party], months: Sequence[int]) -> Ratios:
    """Answers each tenant's ratios in a year of so many months of membership."""
    found = [_of_basis(of, parties, months) for of in bases]
    of_basis = tuple(ratios for ratios, _ in found)
    whole = {
        party.id: sum((of.share * ratios[party.id] for of, ratios in zip(bases, of_basis, strict=True)), ZERO)
        for party in parties
    }
    return Ratios(whole, of_basis, frozenset(index for index, (_, empty) in enumerate(found) if empty))


def _of_basis(of: Basis, parties: Sequence[Party], months: Sequence[int]) -> tuple[dict[str, Fraction], bool]:
    """Ratios of one basis, and whether nobody has a weight in it.

    Weights count by months of membership. Where nobody has a weight (no use at all, say), the part is shared equally
    by months; in a year without members, equally by all.
    """
    names = [party.id for party in parties]
    weighed = {name: of.weights[name] * count for name, count in zip(names, months, strict=True)}
    total = sum(weighed.values(), ZERO)
    if total:
        return {name: weight / total for name, weight in weighed.items()}, False
    members = sum(months)
    if members:
        return {name: Fraction(count, members) for name, count in zip(names, months, strict=True)}, True
    return dict.fromkeys(names, Fraction(1, len(names))), True
