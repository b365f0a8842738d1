"""`kumiai plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .estate_files import findings
from .terminal import OK, UNFIT, RefusedError, emit, emit_json, progress_bar, tell


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("plan")(plan)


def plan(
    estate_path: Annotated[Path, typer.Argument(metavar="ESTATE", help="構成ファイル (YAML)")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="計画を書き込むフォルダー")],
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="乱数の種")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """暦、バッチ枠、配置を決め、検査済みの計画フォルダーを書く。"""
    import estate
    import planning

    try:
        resolved = estate.load(estate_path)
    except estate.EstateErrors as errors:
        if as_json:
            emit_json(findings(errors.problems))
        raise RefusedError(*map(str, errors.problems), exit_code=errors.exit_code) from None
    for warning in resolved.warnings:
        tell(warning)
    try:
        with progress_bar() as progress:
            record = planning.plan(resolved, output, seed=seed, progress=progress)
    except planning.AddressSpaceError as error:
        raise RefusedError(str(error), exit_code=UNFIT) from None
    if as_json:
        emit_json(record.model_dump(mode="json"))
    else:
        emit(record.verdict)
        for line in planning.summary(record, planning.site_names(resolved)):
            emit(line)
        emit(f"計画フォルダー：{output}")
    raise typer.Exit(OK if record.fits else UNFIT)
