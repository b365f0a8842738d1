"""`kumiai simulate`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from .terminal import RefusedError, emit, emit_json, progress_bar


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("simulate")(simulate)


def simulate(
    directory: Annotated[Path | None, typer.Argument(metavar="DIR", help="計画フォルダー")] = None,
    trace: Annotated[Path | None, typer.Option(metavar="DIR", help="トレースのフォルダー")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="OUT", help="トレースの結果")] = None,
    week: Annotated[str, typer.Option(help="週に含まれる日付 (YYYY-MM-DD)、または tightest")] = "tightest",
    engine: Annotated[str, typer.Option(help="simpy（参照実装）")] = "simpy",
    replications: Annotated[int, typer.Option(min=1, max=100_000, help="反復回数")] = 20,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="乱数の種")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """最も混む週を、処理量を乱して繰り返し模擬する。または他者のトレースを再生する。"""
    if engine != "simpy":
        raise RefusedError(f"--engine: 知らない計算方法です（{engine}）。simpy を指定してください")
    if (directory is None) == (trace is None):
        raise RefusedError("計画フォルダー DIR か --trace DIR のどちらか一方を指定してください")
    if trace is not None:
        _replay(trace, output, as_json=as_json)
    elif directory is not None:
        _week(directory, week, replications, seed, as_json=as_json)


def _week(directory: Path, week: str, replications: int, seed: int, *, as_json: bool) -> None:
    from capacity.simulation import replications as engine
    from layout import folder

    try:
        chosen = "tightest" if week == "tightest" else date.fromisoformat(week)
    except ValueError:
        raise RefusedError(
            f"--week: 日付が正しくありません（{week}）。YYYY-MM-DD か tightest と書いてください"
        ) from None
    plan = folder.read(directory)
    with progress_bar() as progress:
        result = engine.simulate_folder(plan, week=chosen, replications=replications, seed=seed, progress=progress)
    engine.write(directory, result)
    if as_json:
        emit_json(result.to_json())
    else:
        for line in engine.lines(result):
            emit(line)


def _replay(trace: Path, output: Path | None, *, as_json: bool) -> None:
    from capacity.simulation import reference
    from capacity.simulation import trace as trace_files

    if output is None:
        raise RefusedError("--trace には結果のフォルダー -o OUT が要ります")
    try:
        system = trace_files.read(trace)
        result = reference.simulate(system)
        summary = trace_files.write_results(output, system, result)
    except trace_files.TraceError as error:
        raise RefusedError(*str(error).splitlines()) from None
    if as_json:
        emit_json(summary)
    else:
        emit(f"判定：再生完了 — {len(system.runs)} 件、最終終了 {summary['makespan_s']} 秒")
        emit(f"結果：{output}")
