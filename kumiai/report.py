"""`kumiai report`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .terminal import RefusedError, emit, emit_json, tell

if TYPE_CHECKING:
    from reports.record import ReportRecord

RESULTS = {
    "html": "report/report.html",
    "xlsx": "report/report.xlsx",
    "focus": "report/focus.csv",
    "json": "report/report.json",
}
"""The formats and the files that they become."""


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("report")(report)


def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="計画フォルダー")],
    formats: Annotated[
        str, typer.Option("--format", metavar="NAMES", help=f"{'・'.join(RESULTS)}（カンマ区切り）")
    ] = "html",
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """保存済みの結果から報告書を描く。計算はしない。"""
    from layout import folder, results
    from reports.record import gather

    wanted = _wanted(formats)
    plan = folder.read_planned(directory)
    record = gather(plan)
    if "focus" in wanted and record.bill is None:
        raise RefusedError(
            "--format focus: 費用と負担の計算（bill.json）がまだありません。"
            "先に kumiai license split を実行してください"
        )
    for missing in record.missing:
        tell(missing)
    if "xlsx" in wanted:
        _tell_missing_sheets(record)
    # Everything is drawn before anything is written: a format that cannot be drawn leaves the folder as it was.
    drawn = {name: _renderer(name)(record) for name in wanted}
    for name, data in drawn.items():
        results.write_result(plan, RESULTS[name], data)
    files = {name: str(directory / RESULTS[name]) for name in wanted}
    if as_json:
        emit_json({"format_version": "1.0", "verdict": record.verdict, "files": files})
        return
    emit(record.verdict)
    for path in files.values():
        emit(f"報告書：{path}")


def _wanted(formats: str) -> tuple[str, ...]:
    names = [name.strip() for name in formats.split(",")]
    unknown = [name for name in names if name not in RESULTS]
    if unknown:
        raise RefusedError(
            f"--format: 知らない形式です（{', '.join(name or '空' for name in unknown)}）。"
            f"{', '.join(RESULTS)} から選んで、カンマで区切ってください"
        )
    return tuple(dict.fromkeys(names))


def _tell_missing_sheets(record: ReportRecord) -> None:
    if record.bill is None:
        tell("xlsx: 見積内訳書・費目×年度×団体・A対B のシートはありません（費用がまだないため）。台帳は書きます")
    if record.licences is None:
        tell("xlsx: 計数の内訳・違反のシートはありません（計数がまだないため）。台帳は書きます")


def _renderer(name: str) -> Callable[[ReportRecord], bytes]:
    """Libraries of a format are loaded only when it is asked for."""
    if name == "xlsx":
        from reports import workbook

        return workbook.render
    if name == "focus":
        from reports import focus

        return lambda record: b"" if record.bill is None else focus.render(record.bill, record.estate_name)
    if name == "json":
        from reports import document

        return document.render
    from reports import html

    return lambda record: html.render(record).encode()
