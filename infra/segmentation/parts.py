"""What of a plan hosts and gateways are made from: the networks of a site, those that are routed, the ports of VMs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from infra.refusal import RefusalError
from layout.ports import port_name
from layout.reachability import overlaps, plain_address, subnet_of
from layout.records import Layout, NetworkRecord, VmRecord


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
