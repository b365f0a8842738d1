"""Who may talk to whom: `flows` resolved to the addresses of VMs. Whatever is not here is denied.

Within one network (a tenant's segment on a site) everybody hears everybody; between networks the flows are the whole
allow list. The rules of the gateways and the matrix of the report are both made from this.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from estate.base_records import CENTRE_SEGMENTS

from .records import FlowEnd, FlowRecord, Layout, NetworkRecord, VmRecord

PROTECTED = CENTRE_SEGMENTS
"""Nobody opens a connection to these but themselves."""


@dataclass(frozen=True)
class End:
    """One side of a flow. Addresses are texts that nftables reads; `networks` are ids, none for an outside address."""

    addresses: tuple[str, ...]
    networks: tuple[str, ...]
    outside: bool = False


@dataclass(frozen=True)
class Opening:
    """One flow of the plan, resolved. `refusal` is one Japanese sentence; such a flow opens nothing."""

    number: int
    """Position in `flows`, from 1."""
    flow: FlowRecord
    source: End
    destination: End
    refusal: str = ""

    @property
    def service(self) -> str:
        """What is allowed, such as `tcp/443`; a protocol alone means all of its ports."""
        return self.flow.protocol + (f"/{self.flow.port}" if self.flow.port is not None else "")

    @property
    def text(self) -> str:
        """The flow in one line of plain characters."""
        return f"{_end_text(self.flow.source)} -> {_end_text(self.flow.destination)} {self.service}"


def openings(layout: Layout) -> tuple[Opening, ...]:
    """Every flow of the plan with the addresses that it stands for, in the plan's order."""
    resolver = _Resolver(layout)
    return tuple(resolver.opening(number, flow) for number, flow in enumerate(layout.flows, 1))


def overlaps(layout: Layout) -> dict[str, tuple[str, ...]]:
    """Networks whose subnet overlaps that of others, by id, with the ids of those others."""
    found: dict[str, list[str]] = {}
    spans = sorted((subnet, network.id) for network in layout.networks if (subnet := ipv4_subnet(network)) is not None)
    open_: list[tuple[IPv4Network, str]] = []
    for subnet, name in spans:
        open_ = [each for each in open_ if each[0].broadcast_address >= subnet.network_address]
        for _, other in open_:
            found.setdefault(name, []).append(other)
            found.setdefault(other, []).append(name)
        open_.append((subnet, name))
    return {name: tuple(sorted(others)) for name, others in sorted(found.items())}


def subnet_of(network: NetworkRecord) -> IPv4Network:
    """The network's subnet. Raises ValueError for one that is not IPv4: guests have no IPv6 here."""
    return IPv4Network(network.subnet)


def ipv4_subnet(network: NetworkRecord) -> IPv4Network | None:
    """The network's subnet, or None for one that is not IPv4."""
    try:
        return subnet_of(network)
    except ValueError:
        return None


@dataclass(frozen=True)
class Cell:
    """What a source network may open towards a destination; `partial`: only some of the VMs, or of the addresses."""

    source: str
    destination: str
    services: tuple[str, ...]
    flows: tuple[int, ...]
    partial: bool


@dataclass(frozen=True)
class Matrix:
    """Reachability between networks (ids) and outside addresses; pairs that have no cell are denied."""

    networks: tuple[str, ...]
    outside: tuple[str, ...]
    cells: tuple[Cell, ...]
    refused: tuple[Opening, ...]


def matrix(layout: Layout) -> Matrix:
    """Which network may open what towards which: one cell per ordered pair that any flow opens."""
    found = openings(layout)
    valid = [each for each in found if not each.refusal]
    members = {(vm.network, plain_address(vm)) for vm in layout.vms}
    size: dict[str, int] = {}
    for vm in layout.vms:
        size[vm.network] = size.get(vm.network, 0) + 1
    merged: dict[tuple[str, str], list[Opening]] = {}
    for opening in valid:
        for source in opening.source.networks or opening.source.addresses:
            for destination in opening.destination.networks or opening.destination.addresses:
                if source != destination:
                    merged.setdefault((source, destination), []).append(opening)
    cells = [
        Cell(
            source,
            destination,
            tuple(dict.fromkeys(each.service for each in group)),
            tuple(each.number for each in group),
            any(
                _count(end, name, members) < size.get(name, 0)
                for each in group
                for end, name in ((each.source, source), (each.destination, destination))
            ),
        )
        for (source, destination), group in merged.items()
    ]
    outside = dict.fromkeys(
        address for each in valid for end in (each.source, each.destination) if end.outside for address in end.addresses
    )
    names = tuple(network.id for network in layout.networks)
    return Matrix(names, tuple(outside), tuple(cells), tuple(each for each in found if each.refusal))


def _count(end: End, network: str, members: set[tuple[str, str]]) -> int:
    return sum((network, address) in members for address in end.addresses)


def plain_address(vm: VmRecord) -> str:
    """The VM's address without the length that may follow it: with one, a rule would mean the whole subnet."""
    return vm.address.partition("/")[0]


def _lies_in(vm: VmRecord, span: IPv4Network) -> bool:
    try:
        return IPv4Address(plain_address(vm)) in span
    except ValueError:
        return False


class _Resolver:
    def __init__(self, layout: Layout) -> None:
        self.networks = {network.id: network for network in layout.networks}
        self.vms = layout.vms
        self.overlaps = overlaps(layout)
        self.subnets = [(n, subnet) for n in layout.networks if (subnet := ipv4_subnet(n)) is not None]

    def opening(self, number: int, flow: FlowRecord) -> Opening:
        nothing = End((), ())
        try:
            source, destination = self.end(flow.source, "送信元"), self.end(flow.destination, "宛先")
        except _RefusedFlowError as refused:
            return Opening(number, flow, nothing, nothing, str(refused))
        return Opening(number, flow, source, destination, self.refusal(flow, source, destination))

    def refusal(self, flow: FlowRecord, source: End, destination: End) -> str:
        if flow.protocol not in ("tcp", "udp", "icmp"):
            return f"プロトコル「{flow.protocol}」は使えません。tcp、udp、icmp のどれかにします"
        if flow.port is not None and flow.protocol == "icmp":
            return "icmp にポートは付けられません"
        opened = [self.networks[name] for name in destination.networks]
        openers = [self.networks[name] for name in source.networks]
        safe = not source.outside and all(network.segment in PROTECTED for network in openers)
        for network in opened:
            if network.segment in PROTECTED and not safe:
                return (
                    f"宛先に {network.segment} セグメント（{network.id}）が入っています。団体や外部からは開けません。"
                    f"{network.segment} の側から接続を始める flow にします"
                )
        for network in (*openers, *opened):
            if network.id in self.overlaps and (source.networks != destination.networks or source.outside):
                others = [self.networks[name] for name in self.overlaps[network.id]]
                if any(other.site == network.site for other in others) or self.crosses(source, destination):
                    return (
                        f"ネットワーク {network.id}（{network.subnet}）は {others[0].id} とアドレスが重なるため、"
                        "経路を決められません。サブネットを分けてから通信を許します"
                    )
        return ""

    def crosses(self, source: End, destination: End) -> bool:
        sites = {self.networks[name].site for name in (*source.networks, *destination.networks)}
        return len(sites) > 1

    def end(self, end: FlowEnd, side: str) -> End:
        if end.address is not None:
            return self.address(end, end.address, side)
        if end.tenant is None:
            # Without a tenant it would mean those of every tenant: too much for a word that was left out.
            raise _RefusedFlowError(f"{side}に団体（tenant）もアドレス（address）もありません。どちらかを書きます")
        members = [vm for vm in self.vms if self.matches(vm, end)]
        return End(tuple(plain_address(vm) for vm in members), _unique(vm.network for vm in members))

    @staticmethod
    def matches(vm: VmRecord, end: FlowEnd) -> bool:
        pairs = ((end.tenant, vm.tenant), (end.segment, vm.segment), (end.system, vm.system))
        return all(wanted is None or wanted == found for wanted, found in pairs)

    def address(self, end: FlowEnd, text: str, side: str) -> End:
        try:
            span = IPv4Network(text)
        except ValueError:
            raise _RefusedFlowError(
                f"{side}のアドレス「{text[:60]}」を IPv4 のアドレスかネットワークとして読めません"
                "（例：192.0.2.10、192.0.2.0/24）"
            ) from None
        touched = [network for network, subnet in self.subnets if subnet.overlaps(span)]
        inside = [
            network
            for network in touched
            if (end.tenant is None or end.tenant == network.tenant)
            and (end.segment is None or end.segment == network.segment)
        ]
        shown = str(span.network_address) if span.num_addresses == 1 else str(span)
        if not touched:
            if end.system is not None:
                raise _RefusedFlowError(f"{side}のアドレス「{shown}」は計画の外にあり、業務システムを持ちません")
            return End((shown,), (), outside=True)
        if len(inside) != 1 or not span.subnet_of(subnet_of(inside[0])):
            raise _RefusedFlowError(
                f"{side}のアドレス「{shown}」を一つのネットワークに決められません（重なるのは "
                f"{'、'.join(network.id for network in touched[:5])}）"
            )
        members = [vm for vm in self.vms if vm.network == inside[0].id and _lies_in(vm, span) and self.matches(vm, end)]
        if not members:
            raise _RefusedFlowError(f"{side}のアドレス「{shown}」（{inside[0].id}）に仮想サーバがありません")
        return End(tuple(plain_address(vm) for vm in members), (inside[0].id,))


class _RefusedFlowError(Exception):
    """Why an end stands for nothing, in one Japanese sentence."""


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _end_text(end: FlowEnd) -> str:
    parts = [part for part in (end.tenant, end.segment, end.system, end.address) if part]
    return "/".join(parts) or "*"
