"""What hosts and gateways share: which networks a site has, how an uplink carries them, how rules are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Literal

from infra.refusal import RefusalError
from layout.ports import port_name
from layout.reachability import overlaps, plain_address, subnet_of
from layout.records import Layout, NetworkRecord, VmRecord
from layout.uplinks import Uplink, Uplinks

TABLE = "kumiai"
INDENT = "    "
VXLAN_PORT = 4789
VXLAN_OVERHEAD = 50  # bytes: Ethernet 14, IPv4 20, UDP 8, VXLAN 8


@dataclass(frozen=True)
class Port:
    """What a VM's port may be: its name, the bridge it hangs on, and the addresses that may come from it."""

    vm: str
    name: str
    bridge: str
    mac: str
    address: str


@dataclass(frozen=True)
class HostNetwork:
    """What one machine is to have. `links` and `rules` are the files that `network.sh` reads."""

    name: str
    kind: Literal["host", "gateway"]
    links: str
    rules: str
    ports: tuple[Port, ...] = ()


def networks_of(layout: Layout, site: str) -> tuple[NetworkRecord, ...]:
    """The networks of a site, in the plan's order. Raises RefusalError for one that cannot be carried."""
    found = tuple(network for network in layout.networks if network.site == site)
    for network in found:
        try:
            subnet_of(network)
        except ValueError:
            raise RefusalError(
                f"ネットワーク「{network.id}」のサブネット {network.subnet} は IPv4 ではありません（IPv6 は通しません）"
            ) from None
    for what, names in (("ブリッジ", [n.bridge for n in found]), ("VNI", [str(n.vni) for n in found])):
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise RefusalError(f"拠点 {site} の二つのネットワークが同じ{what}「{twice[0]}」を使っています")
    return found


def routed(layout: Layout, site: str) -> tuple[NetworkRecord, ...]:
    """The networks of a site that its gateway routes: all but those whose subnet overlaps another one of the site.

    Bridges keep such networks apart; a gateway could not tell to which of them an answer belongs, so it has neither.
    """
    overlapping = overlaps(layout)
    here = {network.id for network in layout.networks if network.site == site}
    return tuple(
        network for network in networks_of(layout, site) if not here.intersection(overlapping.get(network.id, ()))
    )


def ports_of(layout: Layout, networks: Sequence[NetworkRecord]) -> tuple[Port, ...]:
    """The ports of every VM on these networks. Raises RefusalError where two VMs would share a port's name."""
    bridges = {network.id: network.bridge for network in networks}
    ports = tuple(_port(vm, bridges[vm.network]) for vm in layout.vms if vm.network in bridges)
    known: dict[str, Port] = {}
    for port in ports:
        other = known.setdefault(port.name, port)
        if other is not port:
            raise RefusalError(
                f"VM「{other.vm}」と「{port.vm}」は MAC の下位 3 バイトが同じで、ポート名 {port.name} が重なります"
            )
    return ports


def _port(vm: VmRecord, bridge: str) -> Port:
    return Port(vm.id, port_name(vm.mac), bridge, vm.mac.lower(), plain_address(vm))


def require_uplink(uplink: Uplink, networks: Sequence[NetworkRecord], name: str) -> None:
    """Raises RefusalError where the uplink cannot carry these networks."""
    if uplink.kind == "vxlan" and not _is_ipv4(uplink.address):
        raise RefusalError(f"「{name}」のアップリンクのアドレス「{uplink.address}」は IPv4 ではありません")
    for network in networks:
        if uplink.kind == "vlan" and network.vlan is None:
            raise RefusalError(
                f"ネットワーク「{network.id}」には VLAN 番号がありません。アップリンクを vxlan にしてください"
            )
        needed = network.mtu + (VXLAN_OVERHEAD if uplink.kind == "vxlan" else 0)
        if uplink.mtu < needed:
            raise RefusalError(
                f"「{name}」のアップリンク {uplink.device} の MTU {uplink.mtu} では、ネットワーク「{network.id}」の "
                f"{network.mtu} バイトを運べません（{needed} 以上が必要です）"
            )


def underlay_of(uplinks: Uplinks, hosts: Iterable[str], site: str | None) -> list[str]:
    """The underlay addresses of these hosts and of the site's gateway; a host without an uplink is not joined."""
    found = [uplinks.hosts.get(host) for host in hosts]
    if site is not None:
        found.append(uplinks.gateways.get(site))
    return sorted({each.address for each in found if each is not None and each.address}, key=IPv4Address)


def underlay_line(uplink: Uplink, networks: Sequence[NetworkRecord]) -> str:
    """The line that says what the uplink's device must be able to carry."""
    largest = max((network.mtu for network in networks), default=0)
    return f"underlay {uplink.device} {largest + (VXLAN_OVERHEAD if uplink.kind == 'vxlan' else 0)}"


def carrier(network: NetworkRecord, uplink: Uplink) -> str:
    """The device that carries a network on the uplink."""
    return f"vx{network.vni}" if uplink.kind == "vxlan" else f"vl{network.vlan}"


def carrier_line(network: NetworkRecord, uplink: Uplink, peers: Sequence[str], *, master: str, mac: str = "-") -> str:
    """The line that makes the carrier: a port of `master`, or (`-`) a device that has an address itself."""
    arp = "on" if master == "-" else "off"
    if uplink.kind == "vlan":
        return f"vlan {carrier(network, uplink)} {network.vlan} {uplink.device} {network.mtu} {master} {arp}"
    return vxlan_line(carrier(network, uplink), network.vni, uplink, network.mtu, master, arp, mac, peers)


def vxlan_line(
    name: str, vni: int, uplink: Uplink, mtu: int, master: str, arp: str, mac: str, peers: Sequence[str]
) -> str:
    """The line that makes a VXLAN device which floods to `peers`."""
    return f"vxlan {name} {vni} {uplink.device} {uplink.address} {mtu} {master} {arp} {mac} {','.join(peers) or ','}"


def named_set(name: str, kind: str, elements: Iterable[str], what: str = "set") -> str:
    """A named set of nftables; one without elements is written without them."""
    listed = "".join(f"{INDENT * 3}{element},\n" for element in elements)
    body = f"{INDENT * 2}elements = {{\n{listed}{INDENT * 2}}}\n" if listed else ""
    return f"{INDENT}{what} {name} {{\n{INDENT * 2}type {kind}\n{body}{INDENT}}}\n"


def chain(name: str, rules: Iterable[str], hook: str = "") -> str:
    """A chain; `hook` is the line that hangs it into the path of packets."""
    head = f"{INDENT * 2}{hook}\n" if hook else ""
    return f"{INDENT}chain {name} {{\n{head}{''.join(f'{INDENT * 2}{rule}{chr(10)}' for rule in rules)}{INDENT}}}\n"


def table(family: str, *parts: str) -> str:
    """A whole table."""
    return f"table {family} {TABLE} {{\n{''.join(parts)}}}\n"


def tunnel_rules(uplink: Uplink) -> list[str]:
    """Tunnels end here only for the machines of the plan: nobody else puts frames into a tenant's network."""
    if uplink.kind != "vxlan":
        return []
    return [
        f'iifname "{uplink.device}" udp dport {VXLAN_PORT} ip saddr @peers accept',
        f"udp dport {VXLAN_PORT} counter drop",
    ]


def quoted(names: Iterable[str]) -> list[str]:
    """Names of devices as nftables wants them."""
    return [f'"{name}"' for name in names]


def fresh(families: Sequence[str]) -> str:
    """In the same transaction the old tables go: an empty one is declared first, so that there is one to delete."""
    return "".join(f"table {family} {TABLE}\ndelete table {family} {TABLE}\n" for family in families)


def joined(lines: Iterable[str]) -> str:
    """The lines of a file."""
    return "".join(f"{line}\n" for line in lines)


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True
