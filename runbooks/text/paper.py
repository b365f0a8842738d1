"""The same runbook for the paper binder: what a person ticks off and types by hand when no program helps."""

from __future__ import annotations

import re
from collections.abc import Iterator

from runbooks.text.markdown import split
from runbooks.text.parameters import TYPES
from runbooks.text.records import Fact, Header, Precondition, Reading, Runbook, Step

_HEADING = re.compile(r"^# .*\n?", re.MULTILINE)


def markdown(runbook: Runbook) -> str:
    """Markdown without machine-readable blocks: title, parameters to fill in, checks, steps with boxes to tick."""
    header = runbook.header
    lines = [f"# {header.title}", "", f"手順書 `{runbook.name}`　版 {runbook.digest[:12]}", ""]
    lines += ["実行者　＿＿＿＿＿＿＿＿　立会者　＿＿＿＿＿＿＿＿　日時　＿＿＿＿年＿＿月＿＿日　＿＿時＿＿分", ""]
    lines += _parameters(header)
    lines += [f"- 影響：{header.impact}", f"- 制限時間：{header.deadline_s} 秒"]
    lines += ["- **破壊的な操作を含む。対象の名前を声に出して確かめること**"] if _destructive(runbook) else []
    lines += [f"- `{name}` は `{expression}`" for name, expression in header.let.items()]
    readings, steps = iter(runbook.readings), iter(runbook.steps)
    numbers = iter(range(1, 1000))
    for part in _parts(runbook.text):
        if part == "step":
            lines += ["", *_step(next(steps), next(numbers))]
        elif part in ("fact", "precondition"):
            lines += ["", *_reading(next(readings))]
        elif part.strip():
            lines += ["", _HEADING.sub("", part, count=1).strip() if part.lstrip().startswith("# ") else part.strip()]
    return "\n".join(lines).rstrip() + "\n"


def _parts(text: str) -> Iterator[str]:
    """Prose and kinds of blocks in the order of the file."""
    header, blocks = split(text, "")
    lines = text.split("\n")
    at = header.lines_before + len(header.text.split("\n")) + 1
    for block in blocks:
        yield "\n".join(lines[at : block.lines_before - 1])
        yield block.kind
        at = block.lines_before + len(block.text.split("\n")) + 1
    yield "\n".join(lines[at:])


def _parameters(header: Header) -> list[str]:
    if not header.parameters:
        return []
    rows = ["| 引数 | 種類 | 意味 | 値 |", "|---|---|---|---|"]
    for name, parameter in header.parameters.items():
        given = f"（既定 `{parameter.default}`）" if parameter.default is not None else ""
        limits = "".join(
            f"、{value} {word}"
            for value, word in ((parameter.minimum, "以上"), (parameter.maximum, "以下"))
            if value is not None
        )
        rows.append(f"| `{name}` | {TYPES[parameter.type]}{limits} | {parameter.help}{given} | ＿＿＿＿＿＿ |")
    return [*rows, ""]


def _destructive(runbook: Runbook) -> bool:
    return runbook.header.destructive or any(step.destructive for step in runbook.steps)


def _reading(record: Reading) -> list[str]:
    where = _where(record)
    if isinstance(record, Fact):
        wanted = f"　目標 `{record.wanted}`" if record.wanted is not None else ""
        return [f"- □ {record.title}（{where}）　値 ＿＿＿＿＿＿{wanted}", "", *_code(record.run)]
    assert isinstance(record, Precondition)  # noqa: S101 - there are only these two
    return [f"- □ {record.title}（{where}）", "", *_code(record.run), f"  満たさないとき：{record.otherwise}"]


def _step(step: Step, number: int) -> list[str]:
    mark = "【破壊的】" if step.destructive else ""
    lines = [f"### □ {number}. {mark}{step.title}", "", f"場所：{_where(step)}"]
    if step.confirm:
        lines += ["", f"**{step.confirm}**"]
    if step.runbook is not None:
        given = "、".join(f"{name} = `{expression}`" for name, expression in step.with_.items())
        return [*lines, "", f"手順書 `{step.runbook}` を行う（{given}）"]
    for title, command in (
        ("もう済んでいるか（終了コード 0 なら済み）", step.check),
        ("行う", step.apply),
        (f"確かめる（終了コード 0{f'、{step.verify_for_s} 秒まで待つ' if step.verify_for_s else ''}）", step.verify),
        ("失敗したら戻す", step.rollback),
        ("戻ったことを確かめる", step.rollback_verify),
    ):
        if command:
            lines += ["", f"{title}：", "", *_code(command)]
    if step.input is not None:
        lines += ["", "標準入力：", "", *_code(step.input)]
    if step.input_from is not None:
        lines += ["", "標準入力は次の命令の出力（操作する計算機で）：", "", *_code(step.input_from)]
    if step.secret is not None:
        lines += ["", f"標準入力：秘密 `{step.secret}`（画面にも紙にも書かない）"]
    if step.no_rollback:
        lines += ["", f"戻し方はない：{step.no_rollback}"]
    if step.commit:
        lines += ["", "**ここから後で失敗しても、ここまでは戻さない**"]
    return [*lines, "", "終了コード ＿＿　時刻 ＿＿:＿＿　署名 ＿＿＿＿"]


def _where(record: Reading | Step) -> str:
    place = f"`{record.on}`" if record.on not in ("local", "'local'") else "操作する計算機"
    for name, expression in record.each.items():
        place += f"、`{expression}` のそれぞれを `{name}` として"
    return place + (f"、`{record.when}` のときだけ" if record.when is not None else "")


def _code(command: str) -> list[str]:
    return ["  ```sh", *(f"  {line}" for line in command.strip().split("\n")), "  ```"]
