"""Is every VM in its own tenant's network, and is only that traffic allowed that the estate allows?"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator

from estate.records import Endpoint, Flow
from layout import consistency
from layout.reachability import openings
from layout.records import FlowEnd, FlowRecord

from .findings import Findings
from .view import View


def check_consistency(view: View) -> Findings:
    """Violations of the layout's agreement with itself (names, references, addresses, sizes)."""
    found = Findings()
    found.add_all(consistency.problems(view.folder.layout))
    return found


def check(view: View) -> Findings:
    """Violations: a VM in another's network, an address outside the subnet, overlapping subnets, wrong flows."""
    found = Findings()
    found.add_all(_membership(view))
    found.add_all(_overlaps(view))
    found.add_all(_flows(view))
    found.add_all(_refused(view))
    return found


def _membership(view: View) -> Iterator[str]:
    networks = {network.id: network for network in view.folder.layout.networks}
    for vm in view.folder.layout.vms:
        network = networks.get(vm.network)
        if network is None:
            yield f"VM {vm.id}: ネットワーク {vm.network} がありません"
            continue
        if (network.tenant, network.segment, network.site) != (vm.tenant, vm.segment, vm.site):
            yield f"VM {vm.id}: ネットワーク {network.id} は別の団体・区分・拠点のものです"
        try:
            subnet, interface = ipaddress.ip_network(network.subnet), ipaddress.ip_interface(vm.address)
            gateway = ipaddress.ip_address(network.gateway)
        except ValueError:
            yield f"VM {vm.id}: アドレス {vm.address} かサブネット {network.subnet} が読めません"
            continue
        address = interface.ip
        if "/" in vm.address and interface.network != subnet:
            yield f"VM {vm.id}: アドレス {vm.address} の長さがサブネット {subnet} と違います"
        if address not in subnet or address in (subnet.network_address, subnet.broadcast_address):
            yield f"VM {vm.id}: アドレス {address} はサブネット {subnet} で使えません"
        if address == gateway:
            yield f"VM {vm.id}: アドレス {address} はゲートウェイと同じです"


def _overlaps(view: View) -> Iterator[str]:
    spans = []
    for network in view.folder.layout.networks:
        try:
            subnet = ipaddress.ip_network(network.subnet)
        except ValueError:
            yield f"ネットワーク {network.id}: サブネット {network.subnet} が読めません"
            continue
        spans.append((subnet.version, int(subnet.network_address), int(subnet.broadcast_address), network.id))
    spans.sort()
    for (version, _, end, name), (next_version, start, _, next_name) in itertools.pairwise(spans):
        if version == next_version and start <= end:
            yield f"ネットワーク {name} と {next_name}: サブネットが重なっています"


def _flows(view: View) -> Iterator[str]:
    allowed = view.folder.estate.flows
    flows = view.folder.layout.flows
    for flow in flows:
        if not any(_covers(wanted, flow) for wanted in allowed):
            yield f"通信 {flow.source} → {flow.destination} {flow.protocol}/{flow.port}: 対象データで許されていません"
    for wanted in allowed:
        if not any(_covers(wanted, flow) for flow in flows):
            what = f"{wanted.source} → {wanted.destination} {wanted.protocol}/{wanted.port}"
            yield f"通信 {what}: layout.json にありません"


def _refused(view: View) -> Iterator[str]:
    for opening in openings(view.folder.layout):
        if opening.refusal:
            yield f"通信（flows の {opening.number} 番目、{opening.text}）: {opening.refusal}"


def _covers(wanted: Flow, flow: FlowRecord) -> bool:
    return (
        wanted.protocol == flow.protocol
        and wanted.port in (None, flow.port)
        and _side(wanted.source, flow.source)
        and _side(wanted.destination, flow.destination)
    )


def _side(wanted: Endpoint, side: FlowEnd) -> bool:
    names = ("tenant", "segment", "system", "address")
    return all(getattr(wanted, name) in (None, getattr(side, name)) for name in names)
