"""`kumiai compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .interrupts import first_ctrl_c_asks
from .simulate import disturbed, settings_of
from .terminal import DIFFERENT, INTERRUPTED, OK, RefusedError, emit, emit_text, progress_bar, tell


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("compare")(compare)


def compare(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR DIR…", help="計画フォルダー。最初のものが基準")],
    week: Annotated[str | None, typer.Option(help="週に含まれる日付 (YYYY-MM-DD)、または tightest（既定）")] = None,
    night: Annotated[str | None, typer.Option(help="夜が始まる日付、または busiest")] = None,
    replications: Annotated[str | None, typer.Option(metavar="N", help="反復回数")] = None,
    load: Annotated[str | None, typer.Option(metavar="FACTOR", help="処理量の倍率")] = None,
    disturb: Annotated[str | None, typer.Option(metavar="LIST", help="乱すもの（simulate と同じ）")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="乱数の種")] = 0,
    workers: Annotated[int, typer.Option(min=1, max=256, help="並列に使う数（結果は変わらない）")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """複数の計画の同じ週（または夜）を同じ乱数で模擬し、最初の計画との差を区間つきで示す。差があれば終了コード 4。"""
    if len(directories) < 2:
        raise RefusedError("比べる計画フォルダーを 2 つ以上指定してください")
    if week is not None and night is not None:
        raise RefusedError("--week と --night はどちらか一方だけを指定してください")
    options = {
        "week": ("--week", week),
        "night": ("--night", night),
        "replications": ("--replications", replications),
        "load_factor": ("--load", load),
        "seed": ("--seed", str(seed)),
    }
    words = {field: (option, word) for field, (option, word) in options.items() if word is not None}
    settings = settings_of(words | disturbed(disturb))
    from capacity.simulation import study
    from capacity.simulation.comparison import compare_plans
    from layout import folder
    from reports import plan_comparison_text

    plans = [folder.read_planned(directory) for directory in directories]
    with progress_bar() as progress, first_ctrl_c_asks() as stop:
        try:
            result = compare_plans(
                plans, [str(path) for path in directories], settings, progress=progress, workers=workers, stop=stop
            )
        except study.NothingFinishedError:
            raise RefusedError("中断しました。終わった反復はありません。", exit_code=INTERRUPTED) from None
    if result.stopped_by == "interrupted":
        tell(f"中断しました。どの計画でも終わった {result.replications:,} 回を比べました。")
    if as_json:
        emit_text(result.model_dump_json(indent=1))
    else:
        for line in plan_comparison_text.lines(result):
            emit(line)
    raise typer.Exit(OK if result.equal else DIFFERENT)
