"""What must hold before a plan is built upon these hosts. Every line names the host or the VM, and the remedy.

A host that does not answer refuses nothing: it is told apart, and the deployment goes on without it.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from infra import admission
from infra.admission import BaseImage, Observations, base_images, volume_of
from infra.inspection import differences, image_bytes
from infra.inspection.differences import GIB, Wanted
from infra.inspection.standing import Standing
from infra.observing.observed import HostObservation, Unreachable
from infra.recovery.checkpoint import Thing
from infra.refusal import RefusalError, some
from infra.settings import Settings
from layout.records import HostRecord, Layout, VmRecord

PROGRAMS = (("xsltproc", "xsltproc"), ("virsh", "libvirt-clients"))
BLOCKING = ("uri", "double", "elsewhere", "missing", "uuid", "stopped", "snapshot", "disk-size")
"""Differences of `differences.find` upon which nothing is built. The others are drift, and hurt no building."""
REPLACING = ("memory", "vcpu-max")
"""Differences that the provider may read off the VM as it runs: the engine would have to replace it."""
WAITING = ("elsewhere", "disk-size", *REPLACING)
"""Differences that a runbook of the VM removes: a plan brings several at once, and the runbooks run one by one."""
TOLD = ("vcpu", *REPLACING)
"""Differences that are told where they stop nothing: vCPUs are raised, and memory given back, at other hours too."""
MIB = 2**20
SEED_BYTES = 2 * MIB
VOLUME_BYTES = MIB
"""What a new volume takes at once: an empty qcow2 image takes 0.2 MiB, the lab's seeds 0.2 MiB too."""
SPARE_BYTES = 64 * MIB


@dataclass(frozen=True)
class Preflight:
    """What was found. Nothing is built while there are `problems`; `notes` are for the engineer to know."""

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    down: Mapping[str, str] = field(default_factory=dict)
    waiting: Mapping[str, str] = field(default_factory=dict)
    """Those of the problems that a runbook removes, to the VM that waits for it."""


@dataclass(frozen=True)
class BuildingGround:
    """What preflight looks at: the plan and the stacks of it that are to be built, the records, the hosts.

    `adopted` are VMs whose leftovers the engineer wants to keep; `unfinished` is what an interrupted run was making;
    `contents` are the digests of the base images that were read from the hosts.
    """

    layout: Layout
    layout_digest: str
    stacks: Collection[str]
    chosen: Settings
    standing: Standing
    seen: Observations
    images: Mapping[str, BaseImage]
    now: datetime
    adopted: Collection[str] = ()
    unfinished: frozenset[Thing] = frozenset()
    contents: Mapping[image_bytes.Copy, str] = field(default_factory=dict)

    def hosts(self) -> tuple[HostRecord, ...]:
        """The hosts that the stacks touch."""
        touched = {
            host.id
            for name in self.stacks
            for host in admission.hosts_of(admission.stack_of(name, self.layout), self.layout)
        }
        return tuple(host for host in self.layout.hosts if host.id in touched)

    def vms(self) -> tuple[VmRecord, ...]:
        """The VMs of the stacks."""
        return tuple(vm for vm in self.layout.vms if vm.tenant in self.stacks)

    def fresh(self) -> tuple[VmRecord, ...]:
        """Those of the VMs that the records do not have: they are to be made."""
        known = self.standing.domains()
        return tuple(vm for vm in self.vms() if vm.id not in known)


class WaitingError(Exception):
    """Nothing is in the way but VMs that wait for runbooks of their own; `lines` are Japanese, one for each."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def require(ground: BuildingGround, after: str = "") -> tuple[str, ...]:
    """The notes of a preflight without problems. Raises RefusalError with a line for each problem.

    `after` is a VM whose runbook has just ended: WaitingError where others' runbooks are all that is missing.
    """
    found = check(ground)
    if after and found.problems and all(found.waiting.get(each, after) != after for each in found.problems):
        raise WaitingError(tuple(found.problems))
    if found.problems:
        raise RefusalError("\n".join(found.problems), unfit=True)
    return found.notes


def check(ground: BuildingGround) -> Preflight:
    """Looks at everything, and asks nobody: what the hosts run was asked before."""
    problems = [*_programs(), *_lineage(ground)]
    notes: list[str] = []
    for host in ground.hosts():
        there = ground.seen.get(host.id)
        if isinstance(there, HostObservation):
            problems += _pools(host, there, ground)
            problems += _images(host, there, ground)
            problems += _memory(host, there, ground)
            refused, told = _disk(host, there, ground)
            problems += refused
            notes += told
    problems += [each.line for each in image_bytes.differences(ground.contents, ground.layout, ground.standing)]
    refused, told, waiting = _differences(ground)
    problems += refused
    notes += told
    problems += _orphans(ground)
    down = {host: each.reason for host, each in ground.seen.items() if isinstance(each, Unreachable)}
    for silent, reason in down.items():
        vms = [vm.id for vm in ground.vms() if vm.host == silent]
        notes.append(
            f"{silent}：応答がないので調べていません（{reason}）。このホストの仮想サーバ：{some(vms) or 'なし'}"
        )
    return Preflight(tuple(dict.fromkeys(problems)), tuple(dict.fromkeys(notes)), down, waiting)


def _programs() -> Iterator[str]:
    for program, package in PROGRAMS:
        if shutil.which(program) is None:
            yield f"この計算機に {program} がありません（Debian のパッケージ：{package}）"


def _lineage(ground: BuildingGround) -> Iterator[str]:
    for name in ground.stacks:
        deployed = admission.Deployed(ground.standing.outputs.get(name, {}), frozenset())
        try:
            admission.require_not_older(ground.layout, deployed)
            admission.require_lineage(ground.layout, ground.layout_digest, deployed)
        except RefusalError as refusal:
            yield f"{name}：{refusal}"


def _pools(host: HostRecord, there: HostObservation, ground: BuildingGround) -> Iterator[str]:
    made = f"{admission.HOSTS_PREFIX}{host.site}" in ground.stacks
    for pool in host.pools:
        found = there.pool(pool.name)
        if found is None and not made:
            yield (
                f"{host.id}：プール「{pool.name}」がありません。"
                f"kumiai deploy --stack {admission.HOSTS_PREFIX}{host.site} を先に実行してください"
            )
        elif found is not None and not found.active:
            # The provider would try again and again for minutes.
            yield (
                f"{host.id}：プール「{pool.name}」が停止しています。virsh pool-start {pool.name} で起動してください"
                f"（起動しなければ {pool.path} のマウントを確かめてください）"
            )


def _images(host: HostRecord, there: HostObservation, ground: BuildingGround) -> Iterator[str]:
    """Base images that should be there, and are those that we have: by digest here, in the record, on the host."""
    recorded = ground.standing.volumes()
    hosts_stack = f"{admission.HOSTS_PREFIX}{host.site}"
    digests = ground.standing.outputs.get(hosts_stack, {}).get("images") or {}
    for pool, images in base_images(host.site, ground.layout).items():
        place = there.pool(pool)
        if place is None or not place.active:
            continue
        for image in images:
            name = volume_of(image)
            known = (host.id, pool, name) in recorded
            volume = there.volume(pool, name)
            base = ground.images.get(image)
            if volume is None and (known or hosts_stack not in ground.stacks):
                yield (
                    f"{host.id}：ベースイメージ「{pool}/{name}」がありません。"
                    + ("消えています。上に載る仮想サーバを restore-vm で戻してください" if known
                       else f"kumiai deploy --stack {hosts_stack} で配ってください")
                )  # fmt: skip
            elif base is not None and digests.get(image, base.sha256) != base.sha256:
                yield (
                    f"{host.id}：ベースイメージ「{pool}/{name}」の内容が、手元の {base.path} と違います。"
                    "新しい内容には新しい id を付けてください"
                )
            elif (
                volume is not None and base is not None and (size := virtual_size(base)) not in {None, volume.capacity}
            ):
                yield (
                    f"{host.id}：ベースイメージ「{pool}/{name}」の大きさが、手元の {base.path} と違います"
                    f"（{volume.capacity:,} と {size:,} バイト）。途中で切れたか、別のイメージです"
                )


def virtual_size(image: BaseImage) -> int | None:
    """The size of the disk that a qcow2 file holds, in bytes; None when it is none (QEMU docs/interop/qcow2)."""
    with image.path.open("rb") as file:
        header = file.read(32)
    return int.from_bytes(header[24:32], "big") if header[:4] == b"QFI\xfb" and len(header) == 32 else None


def _memory(host: HostRecord, there: HostObservation, ground: BuildingGround) -> Iterator[str]:
    new = [vm for vm in ground.fresh() if vm.host == host.id and ground.chosen.starts(vm.id)]
    needed = sum(vm.memory_mib for vm in new)
    if needed > there.memory_available_mib:
        yield (
            f"{host.id}：起動する仮想サーバ {len(new)} 台のメモリー {needed:,} MiB が、"
            f"空き {there.memory_available_mib:,} MiB に収まりません。"
            "ほかの仮想サーバを移すか、--start none で作ってから順に起動してください"
        )


def _disk(host: HostRecord, there: HostObservation, ground: BuildingGround) -> tuple[list[str], list[str]]:
    """Room for what is written at once, as a problem; room for what volumes may grow to, as a note."""
    problems, notes = [], []
    images = base_images(host.site, ground.layout)
    made = f"{admission.HOSTS_PREFIX}{host.site}" in ground.stacks
    for pool in host.pools:
        place = there.pool(pool.name)
        if place is None or not place.active:
            continue
        fresh = [
            disk for vm in ground.fresh() if vm.host == host.id for disk in vm.disks
            if disk.pool == pool.name and there.volume(pool.name, disk.name) is None
        ]  # fmt: skip
        needed = len(fresh) * (VOLUME_BYTES + SEED_BYTES)
        for image in images.get(pool.name, ()) if made else ():
            if there.volume(pool.name, volume_of(image)) is None and image in ground.images:
                needed += ground.images[image].path.stat().st_size
        if needed and needed + SPARE_BYTES > place.available:
            problems.append(
                f"{host.id}：プール「{pool.name}」の空き {place.available / GIB:.2f} GiB では足りません"
                f"（これから書く量 {needed / GIB:.2f} GiB と余裕 {SPARE_BYTES / GIB:.2f} GiB）。"
                "要らないボリュームを片付けるか、容量を増やしてください"
            )
        promised = sum(volume.capacity for volume in place.volumes) + sum(round(disk.size_gib * GIB) for disk in fresh)
        if fresh and promised > place.capacity:
            notes.append(
                f"{host.id}：プール「{pool.name}」のボリュームの合計 {promised / GIB:,.0f} GiB は、"
                f"容量 {place.capacity / GIB:,.0f} GiB を超えます（書き込みが進むと一杯になります）"
            )
    return problems, notes


def _differences(ground: BuildingGround) -> tuple[list[str], list[str], dict[str, str]]:
    """What the hosts run otherwise than planned: as problems, as notes, and who waits for a runbook."""
    waiting: dict[str, str] = {}
    problems: list[str] = []
    notes: list[str] = []
    known = ground.standing.domains()
    mine = {vm.id for vm in ground.vms()}
    wanted = Wanted(ground.layout, ground.now, ground.chosen.domain_type == "qemu", ground.standing)
    for each in differences.find(wanted, ground.seen):
        if each.kind not in (*BLOCKING, *TOLD) or (each.vm and each.vm not in mine) or each.vm in ground.adopted:
            continue
        if each.kind not in {"uri", "double", "elsewhere", "snapshot"} and each.vm not in known:
            continue  # it is to be made, or an orphan, of which more below
        line = each.line
        if each.kind in REPLACING and _is_another_size(ground, each.vm):
            line += "（このまま構築すると作り直しになるので、始めません）"
        elif each.kind in TOLD:
            notes.append(line)
            continue
        problems.append(line)
        if each.kind in WAITING:
            waiting[line] = each.vm
    return problems, notes, waiting


def _is_another_size(ground: BuildingGround, name: str) -> bool:
    """Whether the VM's largest memory or number of vCPUs is not the plan's: what the provider compares.

    What it will have only after its next start, and memory that it was asked to give back, make no difference there.
    """
    (vm,) = [each for each in ground.vms() if each.id == name]
    there = ground.seen.get(vm.host)
    domain = there.domain(name) if isinstance(there, HostObservation) else None
    return domain is not None and (domain.shape.memory_max_mib, domain.shape.vcpu_max) != (vm.memory_mib, vm.vcpu_max)


def _orphans(ground: BuildingGround) -> Iterator[str]:
    """Domains and volumes of VMs that are to be made, which are there already.

    The provider fails at such a domain, and takes such a volume as it is: with somebody's old data in it.
    """
    for vm in ground.fresh():
        if vm.id in ground.adopted:
            continue
        there = ground.seen.get(vm.host)
        if isinstance(there, HostObservation):
            yield from _orphans_of(vm, there, ground)


def _orphans_of(vm: VmRecord, there: HostObservation, ground: BuildingGround) -> Iterator[str]:
    how = f"使うなら kumiai deploy --adopt {vm.id}、要らなければ kumiai deploy --remove-orphan"
    if there.domain(vm.id) is not None and not Thing(vm.host, "domain", "", vm.id).among(ground.unfinished):
        yield f"{vm.host}：仮想サーバ「{vm.id}」が、Pulumi の状態にないまま定義されています。{how} {vm.id}"
    recorded = ground.standing.volumes()
    for disk in vm.disks:
        volume = there.volume(disk.pool, disk.name)
        expected = (vm.host, disk.pool, disk.name) in recorded
        if volume is None or expected or Thing(vm.host, "volume", disk.pool, disk.name).among(ground.unfinished):
            continue
        yield (
            f"{vm.host}：仮想サーバ「{vm.id}」のボリューム「{disk.pool}/{disk.name}」が、"
            f"Pulumi の状態にないまま残っています（前の中身のまま使われます）。{how} {disk.name}"
        )
