"""What one host or one VM counts, and what a sum of them makes: the whole arithmetic of every rule.

The order is the same for all rules: base units, floors, stacking, cap, factor, rounding at the rule's place, step
function, minimum of users, product floor. Numbers are exact, so that 30 x 0.1 is 3 and never rounds up to 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from layout.records import HostRecord

from .errors import LicensingError
from .records import Counting, Factor, OptionValue, Tier

Exact = int | Fraction
"""A count. Whole ones are `int`, because Fractions are slow."""


class HostCell(NamedTuple):
    """What one host counts."""

    base: int
    """Base units before floors."""
    floored: int
    sets: int
    """Full sets of the host's licences (stacking)."""
    capped: int
    """Base units after stacking and cap."""
    factor: Exact
    quantity: Exact
    """Licences: after the factor, rounded where the rule rounds per processor or host."""


class VmCell(NamedTuple):
    """What one VM (or product on a host that counts as one OS) counts."""

    base: Exact
    floored: Exact
    factor: Exact
    quantity: Exact
    grade: str | None
    """Class of licence that its size chooses."""
    least: Exact | None
    """Number of licences that an option of its use demands."""


class Total(NamedTuple):
    """What the cells of one way to count add up to."""

    groups: tuple[tuple[Exact, Exact, Exact], ...]
    """Per factor, greatest first: (factor, weighted sum, after rounding)."""
    tiered: Exact | None
    """After the step function, if the rule has one."""
    users: Exact | None
    """People, where the rule counts people with a minimum; then `least` is that minimum."""
    least: Exact | None
    floor: int
    """Least number for the product that took hold, else 0."""
    quantity: Exact


def exact(value: float | str) -> Exact:
    """Answers the number as it is written: 0.1 is a tenth."""
    return _exact(str(value))


@lru_cache(maxsize=4096)
def _exact(text: str) -> Exact:
    return slim(Fraction(text))


def slim(value: Exact) -> Exact:
    """Answers the same number, as an int where it is whole."""
    return value.numerator if value.denominator == 1 else value


def host_cell(counting: Counting, host: HostRecord, guests: int, units: int, factor: Exact) -> HostCell:
    """Counts one host with so many guests of the product, which have `units` vCPUs together."""
    base = _host_base(counting, host)
    floors, stacking = counting.floors, counting.stacking
    floored = max(base, host.sockets * (floors.per_processor or 0), floors.per_host or 0)
    sets = 1 if stacking.guests_per_set is None else max(1, -(-guests // stacking.guests_per_set))
    capped = floored * sets
    if stacking.one_more_per_guest:
        capped = max(capped, guests)
    if counting.cap == "vcpu-sum":
        capped = min(capped, units)
    quantity = slim(capped * factor)
    if counting.rounding == "host":
        quantity = ceil(quantity)
    elif counting.rounding == "processor":
        quantity = host.sockets * ceil(Fraction(capped, host.sockets) * factor)
    return HostCell(base, floored, sets, capped, factor, quantity)


def _host_base(counting: Counting, host: HostRecord) -> int:
    if counting.base == "host-core":
        return host.cores
    if counting.base == "host-socket":
        return host.sockets
    if counting.base == "host-socket-capacity":
        return host.socket_capacity
    return 1


def vm_cell(counting: Counting, base: Exact, factor: Exact, least: Exact | None = None) -> VmCell:
    """Counts one VM of so many base units; `least` is the number of licences that an option of its use demands."""
    floored = max(base, counting.floors.per_vm or 0)
    quantity, grade = slim(floored * factor), None
    if counting.grades:
        grade = next(g.name for g in counting.grades if g.up_to is None or floored <= g.up_to)
        quantity = factor
    if counting.rounding == "vm":
        quantity = ceil(quantity)
    if least is not None:
        quantity = max(quantity, least)
    return VmCell(base, floored, factor, quantity, grade, least)


def total(counting: Counting, sums: Mapping[Exact, Exact], users: Exact) -> Total:
    """Adds up the cells of one way: `sums` per factor, and the people that its uses name."""
    whole = counting.rounding == "factor-group"
    groups = tuple((f, sums[f], ceil(sums[f]) if whole else sums[f]) for f in sorted(sums, reverse=True))
    quantity: Exact = sum((after for _, _, after in groups), 0)
    tiered = least = None
    if counting.tiers:
        quantity = tiered = _tiered(counting.tiers, quantity)
    if counting.rounding == "product":
        quantity = ceil(quantity)
    if counting.users is not None:
        least = counting.users.least_per_licence * quantity
        quantity = max(users, least)
    floor = 0
    if quantity and quantity < (counting.floors.per_product or 0):
        quantity = floor = counting.floors.per_product or 0
    return Total(groups, tiered, None if counting.users is None else users, least, floor, slim(quantity))


def _tiered(tiers: tuple[Tier, ...], amount: Exact) -> Exact:
    result: Exact = 0
    below = 0
    for tier in tiers:
        end = amount if tier.up_to is None else min(amount, tier.up_to)
        result += max(0, end - below) * exact(tier.weight)
        below = tier.up_to or below
    return slim(result)


def factor_of(counting: Counting, chosen: OptionValue | None, host: HostRecord) -> Exact:
    """Answers what one base unit on this host weighs; `chosen` is the factor that the use itself names.

    Raises LicensingError naming the host model and the vendor's rule for unknown models when it has no factor.
    """
    factor = counting.factor
    if chosen is not None:
        return exact(str(chosen))
    if factor.value is not None:
        return exact(factor.value)
    if factor.per is not None:
        return slim(Fraction(1, factor.per))
    if factor.key is None:
        return 1
    if factor.key in host.core_factors:
        return exact(host.core_factors[factor.key])
    from_table = _points(factor, host)
    if from_table is not None:
        return from_table
    known = "、".join(sorted(host.core_factors)) or "なし"
    raise LicensingError(
        f"ホスト {host.id} の機種 {host.model or '（書かれていない）'} に {factor.key} の係数がありません"
        f"（core_factors にあるもの：{known}）。{factor.unknown_model}"
    )


def _points(factor: Factor, host: HostRecord) -> Exact | None:
    for row in factor.points:
        fits = row.max_sockets is None or host.socket_capacity <= row.max_sockets
        if fits and fnmatchcase(host.model.lower(), row.model.lower()):
            return exact(row.value)
    return None if factor.unknown_value is None else exact(factor.unknown_value)


def is_unknown_model(factor: Factor, host: HostRecord) -> bool:
    """Answers whether the vendor's number for models that it does not know is what counts here."""
    if factor.unknown_value is None or factor.key in host.core_factors:
        return False
    return _points(factor.model_copy(update={"unknown_value": None}), host) is None
