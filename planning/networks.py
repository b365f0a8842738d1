"""Allots networks, VLAN and VXLAN ids, subnets, addresses and MACs, in the order of the estate, or after a kept plan.

One network per site, tenant and segment. A VLAN id is unique per site; above 4,094 networks on a site the
rest have VXLAN ids only. Every network also has a VXLAN id that is unique in the estate.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address, ip_interface, ip_network

from estate.resolved import ResolvedEstate, ResolvedVm
from layout.records import Layout, NetworkRecord, VmRecord

FIRST_VLAN = 100
LAST_VLAN = 4094
FIRST_VNI = 10_001
LAST_VNI = 2**24 - 1
LAST_MAC = 2**24 - 1
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


def allot(estate: ResolvedEstate, kept: Layout | None = None) -> Numbering:
    """Numbers every network and VM. Raises AddressSpaceError.

    What `kept` has keeps its numbers. New networks and VMs get numbers above the highest there, or the lowest free ones
    when these run out; never one that something removed since has in `kept`, because firewalls, ARP tables and
    licences of other people may still know it.
    """
    stock = _Stock.of(kept)
    networks: list[NetworkRecord] = []
    attachments: dict[str, Attachment] = {}
    for (site, tenant, segment), vms in _group_vms(estate.vms).items():
        before = stock.networks.get((site, tenant, segment))
        addresses = stock.addresses(before, vms)
        if before is None or addresses is None:
            subnet = stock.subnet(len(vms))
            network = _network(stock, before, site, tenant, segment, subnet)
            start = subnet.network_address + RESERVED_ADDRESSES
            addresses = [str(start + offset) for offset in range(len(vms))]
        else:
            network = before
        networks.append(network)
        for vm, address in zip(vms, addresses, strict=True):
            attachments[vm.id] = Attachment(network.id, stock.mac(vm.id), address)
    vxlan_only = sum(network.vlan is None for network in networks)
    return Numbering(tuple(networks), attachments, vxlan_only)


def _network(
    stock: _Stock, before: NetworkRecord | None, site: str, tenant: str, segment: str, subnet: IPv4Network
) -> NetworkRecord:
    """A new network, or one that needs a larger subnet and keeps all else."""
    gateway = str(subnet.network_address + 1)
    if before is not None:
        return before.model_copy(update={"subnet": str(subnet), "gateway": gateway})
    vlan = stock.vlan(site)
    vni = stock.vni()
    return NetworkRecord(
        id=f"{tenant}-{segment}-{site}",
        tenant=tenant,
        segment=segment,
        site=site,
        bridge=f"br-x{vni}" if vlan is None else f"br-v{vlan}",
        vlan=vlan,
        vni=vni,
        subnet=str(subnet),
        gateway=gateway,
    )


def _group_vms(vms: Sequence[ResolvedVm]) -> dict[tuple[str, str, str], list[ResolvedVm]]:
    groups: dict[tuple[str, str, str], list[ResolvedVm]] = {}
    for vm in vms:
        groups.setdefault((vm.site, vm.tenant, vm.segment), []).append(vm)
    return groups


def _size(vm_count: int) -> int:
    """Addresses of the smallest subnet from /24 up that holds so many VMs."""
    size = 256
    while size - RESERVED_ADDRESSES - 1 < vm_count:
        size *= 2
    return size


def _mac(index: int) -> str:
    value = (QEMU_OUI << 24) | index
    return ":".join(f"{(value >> shift) & 0xFF:02x}" for shift in range(40, -8, -8))


@dataclass
class _Stock:
    """Numbers that are taken, and the next ones."""

    networks: dict[tuple[str, str, str], NetworkRecord]
    """Kept ones by site, tenant and segment."""
    vms: dict[str, VmRecord]
    """Kept ones by id."""
    vlans: dict[str, _Numbers]
    """By site."""
    vnis: _Numbers
    macs: _Numbers
    subnets: list[tuple[int, int]]
    """First and last address of each, in order."""
    taken: dict[str, list[int]]
    """Addresses of kept VMs by network."""

    @classmethod
    def of(cls, kept: Layout | None) -> _Stock:
        networks = () if kept is None else kept.networks
        vms = () if kept is None else kept.vms
        vlans: dict[str, list[int]] = {}
        for network in networks:
            if network.vlan is not None:
                vlans.setdefault(network.site, []).append(network.vlan)
        taken: dict[str, list[int]] = {}
        for vm in vms:
            taken.setdefault(vm.network, []).append(int(ip_interface(vm.address).ip))
        spans = [ip_network(network.subnet) for network in networks]
        return cls(
            networks={(network.site, network.tenant, network.segment): network for network in networks},
            vms={vm.id: vm for vm in vms},
            vlans={site: _Numbers(FIRST_VLAN, LAST_VLAN, taken) for site, taken in vlans.items()},
            vnis=_Numbers(FIRST_VNI, LAST_VNI, (network.vni for network in networks)),
            macs=_Numbers(0, LAST_MAC, (int(vm.mac.replace(":", ""), 16) - (QEMU_OUI << 24) for vm in vms)),
            subnets=sorted((int(span.network_address), int(span.broadcast_address)) for span in spans),
            taken=taken,
        )

    def vlan(self, site: str) -> int | None:
        """The next VLAN id of a site; None above the 802.1Q limit."""
        return self.vlans.setdefault(site, _Numbers(FIRST_VLAN, LAST_VLAN)).next()

    def vni(self) -> int:
        """The next VXLAN id of the estate."""
        found = self.vnis.next()
        if found is None:
            raise AddressSpaceError(f"VXLAN の番号 {FIRST_VNI}〜{LAST_VNI} にネットワークが収まりません")
        return found

    def mac(self, vm: str) -> str:
        """The MAC that the VM has, or the next one."""
        if vm in self.vms:
            return self.vms[vm].mac
        index = self.macs.next()
        if index is None:
            raise AddressSpaceError("MAC アドレスの範囲 52:54:00 に仮想サーバが収まりません")
        return _mac(index)

    def subnet(self, vm_count: int) -> IPv4Network:
        """The next subnet that holds so many VMs, aligned to its size."""
        size = _size(vm_count)
        first, last = int(ADDRESS_SPACE.network_address), int(ADDRESS_SPACE.broadcast_address)
        highest = self.subnets[-1][1] if self.subnets else first - 1
        start = -(-(highest + 1) // size) * size
        if start + size - 1 > last:
            start = first
            for taken, end in self.subnets:
                if start + size - 1 < taken:
                    break
                start = max(start, -(-(end + 1) // size) * size)
        if start + size - 1 > last:
            raise AddressSpaceError(f"アドレス空間 {ADDRESS_SPACE} にネットワークが収まりません")
        insort(self.subnets, (start, start + size - 1))
        return IPv4Network((start, 32 - (size.bit_length() - 1)))

    def addresses(self, network: NetworkRecord | None, vms: Sequence[ResolvedVm]) -> list[str] | None:
        """Addresses of a kept network's VMs, the old ones as they were; None where the subnet is too small."""
        if network is None:
            return None
        subnet = ip_network(network.subnet)
        first = int(subnet.network_address) + RESERVED_ADDRESSES
        numbers = _Numbers(first, int(subnet.broadcast_address) - 1, self.taken.get(network.id, ()))
        found: list[str] = []
        for vm in vms:
            before = self.vms.get(vm.id)
            if before is not None and before.network == network.id:
                found.append(before.address)
                continue
            number = numbers.next()
            if number is None:
                return None
            found.append(str(ip_address(number)))
        return found


class _Numbers:
    """Numbers of one kind, each handed out once: above the highest first, then the lowest free ones."""

    def __init__(self, first: int, last: int, taken: Iterable[int] = ()) -> None:
        self._last = last
        self._taken = set(taken)
        self._above = max((number for number in self._taken if first <= number <= last), default=first - 1) + 1
        self._first_above = self._above
        self._lowest = first

    def next(self) -> int | None:
        """Takes a number; None where all are taken."""
        if self._above <= self._last:
            self._above += 1
            return self._above - 1
        while self._lowest in self._taken:
            self._lowest += 1
        # What was handed out above the highest is not in `_taken`: the free ones end below it.
        if self._lowest >= self._first_above:
            return None
        self._lowest += 1
        return self._lowest - 1
