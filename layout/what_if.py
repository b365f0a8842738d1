"""A layout as it would be after a change that nobody has made yet: `VM.vcpu=8`, `VM.host=kvm03`.

For questions before an operation, such as whether the licences held allow it. Nothing of it is ever written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time

from estate.clock import JST

from .errors import FolderError
from .licence_records import ViolationResult
from .records import Layout, VcpuInterval, VmRecord

MOST_VCPU = 4096
_FORM = re.compile(
    r"(?P<vm>[^\s=]+)\.(?P<field>vcpu|host)=(?P<value>[^\s@=]+)(@(?P<from>[0-9-]{10})/(?P<until>[0-9-]{10}))?"
)
_RIGHT = "VM.vcpu=8、VM.vcpu=8@2027-06-01/2027-06-16、VM.host=kvm03 の形で書いてください"


def changed(layout: Layout, changes: Iterable[str]) -> Layout:
    """The layout with the changes.

    `VM.vcpu=N` is for all time, `VM.vcpu=N@FROM/UNTIL` on the days `[FROM, UNTIL)` (Japan), the planned numbers
    standing outside of them; `VM.host=H` is another place from the beginning. Raises FolderError.
    """
    vms = {vm.id: vm for vm in layout.vms}
    hosts = {host.id: host for host in layout.hosts}
    still: set[str] = set()
    for change in changes:
        found = _FORM.fullmatch(change)
        if found is None or (found["field"] == "host" and found["from"]):
            raise FolderError(f"変更「{change[:120]}」を読めません。{_RIGHT}")
        vm = vms.get(found["vm"])
        if vm is None:
            raise FolderError(f"変更「{change[:120]}」: 仮想サーバ「{found['vm'][:80]}」は計画にありません")
        if found["field"] == "host":
            host = hosts.get(found["value"])
            if host is None or host.site != vm.site:
                raise FolderError(
                    f"変更「{change[:120]}」: 拠点 {vm.site} にホスト「{found['value'][:80]}」はありません"
                )
            if host.id != vm.host:
                vms[vm.id] = vm.model_copy(update={"host": host.id})
                still.add(vm.id)
            continue
        if not re.fullmatch(r"[0-9]{1,4}", found["value"]) or not 1 <= int(found["value"]) <= MOST_VCPU:
            raise FolderError(f"変更「{change[:120]}」: vCPU は 1〜{MOST_VCPU} の整数です")
        number = int(found["value"])
        span = (_day(found["from"], change), _day(found["until"], change)) if found["from"] else None
        vms[vm.id] = _with_vcpu(vm, number, span, change)
    # A VM that always was elsewhere never made the moves that lead to its planned place.
    moves = tuple(move for move in layout.moves if move.vm not in still)
    return layout.model_copy(update={"vms": tuple(vms[vm.id] for vm in layout.vms), "moves": moves})


def _with_vcpu(vm: VmRecord, number: int, span: tuple[datetime, datetime] | None, change: str) -> VmRecord:
    most = max(vm.vcpu_max, number)
    if span is None:
        return vm.model_copy(update={"vcpu": number, "vcpu_max": most, "vcpu_changes": ()})
    start, end = span
    if start >= end:
        raise FolderError(f"変更「{change[:120]}」: 終わりは始めより後の日です（終わりの日は含みません）")
    kept: list[VcpuInterval] = []
    for interval in vm.vcpu_changes:
        if interval.from_ < start:
            kept.append(interval.model_copy(update={"until": min(interval.until, start)}))
        if interval.until > end:
            kept.append(interval.model_copy(update={"from_": max(interval.from_, end)}))
    kept.append(VcpuInterval.model_validate({"from": start, "until": end, "vcpu": number}))
    return vm.model_copy(update={"vcpu_max": most, "vcpu_changes": tuple(sorted(kept, key=lambda each: each.from_))})


def _day(text: str, change: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), JST)
    except ValueError:
        raise FolderError(f"変更「{change[:120]}」: 「{text}」は日付ではありません") from None


def grown(before: Sequence[ViolationResult], after: Sequence[ViolationResult]) -> tuple[ViolationResult, ...]:
    """The violations that are not there without the change, or lack more than they do without it."""
    known: dict[tuple[str, str | None, str | None], list[ViolationResult]] = {}
    for each in before:
        known.setdefault(_subject(each), []).append(each)
    return tuple(
        each
        for each in after
        if not any(
            old.from_ <= each.from_ and each.until <= old.until and each.needed - each.held <= old.needed - old.held
            for old in known.get(_subject(each), ())
        )
    )


def _subject(each: ViolationResult) -> tuple[str, str | None, str | None]:
    return each.rule, each.vm, each.host
