"""Whether a layout and its entitlements can be counted at all: every contradiction at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from estate.records import Entitlement
from layout.records import FORMAT_VERSION, HostRecord, Layout, MoveRecord, VmRecord

from .errors import LicensingError, did_you_mean
from .rule_checks import LARGEST
from .rulebook import RuleBook

FISCAL_YEARS = range(2019, 2201)
"""As in an estate file."""
YEARS = range(1900, FISCAL_YEARS[-1] + 2)
"""Of a date for which somebody may ask: far enough from the ends of the calendar to add months to it."""
_LARGEST_FACTOR = 1000
"""As in a rule file."""
_MANY = 30
"""A suggestion among more names than this is slow on a large layout and helps nobody."""


def check(layout: Layout, entitlements: Sequence[Entitlement], book: RuleBook) -> None:
    """Raises LicensingError with one line per contradiction; returns when there is none."""
    problems = [*_layout(layout), *_entitlements(entitlements, book)]
    if problems:
        raise LicensingError(*problems)


def _layout(layout: Layout) -> Iterable[str]:
    major = FORMAT_VERSION.partition(".")[0]
    if layout.format_version.partition(".")[0] != major:
        yield f"layout の format_version {layout.format_version} は読めません（{major}.x が必要です）"
        return
    if layout.estate.fiscal_year not in FISCAL_YEARS:
        first, last = FISCAL_YEARS[0], FISCAL_YEARS[-1]
        yield f"fiscal_year は {first} から {last} まででなければなりません（{str(layout.estate.fiscal_year)[:40]}）"
        return
    for host in layout.hosts:
        yield from _sizes(host)
    hosts = {host.id for host in layout.hosts}
    sets = {group.id for group in layout.host_sets}
    vms = {vm.id for vm in layout.vms}
    yield from _twice("ホスト", (host.id for host in layout.hosts))
    yield from _twice("ホスト集合", (group.id for group in layout.host_sets))
    yield from _twice("仮想サーバ", (vm.id for vm in layout.vms))
    for group in layout.host_sets:
        for name in group.hosts:
            yield from _known(f"ホスト集合 {group.id}", "ホスト", name, hosts)
    moves: dict[str, list[MoveRecord]] = {}
    for move in layout.moves:
        where = f"移動（{move.vm}、{move.at.isoformat()}）"
        yield from _known(where, "仮想サーバ", move.vm, vms)
        yield from _known(where, "ホスト", move.from_host, hosts)
        yield from _known(where, "ホスト", move.to_host, hosts)
        if move.at.tzinfo is None:
            yield f"{where}: 時刻に時差がありません（+09:00 を付けてください）"
        else:
            moves.setdefault(move.vm, []).append(move)
    yield from _vms(layout, hosts, sets, moves)


def _vms(
    layout: Layout, hosts: Collection[str], sets: Collection[str], moves: Mapping[str, Sequence[MoveRecord]]
) -> Iterable[str]:
    for vm in layout.vms:
        where = f"仮想サーバ {vm.id}"
        if vm.host not in hosts or vm.may_run_on not in sets:
            yield from _known(where, "ホスト", vm.host, hosts)
            yield from _known(where, "may_run_on のホスト集合", vm.may_run_on, sets)
        if not 0 <= vm.memory_mib <= LARGEST:
            yield from _memory(vm.memory_mib, where)
        if vm.vcpu_changes or vm.from_ or vm.until or not 1 <= vm.vcpu <= vm.vcpu_max <= LARGEST:
            yield from _vcpus(vm, where)
        if vm.id in moves:
            yield from _path(vm, sorted(moves[vm.id], key=lambda move: move.at), where)


def _sizes(host: HostRecord) -> Iterable[str]:
    """A factor of nothing or less would make licences vanish; one without end has no number that could be shown."""
    where = f"ホスト {host.id}"
    for vendor, factor in host.core_factors.items():
        if not 0 < factor <= _LARGEST_FACTOR:
            message = f"core_factors の {vendor} は 0 より大きく {_LARGEST_FACTOR} までが必要です（{factor:g}）"
            yield f"{where}: {message}"
    yield from _memory(host.memory_mib, where)


def _memory(memory_mib: int, where: str) -> Iterable[str]:
    if not 0 <= memory_mib <= LARGEST:  # 0: not said
        yield f"{where}: memory_mib は 0 から {LARGEST:,} まででなければなりません（{str(memory_mib)[:40]}）"


def _twice(kind: str, names: Iterable[str]) -> Iterable[str]:
    for name, number in Counter(names).items():
        if number > 1:
            yield f"{kind} {name} が {number} 回あります"


def _known(where: str, kind: str, name: str, known: Collection[str]) -> Iterable[str]:
    if name not in known:
        yield f"{where}: {kind} {name} がありません{did_you_mean(name, known) if len(known) <= _MANY else ''}"


def _vcpus(vm: VmRecord, where: str) -> Iterable[str]:
    if vm.from_ is None and vm.until is None and not vm.vcpu_changes and 1 <= vm.vcpu <= vm.vcpu_max:
        return
    instants: list[datetime | None] = [vm.from_, vm.until]
    instants += [instant for change in vm.vcpu_changes for instant in (change.from_, change.until)]
    if any(instant is not None and instant.tzinfo is None for instant in instants):
        yield f"{where}: 時刻に時差がありません（+09:00 を付けてください）"
        return
    if vm.from_ is not None and vm.until is not None and vm.until <= vm.from_:
        yield f"{where}: until {vm.until.isoformat()} が from {vm.from_.isoformat()} より後でありません"
    if vm.vcpu < 1:
        yield f"{where}: vcpu は 1 以上が必要です（{vm.vcpu}）"
    if vm.vcpu > vm.vcpu_max:
        yield f"{where}: vcpu {vm.vcpu} が vcpu_max {vm.vcpu_max} を超えています"
    changes = sorted(vm.vcpu_changes, key=lambda change: (change.from_, change.until))
    for change in changes:
        span = f"vcpu_changes（{change.from_.isoformat()} から {change.until.isoformat()}）"
        if change.until <= change.from_:
            yield f"{where}: {span} の until が from より後でありません"
        if not 1 <= change.vcpu <= vm.vcpu_max:
            yield f"{where}: {span} の vcpu {change.vcpu} は 1 から vcpu_max {vm.vcpu_max} まででなければなりません"
    for one, two in pairwise(changes):
        if two.from_ < one.until:
            yield (
                f"{where}: vcpu_changes が重なっています（{one.from_.isoformat()} から {one.until.isoformat()} と、"
                f"{two.from_.isoformat()} から {two.until.isoformat()}）"
            )


def _path(vm: VmRecord, moves: Sequence[MoveRecord], where: str) -> Iterable[str]:
    # A plan says where the VM begins; a bare layout with moves of the past may say where it is now.
    at = moves[0].from_host if moves and vm.host == moves[-1].to_host else vm.host
    for move in moves:
        if move.from_host != at:
            yield f"{where}: {move.at.isoformat()} の移動元は {at} のはずです（{move.from_host} とあります）"
        at = move.to_host


def _entitlements(entitlements: Sequence[Entitlement], book: RuleBook) -> Iterable[str]:
    for entitlement in entitlements:
        where = f"保有ライセンス {entitlement.id}"
        if entitlement.rule not in book.rules:
            yield f"{where}: {book.missing(entitlement.rule)}"
        if entitlement.from_ is not None and entitlement.until is not None and entitlement.until <= entitlement.from_:
            yield f"{where}: until {entitlement.until} が from {entitlement.from_} より後でありません"
