"""Sentences about a count, in Japanese."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from estate.clock import JST
from layout.wareki import wareki

from .cells import Exact, HostCell, Total, VmCell, is_unknown_model
from .engine import Share, Tally, Use
from .records import Counting, Evidence, Rule
from .timeline import Owed
from .violations import Violation

EVIDENCE: dict[Evidence, str] = {
    "P": "根拠 P：販売元の文書",
    "D": "根拠 D：資産管理製品などの解説文書",
    "S": "根拠 S：二次情報",
    "C": "根拠 C：規則からの計算",
    "unverified": "未確認",
}
_HOST_UNIT = {"host-socket": "ソケット", "host-socket-capacity": "ソケット（空きを含む）", "host": "台"}
_VM_UNIT = {
    "vcpu": ("vCPU ", ""),
    "vcpu-core": ("vCPU の裏の物理コア ", ""),
    "os": ("OS ", ""),
    "memory-mib": ("メモリー ", " MiB"),
    "number": ("指定された数 ", ""),
    "population": ("人口 ", " 人"),
}
"""Words before and after the number of base units."""


def mark(evidence: str) -> str:
    """Answers the evidence mark of a rule as pages show it: 根拠 P, or 未確認 where its values were not checked."""
    return EVIDENCE["unverified"] if evidence == "unverified" else f"根拠 {evidence}"


def number(value: Exact) -> int | float:
    """Answers a count as JSON and readers want it: whole where it is whole."""
    return int(value) if value.denominator == 1 else float(value)


def plain(value: Fraction | int | float) -> str:
    """Answers a number as text without a needless decimal point."""
    return f"{float(value):.10g}" if float(value) % 1 else f"{int(value)}"


def day(at: datetime, since: datetime | None = None) -> str:
    """Answers a day in the Japanese calendar; the year is left out where it is that of `since`."""
    at = at.astimezone(JST)
    same_year = since is not None and since.astimezone(JST).year == at.year
    text = f"{at.month}月{at.day}日" if same_year else wareki(at)
    return text if (at.hour, at.minute) == (0, 0) else f"{text}{at.hour}時{at.minute:02}分"


def span(from_: datetime, until: datetime) -> str:
    """Answers `[from_, until)` in words: the last day is the day before an `until` at midnight."""
    local = until.astimezone(JST)
    last = local - timedelta(days=1) if (local.hour, local.minute) == (0, 0) else local
    if last.date() == from_.astimezone(JST).date() and last != local:
        return f"{day(from_)}"
    return f"{day(from_)}から{day(last, from_)}まで"


def because(share: Share, known: dict[int, str]) -> str:
    """Answers why a host or VM counts, with every number that went in.

    `known` keeps the words of cells between calls: thousands of VMs of one size share a cell.
    """
    if share.vm is None:
        return f"{share.host.id}: {_words(share)}"
    if share.why != "runs":
        return f"{share.vm.id}: {_words(share)}"
    words = known.get(id(share.cell))
    if words is None:
        words = known[id(share.cell)] = _words(share)
    return f"{share.vm.id}: {words}"


def _words(share: Share) -> str:
    cell = share.cell
    if isinstance(cell, HostCell):
        text = f"{_host_units(share, cell)}{_factor(share.counting, cell.factor)} = {plain(cell.quantity)}"
        rounded = cell.quantity != cell.capped * cell.factor
    else:
        text = f"{_vm_units(share, cell)} = {plain(cell.quantity)}"
        rounded = cell.grade is None and cell.least is None and cell.quantity != cell.floored * cell.factor
    reason = [*(["端数切上げ"] if rounded else []), *_reason(share)]
    return f"{text}（{'、'.join(reason)}）" if reason else text


def _factor(counting: Counting, factor: Exact) -> str:
    if factor == 1:
        return ""
    return f" ÷ {counting.factor.per}" if counting.factor.per is not None else f" x 係数 {plain(factor)}"


def _host_units(share: Share, cell: HostCell) -> str:
    host = share.host
    if share.counting.base == "host-core":
        text = f"{host.sockets} ソケット x {host.cores_per_socket} コア"
    else:
        text = f"{cell.base} {_HOST_UNIT[share.counting.base]}"
    if cell.floored != cell.base:
        text += f"（下限 {cell.floored}）"
    if cell.sets > 1:
        text += f" x {cell.sets} 組"
    if cell.capped > cell.floored * cell.sets:
        text += f"、ゲスト {cell.capped} 台（ライセンス数を超える分は 1 台に 1）"
    if cell.capped < cell.floored * cell.sets:
        text += f"、上限 vCPU 合計 {cell.capped}"
    return text


def _vm_units(share: Share, cell: VmCell) -> str:
    base = share.counting.base
    if base == "vcpu" and share.vm is None:
        text = f"{plain(cell.base)} コア"
    else:
        before, after = _VM_UNIT[base]
        text = f"{before}{plain(cell.base)}{after}"
    if cell.floored != cell.base:
        text += f"（下限 {plain(cell.floored)}）"
    text += _factor(share.counting, cell.factor)
    if cell.grade is not None:
        text += f" → 等級「{cell.grade}」"
    if cell.least is not None and cell.least == cell.quantity > cell.floored * cell.factor:
        text += f"、{share.counting.floors.option} の数 {plain(cell.least)} が上回る"
    return text


def _reason(share: Share) -> list[str]:
    found = []
    if share.counting.factor.unknown_value is not None and is_unknown_model(share.counting.factor, share.host):
        found.append(f"機種 {share.host.model or '不明'} は係数表に無い：{share.counting.factor.unknown_model}")
    if share.why == "standby":
        free = share.cell.quantity - share.quantity
        found.append(
            f"待機系：稼働系の数まで無償のため {plain(share.quantity)}" if free else "待機系：稼働系を超える分"
        )
    elif share.why == "same":
        found.append(f"{_who(share.because_of)} と同じ利用者・住民のため 1 回だけ数える")
    elif share.counting.on_hosts:
        found.append(_presence(share))
    return found


def _presence(share: Share) -> str:
    if share.why == "installed":
        return "ホストに導入されているため"
    who = _who(share.because_of)
    if share.why == "runs":
        return f"{who} が動くため"
    if share.why == "ran":
        return f"{who} が過去 {share.counting.scope.window_days} 日の間に動いたため"
    if share.counting.scope.hosts == "reachable":
        return f"{who} が移動できるため"
    return f"{who} のある範囲（{'拠点' if share.counting.scope.hosts == 'site' else '全体'}）のホストをすべて数えるため"


def _who(names: Sequence[str]) -> str:
    return f"仮想サーバ {names[0]}" + (f" ほか {len(names) - 1} 台" if len(names) > 1 else "")


def total(count: Tally, rule: Rule) -> str:
    """Answers how the shares became the product's number."""
    if not count.shares:
        return "使われていないため 0"
    texts = [_way_total(way, made, rule, alone=len(count.totals) == 1) for way, made in count.totals]
    if len(texts) == 1:
        return texts[0]
    return f"{'；'.join(texts)}；合わせて {plain(count.quantity)} {rule.unit}"


def _way_total(way: Counting, made: Total, rule: Rule, *, alone: bool) -> str:
    parts = []
    for factor, before, after in made.groups:
        weighed = len(made.groups) > 1 or (factor != 1 and way.factor.per is None) or not alone
        named = f"係数 {plain(factor)} の合計" if weighed else "合計"
        rounded = f" を切り上げて {plain(after)}" if after != before else ""
        parts.append(f"{named} {plain(before)}{rounded}")
    text = "、".join(parts)
    last: Exact = sum((after for _, _, after in made.groups), 0)
    several = len(parts) > 1
    if made.tiered is not None:
        text, last, several = f"{text}、段階表により {plain(made.tiered)}", made.tiered, False
    if made.users is not None and made.least is not None:
        least, users = plain(made.least), plain(made.users)
        if made.users > made.least:
            return f"利用者 {users} 人が下限 {least}（{text}）を上回るため {users} {rule.unit}"
        return f"利用者 {users} 人より下限 {least}（{text}）が大きいため {least} {rule.unit}"
    if made.floor:
        return f"{text}、製品の下限により {made.floor} {rule.unit}"
    if last != made.quantity:
        return f"{text}、全体を切り上げて {plain(made.quantity)} {rule.unit}"
    return f"{text}、計 {plain(made.quantity)} {rule.unit}" if several else f"{text} {rule.unit}"


def lost_rights(uses: Iterable[Use]) -> Iterable[str]:
    """Answers which VMs are not counted as their options say, because the way asks for pinned VMs."""
    said: dict[tuple[int, int], str] = {}  # equal options and ways are one object each
    lost: dict[str, list[str]] = {}
    for use in uses:
        key = (id(use.options), id(use.counting))
        if key not in said:
            changed = ((name, value) for name, value in use.counting.when.items() if use.options.get(name) != value)
            said[key] = "、".join(f"{name}: {value}" for name, value in changed)
        if said[key]:
            lost.setdefault(said[key], []).append(use.owner)
    for counted, names in lost.items():
        yield f"{_who(names)} は固定されていないか移動の予定があるため、{counted} として数えた"


def metered(due: Owed, rule: Rule) -> str:
    """Answers how the hours became the product's number."""
    peak = due.peak
    return (
        f"1 時間ごとの数の合計 {plain(due.quantity)} {rule.unit}（最大は {span(peak.from_, peak.until)} の "
        f"1 時間あたり {plain(peak.quantity)}：{total(peak.tally, rule)}）"
    )


def violation(found: Violation) -> str:
    """Answers one violation in a sentence: when, which VM or host, needed, held, by which rule."""
    when = span(found.from_, found.until)
    gap = "" if found.unit[-1] > "\u007f" else " "
    if found.hosts:
        rest = f"ほか {len(found.hosts) - 1} 台の" if len(found.hosts) > 1 else "の"
        return (
            f"{when} 製品全体で {plain(found.needed)} {found.unit}{gap}必要、保有 {plain(found.held)}"
            f"（{found.rule}、ホスト {found.hosts[0]} {rest}分が不足）"
        )
    who = f"{found.vm or found.host} が" if found.vm or found.host else "製品全体で"
    return f"{when} {who} {plain(found.needed)} {found.unit}{gap}必要、保有 {plain(found.held)}（{found.rule}）"


def verdict(lines: Sequence[str], violations: Sequence[Violation], *, entitlements_known: bool) -> str:
    """Answers the first line of the result. `lines` are products with their quantities."""
    if violations:
        first = violation(violations[0])
        more = f"、ほか {len(violations) - 1} 件" if len(violations) > 1 else ""
        return f"判定：ライセンス違反 {len(violations)} 件 — {first}{more}"
    counted = "、".join(lines) if lines else "ライセンスの要る製品はありません"
    if not entitlements_known:
        return f"判定：必要数のみ（保有数が不明のため違反は判定しません） — {counted}"
    return f"判定：適合 — 年度を通じて保有数の範囲内（{counted}）"
