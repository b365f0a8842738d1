"""The table of changes that a planner reads after `kumiai plan --keep`."""

from __future__ import annotations

import unicodedata
from collections import Counter

from layout.records import ChangeRecord, RunRecord

MOST_ROWS = 40
_HEAD = ("種別", "対象", "変更", "手順書", "理由")
_KINDS = {
    "host": "ホスト", "vm": "仮想サーバ", "network": "ネットワーク", "address": "アドレス", "size": "規模",
    "disk": "ディスク", "time": "開始時刻", "flow": "特定通信", "image": "イメージ",
}  # fmt: skip
_WHAT = {
    "memory_mib": "メモリ MiB", "vcpu": "vCPU", "vcpu_max": "vCPU の上限", "vcpu_changes": "vCPU の増減",
    "size_gib": "GiB", "address": "", "start": "", "host": "", "runs": "実行", "use": "", "spare": "",
}  # fmt: skip
_HOW = {"added": "追加", "removed": "削除"}
_FEWEST = {
    "proven": "最少であることを証明済み",
    "for this reserve": "予備のホストをこのとおりにする限り、最少であることを証明済み",
    "unproven": "最少かどうかは証明できていません",
    "": "最少かどうかは調べていません",
}


def change_lines(record: RunRecord) -> tuple[str, ...]:
    """How many changes of which kind, and the first of them as a table with the runbook that carries each out."""
    if not record.changes_count:
        return ("前の計画からの変更：なし",)
    notes = [f"{each.reason}。次のホストの故障に備えるには、元に戻してください" for each in record.lowered_reserve]
    if record.moved_vms:
        notes.append(f"移す仮想サーバ：{record.moved_vms:,} 台（{_FEWEST[record.fewest_moves]}）")
    kinds = Counter(_kind(change) for change in record.changes)
    counted = "、".join(f"{kind} {count:,}" for kind, count in kinds.items())
    more = "" if record.changes_count == len(record.changes) else f"、先頭 {len(record.changes):,} 件の内訳"
    rows = [_HEAD, *(_row(change) for change in record.changes[:MOST_ROWS])]
    widths = [max(_width(row[column]) for row in rows) for column in range(len(_HEAD) - 1)]
    lines = [*notes, f"前の計画からの変更：{record.changes_count:,} 件（{counted}{more}）"]
    for row in rows:
        cells = [text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=False)]
        lines.append(f"  {'  '.join((*cells, row[-1]))}")
    if record.changes_count > MOST_ROWS:
        lines.append(f"  ほか {record.changes_count - MOST_ROWS:,} 件（run.json の changes を参照）")
    return tuple(lines)


def _kind(change: ChangeRecord) -> str:
    if change.kind == "host" and change.what == "host":
        return "置き場所"
    return "実行" if change.what == "runs" else _KINDS[change.kind]


def _row(change: ChangeRecord) -> tuple[str, str, str, str, str]:
    what = _WHAT.get(change.what, change.what)
    if change.change == "changed":
        values = f"{change.before or '—'} → {change.after or '—'}"
    else:
        values = f"{_HOW[change.change]} {change.before or change.after}".rstrip()
    return (_kind(change), change.subject, f"{what} {values}".strip(), change.runbook or "—", change.reason)


def _width(text: str) -> int:
    """Columns on a terminal: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WFA" else 1 for letter in text)
