"""The network of a host: a bridge per network of its site, joined to the other hosts by a VXLAN or VLAN on its uplink.

A bridge has no address, and the host answers nobody on it. What a VM sends passes only with the name of its port, its
MAC and its IP address as planned (IPv4, ARP for its own address, and the announcement after a migration), and only to
ports of its own network. Every host of a site knows all VMs of the site: a VM that moves needs no new rules.
"""

from __future__ import annotations

from collections.abc import Sequence

from infra.refusal import RefusalError
from infra.segmentation import links, nft
from infra.segmentation.parts import HostNetwork, Port, networks_of, ports_of, routed
from layout.ports import PORT_PREFIX
from layout.records import Layout, NetworkRecord
from layout.uplinks import Uplink, Uplinks

RARP = "0x8035"  # by which QEMU tells the bridges that a VM has moved


def host_rules(layout: Layout, uplinks: Uplinks, host: str) -> HostNetwork:
    """The network of one host of the plan. Raises RefusalError where it cannot be made from these uplinks."""
    site = next((each.site for each in layout.hosts if each.id == host), None)
    if site is None:
        raise RefusalError(f"ホスト「{host}」はこの計画にありません")
    uplink = uplinks.hosts.get(host)
    if uplink is None:
        raise RefusalError(f"ホスト「{host}」のアップリンクが uplinks.json にありません")
    networks = networks_of(layout, site)
    links.require_uplink(uplink, networks, host)
    ports = ports_of(layout, networks)
    others = [each.id for each in layout.hosts if each.site == site and each.id != host]
    lines = [links.underlay_line(uplink, networks)]
    on_gateway = {network.id for network in routed(layout, site)}
    for network in networks:
        peers = links.underlay_of(uplinks, others, site if network.id in on_gateway else None)
        lines.append(f"bridge {network.bridge} {network.mtu}")
        lines.append(links.carrier_line(network, uplink, peers, master=network.bridge))
    lines += [f"port {port.name} {port.bridge}" for port in ports]
    everybody = links.underlay_of(uplinks, others, site)
    rules = _bridge_table(networks, ports, uplink) + _inet_table(networks, uplink, everybody)
    return HostNetwork(host, "host", links.joined(lines), nft.fresh(("bridge", "inet")) + rules, ports)


def _bridge_table(networks: Sequence[NetworkRecord], ports: Sequence[Port], uplink: Uplink) -> str:
    carriers = [links.carrier(network, uplink) for network in networks]
    ours = f'iifname "{PORT_PREFIX}*"'
    by_bridge: dict[str, list[str]] = {network.bridge: [links.carrier(network, uplink)] for network in networks}
    for port in ports:
        by_bridge[port.bridge].append(port.name)
    chain_of = {network.bridge: f"vni{network.vni}" for network in networks}
    verdicts = [f'"{member}" : jump {chain_of[bridge]}' for bridge, members in by_bridge.items() for member in members]
    return nft.table(
        "bridge",
        nft.named_set("carriers", "ifname", (f'"{name}"' for name in carriers)),
        nft.named_set("ports", "ifname . ether_addr", (f'"{port.name}" . {port.mac}' for port in ports)),
        nft.named_set(
            "owners",
            "ifname . ether_addr . ipv4_addr",
            (f'"{port.name}" . {port.mac} . {port.address}' for port in ports),
        ),
        *(
            nft.chain(chain_of[bridge], [f"oifname {{ {', '.join(nft.quoted(members))} }} accept", "counter drop"])
            for bridge, members in by_bridge.items()
        ),
        nft.named_set("networks", "ifname : verdict", verdicts, what="map"),
        nft.chain(
            "prerouting",
            [
                f"iifname @carriers ether type {{ ip, arp, {RARP} }} accept",
                "iifname @carriers counter drop",
                f"{ours} iifname . ether saddr != @ports counter drop",
                f"{ours} ether type ip iifname . ether saddr . ip saddr @owners accept",
                f"{ours} ether type arp iifname . arp saddr ether . arp saddr ip @owners accept",
                f"{ours} ether type {RARP} accept",
                f"{ours} counter drop",
            ],
            "type filter hook prerouting priority -300; policy accept;",
        ),
        nft.chain(
            "forward",
            ["iifname vmap @networks", f'oifname "{PORT_PREFIX}*" counter drop', "oifname @carriers counter drop"],
            "type filter hook forward priority 0; policy accept;",
        ),
        nft.chain(
            "input",
            [f"{ours} counter drop", "iifname @carriers counter drop"],
            "type filter hook input priority 0; policy accept;",
        ),
    )


def _inet_table(networks: Sequence[NetworkRecord], uplink: Uplink, peers: Sequence[str]) -> str:
    return nft.table(
        "inet",
        nft.named_set("bridges", "ifname", (f'"{network.bridge}"' for network in networks)),
        nft.named_set("peers", "ipv4_addr", peers),
        nft.chain(
            "input",
            ["iifname @bridges counter drop", *nft.tunnel_rules(uplink)],
            "type filter hook input priority 0; policy accept;",
        ),
        nft.chain(
            "forward",
            ["iifname @bridges counter drop", "oifname @bridges counter drop"],
            "type filter hook forward priority 0; policy accept;",
        ),
    )
