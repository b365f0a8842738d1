"""`kumiai new` and `kumiai check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .terminal import MALFORMED, OK, RefusedError, emit, emit_json, tell

if TYPE_CHECKING:
    from estate import Problem


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("new")(new)
    app.command("check")(check)


def new(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="作成するフォルダー")],
    template: Annotated[
        str, typer.Option("--from", help="starter、pilot、lab、national（全国）のいずれか")
    ] = "starter",
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """注釈つきの見本（構成ファイル）を作る。"""
    from estate import example

    try:
        written = example.write(directory, template)
    except example.ExampleError as error:
        raise RefusedError(str(error), exit_code=MALFORMED) from None
    verdict = f"作成しました：{written}"
    if as_json:
        emit_json({"format_version": "1.0", "verdict": verdict, "estate": str(written)})
        return
    emit(verdict)
    emit(f"次に：kumiai check {written}")


def check(
    estate_path: Annotated[Path, typer.Argument(metavar="ESTATE", help="構成ファイル (YAML)")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """構成ファイルの誤りをすべて一度に示す。"""
    import estate

    outcome = estate.check(estate_path)
    code = estate.EstateErrors(outcome.problems).exit_code if outcome.problems else OK
    if as_json:
        emit_json(findings(outcome.problems, outcome.warnings))
    else:
        for line in (*outcome.problems, *outcome.warnings):
            tell(str(line))
        emit(_verdict(outcome.problems))
    raise typer.Exit(code)


def findings(problems: tuple[Problem, ...], warnings: tuple[Problem, ...] = ()) -> dict[str, object]:
    """What is wrong with an estate as the document of `--json`."""
    return {
        "format_version": "1.0",
        "verdict": _verdict(problems),
        "problems": [problem.to_json() for problem in problems],
        "warnings": [str(warning) for warning in warnings],
    }


def _verdict(problems: tuple[Problem, ...]) -> str:
    return f"判定：誤り {len(problems)} 件" if problems else "判定：誤りはありません"
