"""The ways out of violations for a terminal: one block per rule, what one remedy mends stands together."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from itertools import groupby

from layout.licence_records import LicenceResult, RemedyResult, ViolationRemedies

from .wording import plain, span

KINDS = {
    "buy-peak": "最大の不足を買う",
    "hourly": "時間課金にする",
    "physical": "物理コアで契約する",
    "pin": "固定するか範囲を狭める",
    "retime": "処理の時間をずらす",
}
"""Remedies as people call them."""

_MOST = 5
"""So many violations or runs are listed; JSON has all."""


def lines(result: LicenceResult) -> Iterable[str]:
    """Answers the section, without its heading; nothing where there are no violations."""
    for rule, found in groupby(sorted(result.remedies, key=lambda r: r.rule), key=lambda r: r.rule):
        group = list(found)
        yield f"  {rule}：違反 {len(group)} 件"
        yield from (f"    ・{_where(remedies)}" for remedies in group[:_MOST])
        if len(group) > _MOST:
            yield f"    ・ほか {len(group) - _MOST} 件"
        yield f"    {group[0].because}"
        for option in group[0].options:
            mark = "◎" if option.kind == group[0].cheapest else "○" if option.feasible else "×"
            name, cost = padded(KINDS[option.kind], 22), padded(_cost(option), 18, right=True)
            yield f"    {mark} {name}  {cost}  {_added(option)}".rstrip()
            yield f"        {option.because}"
        for remedies in group[:_MOST]:
            yield from _runs(remedies)


def _where(remedies: ViolationRemedies) -> str:
    return f"{span(remedies.from_, remedies.until)} {remedies.vm or remedies.host or '製品全体'}"


def _cost(option: RemedyResult) -> str:
    if not option.feasible:
        return "—"
    return "金額不明" if option.cost_jpy is None else f"{option.cost_jpy:,} 円"


def _added(option: RemedyResult) -> str:
    if not option.quantity:
        return "買い足しなし" if option.feasible else ""
    return f"{plain(option.quantity)} {option.unit}"


def _runs(remedies: ViolationRemedies) -> Iterable[str]:
    moved = [
        run
        for option in remedies.options
        if option.kind == "retime" and option.feasible
        for run in option.runs
        if run.start != run.planned
    ]
    if moved:
        yield f"    {remedies.vm} で開始が変わる処理 {len(moved)} 件"
        for run in moved[:_MOST]:
            yield f"      {run.run}  {run.planned:%m/%d %H:%M} → {run.start:%m/%d %H:%M}"
        if len(moved) > _MOST:
            yield f"      ほか {len(moved) - _MOST} 件（--json に全件）"


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Answers the text filled up to a width on the screen, where Japanese characters take two places."""
    gap = " " * max(0, width - sum(2 if unicodedata.east_asian_width(char) in "FW" else 1 for char in text))
    return gap + text if right else text + gap
