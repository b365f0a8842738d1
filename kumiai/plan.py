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
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="OLD", help="前の計画フォルダー。変えずに済むものを変えない")
    ] = None,
    move: Annotated[
        list[str] | None, typer.Option("--move", metavar="VM=HOST", help="仮想サーバの移動先を指定する（--keep と）")
    ] = None,
    without_host: Annotated[
        list[str] | None, typer.Option("--without-host", metavar="HOST", help="このホストを使わない（--keep と）")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """暦、バッチ枠、配置を決め、検査済みの計画フォルダーを書く。"""
    import estate
    import planning
    from layout import folder

    if keep is None and (move or without_host):
        raise RefusedError("--move と --without-host は --keep と一緒に使います")
    moves = _moves(move or [])
    kept = None if keep is None else folder.read_planned(keep)
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
            record = planning.plan(
                resolved, output, seed=seed, keep=kept, moves=moves, without=without_host or (), progress=progress
            )
    except planning.AddressSpaceError as error:
        raise RefusedError(str(error), exit_code=UNFIT) from None
    except planning.WishError as error:
        raise RefusedError(str(error), exit_code=error.exit_code) from None
    if as_json:
        emit_json(record.model_dump(mode="json"))
    else:
        emit(record.verdict)
        for line in planning.summary(record, planning.site_names(resolved)):
            emit(line)
        if kept is not None:
            for line in planning.change_lines(record):
                emit(line)
        emit(f"計画フォルダー：{output}")
    raise typer.Exit(OK if record.fits else UNFIT)


def _moves(wishes: list[str]) -> dict[str, str]:
    """Host by VM of `--move VM=HOST`."""
    moves: dict[str, str] = {}
    for wish in wishes:
        vm, separator, host = wish.partition("=")
        if not (vm and separator and host):
            raise RefusedError(f"--move {wish[:80]}: VM=HOST の形で指定してください")
        if moves.setdefault(vm, host) != host:
            raise RefusedError(f"--move {vm[:80]}: 移動先が二つあります（{moves[vm][:80]} と {host[:80]}）")
    return moves
