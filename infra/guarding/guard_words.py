"""What the guard says: for each kind of change what would happen, and the runbook that does it safely."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from infra.guarding.preview import Change
from infra.refusal import some
from layout.records import DiskRecord, VmRecord

REBUILT = "電源断と作り直し（UEFI 変数とチェックポイントも失われます）"
LOST = "データ消失"
FOLLOWS = "ディスクの作り直しに伴う仮想サーバの作り直し"
DROPPED = "更新済みと報告されますが、実機には反映されません"
_CURRENT = re.compile(r'name="current">(\d+)<')


@dataclass(frozen=True)
class Refusal:
    """One reason not to carry out a preview.

    `vm` is empty where no single VM is meant; `runbook` is empty where none exists: then the plan is what must change.
    """

    vm: str
    resource: str
    what: str
    consequence: str
    runbook: str

    @property
    def line(self) -> str:
        """One line for the engineer."""
        whom = f"仮想サーバ「{self.vm}」" if self.vm else f"「{self.resource}」"
        if self.vm and self.resource != self.vm:
            whom += f"の「{self.resource}」"
        if self.runbook:
            how = f"運用手順書 {self.runbook}（kumiai runbook show {self.runbook}）で行ってください"
        elif self.vm:
            how = "安全に行う手順書はありません。計画またはプログラムを元に戻してください（kumiai plan --keep）"
        else:
            how = "正しい計画とプログラムで preview を取り直してください"
        # A value in somebody's preview may hold line breaks.
        return " ".join(f"{whom}：{self.what} → {self.consequence}。{how}".split())


def refusal_of(change: Change, vms: Mapping[str, VmRecord], all_vms: Iterable[VmRecord]) -> Refusal:
    """For a precious resource that would be replaced or deleted, or meets an operation that nobody knows."""
    if change.kind == "Domain":
        return _of_domain(change, vms)
    if change.kind == "Pool":
        hit = [vm.id for vm in all_vms if change.name == f"{vm.host}-{pool_of(vm, change.name)}"]
        return Refusal(
            "", change.name, f"プールの{_verb(change)}",
            f"プールの停止と{LOST}（使っている仮想サーバ：{some(hit) or 'なし'}）", "replace-host" if hit else "",
        )  # fmt: skip
    return _of_volume(change, vms, all_vms)


def pool_of(vm: VmRecord, resource: str) -> str:
    """The name of that one of the VM's pools whose resource this is; empty when it has none in it."""
    return next((disk.pool for disk in vm.disks if resource == f"{vm.host}-{disk.pool}"), "")


def _of_domain(change: Change, vms: Mapping[str, VmRecord]) -> Refusal:
    if _is_deletion(change):
        gone = change.name not in vms
        return Refusal(
            change.name, change.name, "仮想サーバの削除", "電源断と定義の消失（停止の手順を踏みません）",
            "remove-tenant" if gone else "",
        )  # fmt: skip
    if not change.keys:
        return Refusal(change.name, change.name, FOLLOWS, REBUILT, "")
    what, runbook = _cause(change)
    return Refusal(change.name, change.name, what, REBUILT, runbook)


def _cause(change: Change) -> tuple[str, str]:
    """What of a Domain changes, and the runbook for it."""
    if "vcpu" in change.keys:
        return f"vCPU の最大数の変更{_values(change, 'vcpu')}", "resize-memory"
    if "memory" in change.keys:
        return f"メモリーの変更{_values(change, 'memory')}", "resize-memory"
    if "xml" in change.keys:
        old, new = (_CURRENT.search(_xslt(inputs)) for inputs in (change.old, change.new))
        if old and new and old.group(1) != new.group(1):
            more = int(new.group(1)) > int(old.group(1))
            told = f"起動時の vCPU 数の変更（{old.group(1)} → {new.group(1)}）"
            return told, "raise-vcpu" if more else "restore-vcpu"
        if "<shares>" in _xslt(change.old) + _xslt(change.new) and _xslt(change.old) != _xslt(change.new):
            return "CPU の重みの変更（XSLT）", "resize-memory"
        return "XSLT の文字の変更（空白も数えます）", ""
    if "disks" in change.keys:
        return "ディスクの付け外し", "grow-disk" if not _fewer(change) else ""
    if "name" in change.keys:
        return f"名前の変更{_values(change, 'name')}", ""
    return f"{some(change.keys)} の変更", ""


def _of_volume(change: Change, vms: Mapping[str, VmRecord], all_vms: Iterable[VmRecord]) -> Refusal:
    owner = next((vm for vm in all_vms if any(disk.name == change.name for disk in vm.disks)), None)
    vm = change.owner if change.owner in vms else owner.id if owner else _vm_of_seed(change, vms)
    disk = next((each for each in owner.disks if each.name == change.name), None) if owner else None
    verb = _verb(change)
    if vm and change.name == f"{vm}-seed":
        return Refusal(vm, change.name, f"シード（アドレス、MAC、鍵）の{verb}", f"仮想サーバの{REBUILT}", "")
    if disk is not None and disk.base_image is None:
        what = f"データディスクの{verb}{_values(change, 'size')}"
        return Refusal(vm, change.name, what, LOST, "grow-disk" if not _is_deletion(change) else "")
    if disk is not None:
        what = f"システムディスクの{verb}{_values(change, 'size')}"
        return Refusal(vm, change.name, what, LOST, "grow-disk" if not _is_deletion(change) else "")
    if vm or change.owner:
        # Of a VM or a host, and not in the plan any more.
        on_host = any(change.name.startswith(f"{each.host}-") for each in all_vms)
        if on_host and not vm:
            hit = [each.id for each in all_vms if change.name.startswith(f"{each.host}-") and _lies_on(each, change)]
            return _of_image(change, verb, hit)
        return Refusal(vm or change.owner, change.name, f"ディスクの{verb}", LOST, "remove-tenant")
    hit = [each.id for each in all_vms if _lies_on(each, change)]
    return _of_image(change, verb, hit)


def _of_image(change: Change, verb: str, hit: Sequence[str]) -> Refusal:
    return Refusal(
        "", change.name, f"ベースイメージの{verb}",
        f"上に載るシステムディスクの{LOST}（{len(hit)} 台：{some(hit) or 'なし'}）", "",
    )  # fmt: skip


def _lies_on(vm: VmRecord, change: Change) -> bool:
    return any(
        disk.base_image is not None and change.name == f"{vm.host}-{disk.pool}-{disk.base_image}" for disk in vm.disks
    )


def _vm_of_seed(change: Change, vms: Mapping[str, VmRecord]) -> str:
    name = change.name.removesuffix("-seed")
    return name if name in vms and name != change.name else ""


def of_dropped(change: Change, vms: Mapping[str, VmRecord]) -> Refusal:
    """For an update that the provider reports as done and does not carry out."""
    vm = change.owner or change.name
    if "networkInterfaces" in change.keys:
        old, new = (_nics(inputs) for inputs in (change.old, change.new))
        told = f"NIC の変更（{old or 'なし'} → {new or 'なし'}）"
        return Refusal(vm, change.name, told, DROPPED, "apply-network" if vm in vms and _same_macs(change) else "")
    if "running" in change.keys:
        return Refusal(vm, change.name, f"起動・停止の変更{_values(change, 'running')}", DROPPED, "start-vm")
    keys = [key for key in change.keys if key != "autostart"]
    return Refusal(vm, change.name, f"{some(keys)} の変更", DROPPED, "")


def of_move(vm: str, resource: str, before: str, after: str) -> Refusal:
    """For a VM that the plan has on another host than where it was built."""
    return Refusal(
        vm, resource, f"ホストの変更（{before} → {after}）",
        "変更なしと報告されて仮想サーバは動かず、次の refresh で二つ目が作られます", "migrate-vm",
    )  # fmt: skip


def of_protection(change: Change) -> Refusal:
    """For a resource that would lose its protection."""
    what = "protect を外す変更" if change.unprotected else "retain_on_delete を外す変更"
    later = LOST if change.kind != "Domain" else REBUILT
    return Refusal(change.owner or "", change.name, what, f"次の変更や削除を止めるものがなくなります（{later}）", "")


def of_connection(change: Change) -> Refusal:
    """For a host's provider that would connect elsewhere."""
    before, after = (str(inputs.get("uri", "?"))[:120] for inputs in (change.old, change.new))
    return Refusal(
        "", change.name, f"ホストの接続先の変更（{before} → {after}）",
        "別のホストにつながると、状態にある仮想サーバを見失い、作り直しを招きます", "replace-host",
    )  # fmt: skip


def of_pool(host: str, pool: str, *, exists: bool) -> Refusal:
    """For a change on a host whose pool cannot be used."""
    how = f"virsh pool-start {pool}" if exists else "hosts-… のスタックを先に構築"
    return Refusal(
        "", f"{host}-{pool}",
        f"ホスト「{host}」のプール「{pool}」が{'停止しています' if exists else 'ありません'}（{how}）",
        "そのプールへの操作が、再試行のまま何分も止まります", "add-host",
    )  # fmt: skip


def of_double(vm: str, places: Sequence[str], host: str) -> Refusal:
    """For a VM that would be made though it is there."""
    if list(places) == [host]:
        return Refusal(
            vm, vm, f"作ろうとする仮想サーバが、状態にないまま {host} にあります",
            "作成が途中で失敗します（kumiai deploy --adopt か --remove-orphan で片付けます）", "",
        )  # fmt: skip
    return Refusal(
        vm, vm, f"作ろうとする仮想サーバが {some(places)} にあります",
        "同じディスクの名前と MAC を持つ二つ目の仮想サーバができます", "migrate-vm",
    )  # fmt: skip


def of_small_disk(vm: str, disk: DiskRecord, capacity: int) -> Refusal:
    """For a disk that the plan has larger than it is: the program leaves its size alone."""
    return Refusal(
        vm,
        disk.name,
        f"ディスクの大きさの変更（{capacity / 2**30:g} GiB → {disk.size_gib:g} GiB）",
        DROPPED,
        "grow-disk",
    )


def _is_deletion(change: Change) -> bool:
    return change.op.startswith(("delete", "discard")) and change.op != "delete-replaced"


def _verb(change: Change) -> str:
    known = change.op.startswith(("delete", "discard", "replace", "create-replacement", "import-replacement"))
    if not known:
        return f"未知の操作（{change.op[:40]}）"
    return "削除" if _is_deletion(change) else "作り直し"


def _values(change: Change, key: str) -> str:
    if key not in change.old or key not in change.new:
        return ""
    return f"（{_short(change.old[key], key)} → {_short(change.new[key], key)}）"


def _short(value: object, key: str) -> str:
    if key == "size" and isinstance(value, int):
        return f"{value / 2**30:g} GiB"
    return str(value)[:80]


def _xslt(inputs: Mapping[str, object]) -> str:
    xml = inputs.get("xml")
    return str(xml.get("xslt", "")) if isinstance(xml, dict) else ""


def _nics(inputs: Mapping[str, object]) -> str:
    found = inputs.get("networkInterfaces")
    each = [nic for nic in found if isinstance(nic, dict)] if isinstance(found, list) else []
    return some([f"{nic.get('mac', '?')}@{nic.get('bridge', '?')}" for nic in each], 4)


def _same_macs(change: Change) -> bool:
    macs = []
    for inputs in (change.old, change.new):
        found = inputs.get("networkInterfaces")
        macs.append([nic.get("mac") for nic in found if isinstance(nic, dict)] if isinstance(found, list) else [])
    return macs[0] == macs[1]


def _fewer(change: Change) -> bool:
    counts = [
        len(found) if isinstance(found := inputs.get("disks"), list) else 0 for inputs in (change.old, change.new)
    ]
    return counts[1] < counts[0]
