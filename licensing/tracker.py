"""The count of one product as uses come, change and go: only what a change touches is counted again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from layout.records import HostRecord

from . import cells
from .cells import Exact
from .engine import Use, cell_of, check_host, greatest_factor, group_key, group_total
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

    def quantity(self) -> Exact:
        """Answers the count as it is now."""
        return cells.slim(sum((way.quantity() for way in self._ways.values()), 0))

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

    def put(self, use: Use, sign: int) -> None:
        users = self._counting.users
        if users is None:
            return
        named = self._named.setdefault(group_key(users.group, use), Counter())
        self.people -= max(named, default=0)
        number = cells.exact(str(use.options.get(users.option, 0)))
        named[number] += sign
        if not named[number]:
            del named[number]
        self.people += max(named, default=0)


class _Sums:
    """Licences per factor. A factor that nothing has is not there, as in a count from scratch."""

    def __init__(self) -> None:
        self.by_factor: dict[Exact, Exact] = {}
        self._uses: Counter[Exact] = Counter()

    def add(self, factor: Exact, quantity: Exact, sign: int) -> None:
        self.by_factor[factor] = self.by_factor.get(factor, 0) + sign * quantity
        self._uses[factor] += sign
        if not self._uses[factor]:
            del self._uses[factor], self.by_factor[factor]


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
        self._counted: dict[str, tuple[Exact, Exact]] = {}
        self._sums = _Sums()
        self._users = _Users(counting)

    def put(self, use: Use, sign: int) -> None:
        group = use.hosts
        chosen = None if self._counting.factor.option is None else use.options.get(self._counting.factor.option)
        if group not in self._chosen:
            self._chosen[group] = Counter()
            for host_id in group:
                self._classes.setdefault(host_id, []).append(group)
        named = self._chosen[group]
        if self._by_guests or named[chosen] + sign == 0 or not named[chosen]:
            self._stale.add(group)
        named[chosen] += sign
        if not named[chosen]:
            del named[chosen]
        self._uses[group] += sign
        self._units[group] += sign * use.units
        if use.vm is not None:
            self._guests[group] += sign
        self._users.put(use, sign)

    def quantity(self) -> Exact:
        for host_id in {host_id for group in self._stale for host_id in group}:
            self._recount(host_id)
        self._stale.clear()
        return cells.total(self._counting, self._sums.by_factor, self._users.people).quantity

    def _recount(self, host_id: str) -> None:
        old = self._counted.pop(host_id, None)
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
        self._counted[host_id] = new
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

    def put(self, use: Use, sign: int) -> None:
        self._users.put(use, sign)
        quantity, factor = self._cell(use)
        if self._counting.group == "vm":
            self._sums.add(factor, quantity, sign)
            return
        standby = self._counting.standby
        key = group_key(self._counting.group, use, standby is None)
        members = self._members.setdefault(key, {})
        self._add_group(members, -1)
        # A use on a host and one on a VM of the same name are two.
        owner = f"{use.vm is None} {use.owner}"
        if sign > 0:
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
        return cells.total(self._counting, self._sums.by_factor, self._users.people).quantity
