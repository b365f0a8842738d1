"""Are the names of a plan folder harmless wherever they are used: in file names, commands, XML and rules?

Ids are ASCII words without anything that a shell, a path, XML or a firewall rule reads as more than a name.
Names for people may hold anything but line breaks and control characters; whoever shows them escapes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from estate.reference_checks import is_network
from estate.resolved import ResolvedEstate

from .records import FlowRecord, HostRecord, Layout, VmRecord

_ID = re.compile(r"[a-z0-9][a-z0-9._-]*", re.ASCII)
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+:-]*", re.ASCII)
"""Groups of VMs are named after `system/role`, several of them joined with `+`."""
_PATH = re.compile(r"/[A-Za-z0-9._/-]{1,200}", re.ASCII)
_URI = re.compile(r"[a-z][a-z0-9+]{2,19}://[A-Za-z0-9._~:/?#\[\]@+,=%&-]{1,400}", re.ASCII)
_DIGEST = re.compile(r"([a-z0-9]{1,10}:)?[0-9a-f]{0,128}", re.ASCII)
_LAYOUT_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HOSTILE = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029'\"`\\\\$;|<>(){}*?]")
"""What a shell, a line of settings or a pattern reads as more than a part of a path."""
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST, _LONGEST_VOLUME, _LONGEST_PATH = 63, 200, 1024
_RIGHT = "英小文字と数字で始まり、英小文字、数字、「.」「_」「-」だけの名前が必要です"
PROTOCOLS = ("tcp", "udp", "icmp")


def is_id(text: str) -> bool:
    """Whether the text may name a thing of a plan: a host, a VM, a site."""
    return next(_ids("", [text]), None) is None


def is_uri(text: str) -> bool:
    """Whether a URI holds nothing but what belongs into one, behind its `%` escapes too."""
    return bool(_URI.fullmatch(text)) and all(is_harmless(part) for part in unquote(text).split("?"))


def is_harmless(path: str) -> bool:
    """Whether a file's path, anybody's own and perhaps Japanese, holds nothing that a shell or a setting would read."""
    return not _HOSTILE.search(path) and not path.startswith("-") and len(path) <= _LONGEST_PATH


def problems(layout: Layout) -> Iterator[str]:
    """Every harmful name of the layout, one Japanese line each."""
    yield from _controls("estate.name", [layout.estate.name])
    yield from _controls("機種", {host.model for host in layout.hosts})
    if not _DIGEST.fullmatch(layout.estate.digest):
        yield f"estate.digest: 16 進数ではありません（{layout.estate.digest[:80]}）"
    yield from _ids("ホスト", (host.id for host in layout.hosts))
    yield from _ids("ホスト集合", (hosts.id for hosts in layout.host_sets))
    yield from _ids("VM", (vm.id for vm in layout.vms))
    yield from _ids("イメージ", (image.id for image in layout.images))
    yield from _ids("ネットワーク", (network.id for network in layout.networks))
    yield from _ids("ブリッジ", (network.bridge for network in layout.networks))
    yield from _ids("ボリューム", (disk.name for vm in layout.vms for disk in vm.disks), _LONGEST_VOLUME)
    for what, names in _used(layout).items():
        yield from _ids(what, sorted(names - {""}))
    yield from (line for host in layout.hosts for line in _host(host))
    yield from (line for vm in layout.vms for line in _groups(vm))
    for image in layout.images:
        if not _DIGEST.fullmatch(image.digest):
            yield f"イメージ「{image.id[:80]}」: digest が 16 進数ではありません"
    for flow in layout.flows:
        yield from _flow(flow)
    if len(layout.lineage) >= max(layout.generation, 1):
        yield f"lineage: 第 {layout.generation} 世代の計画に、前の計画が {len(layout.lineage)} 件あります"
    for digest in layout.lineage:
        if not _LAYOUT_DIGEST.fullmatch(digest):
            yield f"lineage: 要約値が 16 進数 64 桁ではありません（{digest[:80]}）"


def estate_problems(estate: ResolvedEstate) -> Iterator[str]:
    """Every harmful name of the estate, one Japanese line each."""
    yield from _ids("拠点", (site.id for site in estate.sites))
    yield from _ids("ホスト", (host.id for host in estate.hosts))
    yield from _ids("団体", (tenant.id for tenant in estate.tenants))
    yield from _ids("VM", (vm.id for vm in estate.vms))
    words = {word for system in estate.systems for word in (system.id, system.tenant)}
    words |= {word for job in estate.jobs for word in (job.tenant, job.system, job.job, job.vm)}
    words |= {word for vm in estate.vms for word in (vm.tenant, vm.system, vm.role, vm.image)}
    yield from _ids("団体、業務システム、ジョブ、役割の名前", sorted(words))
    yield from _controls("構成の名前", [estate.name])
    yield from _controls("団体の名前", (tenant.name for tenant in estate.tenants))
    yield from _controls("業務システムの名前", {system.name for system in estate.systems})
    yield from _controls("ジョブの名前", {job.name for job in estate.jobs})


def _used(layout: Layout) -> dict[str, set[str]]:
    """Names that records use without defining them; few different ones, so each is looked at once."""
    vms, networks, hosts = layout.vms, layout.networks, layout.hosts
    ends = [end for flow in layout.flows for end in (flow.source, flow.destination)]
    return {
        "拠点": {vm.site for vm in vms}
        | {network.site for network in networks}
        | {host.site for host in hosts}
        | {bound.site for bound in layout.bounds},
        "団体": {vm.tenant for vm in vms}
        | {network.tenant for network in networks}
        | {end.tenant or "" for end in ends},
        "区分": {vm.segment for vm in vms}
        | {network.segment for network in networks}
        | {end.segment or "" for end in ends},
        "業務システム": {vm.system for vm in vms} | {end.system or "" for end in ends},
        "役割": {vm.role for vm in vms},
        "プール": {pool.name for host in hosts for pool in host.pools} | {disk.pool for vm in vms for disk in vm.disks},
        "プールの種類": {pool.kind for host in hosts for pool in host.pools},
        "製品の規則": {product.rule for vm in vms for product in vm.products}
        | {product.rule for host in hosts for product in host.products},
    }


def _ids(what: str, names: Iterable[str], longest: int = _LONGEST) -> Iterator[str]:
    for name in names:
        if not _ID.fullmatch(name):
            yield f"{what}「{name[:80]}」: 使えない文字があります。{_RIGHT}"
        elif len(name) > longest or ".." in name:
            yield f"{what}「{name[:80]}」: 名前が 1〜{longest} 文字でないか、「..」を含みます"


def _host(host: HostRecord) -> Iterator[str]:
    who = f"ホスト「{host.id[:80]}」"
    if host.uri and not is_uri(host.uri):
        yield f"{who}: uri に使えない文字があるか、形が違います（{host.uri[:80]}）。正しい例: qemu+ssh://ops@kvm01/system"
    for pool in host.pools:
        if not _PATH.fullmatch(pool.path) or "/../" in f"{pool.path}/":
            yield f"{who}: プール {pool.name[:80]} のパスに使えない文字があります（{pool.path[:80]}）"


def _groups(vm: VmRecord) -> Iterator[str]:
    for name in (*vm.anti_affinity, *vm.affinity):
        if not _GROUP.fullmatch(name):
            yield f"VM「{vm.id[:80]}」: グループ「{name[:80]}」に使えない文字があります"


def _flow(flow: FlowRecord) -> Iterator[str]:
    if flow.protocol not in PROTOCOLS:
        yield f"特定通信: protocol は {'、'.join(PROTOCOLS)} のどれかです（{flow.protocol[:40]}）"
    if flow.port is not None and (not 1 <= flow.port <= 65535 or flow.protocol == "icmp"):
        yield f"特定通信: {flow.protocol[:40]} のポート {str(flow.port)[:40]} は使えません"
    for end in (flow.source, flow.destination):
        if end.address is not None and not is_network(end.address):
            yield f"特定通信: IP アドレスかネットワークとして読めません（{end.address[:40]}）"


def _controls(what: str, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if _CONTROLS.search(name):
            yield f"{what}「{name[:80]}」: 改行と制御文字は使えません"
