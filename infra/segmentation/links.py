"""The lines of `network.sh` that make devices: how an uplink carries the networks of a site."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address

from infra.refusal import RefusalError
from layout.records import NetworkRecord
from layout.uplinks import Uplink, Uplinks

VXLAN_PORT = 4789
VXLAN_OVERHEAD = 50  # bytes: Ethernet 14, IPv4 20, UDP 8, VXLAN 8


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


def joined(lines: Iterable[str]) -> str:
    """The lines of a file."""
    return "".join(f"{line}\n" for line in lines)


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True
