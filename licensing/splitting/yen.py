"""Exact shares -> whole yen that add up to the amount: truncation, and who takes what it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from .records import Remainder, TenantTakes


@dataclass(frozen=True)
class Paid:
    """One year's amount in whole yen."""

    yen: Mapping[str, int]
    """By tenant, in the order given; the sum is the amount."""
    remainder: int
    """What truncation left."""
    taken_by: tuple[str, ...]
    """Who took it; nobody where nothing was left."""


def whole_yen(amount: int, ratios: Mapping[str, Fraction], unit: int, remainder: Remainder) -> Paid:
    """Answers what each tenant pays of `amount` yen.

    `ratios` add up to 1 and are in the order of the estate. Every share is cut down to a multiple of `unit` yen; what
    is left, less than `unit` per tenant, is taken as the rule says by tenants with a share. Where the rule's tenant
    has no share, the largest share takes it. Of equals the first by id comes first, so that the order of the estate
    matters only where the rule says `first`.
    """
    exact = {tenant: amount * ratio for tenant, ratio in ratios.items()}
    cut = {tenant: share // unit * unit for tenant, share in exact.items()}
    yen = {tenant: int(share) for tenant, share in cut.items()}
    left = amount - sum(yen.values())
    if left == 0:
        return Paid(yen, 0, ())
    sharing = [tenant for tenant, ratio in ratios.items() if ratio]
    largest = min(sharing, key=lambda tenant: (-ratios[tenant], tenant))
    takers = [largest]
    if remainder == "first":
        takers = sharing[:1]
    elif remainder == "largest-remainder":
        lost = {tenant: exact[tenant] - cut[tenant] for tenant in sharing}
        takers = sorted(sharing, key=lambda tenant: (-lost[tenant], tenant))
    elif isinstance(remainder, TenantTakes) and remainder.tenant in sharing:
        takers = [remainder.tenant]
    given = _hand_out(left, takers, unit)
    for tenant, more in given.items():
        yen[tenant] += more
    return Paid(yen, left, tuple(given))


def _hand_out(left: int, takers: Sequence[str], unit: int) -> dict[str, int]:
    """One taker takes all; several take one unit each, in order, the last what is less than a unit."""
    if len(takers) == 1:
        return {takers[0]: left}
    given = {}
    for tenant in takers:
        given[tenant] = min(unit, left)
        left -= given[tenant]
        if left == 0:
            break
    return given
