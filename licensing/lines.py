"""Which products sit where: the lines of a licence count, and how each use of a line is counted on a date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from layout.records import HostRecord, Layout, VmRecord

from .errors import LicensingError
from .reach import Reach
from .records import Counting, OptionValue, Rule, Version
from .rulebook import RuleBook, complete_options, counting_for

Owner = TypeVar("Owner", VmRecord, HostRecord)


@dataclass(frozen=True)
class Seat(Generic[Owner]):
    """A VM or host that has the product, with all options of this use."""

    owner: Owner
    options: Mapping[str, OptionValue]

    @property
    def where(self) -> str:
        """Names the VM or host, for messages."""
        return f"{'仮想サーバ' if isinstance(self.owner, VmRecord) else 'ホスト'} {self.owner.id}"


@dataclass(frozen=True)
class Line:
    """One product and where it sits: one line of the result."""

    rule: Rule
    options: Mapping[str, OptionValue]
    """The options that make it an article of its own, e.g. the edition."""
    vms: tuple[Seat[VmRecord], ...]
    hosts: tuple[Seat[HostRecord], ...]


def lines_of(layout: Layout, book: RuleBook) -> tuple[Line, ...]:
    """Answers the products of a layout in order of rule: one line per rule and value of its separate options.

    Equal options are one object. Raises LicensingError for an unknown rule or option.
    """
    found: dict[tuple[str, str], tuple[Rule, dict[str, OptionValue], list[Seat[VmRecord]], list[Seat[HostRecord]]]] = {}
    known: dict[tuple[str, str], tuple[tuple[str, str], dict[str, OptionValue]]] = {}
    owners: list[VmRecord | HostRecord] = [*layout.vms, *layout.hosts]
    for owner in sorted(owners, key=lambda owner: owner.id):
        for product in owner.products:
            given = (product.rule, repr(product.options))
            if given not in known:
                where = f"{'仮想サーバ' if isinstance(owner, VmRecord) else 'ホスト'} {owner.id}"
                rule = book.rule(product.rule, where)
                options = complete_options(rule, product.options, where)
                own = {name: value for name, value in options.items() if rule.options[name].separate}
                known[given] = ((rule.id, repr(own)), options)
                found.setdefault(known[given][0], (rule, own, [], []))
            key, options = known[given]
            if isinstance(owner, VmRecord):
                found[key][2].append(Seat(owner, options))
            else:
                found[key][3].append(Seat(owner, options))
    return tuple(Line(rule, own, tuple(vms), tuple(hosts)) for _, (rule, own, vms, hosts) in sorted(found.items()))


class Ways:
    """How each seat of a line is counted under one version of its rule."""

    def __init__(self, line: Line, version: Version, reach: Reach) -> None:
        self._line = line
        self._version = version
        self._reach = reach
        # Whether it matters that a VM stays where it is.
        self._cares = any(counting.pinning.otherwise for counting in version.counts)
        self._known: dict[tuple[int, bool, bool], Counting] = {}
        self._plain: dict[tuple[int, bool], Counting] = {}

    def of(self, seat: Seat[VmRecord] | Seat[HostRecord]) -> Counting:
        """Answers the way to count a seat; raises LicensingError where the rule cannot count it as it is."""
        owner = seat.owner
        on_vm = isinstance(owner, VmRecord)
        plain = self._plain.get((id(seat.options), on_vm))
        if plain is not None:
            return plain
        stays = isinstance(owner, HostRecord) or (owner.pinned and owner.id not in self._reach.moves)
        key = (id(seat.options), on_vm, stays)
        if key not in self._known:
            self._known[key] = self._find(seat, on_vm=on_vm, stays=stays)
            if not self._cares:
                self._plain[(id(seat.options), on_vm)] = self._known[key]
        return self._known[key]

    def _find(self, seat: Seat[VmRecord] | Seat[HostRecord], *, on_vm: bool, stays: bool) -> Counting:
        rule = self._line.rule
        counting = counting_for(rule, self._version, seat.options, seat.where)
        if counting.pinning.otherwise and not stays:
            counting = counting_for(rule, self._version, {**seat.options, **counting.pinning.otherwise}, seat.where)
        if ("vm" if on_vm else "host") not in counting.sits_on:
            raise LicensingError(f"{seat.where}: {rule.id} は{'ホスト' if on_vm else '仮想サーバ'}に置く規則です")
        return counting
