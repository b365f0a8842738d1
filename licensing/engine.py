"""How many licences a set of product uses needs at one instant: the whole arithmetic of every rule.

The order is the same for all rules: base units, floors, stacking, cap, factor, rounding at the rule's place,
product floor. Numbers are exact fractions, so that 30 x 0.1 is 3 and never rounds up to 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Literal

from layout.records import HostRecord, VmRecord

from .errors import LicensingError
from .records import Counting, OptionValue

Why = Literal["runs", "reach", "ran", "installed"]


@dataclass(frozen=True)
class Use:
    """One product on one VM (or one host, then `vm` is None) at an instant."""

    vm: VmRecord | None
    host: HostRecord
    """Where it runs."""
    units: int
    """vCPUs of the VM at that instant; physical cores of the host where the product sits on a host."""
    hosts: frozenset[str]
    """Ids of the hosts that count for it under the rule's scope."""
    counting: Counting
    """The way to count that its options select."""
    options: Mapping[str, OptionValue]


@dataclass(frozen=True)
class Share:
    """What one host or VM adds to a count, and the numbers behind it."""

    counting: Counting
    host: HostRecord
    vm: VmRecord | None
    """None where hosts are counted."""
    base: int
    """Base units before floors."""
    floored: int
    """Base units after floors."""
    sets: int
    """Full sets of the host's licences (stacking)."""
    capped: int
    """Base units after stacking and cap."""
    factor: Fraction
    quantity: Fraction
    """Licences: after the factor, rounded where the rule rounds per processor, host or VM."""
    why: Why
    because_of: tuple[str, ...]
    """VMs through which a host counts: those running there if any, else those that reach it or ran there."""


@dataclass(frozen=True)
class Tally:
    """Count of one product at one instant."""

    quantity: Fraction
    shares: tuple[Share, ...]
    groups: tuple[tuple[Fraction, Fraction, Fraction], ...]
    """Per factor: (factor, weighted sum, after rounding)."""
    floor: int
    """Least number for the product that took hold, else 0."""


NOTHING = Tally(Fraction(0), (), (), 0)


def tally(uses: Sequence[Use], hosts: Mapping[str, HostRecord]) -> Tally:
    """Counts the licences of one product over its uses at one instant: the sum over the ways to count.

    `hosts` holds every host by id. Raises LicensingError when a counted host's model has no factor.
    """
    if not uses:
        return NOTHING
    ways: dict[str, list[Use]] = {}
    for use in uses:
        ways.setdefault(repr(sorted(use.counting.when.items())), []).append(use)
    parts = [_way(ways[way][0].counting, ways[way], hosts) for way in sorted(ways)]
    if len(parts) == 1:
        return parts[0]
    return Tally(
        sum((part.quantity for part in parts), Fraction(0)),
        tuple(share for part in parts for share in part.shares),
        tuple(group for part in parts for group in part.groups),
        max(part.floor for part in parts),
    )


def _way(counting: Counting, uses: Sequence[Use], hosts: Mapping[str, HostRecord]) -> Tally:
    shares = tuple(_host_shares(counting, uses, hosts) if counting.on_hosts else _vm_shares(counting, uses))
    sums: dict[Fraction, Fraction] = {}
    for share in shares:
        sums[share.factor] = sums.get(share.factor, Fraction(0)) + share.quantity
    whole = counting.rounding == "factor-group"
    groups = tuple((f, s, Fraction(ceil(s)) if whole else s) for f, s in sorted(sums.items(), reverse=True))
    quantity = sum((after for _, _, after in groups), Fraction(0))
    if counting.rounding == "product":
        quantity = Fraction(ceil(quantity))
    least = counting.floors.per_product or 0
    if quantity < least:
        return Tally(Fraction(least), shares, groups, least)
    return Tally(quantity, shares, groups, 0)


def _host_shares(counting: Counting, uses: Iterable[Use], hosts: Mapping[str, HostRecord]) -> Iterable[Share]:
    there: dict[str, list[Use]] = {}
    for use in uses:
        for host_id in use.hosts:
            there.setdefault(host_id, []).append(use)
    for host_id in sorted(there):
        host, guests = hosts[host_id], there[host_id]
        base = _host_base(counting, host)
        floored = _host_floor(counting, host, base)
        vms = [use.vm for use in guests if use.vm is not None]
        per_set = counting.stacking.guests_per_set
        sets = 1 if per_set is None else max(1, ceil(Fraction(len(vms), per_set)))
        capped = floored * sets
        if counting.cap == "vcpu-sum":
            capped = min(capped, sum(use.units for use in guests))
        # Uses of one host that name different factors: the largest is the safe answer.
        factor = max(factor_of(counting, chosen, host) for chosen in {_chosen(counting, use) for use in guests})
        quantity = capped * factor
        if counting.rounding == "host":
            quantity = Fraction(ceil(quantity))
        elif counting.rounding == "processor":
            quantity = Fraction(host.sockets * ceil(Fraction(capped, host.sockets) * factor))
        why, names = _why_host(counting, host_id, guests)
        yield Share(counting, host, None, base, floored, sets, capped, factor, quantity, why, names)


def _vm_shares(counting: Counting, uses: Iterable[Use]) -> Iterable[Share]:
    for use in sorted(uses, key=lambda use: (use.vm is None, use.host.id if use.vm is None else use.vm.id)):
        base = use.units if counting.base == "vcpu" else 1
        factor = factor_of(counting, _chosen(counting, use), use.host)
        floored, quantity = vm_quantity(counting, base, factor)
        why: Why = "installed" if use.vm is None else "runs"
        yield Share(counting, use.host, use.vm, base, floored, 1, floored, factor, quantity, why, ())


def vm_quantity(counting: Counting, base: int, factor: Fraction) -> tuple[int, Fraction]:
    """Answers the base units after the floor, and the licences, of one VM."""
    floored = max(base, counting.floors.per_vm or 0)
    quantity = floored * factor
    return floored, Fraction(ceil(quantity)) if counting.rounding == "vm" else quantity


def _host_base(counting: Counting, host: HostRecord) -> int:
    if counting.base == "host-core":
        return host.cores
    if counting.base == "host-socket":
        return host.sockets
    if counting.base == "host-socket-capacity":
        return host.socket_capacity
    return 1


def _host_floor(counting: Counting, host: HostRecord, base: int) -> int:
    floors = counting.floors
    per_processor = host.sockets * (floors.per_processor or 0)
    return max(base, per_processor, floors.per_host or 0)


def _why_host(counting: Counting, host_id: str, guests: Sequence[Use]) -> tuple[Why, tuple[str, ...]]:
    if any(use.vm is None for use in guests):
        return "installed", ()
    here = tuple(sorted(use.vm.id for use in guests if use.vm is not None and use.host.id == host_id))
    if here:
        return "runs", here
    names = tuple(sorted(use.vm.id for use in guests if use.vm is not None))
    return ("ran" if counting.scope.hosts == "ran-on" else "reach"), names


def _chosen(counting: Counting, use: Use) -> OptionValue | None:
    """The factor that the use itself names, if any."""
    return None if counting.factor.option is None else use.options.get(counting.factor.option)


def factor_of(counting: Counting, chosen: OptionValue | None, host: HostRecord) -> Fraction:
    """Answers what one base unit on this host weighs; `chosen` is the factor that the use itself names.

    Raises LicensingError naming the host model and the vendor's rule for unknown models when it has no factor.
    """
    factor = counting.factor
    if chosen is not None:
        return _exact(str(chosen))
    if factor.value is not None:
        return _exact(str(factor.value))
    if factor.key is None:
        return _exact("1")
    if factor.key not in host.core_factors:
        known = "、".join(sorted(host.core_factors)) or "なし"
        raise LicensingError(
            f"ホスト {host.id} の機種 {host.model} に {factor.key} の係数がありません"
            f"（core_factors にあるもの：{known}）。{factor.unknown_model}"
        )
    return _exact(str(host.core_factors[factor.key]))


@lru_cache(maxsize=1024)
def _exact(text: str) -> Fraction:
    """The number as written: 0.1 is a tenth."""
    return Fraction(text)
