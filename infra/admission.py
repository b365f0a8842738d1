"""May this plan be built here? Every refusal of the program, before a host is touched."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.observing.observed import HostObservation, Unreachable
from infra.refusal import RefusalError, some
from infra.settings import Settings
from layout import FolderError, connections
from layout.records import HostRecord, Layout, VmRecord

if TYPE_CHECKING:
    from layout.folder import PlanFolder

Observations = Mapping[str, HostObservation | Unreachable]

HOSTS_PREFIX = "hosts-"
SUPPORTED_POOLS = ("dir",)


@dataclass(frozen=True)
class HostsStack:
    """Pools, networks and base images of a site's hosts."""

    site: str


@dataclass(frozen=True)
class TenantStack:
    """The VMs of one tenant; of `common`, those that are shared."""

    tenant: str


@dataclass(frozen=True)
class Deployed:
    """What the stack said of itself when it was last updated; empty before that."""

    outputs: Mapping[str, Any]
    resources: frozenset[str]
    """Names of its resources that exist."""


def stack_names(layout: Layout) -> tuple[str, ...]:
    """The stacks of a plan in the order in which they are built: hosts, shared VMs, tenants in the plan's order."""
    sites = dict.fromkeys(host.site for host in layout.hosts)
    tenants = sorted(dict.fromkeys(vm.tenant for vm in layout.vms), key=lambda tenant: tenant != "common")
    return (*(HOSTS_PREFIX + site for site in sites), *tenants)


def stack_of(name: str, layout: Layout) -> HostsStack | TenantStack:
    """What the stack of this name builds. Raises RefusalError when the plan has none of this name."""
    names = stack_names(layout)
    if name not in names:
        raise RefusalError(f"スタック「{name}」はこの計画にありません。計画のスタックは {some(names, 20)} です")
    site = name.removeprefix(HOSTS_PREFIX)
    if name.startswith(HOSTS_PREFIX) and site in {host.site for host in layout.hosts}:
        return HostsStack(site)
    return TenantStack(name)


def require_sound(folder: PlanFolder) -> None:
    """Raises RefusalError unless the plan fits, is the one that was judged, and passes its checkers again."""
    from layout import checkers  # only here: they bring the tables' library, and most runs need neither

    if not folder.run.fits:
        raise RefusalError(f"{folder.path}: 適合しない計画は構築しません（{folder.run.verdict}）", unfit=True)
    if folder.run.layout_digest != folder.layout_digest:
        raise RefusalError(f"{folder.path}: layout.json が計画のあとで変わっています。計画し直してください", unfit=True)
    failed = [verdict for verdict in (*folder.run.checks, *checkers.check(folder)) if not verdict.passed]
    if failed:
        reason = failed[0].violations[0] if failed[0].violations else "理由は記録されていません"
        names = some(dict.fromkeys(verdict.checker for verdict in failed))
        raise RefusalError(f"{folder.path}: 検査に通らない計画は構築しません（{names}：{reason}）", unfit=True)
    for host in folder.layout.hosts:
        for pool in host.pools:
            if pool.kind not in SUPPORTED_POOLS:
                raise RefusalError(
                    f"ホスト「{host.id}」のプール「{pool.name}」は種類 {pool.kind} なので構築できません"
                    f"（構築できる種類：{'、'.join(SUPPORTED_POOLS)}）"
                )


def require_not_older(layout: Layout, deployed: Deployed) -> None:
    """Raises RefusalError for a plan of an earlier generation than the one that stands."""
    standing = deployed.outputs.get("generation")
    if standing is not None and layout.generation < int(standing):
        raise RefusalError(
            f"世代 {layout.generation} の計画は、構築済みの世代 {int(standing)} より古いので使いません。"
            "最新の計画を指定してください"
        )


def require_lineage(layout: Layout, digest: str, deployed: Deployed) -> None:
    """Raises RefusalError unless the plan is the one that stands, or was made from it with `--keep`.

    `digest` is that of the plan's own layout. Another plan of the same estate has other MACs and hosts for the same
    names. A stack that never said from which layout it was built is let through: there is nothing to compare with.
    """
    standing = deployed.outputs.get("layout_digest")
    if not standing or standing == digest or standing in layout.lineage:
        return
    raise RefusalError(
        f"この計画は、構築済みの計画（layout.json の SHA-256 {str(standing)[:12]}…）を引き継いでいません。"
        "kumiai plan ESTATE -o DIR --keep 構築済みの計画 で作った計画を指定してください"
    )


def moved(vms: Iterable[VmRecord], deployed: Deployed) -> tuple[tuple[VmRecord, str], ...]:
    """VMs of which something exists, that the plan has on another host than where they were built, and that host."""
    placement = deployed.outputs.get("placement") or {}
    found = []
    for vm in vms:
        known = placement.get(vm.id)
        exists = vm.id in deployed.resources or any(disk.name in deployed.resources for disk in vm.disks)
        if known is not None and known != vm.host and exists:
            found.append((vm, str(known)))
    return tuple(found)


def require_in_place(
    vms: Iterable[VmRecord], deployed: Deployed, look: Callable[[frozenset[str]], Observations] | None = None
) -> None:
    """Raises RefusalError when the plan has an existing VM on another host than where it really runs.

    The provider does not notice a changed host: it would report success and leave the VM where it is. After a
    migration the state still names the old host; so the hosts are asked: `look(hosts)` answers what they run. The
    plan is accepted when the VM is on its new host and nowhere else. Without `look` nothing but the state counts.
    """
    away = moved(vms, deployed)
    if not away:
        return
    involved = frozenset(host for vm, known in away for host in (vm.host, known))
    seen = {} if look is None else look(involved)
    for vm, known in away:
        problem = not_arrived(vm, known, seen)
        if problem:
            raise RefusalError(problem)


def not_arrived(vm: VmRecord, known: str, seen: Observations) -> str:
    """Why the VM that was built on `known` does not count as moved to its planned host; empty when it does."""
    told = f"仮想サーバ「{vm.id}」は {known} にあり、この計画では {vm.host} です"
    remedy = "移動は運用手順書で行ってください（kumiai runbook run migrate-vm）"
    new, old = seen.get(vm.host), seen.get(known)
    if new is None:
        return f"{told}。{remedy}"
    if isinstance(new, Unreachable):
        return f"{told}。{vm.host} に問い合わせできないので、移動が済んだか分かりません（{new.reason}）"
    if isinstance(old, Unreachable):
        return (
            f"{told}。{known} に問い合わせできないので、まだ {known} にあるかもしれません（{old.reason}）。"
            f"{known} が二度と戻らないなら、運用手順書 restore-dead-host-vms です"
        )
    places = [host for host, each in seen.items() if isinstance(each, HostObservation) and each.domain(vm.id)]
    if places == [vm.host]:
        return ""
    if not places:
        return f"{told}が、どちらにも見当たりません。確かめてから、{remedy}"
    if vm.host in places:
        return (
            f"仮想サーバ「{vm.id}」が {some(sorted(places))} の両方に定義されています。"
            f"{known} のほうを確かめて消してください"
        )
    return f"{told}。{remedy}"


def require_absent(vms: Iterable[VmRecord], seen: Observations) -> None:
    """Raises RefusalError where a VM that is to be made is on its host already, or its pool cannot be used.

    Hosts that do not answer are passed over: the provider will say so itself.
    """
    for vm in vms:
        there = seen.get(vm.host)
        if not isinstance(there, HostObservation):
            continue
        if there.domain(vm.id) is not None:
            raise RefusalError(
                f"仮想サーバ「{vm.id}」が、Pulumi の状態にないまま {vm.host} にあります。"
                f"kumiai deploy --adopt {vm.id} か --remove-orphan {vm.id} で片付けてください"
            )
        for disk in vm.disks:
            pool = there.pool(disk.pool)
            if pool is not None and not pool.active:
                raise RefusalError(
                    f"ホスト「{vm.host}」のプール「{disk.pool}」が停止しています。"
                    f"virsh pool-start {disk.pool} で起動してください"
                )


def uri_of(host: HostRecord, settings: Settings) -> str:
    """How the host is reached. Raises RefusalError when neither the file of URIs nor the plan says it usably."""
    uri = settings.uris.get(host.id) or host.uri
    if not uri:
        raise RefusalError(f"ホスト「{host.id}」の URI がありません。設定「uris」のファイルに書いてください")
    try:
        connections.parse(host.id, uri)
    except FolderError as error:
        raise RefusalError(str(error)) from None
    return uri


def hosts_of(stack: HostsStack | TenantStack, layout: Layout) -> tuple[HostRecord, ...]:
    """The hosts that a stack touches: all of a site, or those that its VMs stand on."""
    if isinstance(stack, HostsStack):
        return tuple(host for host in layout.hosts if host.site == stack.site)
    used = {vm.host for vm in vms_of(stack, layout)}
    return tuple(host for host in layout.hosts if host.id in used)


def vms_of(stack: TenantStack, layout: Layout) -> tuple[VmRecord, ...]:
    """The VMs of a tenant's stack."""
    return tuple(vm for vm in layout.vms if vm.tenant == stack.tenant)


@dataclass(frozen=True)
class BaseImage:
    """The file of a base image, and the SHA-256 of its bytes."""

    id: str
    path: Path
    sha256: str

    @property
    def volume(self) -> str:
        """The volume's name in every pool that needs it. An image's id stands for one content for ever."""
        return volume_of(self.id)


def seed_name(vm: VmRecord) -> str:
    """The name of the resource that is the VM's seed."""
    return f"{vm.id}-seed"


def volume_of(image: str) -> str:
    """The name of the volume of a base image."""
    return f"{image}.qcow2"


def base_images(site: str, layout: Layout) -> dict[str, tuple[str, ...]]:
    """Pool name to the images that VMs of the site start from in it. Every host has them, to restart VMs there."""
    needed: dict[str, dict[str, None]] = {}
    for vm in layout.vms:
        for disk in vm.disks:
            if vm.site == site and disk.base_image is not None:
                needed.setdefault(disk.pool, {})[disk.base_image] = None
    return {pool: tuple(sorted(images)) for pool, images in needed.items()}


def find_images(ids: Iterable[str], layout: Layout, settings: Settings, deployed: Deployed) -> dict[str, BaseImage]:
    """The files of these images. Raises RefusalError for one that is missing or not what it was or should be."""
    planned = {image.id: image.digest for image in layout.images}
    standing = deployed.outputs.get("images") or {}
    found: dict[str, BaseImage] = {}
    for image in sorted(set(ids)):
        path = _locate(image, settings.image_folders)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        expected = planned.get(image, "").removeprefix("sha256:")
        if expected and digest != expected:
            raise RefusalError(f"{path}: 内容が計画と違います（SHA-256 {digest[:12]}…、計画は {expected[:12]}…）")
        if standing.get(image, digest) != digest:
            raise RefusalError(
                f"{path}: 構築済みのイメージ「{image}」と内容が違います。新しい内容には新しい id を付けてください"
            )
        found[image] = BaseImage(image, path, digest)
    return found


def _locate(image: str, folders: Sequence[Path]) -> Path:
    for folder in folders:
        path = folder / volume_of(image)
        if path.is_file():
            return path.resolve()
    raise RefusalError(
        f"イメージ「{image}」のファイル {volume_of(image)} がありません"
        f"（探した所：{'、'.join(str(folder) for folder in folders)}）"
    )
