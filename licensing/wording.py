"""Sentences about a count, in Japanese."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from estate.clock import JST
from layout.wareki import wareki

from .engine import Share, Tally
from .records import Evidence, Rule
from .violations import Violation

EVIDENCE: dict[Evidence, str] = {
    "P": "根拠 P：販売元の文書",
    "D": "根拠 D：資産管理製品などの解説文書",
    "S": "根拠 S：二次情報",
    "C": "根拠 C：規則からの計算",
    "unverified": "未確認",
}
_BASE = {"host-core": "コア", "host-socket": "ソケット", "host-socket-capacity": "ソケット（空きを含む）", "host": "台"}


def number(value: Fraction) -> int | float:
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


def because(share: Share) -> str:
    """Answers why a host or VM counts, with every number that went in."""
    factor = "" if share.factor == 1 else f" x 係数 {plain(share.factor)}"
    if share.counting.on_hosts:
        text = f"{share.host.id}: {_host_units(share)}{factor} = {plain(share.quantity)}"
    else:
        owner = share.host.id if share.vm is None else share.vm.id
        base = "OS 1" if share.counting.base == "os" else f"vCPU {share.base}"
        if share.vm is None and share.counting.base == "vcpu":
            base = f"{share.base} コア"
        floor = f"（下限 {share.floored}）" if share.floored != share.base else ""
        text = f"{owner}: {base}{floor}{factor} = {plain(share.quantity)}"
    rounded = share.quantity != share.capped * share.factor
    reason = [*(["端数切上げ"] if rounded else []), *_reason(share)]
    return f"{text}（{'、'.join(reason)}）" if reason else text


def _host_units(share: Share) -> str:
    host = share.host
    if share.counting.base == "host-core":
        text = f"{host.sockets} ソケット x {host.cores_per_socket} コア"
    else:
        text = f"{share.base} {_BASE[share.counting.base]}"
    if share.floored != share.base:
        text += f"（下限 {share.floored}）"
    if share.sets > 1:
        text += f" x {share.sets} 組"
    if share.capped != share.floored * share.sets:
        text += f"、上限 vCPU 合計 {share.capped}"
    return text


def _reason(share: Share) -> list[str]:
    if not share.counting.on_hosts:
        return []
    if share.why == "installed":
        return ["ホストに導入されているため"]
    names = share.because_of
    who = f"仮想サーバ {names[0]}" + (f" ほか {len(names) - 1} 台" if len(names) > 1 else "")
    if share.why == "runs":
        return [f"{who} が動くため"]
    if share.why == "ran":
        return [f"{who} が過去 {share.counting.scope.window_days} 日の間に動いたため"]
    return [f"{who} が移動できるため"]


def total(count: Tally, rule: Rule) -> str:
    """Answers how the shares became the product's number."""
    if not count.shares:
        return "使われていないため 0"
    parts = []
    for factor, before, after in count.groups:
        named = f"係数 {plain(factor)} の合計" if len(count.groups) > 1 or factor != 1 else "合計"
        rounded = f" を切り上げて {plain(after)}" if after != before else ""
        parts.append(f"{named} {plain(before)}{rounded}")
    text = "、".join(parts)
    last = sum((after for _, _, after in count.groups), Fraction(0))
    if count.floor:
        return f"{text}、製品の下限により {count.floor} {rule.unit}"
    if last != count.quantity:
        return f"{text}、全体を切り上げて {plain(count.quantity)} {rule.unit}"
    if len(parts) == 1:
        return f"{text} {rule.unit}"
    return f"{text}、計 {plain(count.quantity)} {rule.unit}"


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
