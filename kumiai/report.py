"""`kumiai report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .terminal import RefusedError, emit, emit_json, tell

RESULT_NAME = "report/report.html"


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("report")(report)


def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="計画フォルダー")],
    formats: Annotated[str, typer.Option("--format", help="html（カンマ区切り）")] = "html",
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """保存済みの結果から報告書を描く。計算はしない。"""
    from layout import folder, results
    from reports import html
    from reports.record import gather

    unknown = [name.strip() for name in formats.split(",") if name.strip() != "html"]
    if unknown:
        raise RefusedError(f"--format: 知らない形式です（{', '.join(unknown)}）。html を指定してください")
    plan = folder.read_planned(directory)
    record = gather(plan)
    for missing in record.missing:
        tell(missing)
    results.write_result(plan, RESULT_NAME, html.render(record).encode())
    if as_json:
        files = {"html": str(directory / RESULT_NAME)}
        emit_json({"format_version": "1.0", "verdict": record.verdict, "files": files})
        return
    emit(record.verdict)
    emit(f"報告書：{directory / RESULT_NAME}")
