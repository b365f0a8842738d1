"""Allots networks, VLAN and VXLAN ids, subnets, addresses and MACs, in the order of the estate.

One network per site, tenant and segment. A VLAN id is unique per site; above 4,094 networks on a site the
rest have VXLAN ids only. Every network also has a VXLAN id that is unique in the estate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network

from estate.resolved import ResolvedEstate, ResolvedVm
from layout.records import NetworkRecord

FIRST_VLAN = 100
LAST_VLAN = 4094
FIRST_VNI = 10_001
ADDRESS_SPACE = ip_network("10.0.0.0/8")
RESERVED_ADDRESSES = 10  # the gateway is .1; .2 to .9 stay free for routers and probes
QEMU_OUI = 0x525400  # the prefix that libvirt itself uses for generated MACs


class AddressSpaceError(Exception):
    """More networks or VMs than the private address space 10.0.0.0/8 holds."""


@dataclass(frozen=True)
class Attachment:
    """Where a VM is attached: network id, MAC and address."""

    network: str
    mac: str
    address: str


@dataclass(frozen=True)
class Numbering:
    """Networks of the estate, and the attachment of each VM by id."""

    networks: tuple[NetworkRecord, ...]
    attachments: dict[str, Attachment]
    vxlan_only: int
    """Networks without a VLAN id, because their site has more than the 802.1Q limit."""


def allot(estate: ResolvedEstate) -> Numbering:
    """Numbers every network and VM. Raises AddressSpaceError."""
    groups = _group_vms(estate.vms)
    vlan_by_site: dict[str, int] = {}
    networks: list[NetworkRecord] = []
    attachments: dict[str, Attachment] = {}
    next_address = int(ADDRESS_SPACE.network_address)
    mac_index = 0
    for number, ((site, tenant, segment), vms) in enumerate(groups.items()):
        subnet = _subnet(next_address, len(vms))
        next_address = int(subnet.broadcast_address) + 1
        vlan = vlan_by_site.get(site, FIRST_VLAN)
        vlan_by_site[site] = vlan + 1
        tagged = vlan <= LAST_VLAN
        vni = FIRST_VNI + number
        network = NetworkRecord(
            id=f"{tenant}-{segment}-{site}",
            tenant=tenant,
            segment=segment,
            site=site,
            bridge=f"br-v{vlan}" if tagged else f"br-x{vni}",
            vlan=vlan if tagged else None,
            vni=vni,
            subnet=str(subnet),
            gateway=str(subnet.network_address + 1),
        )
        networks.append(network)
        for offset, vm in enumerate(vms):
            address = str(subnet.network_address + RESERVED_ADDRESSES + offset)
            attachments[vm.id] = Attachment(network.id, _mac(mac_index), address)
            mac_index += 1
    vxlan_only = sum(network.vlan is None for network in networks)
    return Numbering(tuple(networks), attachments, vxlan_only)


def _group_vms(vms: Sequence[ResolvedVm]) -> dict[tuple[str, str, str], list[ResolvedVm]]:
    groups: dict[tuple[str, str, str], list[ResolvedVm]] = {}
    for vm in vms:
        groups.setdefault((vm.site, vm.tenant, vm.segment), []).append(vm)
    return groups


def _subnet(first_free: int, vm_count: int) -> IPv4Network:
    """The smallest subnet from /24 up that holds the VMs, aligned at or after the first free address."""
    size = 256
    while size - RESERVED_ADDRESSES - 1 < vm_count:
        size *= 2
    start = -(-first_free // size) * size
    if start + size - 1 > int(ADDRESS_SPACE.broadcast_address):
        raise AddressSpaceError(f"アドレス空間 {ADDRESS_SPACE} にネットワークが収まりません")
    return IPv4Network((start, 32 - (size.bit_length() - 1)))


def _mac(index: int) -> str:
    if index >= 1 << 24:
        raise AddressSpaceError("MAC アドレスの範囲 52:54:00 に仮想サーバが収まりません")
    value = (QEMU_OUI << 24) | index
    return ":".join(f"{(value >> shift) & 0xFF:02x}" for shift in range(40, -8, -8))
