"""Judges a preview: which of its changes would cut power, lose data, or be reported as done and never happen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from infra import admission
from infra.admission import Deployed, Observations
from infra.guarding import guard_words
from infra.guarding.guard_words import Refusal, refusal_of
from infra.guarding.preview import Change, Preview
from infra.observing.observed import HostObservation, Unreachable
from infra.refusal import RefusalError
from layout import FolderError, layout_file
from layout.folder import PlanFolder
from layout.records import Layout, VmRecord

PRECIOUS = ("Domain", "Volume", "Pool")
HARMLESS = frozenset({"same", "read", "refresh", "create", "import", "update"})
"""What a preview may want of a precious resource; everything else replaces or deletes."""
IN_PLACE = frozenset({"autostart"})
"""The only edit of a Domain of ours that the provider carries out; it reports the others and drops them."""


@dataclass(frozen=True)
class Judgement:
    """What the guard says of a preview. `notes` are lines for the reader that refuse nothing."""

    stack: str
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]
    changes: int

    @property
    def verdict(self) -> str:
        """The answer in one line."""
        if self.refusals:
            vms = dict.fromkeys(each.vm for each in self.refusals if each.vm)
            whom = f"、仮想サーバ {len(vms)} 台" if vms else ""
            return f"判定：拒否 — スタック「{self.stack}」に {len(self.refusals)} 件{whom}"
        did = f"変更 {self.changes} 件" if self.changes else "変更なし"
        return f"判定：実行してよい — スタック「{self.stack}」（{did}、拒否すべき変更なし）"


def judge(preview: Preview, plan: PlanFolder, seen: Observations | None = None) -> Judgement:
    """The refusals for this preview of one stack of the plan, each resource once.

    `seen` is what the hosts run; without it nothing is judged that only hosts know, and the notes say so.
    """
    layout = plan.layout
    deployed = Deployed(preview.deployed, frozenset())
    refusals = list(_of_folder(preview, plan, deployed))
    vms = {vm.id: vm for vm in layout.vms if vm.tenant == preview.stack}
    made = {change.name for change in preview.changes if change.kind == "Domain" and change.op == "create"}
    for change in preview.changes:
        found = _of_change(change, vms, layout.vms)
        if found is not None and not (change.kind == "libvirt" and _same_host(change, preview, seen)):
            refusals.append(found)
    refusals += _of_hosts_in_plan(preview, vms, made, seen)
    notes: list[str] = []
    if seen is None:
        notes.append(
            "ホストには問い合わせていません（--offline）：プールの状態、移動済みかどうか、ディスクの実際の大きさは判定外です"
        )
    else:
        refusals += _of_reality(preview, plan, vms, made, seen)
        notes += [f"ホスト「{each.host}」：{each.reason}" for each in seen.values() if isinstance(each, Unreachable)]
    changes = sum(change.op not in {"same", "read", "refresh"} for change in preview.changes)
    return Judgement(preview.stack, tuple(dict.fromkeys(_with_causes(refusals))), tuple(notes), changes)


def of_update(preview: Preview, layout: Layout) -> tuple[Refusal, ...]:
    """The part of the refusals that `kumiai deploy` needs before it updates a stack, whatever the hosts run.

    What would be replaced or deleted, and edits of a VM that the provider would report as done and drop. The rest it
    has looked at itself: folder and generations, places, pools and leftovers.
    """
    vms = {vm.id: vm for vm in layout.vms if vm.tenant == preview.stack}
    found = []
    for change in preview.changes:
        if change.kind not in PRECIOUS:
            continue
        if change.op not in HARMLESS:
            found.append(refusal_of(change, vms, layout.vms))
        elif change.kind == "Domain" and change.op == "update" and set(change.keys) - IN_PLACE:
            found.append(guard_words.of_dropped(change, vms))
    return tuple(dict.fromkeys(_with_causes(found)))


def hosts_to_ask(preview: Preview, plan: PlanFolder) -> frozenset[str]:
    """The hosts on which the answer to `judge` rests: those of the stack, planned and deployed."""
    layout = plan.layout
    if preview.stack not in admission.stack_names(layout):
        return frozenset()
    hosts = {host.id for host in admission.hosts_of(admission.stack_of(preview.stack, layout), layout)}
    placement = preview.deployed.get("placement")
    known = {str(host) for host in placement.values()} if isinstance(placement, dict) else set()
    return frozenset(hosts | (known & {host.id for host in layout.hosts}))


def _of_folder(preview: Preview, plan: PlanFolder, deployed: Deployed) -> Iterator[Refusal]:
    """The folder against the stack that stands, and against the folder that the preview was made with."""
    if preview.stack not in admission.stack_names(plan.layout):
        yield Refusal(
            "", preview.stack, "計画にないスタックです", "計画のどの仮想サーバにも当たりません", "remove-tenant"
        )
    try:
        admission.require_not_older(plan.layout, deployed)
        admission.require_lineage(plan.layout, plan.layout_digest, deployed)
    except (RefusalError, TypeError, ValueError) as error:
        yield Refusal("", preview.stack, str(error), "MAC、アドレス、配置が構築済みのものと食い違います", "")
    digest = preview.planned.get("layout_digest") or _digest_of(preview.plan)
    if digest and digest != plan.layout_digest:
        yield Refusal(
            "", preview.stack, f"この preview は別の計画（{preview.plan or str(digest)[:12]}）から作られています",
            "指定した計画では判定できません", "",
        )  # fmt: skip
    for reason in preview.errors:
        yield Refusal("", preview.stack, f"preview が失敗しています：{reason}", "残りの変更が分かりません", "")


def _digest_of(folder: str) -> str:
    """Of the folder's layout as it is now; empty when this machine has no such folder."""
    path = Path(folder)
    if not path.is_absolute() or not path.is_dir():
        return ""
    try:
        return hashlib.sha256(layout_file.read_bytes(path, layout_file.LAYOUT_FILE)).hexdigest()
    except FolderError:
        return ""


def _of_change(change: Change, vms: dict[str, VmRecord], all_vms: Iterable[VmRecord]) -> Refusal | None:
    if change.kind == "libvirt":
        if change.op == "update":
            return guard_words.of_connection(change)
        return None
    if change.kind not in PRECIOUS:
        return None
    if change.op not in HARMLESS:
        return refusal_of(change, vms, all_vms)
    if change.op == "update" and (change.kind != "Domain" or set(change.keys) - IN_PLACE):
        return guard_words.of_dropped(change, vms)
    if change.op == "update" and change.new.get("autostart") is False:
        return Refusal(
            change.name, change.name, "自動起動を切る変更です", "ホストの再起動後に停止したままになります", ""
        )
    if change.old_host and change.new_host and change.old_host != change.new_host:
        return guard_words.of_move(change.owner or change.name, change.name, change.old_host, change.new_host)
    if change.unprotected or change.unretained:
        return guard_words.of_protection(change)
    if change.kind == "Domain" and change.op in {"create", "import"} and change.name not in vms:
        return Refusal(change.name, change.name, "計画にない仮想サーバを作る変更です", "計画の検査を経ていません", "")
    return None


def _with_causes(refusals: Iterable[Refusal]) -> Iterator[Refusal]:
    """A VM that is rebuilt because of its disk is helped by the runbook for the disk."""
    listed = list(refusals)
    helps = {each.vm: each.runbook for each in listed if each.vm and each.resource != each.vm and each.runbook}
    for each in listed:
        if each.what == guard_words.FOLLOWS and not each.runbook and each.vm in helps:
            yield replace(each, runbook=helps[each.vm])
        else:
            yield each


def _same_host(change: Change, preview: Preview, seen: Observations | None) -> bool:
    """Whether the new address of a host leads to where its VMs are."""
    there = (seen or {}).get(change.name)
    placement = preview.deployed.get("placement")
    if not isinstance(there, HostObservation) or not isinstance(placement, dict):
        return False
    wanted = {str(vm) for vm, host in placement.items() if host == change.name}
    return there.uri == change.new.get("uri") and bool(wanted) and all(there.domain(vm) for vm in wanted)


def _of_hosts_in_plan(
    preview: Preview, vms: dict[str, VmRecord], made: set[str], seen: Observations | None
) -> Iterator[Refusal]:
    """The plan's hosts against the stack's own record of where each VM was built: the preview shows nothing of it."""
    placement = preview.deployed.get("placement")
    if not isinstance(placement, dict):
        return
    for vm in vms.values():
        known = placement.get(vm.id)
        if not isinstance(known, str) or known == vm.host or vm.id in made:
            continue
        if seen is None or admission.not_arrived(vm, known, seen):
            found = guard_words.of_move(vm.id, vm.id, known, vm.host)
            why = "" if seen is None else admission.not_arrived(vm, known, seen)
            yield Refusal(found.vm, found.resource, why or found.what, found.consequence, found.runbook)


def _of_reality(
    preview: Preview, plan: PlanFolder, vms: dict[str, VmRecord], made: set[str], seen: Observations
) -> Iterator[Refusal]:
    """What only the hosts know: inactive pools, VMs that are there already, disks that the plan has larger."""
    touched = {
        host
        for change in preview.changes
        if change.kind in PRECIOUS and change.op not in {"same", "read", "refresh"}
        for host in (change.old_host, change.new_host)
        if host
    }
    pools_made = {change.name for change in preview.changes if change.kind == "Pool" and change.op == "create"}
    for host in plan.layout.hosts:
        there = seen.get(host.id)
        if host.id not in touched or not isinstance(there, HostObservation):
            continue
        for pool in host.pools:
            found = there.pool(pool.name)
            if (found is None or not found.active) and f"{host.id}-{pool.name}" not in pools_made:
                yield guard_words.of_pool(host.id, pool.name, exists=found is not None)
    for vm in vms.values():
        everywhere = [
            host for host, each in seen.items() if isinstance(each, HostObservation) and each.domain(vm.id) is not None
        ]
        if vm.id in made and everywhere:
            yield guard_words.of_double(vm.id, everywhere, vm.host)
        here = seen.get(vm.host)
        if isinstance(here, HostObservation) and vm.id not in made:
            for disk in vm.disks:
                volume = here.volume(disk.pool, disk.name)
                if volume is not None and volume.capacity < round(disk.size_gib * 2**30):
                    yield guard_words.of_small_disk(vm.id, disk, volume.capacity)
