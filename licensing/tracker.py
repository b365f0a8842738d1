"""The count of one product as uses come, change and go: only what a change touches is counted again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction

from layout.records import HostRecord

from . import cells
from .cells import Exact
from .engine import Use, cell_of, check_host, greatest_factor, group_key, group_total, likeness
from .records import Counting, OptionValue


class Tracker:
    """Counts the same as `engine.tally` over the uses it holds at the moment."""

    def __init__(self, hosts: Mapping[str, HostRecord]) -> None:
        self._hosts = hosts
        self._ways: dict[int, _HostWay | _VmWay] = {}

    def change(self, before: Use | None, after: Use | None) -> None:
        """Takes one use away and puts one in its place; None is none."""
        if before is not None:
            self._way(before.counting).put(before, -1)
        if after is not None:
            self._way(after.counting).put(after, 1)

    def add_all(self, uses: Iterable[Use]) -> None:
        """Puts in many uses; those that count alike at once."""
        alike: dict[tuple[object, ...], list[Use]] = {}
        for use in uses:
            like = likeness(use)
            if like is None:
                self.change(None, use)
            else:
                alike.setdefault(like, []).append(use)
        for group in alike.values():
            self.add_alike(group[0], len(group))

    def add_alike(self, use: Use, number: int) -> None:
        """Puts in so many uses that count as this one does (`engine.likeness`); takes them out where negative."""
        self._way(use.counting).put(use, number)

    def quantity(self) -> Exact:
        """Answers the count as it is now."""
        return cells.slim(sum((way.quantity() for way in self._ways.values()), 0))

    def hosts(self) -> int:
        """Answers how many hosts count now, after `quantity` was asked."""
        counted = [way.counted for way in self._ways.values() if isinstance(way, _HostWay)]
        return len(counted[0]) if len(counted) == 1 else len(set().union(*counted))

    def _way(self, counting: Counting) -> _HostWay | _VmWay:
        way = self._ways.get(id(counting))
        if way is None:
            way = _HostWay(counting, self._hosts) if counting.on_hosts else _VmWay(counting)
            self._ways[id(counting)] = way
        return way


class _Users:
    """People that the uses of a way name."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._named: dict[tuple[str, ...], Counter[Exact]] = {}
        self.people: Exact = 0

    def put(self, use: Use, number: int) -> None:
        """Adds so many equal uses, or takes them away where the number is negative."""
        users = self._counting.users
        if users is None:
            return
        named = self._named.setdefault(group_key(users.group, use), Counter())
        self.people -= max(named, default=0)
        people = cells.exact(str(use.options.get(users.option, 0)))
        named[people] += number
        if not named[people]:
            del named[people]
        self.people += max(named, default=0)


class _Sums:
    """Licences per factor. A factor that nothing has is not there, as in a count from scratch."""

    def __init__(self) -> None:
        # By numerator and denominator: the hash of a Fraction costs more than the rest of a count.
        self._sums: dict[tuple[int, int], tuple[int, Exact]] = {}

    def add(self, factor: Exact, quantity: Exact, number: int) -> None:
        """Adds so many times a quantity, or takes it away where the number is negative."""
        key = (factor.numerator, factor.denominator)
        uses, total = self._sums.get(key, (0, 0))
        if uses + number:
            self._sums[key] = (uses + number, total + number * quantity)
        else:
            del self._sums[key]

    def by_factor(self) -> dict[Exact, Exact]:
        """Answers the sum of every factor that something has."""
        return {cells.slim(Fraction(*key)): total for key, (_, total) in self._sums.items()}


class _HostWay:
    """Hosts are counted. VMs with the same set of hosts are one class, so that a wide reach costs nothing."""

    def __init__(self, counting: Counting, hosts: Mapping[str, HostRecord]) -> None:
        self._counting = counting
        self._hosts = hosts
        self._by_guests = counting.cap == "vcpu-sum" or counting.stacking.guests_per_set is not None
        self._by_guests = self._by_guests or counting.stacking.one_more_per_guest
        self._uses: Counter[frozenset[str]] = Counter()
        self._guests: Counter[frozenset[str]] = Counter()
        self._units: Counter[frozenset[str]] = Counter()
        self._chosen: dict[frozenset[str], Counter[OptionValue | None]] = {}
        self._classes: dict[str, list[frozenset[str]]] = {}
        self._stale: set[frozenset[str]] = set()
        self.counted: dict[str, tuple[Exact, Exact]] = {}
        self._sums = _Sums()
        self._users = _Users(counting)

    def put(self, use: Use, number: int) -> None:
        """Adds so many equal uses, or takes them away where the number is negative."""
        group = use.hosts
        chosen = None if self._counting.factor.option is None else use.options.get(self._counting.factor.option)
        if group not in self._chosen:
            self._chosen[group] = Counter()
            for host_id in group:
                self._classes.setdefault(host_id, []).append(group)
        named = self._chosen[group]
        if self._by_guests or named[chosen] + number == 0 or not named[chosen]:
            self._stale.add(group)
        named[chosen] += number
        if not named[chosen]:
            del named[chosen]
        self._uses[group] += number
        self._units[group] += number * use.units
        if use.vm is not None:
            self._guests[group] += number
        self._users.put(use, number)

    def quantity(self) -> Exact:
        for host_id in {host_id for group in self._stale for host_id in group}:
            self._recount(host_id)
        self._stale.clear()
        return cells.total(self._counting, self._sums.by_factor(), self._users.people).quantity

    def _recount(self, host_id: str) -> None:
        old = self.counted.pop(host_id, None)
        if old is not None:
            self._sums.add(*old, -1)
        groups = [group for group in self._classes[host_id] if self._uses[group]]
        if not groups:
            return
        host = self._hosts[host_id]
        check_host(self._counting, host)
        factor = greatest_factor(self._counting, host, {value for group in groups for value in self._chosen[group]})
        guests = sum(self._guests[group] for group in groups)
        units = sum(self._units[group] for group in groups)
        new = factor, cells.host_cell(self._counting, host, guests, units, factor).quantity
        self.counted[host_id] = new
        self._sums.add(*new, 1)


class _VmWay:
    """VMs are counted, one by one or in groups that count as one."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._members: dict[tuple[str, ...], dict[str, tuple[Exact, Exact, bool]]] = {}
        self._known: dict[tuple[object, ...], tuple[Exact, Exact]] = {}
        self._by_host = counting.factor.by == "host-model" or counting.base == "vcpu-core"
        self._by_memory = counting.base == "memory-mib"
        self._sums = _Sums()
        self._users = _Users(counting)

    def put(self, use: Use, number: int) -> None:
        """Adds so many equal uses, or takes them away where the number is negative; of grouped ones only one."""
        self._users.put(use, number)
        quantity, factor = self._cell(use)
        if self._counting.group == "vm":
            self._sums.add(factor, quantity, number)
            return
        standby = self._counting.standby
        key = group_key(self._counting.group, use, standby is None)
        members = self._members.setdefault(key, {})
        self._add_group(members, -1)
        # A use on a host and one on a VM of the same name are two.
        owner = f"{use.vm is None} {use.owner}"
        if number > 0:
            waits = standby is not None and use.options.get(standby.option) == standby.value
            members[owner] = (quantity, factor, waits)
        else:
            del members[owner]
        self._add_group(members, 1)

    def _add_group(self, members: Mapping[str, tuple[Exact, Exact, bool]], sign: int) -> None:
        if not members:
            return
        # The greatest member stands for the group; of equal ones the first, as in the explanation of a count.
        factor = max(sorted(members.items()), key=lambda member: member[1][0])[1][1]
        self._sums.add(factor, group_total(self._counting, ((q, waits) for q, _, waits in members.values())), sign)

    def _cell(self, use: Use) -> tuple[Exact, Exact]:
        key = (
            use.units,
            use.vm is None,
            id(use.options),
            use.residents,
            use.host.id if self._by_host or use.vm is None else None,
            use.vm.memory_mib if self._by_memory and use.vm is not None else None,
        )
        found = self._known.get(key)
        if found is None:
            cell = cell_of(use)
            found = self._known[key] = (cell.quantity, cell.factor)
        return found

    def quantity(self) -> Exact:
        return cells.total(self._counting, self._sums.by_factor(), self._users.people).quantity
