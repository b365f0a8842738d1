"""Why a run was late, in a Japanese sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

from .contenders import Contender
from .explanation import TELLABLE_S, Causes, Explanation

CauseName: TypeAlias = Literal[
    "late_start",
    "predecessor",
    "window",
    "slot",
    "host_failure",
    "own_failure",
    "work",
    "cpu",
    "storage",
    "line",
    "printing",
]
_SAID: dict[CauseName, str] = {
    "late_start": "職員の確認による開始の遅れ",
    "predecessor": "先行処理の終了待ち",
    "window": "バッチ枠が開くまでの待ち",
    "slot": "実行枠（スロット）の空き待ち",
    "host_failure": "ホストか拠点の停止とやり直し",
    "own_failure": "処理の失敗とやり直し",
    "work": "処理量の増加",
    "cpu": "CPU の不足",
    "storage": "ストレージの待ち",
    "line": "バックアップ回線の待ち",
    "printing": "印刷",
}
_LESS = {"work": "処理量の減少", "cpu": "CPU の余裕"}
_SHOWN_S = 3.0
"""What rounds to 0.0 minutes is not said (but counts)."""


@dataclass(frozen=True)
class Names:
    """What runs and VMs are called in sentences."""

    run: Callable[[int], str]
    vm: Callable[[int], str]


def sentence(explanation: Explanation, names: Names) -> str:
    """One sentence (or two): how late, and the causes by size, with who was in the way."""
    who = names.run(explanation.run)
    before = None if explanation.predecessor is None else names.run(explanation.predecessor)
    if explanation.delay_s == float("inf"):
        if before is not None:
            return f"{who}は、先行する{before}が終わらないため実行されません。"
        if explanation.causes.host_failure_s > 0:
            return f"{who}は、仮想サーバが故障から復旧しないため終わりません。"
        return f"{who}は、使えるバッチ枠が残っていないため実行されません。"
    parts = [
        _part(name, seconds, explanation, before, names)
        for name, seconds in by_size(explanation.causes)
        if abs(seconds) >= _SHOWN_S
    ]
    minutes = explanation.delay_s / 60
    how = f"計画より {minutes:,.1f} 分遅く" if minutes >= 0 else f"計画より {-minutes:,.1f} 分早く"
    if not parts:
        return f"{who}は{how}終わりました。"
    return f"{who}は{how}終わりました。内訳は{'、'.join(parts)}です。"


def _part(name: CauseName, seconds: float, explanation: Explanation, before: str | None, names: Names) -> str:
    said = _LESS.get(name, _SAID[name]) if seconds < 0 else _SAID[name]
    if name == "predecessor" and before is not None:
        said = f"先行する{before}の終了待ち"
    others = {
        "slot": (explanation.slot_holders, "先に使っていたのは", "分", 60.0),
        "cpu": (explanation.cpu_takers, "使っていたのは", "コア分", 60.0),
        "printing": (explanation.printer_holders, "先に印刷していたのは", "分", 60.0),
    }.get(name)
    text = f"{said} {seconds / 60:,.1f} 分"
    if others is None or not others[0]:
        return text
    found, lead, unit, divisor = others
    listed = "、".join(f"{_called(entry, names)} {entry.amount / divisor:,.1f} {unit}" for entry in found)
    return f"{text}（{lead}{listed}）"


def _called(contender: Contender, names: Names) -> str:
    return names.run(contender.run) if contender.run >= 0 else f"{names.vm(contender.vm)}のオンライン処理"


def by_size(causes: Causes) -> list[tuple[CauseName, float]]:
    """The causes that can be told, the largest first."""
    values = {entry.name: getattr(causes, entry.name) for entry in fields(causes)}
    told = [(name, values[f"{name}_s"]) for name in _SAID if abs(values[f"{name}_s"]) > TELLABLE_S]
    return sorted(told, key=lambda cause: -cause[1])
