"""What a remedy makes of a layout: VMs pinned or kept on fewer hosts, metered for a while, under another rule."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from itertools import count

from layout.records import HostSet, Layout, MoveRecord, Product, VcpuInterval, VmRecord

Span = tuple[datetime, datetime]
Exchange = Callable[[Product], Product]
"""A product under another rule."""


def pinned(layout: Layout) -> Layout:
    """Every VM stays on its host; one with planned moves stays on the hosts of its moves."""
    moving = {move.vm for move in layout.moves}
    vms = tuple(vm if vm.id in moving else vm.model_copy(update={"pinned": True}) for vm in layout.vms)
    return kept_on(layout.model_copy(update={"vms": vms}), frozenset())


def kept_on(layout: Layout, hosts: Collection[str]) -> Layout:
    """Every VM may run on these hosts only, where its set holds them, and where it is or is planned to move."""
    stays: dict[str, set[str]] = {vm.id: {vm.host} for vm in layout.vms}
    for move in layout.moves:
        stays[move.vm] |= {move.from_host, move.to_host}
    sets = _Sets(layout)
    vms = []
    for vm in layout.vms:
        left = tuple(host for host in sets.members(vm.may_run_on) if host in hosts or host in stays[vm.id])
        vms.append(vm.model_copy(update={"may_run_on": sets.name_of(left)}))
    return layout.model_copy(update={"vms": tuple(vms), "host_sets": sets.all})


class _Sets:
    """The host sets of a layout, with new ones for hosts that no set names."""

    def __init__(self, layout: Layout) -> None:
        self._hosts = {group.id: group.hosts for group in layout.host_sets}
        self._names = {group.hosts: group.id for group in layout.host_sets}

    def members(self, name: str) -> tuple[str, ...]:
        """The hosts of a set."""
        return self._hosts[name]

    def name_of(self, hosts: tuple[str, ...]) -> str:
        """The set of exactly these hosts."""
        if hosts not in self._names:
            name = next(name for i in count(len(self._hosts)) if (name := f"hosts-{i}") not in self._hosts)
            self._hosts[name], self._names[hosts] = hosts, name
        return self._names[hosts]

    @property
    def all(self) -> tuple[HostSet, ...]:
        """Every set, new ones last."""
        return tuple(HostSet(id=name, hosts=hosts) for name, hosts in self._hosts.items())


def exchanged(layout: Layout, exchange: Exchange) -> Layout:
    """Every product of the layout under another rule."""
    vms = tuple(vm.model_copy(update={"products": tuple(map(exchange, vm.products))}) for vm in layout.vms)
    hosts = tuple(host.model_copy(update={"products": tuple(map(exchange, host.products))}) for host in layout.hosts)
    return layout.model_copy(update={"vms": vms, "hosts": hosts})


def exchanged_for_a_while(layout: Layout, spans: Mapping[str, Sequence[Span]], exchange: Exchange) -> Layout:
    """The products of some VMs under another rule during spans of time that are in order and do not overlap.

    Such a VM becomes one record after the other, each with its part of the time and of the planned moves. It may still
    run wherever a planned move takes it, before and after the move too.
    """
    sets = _Sets(layout)
    vms: list[VmRecord] = []
    moves: list[MoveRecord] = [move for move in layout.moves if not spans.get(move.vm)]
    of_vm: dict[str, list[MoveRecord]] = {}
    for move in sorted(layout.moves, key=lambda move: move.at):
        of_vm.setdefault(move.vm, []).append(move)
    for vm in layout.vms:
        if not spans.get(vm.id):
            vms.append(vm)
            continue
        own = of_vm.get(vm.id, [])
        ends = {host for move in own for host in (move.from_host, move.to_host)}
        allowed = sets.members(vm.may_run_on)
        reach = (*allowed, *sorted(ends.difference(allowed)))
        for number, (begin, end, inside) in enumerate(_pieces(vm, spans[vm.id])):
            before = [move for move in own if begin is not None and move.at <= begin]
            name = f"{vm.id}#{number}"
            products = tuple(map(exchange, vm.products)) if inside else vm.products
            place = {"host": before[-1].to_host if before else vm.host, "may_run_on": sets.name_of(reach)}
            times = {"from_": begin, "until": end}
            vms.append(vm.model_copy(update={"id": name, "products": products, **place, **times}))
            moves += [
                move.model_copy(update={"vm": name})
                for move in own
                if move not in before and (end is None or move.at < end)
            ]
    return layout.model_copy(update={"vms": tuple(vms), "moves": tuple(moves), "host_sets": sets.all})


def _pieces(vm: VmRecord, spans: Sequence[Span]) -> list[tuple[datetime | None, datetime | None, bool]]:
    """The VM's life cut at the spans: from, until, whether inside a span."""
    pieces: list[tuple[datetime | None, datetime | None, bool]] = []
    since = vm.from_
    for begin, end in spans:
        if since is None or since < begin:
            pieces.append((since, begin, False))
        pieces.append((begin, end, True))
        since = end
    if vm.until is None or (since is not None and since < vm.until):
        pieces.append((since, vm.until, False))
    return pieces


def without_changes(layout: Layout, dropped: Mapping[str, Sequence[VcpuInterval]]) -> Layout:
    """These VMs keep their normal number of vCPUs on these intervals."""
    vms = tuple(
        vm.model_copy(update={"vcpu_changes": tuple(c for c in vm.vcpu_changes if c not in dropped[vm.id])})
        if vm.id in dropped
        else vm
        for vm in layout.vms
    )
    return layout.model_copy(update={"vms": vms})
