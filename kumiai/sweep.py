"""`kumiai sweep`."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .estate_files import findings
from .terminal import FAILURE, OK, RefusedError, emit, emit_json, emit_text, progress_bar, stdout, tell

if TYPE_CHECKING:
    from rich.table import Table

    from capacity.sweep.execution import Runner
    from capacity.sweep.summary import Mean, ScenarioFigure, SweepSummary

_ADDRESS = re.compile(r"tcp://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
_SHOWN_FAILURES, _SHOWN_SCENARIOS, _SHOWN_FIGURES = 20, 50, 3


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("sweep")(sweep)


def sweep(
    scenario_file: Annotated[Path, typer.Argument(metavar="SCENARIOS.yaml", help="条件のファイル")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="結果のフォルダー（続きにも使う）")],
    workers: Annotated[
        int | None, typer.Option(min=1, max=1024, help="この計算機で動かすプロセスの数（省略時は CPU の数）")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="tcp://HOST:PORT", help="dask.distributed のスケジューラー")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """計画を、条件の組み合わせと乱数の種のすべてで模擬して比べる。中断しても続きから始まる。"""
    runner = _runner(workers, scheduler)
    from capacity.sweep.reader import read_sweep
    from estate import EstateErrors

    try:
        wanted = read_sweep(scenario_file)
    except EstateErrors as errors:
        if as_json:
            emit_json(findings(errors.problems))
        raise RefusedError(*map(str, errors.problems), exit_code=errors.exit_code) from None

    from capacity.sweep import execution
    from capacity.sweep.cluster import ClusterError
    from capacity.sweep.store import StoreError

    begun = False

    def told(line: str, share: float) -> None:
        nonlocal begun
        begun = True
        progress(line, share)

    try:
        with progress_bar() as progress:
            summary = execution.sweep(wanted, output, runner, progress=told, tell=tell)
        begun = False
    except StoreError as error:
        raise RefusedError(str(error), exit_code=error.exit_code) from None
    except ClusterError as error:
        raise RefusedError(str(error), exit_code=FAILURE) from None
    finally:
        if begun:
            tell(f"済んだ模擬は {output} に残っています。同じコマンドで続きから始まります")
    _show(summary, output, as_json=as_json)
    raise typer.Exit(FAILURE if summary.failed else OK)


def _runner(workers: int | None, scheduler: str | None) -> Runner:
    from capacity.sweep import cluster, local, task

    if scheduler is None:
        return partial(local.run, work=task.run, workers=workers or len(os.sched_getaffinity(0)))
    if workers is not None:
        raise RefusedError("--workers と --scheduler は一緒に使えません。計算機の数はクラスターの側で決まります")
    if not _ADDRESS.fullmatch(scheduler):
        raise RefusedError(f"--scheduler: アドレスが正しくありません（{scheduler}）。tcp://127.0.0.1:8786 の形です")
    return partial(cluster.run, work=task.run, scheduler=scheduler)


def _show(summary: SweepSummary, output: Path, *, as_json: bool) -> None:
    for failure in summary.failed[:_SHOWN_FAILURES]:
        tell(f"結果なし：{failure.scenario}、種 {failure.seed}：{failure.reason}")
    if len(summary.failed) > _SHOWN_FAILURES:
        tell(f"ほか {len(summary.failed) - _SHOWN_FAILURES:,} 回も結果がありません")
    if as_json:
        emit_text(summary.model_dump_json(indent=1))
        return
    emit(summary.verdict)
    emit("値、その 95 % 区間、最初の条件との差（同じ種どうしの差の平均）：")
    _print(_table(summary))
    if len(summary.scenarios) > _SHOWN_SCENARIOS:
        emit(f"ほか {len(summary.scenarios) - _SHOWN_SCENARIOS:,} 条件は {output}/summary.json にあります")
    emit(f"結果：{output}/results.parquet")


def _table(summary: SweepSummary) -> Table:
    """Scenarios by main figures: the value, its 95 % interval, and the difference to the first scenario."""
    from rich import box
    from rich.table import Table

    from capacity.sweep.summary import main_figures, scale
    from estate.problems import visible

    names = main_figures(summary)[:_SHOWN_FIGURES]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("条件", overflow="fold")
    table.add_column("種", justify="right")
    for name in names:
        label, unit, _ = scale(name)
        table.add_column(f"{label}（{unit}）", justify="right")
    for scenario in summary.scenarios[:_SHOWN_SCENARIOS]:
        by_name = {figure.name: figure for figure in scenario.figures}
        table.add_row(visible(scenario.name), f"{scenario.seeds:,}", *(_cell(by_name.get(name)) for name in names))
    return table


def _cell(figure: ScenarioFigure | None) -> str:
    if figure is None:
        return "-"
    lines = [_number(figure.name, figure.value.mean), _interval(figure.name, figure.value)]
    if figure.difference is not None:
        difference = _number(figure.name, figure.difference.mean, "+")
        lines.append(f"差 {difference} {_interval(figure.name, figure.difference, '+')}".rstrip())
    return "\n".join(line for line in lines if line)


def _interval(name: str, mean: Mean, sign: str = "") -> str:
    if mean.low_95 is None or mean.high_95 is None:
        return ""
    return f"[{_number(name, mean.low_95, sign)}, {_number(name, mean.high_95, sign)}]"


def _number(name: str, value: float, sign: str = "") -> str:
    from capacity.sweep.summary import spoken

    return spoken(name, value, sign)


def _print(table: Table) -> None:
    """The table as wide as the terminal; in a pipe as wide as it is, for nothing of it may be cut off."""
    from rich.console import Console

    (stdout if stdout.is_terminal else Console(width=10_000, highlight=False, markup=False)).print(table)
