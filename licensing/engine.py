"""How many licences a set of product uses needs at one instant, with every number that went in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil
from typing import Literal, NamedTuple

from layout.records import HostRecord, VmRecord

from . import cells
from .cells import Exact, HostCell, Total, VmCell
from .errors import LicensingError
from .records import Counting, Group, OptionValue

Why = Literal["runs", "reach", "ran", "installed", "same", "standby"]


class Use(NamedTuple):
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
    residents: int | None = None
    """Of the VM's tenant, where they are known."""

    @property
    def owner(self) -> str:
        """Id of the VM or host."""
        return self.host.id if self.vm is None else self.vm.id

    @property
    def where(self) -> str:
        """Names the VM or host, for messages."""
        return f"ホスト {self.host.id}" if self.vm is None else f"仮想サーバ {self.vm.id}"


class Share(NamedTuple):
    """What one host or VM adds to a count, and the numbers behind it."""

    counting: Counting
    host: HostRecord
    vm: VmRecord | None
    """None where hosts are counted."""
    cell: HostCell | VmCell
    quantity: Exact
    """What it adds: that of its cell, or less where a group counts as one."""
    why: Why
    because_of: tuple[str, ...]
    """VMs through which a host counts: those running there if any, else those that reach it or ran there. Of a VM in
    a group: the others."""


class Tally(NamedTuple):
    """Count of one product at one instant."""

    quantity: Exact
    shares: tuple[Share, ...]
    totals: tuple[tuple[Counting, Total], ...]
    """Of every way to count that is used."""


NOTHING = Tally(0, (), ())


def tally(uses: Sequence[Use], hosts: Mapping[str, HostRecord]) -> Tally:
    """Counts the licences of one product over its uses at one instant: the sum over the ways to count.

    `hosts` holds every host by id. Raises LicensingError when a counted host's model has no factor, when an option
    that is counted is missing, or when the product may not be used on a host.
    """
    ways: dict[int, list[Use]] = {}
    for use in uses:
        ways.setdefault(id(use.counting), []).append(use)
    shares: list[Share] = []
    totals = []
    for used in sorted(ways.values(), key=lambda used: repr(sorted(used[0].counting.when.items()))):
        counting = used[0].counting
        found = list(_host_shares(counting, used, hosts) if counting.on_hosts else _vm_shares(counting, used))
        sums: dict[Exact, Exact] = {}
        for share in found:
            sums[share.cell.factor] = sums.get(share.cell.factor, 0) + share.quantity
        shares += found
        totals.append((counting, cells.total(counting, sums, users_of(counting, used))))
    return Tally(sum((made.quantity for _, made in totals), 0), tuple(shares), tuple(totals))


def _host_shares(counting: Counting, uses: Iterable[Use], hosts: Mapping[str, HostRecord]) -> Iterable[Share]:
    classes: dict[frozenset[str], list[Use]] = {}
    for use in uses:
        classes.setdefault(use.hosts, []).append(use)
    reaching: dict[str, list[frozenset[str]]] = {}
    for group in classes:
        for host_id in group:
            reaching.setdefault(host_id, []).append(group)
    summed = {
        group: (sum(use.vm is not None for use in used), sum(use.units for use in used), chosen_factors(counting, used))
        for group, used in classes.items()
    }
    running: dict[str, list[str]] = {}
    installed = set()
    for use in uses:
        if use.vm is None:
            installed.add(use.host.id)
        else:
            running.setdefault(use.host.id, []).append(use.vm.id)
    names: dict[frozenset[str], list[str]] = {}
    for host_id in sorted(reaching):
        host, groups = hosts[host_id], reaching[host_id]
        check_host(counting, host)
        cell = cells.host_cell(
            counting,
            host,
            sum(summed[group][0] for group in groups),
            sum(summed[group][1] for group in groups),
            greatest_factor(counting, host, {chosen for group in groups for chosen in summed[group][2]}),
        )
        why: Why
        because_of: tuple[str, ...]
        if host_id in installed:
            why, because_of = "installed", ()
        elif host_id in running:
            why, because_of = "runs", tuple(sorted(running[host_id]))
        else:
            why = "ran" if counting.scope.hosts == "ran-on" else "reach"
            because_of = _names(classes, groups, names)
        yield Share(counting, host, None, cell, cell.quantity, why, because_of)


def _names(
    classes: Mapping[frozenset[str], Sequence[Use]],
    groups: Sequence[frozenset[str]],
    known: dict[frozenset[str], list[str]],
) -> tuple[str, ...]:
    """VMs of the classes, sorted. Hosts of a cluster share their classes, so each class is listed once."""
    for group in groups:
        if group not in known:
            known[group] = sorted(use.vm.id for use in classes[group] if use.vm is not None)
    if len(groups) == 1:
        return tuple(known[groups[0]])
    return tuple(sorted(name for group in groups for name in known[group]))


def check_host(counting: Counting, host: HostRecord) -> None:
    """Raises LicensingError when the product may not be used on so big a server."""
    most = counting.rights.max_socket_capacity
    if most is not None and host.socket_capacity > most:
        raise LicensingError(
            f"ホスト {host.id}: この製品はソケットが {most} 個までのサーバでしか使えません"
            f"（このホストには空きを含めて {host.socket_capacity} 個）。別のエディションの規則を選んでください"
        )


def chosen_factors(counting: Counting, uses: Iterable[Use]) -> set[OptionValue | None]:
    """Answers the factors that the uses themselves name; None stands for the host's."""
    return {use.options.get(counting.factor.option) for use in uses} if counting.factor.option is not None else {None}


def greatest_factor(counting: Counting, host: HostRecord, chosen: Iterable[OptionValue | None]) -> Exact:
    """Answers the factor of a host: where uses name different ones, the largest is the safe answer."""
    return max(cells.factor_of(counting, value, host) for value in chosen)


def _vm_shares(counting: Counting, uses: Iterable[Use]) -> Iterable[Share]:
    groups: dict[object, list[Share]] = {}
    known: dict[tuple[object, ...], VmCell] = {}
    for use in sorted(uses, key=_order):
        why: Why = "installed" if use.vm is None else "runs"
        like = likeness(use)
        cell = None if like is None else known.get(like)
        if cell is None:
            cell = cell_of(use)
            if like is not None:
                known[like] = cell
        share = Share(counting, use.host, use.vm, cell, cell.quantity, why, ())
        if counting.group == "vm":
            yield share
        else:
            if counting.standby is not None and use.options.get(counting.standby.option) == counting.standby.value:
                share = share._replace(why="standby")
            groups.setdefault(group_key(counting.group, use, counting.standby is None), []).append(share)
    for members in groups.values():
        yield from _group_shares(counting, members)


def _order(use: Use) -> tuple[bool, str]:
    return (use.vm is None, use.owner)


def likeness(use: Use) -> tuple[object, ...] | None:
    """Answers what VMs have in common that count the same; None where it matters whose VM it is."""
    counting, vm = use.counting, use.vm
    if vm is None or counting.group != "vm" or counting.users is not None or counting.base == "population":
        return None
    if counting.on_hosts:
        return (id(counting), id(use.options), use.units if counting.cap == "vcpu-sum" else 0, use.hosts)
    by_host = counting.factor.by == "host-model" or counting.base == "vcpu-core"
    return (
        id(counting),
        id(use.options),
        use.units,
        use.host.id if by_host else None,
        vm.memory_mib if counting.base == "memory-mib" else None,
    )


def _group_shares(counting: Counting, members: Sequence[Share]) -> Iterable[Share]:
    """A group that counts as one: standby is free up to the active; else the greatest number stands for all."""
    if counting.standby is None:
        greatest = max(members, key=lambda share: share.quantity)
        others = tuple((m.host.id if m.vm is None else m.vm.id) for m in members if m is not greatest)
        yield greatest._replace(why="same" if others else greatest.why, because_of=others)
        return
    free: Exact = sum((share.quantity for share in members if share.why != "standby"), 0)
    for share in members:
        if share.why == "standby":
            used = min(free, share.quantity)
            free -= used
            yield share._replace(quantity=cells.slim(share.quantity - used))
        else:
            yield share


def group_total(counting: Counting, members: Iterable[tuple[Exact, bool]]) -> Exact:
    """Answers what a group counts, from (quantity, is on standby) of its members."""
    if counting.standby is None:
        return max(quantity for quantity, _ in members)
    active: Exact = 0
    standby: Exact = 0
    for quantity, waits in members:
        if waits:
            standby += quantity
        else:
            active += quantity
    return cells.slim(active + max(0, standby - active))


def group_key(group: Group, use: Use, unnamed_apart: bool = True) -> tuple[str, ...]:
    """Answers which group a use belongs to.

    Where a layout names no systems, each VM is one, unless they must be together (a cluster is more than one VM).
    """
    if use.vm is None:
        return ("host", use.host.id) if unnamed_apart else ("system", "", "")
    if group == "tenant":
        return ("tenant", use.vm.tenant)
    if group == "system" and (use.vm.tenant or use.vm.system or not unnamed_apart):
        return ("system", use.vm.tenant, use.vm.system)
    return ("vm", use.vm.id)


def cell_of(use: Use) -> VmCell:
    """Counts one VM by itself. Raises LicensingError when an option that is counted is missing."""
    counting = use.counting
    chosen = None if counting.factor.option is None else use.options.get(counting.factor.option)
    least = None if counting.floors.option is None else use.options.get(counting.floors.option)
    return cells.vm_cell(
        counting,
        _vm_base(use),
        cells.factor_of(counting, chosen, use.host),
        None if least is None else cells.exact(str(least)),
    )


def _vm_base(use: Use) -> Exact:
    counting = use.counting
    if counting.base == "vcpu":
        return use.units
    if counting.base == "vcpu-core":
        return use.units if use.vm is None else ceil(Fraction(use.units, threads_of(counting, use.host)))
    if counting.base == "memory-mib":
        memory = use.host.memory_mib if use.vm is None else use.vm.memory_mib
        if memory <= 0:
            raise LicensingError(f"{use.where}: memory_mib がありません（この規則はメモリー容量で数えます）")
        return memory
    if counting.base in ("number", "population"):
        return _stated(use)
    return 1


def threads_of(counting: Counting, host: HostRecord) -> int:
    """Answers the threads of a core: those of the host, or of the rule where a bare layout does not say them."""
    if counting.threads_if_unsaid is not None and "threads_per_core" not in host.model_fields_set:
        return counting.threads_if_unsaid
    return host.threads_per_core


def _stated(use: Use) -> Exact:
    """The number that an option states, or the residents of the VM's tenant."""
    name = use.counting.units_option
    value = None if name is None else use.options.get(name)
    if value is None and use.counting.base == "population":
        value = use.residents
    if value is None:
        raise LicensingError(
            f"{use.where}: オプション {name} がありません（この規則はその数で数えます。"
            "products の options に書いてください）"
        )
    return cells.exact(str(value))


def users_of(counting: Counting, uses: Iterable[Use]) -> Exact:
    """Answers the people that the uses name: the greatest number of each group, groups added up."""
    if counting.users is None:
        return 0
    most: dict[tuple[str, ...], Exact] = {}
    for use in uses:
        key = group_key(counting.users.group, use)
        most[key] = max(most.get(key, 0), cells.exact(str(use.options.get(counting.users.option, 0))))
    return sum(most.values(), 0)
