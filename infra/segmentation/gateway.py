"""The network of a site's gateway: the only way from one network to another, and only for what `flows` allow.

The gateway has its planned address in each network of the site, routes between them, and accepts no packet for
itself. A connection is opened only in the direction of its flow; answers pass because they belong to it. An opening
packet is judged by its flow each time: a flow that leaves the plan ends its connections too.

Sites are joined by a VXLAN between their gateways. It is not encrypted: the line between sites has to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from infra.refusal import RefusalError
from infra.segmentation import links, nft
from infra.segmentation.parts import HostNetwork, networks_of, routed
from layout.reachability import Opening, openings, overlaps, subnet_of
from layout.records import Layout, NetworkRecord
from layout.uplinks import Uplink, Uplinks

TRANSIT = "kt1"
TRANSIT_VNI = 1
TRANSIT_NETWORK = IPv4Network("169.254.128.0/24")
TRANSIT_MTU = 1500
COMMENT_LENGTH = 120  # bytes; nftables takes 128


@dataclass(frozen=True)
class _Remote:
    """What lies behind another site's gateway."""

    next_hop: str
    underlay: str
    networks: tuple[NetworkRecord, ...]


def gateway_name(site: str) -> str:
    """What the gateway of a site is called."""
    return f"gw-{site}"


def gateway_rules(layout: Layout, uplinks: Uplinks, site: str) -> HostNetwork:
    """The network of a site's gateway. Raises RefusalError for a flow that must not or cannot be opened."""
    if site not in {host.site for host in layout.hosts}:
        raise RefusalError(f"拠点「{site}」はこの計画にありません")
    uplink = uplinks.gateways.get(site)
    if uplink is None:
        raise RefusalError(f"拠点「{site}」のゲートウェイのアップリンクが uplinks.json にありません")
    found = openings(layout)
    refused = [each for each in found if each.refusal]
    if refused:
        more = f"（ほか {len(refused) - 1} 件）" if len(refused) > 1 else ""
        raise RefusalError(f"flows の {refused[0].number} 番目は開けません：{refused[0].refusal}{more}", unfit=True)
    _require_outside(found, uplinks)
    networks = routed(layout, site)
    links.require_uplink(uplink, networks, gateway_name(site))
    hosts = [host.id for host in layout.hosts if host.site == site]
    peers = links.underlay_of(uplinks, hosts, None)
    # The addresses of gateways are allotted over all sites of the plan, so that a new uplink moves nobody.
    remotes = _remotes(layout, uplinks, site) if uplink.address else ()
    _require_transit(found, layout, site, remotes)
    lines = [links.underlay_line(uplink, networks)]
    for network in networks:
        name = links.carrier(network, uplink)
        lines.append(links.carrier_line(network, uplink, peers, master="-", mac=_mac(network.vni)))
        lines.append(f"address {name} {network.gateway}/{subnet_of(network).prefixlen}")
    if remotes:
        own = _transit_address(layout, site)
        others = sorted(each.underlay for each in remotes)
        mac = _mac(TRANSIT_VNI)[:-2] + f"{int(own.rpartition('.')[2]):02x}"
        lines.append(links.vxlan_line(TRANSIT, TRANSIT_VNI, uplink, TRANSIT_MTU, "-", "on", mac, others))
        lines.append(f"address {TRANSIT} {own}/{TRANSIT_NETWORK.prefixlen}")
        lines += [
            f"route {subnet_of(network)} {each.next_hop} {TRANSIT}" for each in remotes for network in each.networks
        ]
    lines += ["setting net/ipv6/conf/all/forwarding 0", "setting net/ipv4/ip_forward 1"]
    tunnels_from = sorted({*peers, *(each.underlay for each in remotes)})
    rules = nft.fresh(("inet",)) + _table(networks, uplink, remotes, tunnels_from, _passing(found, layout, site))
    return HostNetwork(gateway_name(site), "gateway", links.joined(lines), rules)


def _require_outside(found: Sequence[Opening], uplinks: Uplinks) -> None:
    """The wires under the tenants' networks are nobody's destination."""
    underlay = [each.address for each in (*uplinks.hosts.values(), *uplinks.gateways.values()) if each.address]
    for opening in found:
        for end in (opening.source, opening.destination):
            if not end.outside:
                continue
            for span in map(IPv4Network, end.addresses):
                hit = next((address for address in underlay if IPv4Address(address) in span), None)
                if hit is not None:
                    raise RefusalError(
                        f"flows の {opening.number} 番目のアドレス {span} は、ホスト間の回線の {hit} を含みます。"
                        "団体の通信には開けません",
                        unfit=True,
                    )


def _remotes(layout: Layout, uplinks: Uplinks, site: str) -> tuple[_Remote, ...]:
    if any(network.vni == TRANSIT_VNI for network in layout.networks):
        raise RefusalError(f"VNI {TRANSIT_VNI} は拠点間の接続に使うため、ネットワークには使えません")
    ambiguous = overlaps(layout)
    found = []
    for other in _sites(layout):
        uplink = uplinks.gateways.get(other)
        if other == site or uplink is None or not uplink.address:
            continue
        networks = tuple(network for network in networks_of(layout, other) if network.id not in ambiguous)
        found.append(_Remote(_transit_address(layout, other), uplink.address, networks))
    return tuple(found)


def _sites(layout: Layout) -> tuple[str, ...]:
    return tuple(dict.fromkeys(host.site for host in layout.hosts))


def _transit_address(layout: Layout, site: str) -> str:
    return str(TRANSIT_NETWORK[_sites(layout).index(site) + 1])


def _passing(found: Sequence[Opening], layout: Layout, site: str) -> tuple[Opening, ...]:
    """The flows that pass this gateway, with both ends known: from or to a network of the site, to another network."""
    here = {network.id for network in networks_of(layout, site)}
    return tuple(
        opening
        for opening in found
        if here.intersection((*opening.source.networks, *opening.destination.networks))
        and opening.source.addresses
        and opening.destination.addresses
        and not (opening.source.networks == opening.destination.networks and len(opening.source.networks) == 1)
    )


def _require_transit(found: Sequence[Opening], layout: Layout, site: str, remotes: Sequence[_Remote]) -> None:
    site_of = {network.id: network.site for network in layout.networks}
    joined_sites = {network.site for each in remotes for network in each.networks}
    for opening in _passing(found, layout, site):
        sites = {site_of[name] for name in (*opening.source.networks, *opening.destination.networks)}
        missing = sorted(sites - joined_sites - {site})
        if missing:
            raise RefusalError(
                f"flows の {opening.number} 番目は拠点 {site} と {missing[0]} をまたぎます。"
                "uplinks.json の gateways に、両拠点のゲートウェイの address が必要です"
            )


def _table(
    networks: Sequence[NetworkRecord],
    uplink: Uplink,
    remotes: Sequence[_Remote],
    tunnels_from: Sequence[str],
    passing: Sequence[Opening],
) -> str:
    ours = [links.carrier(network, uplink) for network in networks] + ([TRANSIT] if remotes else [])
    return nft.table(
        "inet",
        nft.named_set("networks", "ifname", nft.quoted(ours)),
        nft.named_set("peers", "ipv4_addr", tunnels_from),
        nft.chain(
            "input",
            ["iifname @networks counter drop", *nft.tunnel_rules(uplink)],
            "type filter hook input priority 0; policy accept;",
        ),
        nft.chain(
            "forward",
            [
                *_origins(networks, uplink, remotes),
                "ct state invalid counter drop",
                "ct state established ct direction reply accept",
                "ct state related meta l4proto icmp accept",
                *(_rule(opening) for opening in passing),
                "counter drop",
            ],
            "type filter hook forward priority 0; policy drop;",
        ),
    )


def _origins(networks: Sequence[NetworkRecord], uplink: Uplink, remotes: Sequence[_Remote]) -> list[str]:
    """A subnet's addresses come by its own device and by no other, whatever a sender writes into its packets."""
    rules = []
    for network in networks:
        name, subnet = links.carrier(network, uplink), subnet_of(network)
        rules.append(f'iifname "{name}" ip saddr != {subnet} counter drop')
        rules.append(f'iifname != "{name}" ip saddr {subnet} counter drop')
    remote = [str(subnet_of(network)) for each in remotes for network in each.networks]
    if remotes:
        rules.append(f'iifname "{TRANSIT}" oifname "{TRANSIT}" counter drop')
    if remote:
        rules.append(f'iifname "{TRANSIT}" ip saddr != {{ {", ".join(remote)} }} counter drop')
        rules.append(f'iifname != "{TRANSIT}" ip saddr {{ {", ".join(remote)} }} counter drop')
    return rules


def _rule(opening: Opening) -> str:
    protocol, port = opening.flow.protocol, opening.flow.port
    if protocol == "icmp":
        service = "icmp type echo-request"
    else:
        service = f"meta l4proto {protocol}" if port is None else f"{protocol} dport {port}"
    comment = f"flow {opening.number}: {opening.text}".encode("ascii", "replace")[:COMMENT_LENGTH].decode()
    comment = comment.replace('"', "?")
    sources, destinations = _addresses(opening.source.addresses), _addresses(opening.destination.addresses)
    return f'ip saddr {sources} ip daddr {destinations} {service} accept comment "{comment}"'


def _addresses(addresses: Sequence[str]) -> str:
    unique = list(dict.fromkeys(addresses))
    return unique[0] if len(unique) == 1 else f"{{ {', '.join(unique)} }}"


def _mac(vni: int) -> str:
    """A gateway's own MAC in a network: the same after it is rebuilt, so that no guest has to ask again."""
    digits = f"{vni:06x}"
    return f"02:67:77:{digits[:2]}:{digits[2:4]}:{digits[4:]}"
