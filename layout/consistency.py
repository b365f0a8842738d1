"""Does a layout agree with itself: names used once, and every name that is used defined?

Small checks, each yields one Japanese line per problem. They look at `layout.json` alone; rules of the plan
(capacity, windows, …) are the checkers' business.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import datetime, timedelta

from estate.resolved import ResolvedEstate

from . import names
from .errors import FolderError
from .records import Layout

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_LARGEST = 2**53
"""Integers beyond this are not exact in the numbers of most JSON readers."""

_LONGEST = timedelta(days=1100)
"""A fiscal year with the longest lead-in is 731 days."""

Check = Callable[[Layout], Iterator[str]]


def require(layout: Layout, name: str) -> None:
    """Raises FolderError with the first problem of the layout. `name` is the file's name for the message."""
    _refuse(problems(layout), name)


def require_countable(layout: Layout, name: str) -> None:
    """Raises FolderError with the first problem that would mislead a licence count of a bare layout.

    Such a layout need not say what only the infrastructure wants: networks, addresses, volumes, memory.
    """
    found = [problem for check in (_own_names, _host_references, _cores, _times) for problem in check(layout)]
    _refuse(found, name)


def require_estate(estate: ResolvedEstate, name: str) -> None:
    """Raises FolderError where the estate would mislead its readers: harmful names or names used twice, times without
    a zone.
    """
    found = [
        *names.estate_problems(estate),
        *_twice("ホスト", (host.id for host in estate.hosts)),
        *_twice("VM", (vm.id for vm in estate.vms)),
        *_twice("団体", (tenant.id for tenant in estate.tenants)),
        *_twice("業務", ((job.tenant, job.system, job.job) for job in estate.jobs)),
    ]
    changes = [(change.from_, change.until) for vm in estate.vms for change in vm.vcpu_changes]
    if any(_naive(time) for span in [(estate.start, estate.end), *changes] for time in span):
        found.append("時差（+09:00）のない日時があります")
    elif not timedelta() < estate.end - estate.start <= _LONGEST:
        found.append(f"計画期間 {estate.start:%Y-%m-%d}〜{estate.end:%Y-%m-%d} は 1 日以上 {_LONGEST.days} 日以下です")
    _refuse(found, name)


def problems(layout: Layout) -> list[str]:
    """Every problem of the layout, one Japanese line each; empty when it agrees with itself."""
    return [problem for check in _CHECKS for problem in check(layout)]


def _refuse(found: list[str], name: str) -> None:
    if found:
        more = f"（ほか {len(found) - 1} 件）" if len(found) > 1 else ""
        raise FolderError(f"{name}: {found[0]}{more}")


def _twice(what: str, names: Iterable[Hashable]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            shown = " / ".join(str(part) for part in name) if isinstance(name, tuple) else name
            yield f"{what}「{shown}」が {count} 回使われています。一度だけ使えます"


def _own_names(layout: Layout) -> Iterator[str]:
    yield from _twice("ホスト", (host.id for host in layout.hosts))
    yield from _twice("ホスト集合", (hosts.id for hosts in layout.host_sets))
    yield from _twice("VM", (vm.id for vm in layout.vms))


def _names(layout: Layout) -> Iterator[str]:
    yield from _own_names(layout)
    yield from _twice("イメージ", (image.id for image in layout.images))
    yield from _twice("ネットワーク", (network.id for network in layout.networks))
    yield from _twice("ボリューム（ホスト / プール / 名前）", (
        (vm.host, disk.pool, disk.name) for vm in layout.vms if vm.host for disk in vm.disks
    ))  # fmt: skip


def _complete(layout: Layout) -> Iterator[str]:
    """A plan folder says everything; only a bare layout for a licence count may leave these out."""
    for host in layout.hosts:
        yield from _absent(f"ホスト「{host.id}」", {"site": host.site, "model": host.model, "uri": host.uri})
    for vm in layout.vms:
        names = ("tenant", "system", "role", "site", "segment", "image", "network", "mac", "address")
        yield from _absent(f"VM「{vm.id}」", {name: getattr(vm, name) for name in names})


def _absent(who: str, texts: dict[str, str]) -> Iterator[str]:
    yield from (f"{who}: {name} がありません" for name, text in texts.items() if not text)


def _addresses(layout: Layout) -> Iterator[str]:
    yield from _twice("MAC アドレス", (vm.mac for vm in layout.vms))
    yield from _twice(
        "ネットワーク / アドレス", ((vm.network, _address(vm.address) or vm.address) for vm in layout.vms)
    )
    for vm in layout.vms:
        if not _MAC.fullmatch(vm.mac):
            yield f"VM「{vm.id}」: MAC アドレスの書式が違います（{vm.mac[:40]}）。正しい例: 52:54:00:00:00:01"
        elif int(vm.mac[:2], 16) & 1:
            yield f"VM「{vm.id}」: MAC アドレス {vm.mac} はマルチキャスト用です。正しい例: 52:54:00:00:00:01"
        if _address(vm.address) is None:
            yield f"VM「{vm.id}」: IP アドレスとして読めません（{vm.address[:40]}）"


def _networks(layout: Layout) -> Iterator[str]:
    used = [network for network in layout.networks if network.vlan is not None]
    yield from _twice("拠点 / VLAN", ((network.site, network.vlan) for network in used))
    yield from _twice("拠点 / VNI", ((network.site, network.vni) for network in layout.networks))
    yield from _twice("拠点 / ブリッジ", ((network.site, network.bridge) for network in layout.networks))
    for network in layout.networks:
        if network.vlan is not None and not 1 <= network.vlan <= 4094:
            yield f"ネットワーク「{network.id}」: VLAN {network.vlan} は 1〜4094 ではありません"
        if not 1 <= network.vni < 2**24:
            yield f"ネットワーク「{network.id}」: VNI {network.vni} は 1〜16777215 ではありません"
        if not 1 <= len(network.bridge) <= 15:
            yield f"ネットワーク「{network.id}」: ブリッジ名「{network.bridge[:40]}」が 1〜15 文字ではありません"
        if not 576 <= network.mtu <= 65535:
            yield f"ネットワーク「{network.id}」: MTU {network.mtu} は 576〜65535 ではありません"
        try:
            subnet = ipaddress.ip_network(network.subnet.replace("%", "no scope"))
        except ValueError:
            yield f"ネットワーク「{network.id}」: サブネットとして読めません（{network.subnet[:40]}）"
            continue
        gateway = _address(network.gateway)
        if gateway is None or gateway not in subnet:
            yield f"ネットワーク「{network.id}」: ゲートウェイ {network.gateway[:40]} が {subnet} の中にありません"
        elif subnet.num_addresses > 2 and gateway in (subnet.network_address, subnet.broadcast_address):
            yield f"ネットワーク「{network.id}」: ゲートウェイ {gateway} はホストに使えないアドレスです"


def _host_references(layout: Layout) -> Iterator[str]:
    hosts = {host.id for host in layout.hosts}
    sets = {hosts.id for hosts in layout.host_sets}
    vms = {vm.id for vm in layout.vms}
    for host_set in layout.host_sets:
        yield from _unknown(f"ホスト集合「{host_set.id}」", "ホスト", host_set.hosts, hosts)
    for vm in layout.vms:
        if vm.host and vm.host not in hosts:  # empty: no host was found, the folder does not fit
            yield from _unknown(f"VM「{vm.id}」", "ホスト", [vm.host], hosts)
        if vm.may_run_on not in sets:
            yield from _unknown(f"VM「{vm.id}」", "ホスト集合", [vm.may_run_on], sets)
    for move in layout.moves:
        yield from _unknown("移動", "VM", [move.vm], vms)
        yield from _unknown("移動", "ホスト", [move.from_host, move.to_host], hosts)


def _references(layout: Layout) -> Iterator[str]:
    yield from _host_references(layout)
    networks = {network.id for network in layout.networks}
    images = {image.id for image in layout.images}
    pools = {host.id: {pool.name for pool in host.pools} for host in layout.hosts}
    for vm in layout.vms:
        who = f"VM「{vm.id}」"
        if vm.host:
            yield from _unknown(
                who, f"ホスト {vm.host} のプール", sorted({disk.pool for disk in vm.disks}), pools.get(vm.host, set())
            )
        yield from _unknown(who, "ネットワーク", [vm.network], networks)
        yield from _unknown(who, "イメージ", [vm.image], images)
        yield from _unknown(who, "イメージ", [disk.base_image for disk in vm.disks if disk.base_image], images)


def _unknown(who: str, what: str, names: Iterable[str], defined: set[str]) -> Iterator[str]:
    for name in names:
        if name not in defined:
            yield f"{who}: {what}「{name[:80]}」が定義されていません"


def _cores(layout: Layout) -> Iterator[str]:
    for host in layout.hosts:
        sizes = {
            "sockets": host.sockets, "socket_capacity": host.socket_capacity,
            "cores_per_socket": host.cores_per_socket, "threads_per_core": host.threads_per_core,
        }  # fmt: skip
        yield from _positive(f"ホスト「{host.id}」", sizes)
    for vm in layout.vms:
        if not vm.vcpu_changes and 0 < vm.vcpu <= vm.vcpu_max:
            continue
        who = f"VM「{vm.id}」"
        yield from _positive(who, {"vcpu": vm.vcpu, "vcpu_max": vm.vcpu_max})
        yield from _positive(who, {f"vcpu_changes {i}": change.vcpu for i, change in enumerate(vm.vcpu_changes)})
        largest = max([vm.vcpu, *(change.vcpu for change in vm.vcpu_changes)])
        if vm.vcpu_max < largest:
            yield f"{who}: vcpu_max {vm.vcpu_max} が最大の vCPU {largest} より小さいです"


def _sizes(layout: Layout) -> Iterator[str]:
    yield from _cores(layout)
    if layout.generation < 1:
        yield f"generation: 1 以上の整数が必要です（{layout.generation}）"
    for host in layout.hosts:
        yield from _positive(f"ホスト「{host.id}」", {"memory_mib": host.memory_mib})
        yield from _positive(f"ホスト「{host.id}」", {"disk_gib": host.disk_gib, "io_mib_s": host.io_mib_s})
    for vm in layout.vms:
        who = f"VM「{vm.id}」"
        yield from _positive(who, {"memory_mib": vm.memory_mib})
        yield from _positive(who, {"slots": vm.slots, "weight": vm.weight})
        yield from _positive(who, {f"disks {disk.name}": disk.size_gib for disk in vm.disks})


def _positive(who: str, sizes: dict[str, int] | dict[str, float]) -> Iterator[str]:
    for name, value in sizes.items():
        if not 0 < value <= _LARGEST:
            yield f"{who}: {name} は正の数で 2^53 以下です（{str(value)[:40]}）"


def _times(layout: Layout) -> Iterator[str]:
    for vm in layout.vms:
        if vm.from_ is None and vm.until is None and not vm.vcpu_changes:
            continue
        spans = [(vm.from_, vm.until), *((change.from_, change.until) for change in vm.vcpu_changes)]
        if any(_naive(time) for span in spans for time in span):
            yield f"VM「{vm.id}」: 時差（+09:00）のない日時があります"
        elif any(start and end and start >= end for start, end in spans):
            yield f"VM「{vm.id}」: 終わりが始めより前の期間があります"
    yield from (f"移動「{move.vm}」: 時差（+09:00）のない日時です" for move in layout.moves if _naive(move.at))


def _naive(time: datetime | None) -> bool:
    return time is not None and time.utcoffset() is None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address in `10.1.2.3` or `10.1.2.3/24`."""
    if "%" in text:  # the scope of an address may hold anything
        return None
    try:
        return ipaddress.ip_interface(text).ip
    except ValueError:
        return None


_CHECKS: tuple[Check, ...] = (_complete, names.problems, _names, _addresses, _networks, _references, _sizes, _times)
