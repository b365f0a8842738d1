"""`kumiai simulate`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from .simulate_trace import replay
from .terminal import RefusedError, emit, emit_text, progress_bar

SHOWN_JOBS = 8


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("simulate")(simulate)


def simulate(
    directory: Annotated[Path | None, typer.Argument(metavar="DIR", help="計画フォルダー")] = None,
    trace: Annotated[Path | None, typer.Option(metavar="DIR", help="トレースのフォルダー")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="OUT", help="トレースの結果")] = None,
    week: Annotated[str, typer.Option(help="週に含まれる日付 (YYYY-MM-DD)、または tightest")] = "tightest",
    engine: Annotated[str, typer.Option(help="simpy（参照実装）")] = "simpy",
    repeat: Annotated[int, typer.Option("--replications", min=1, max=100_000, help="反復回数")] = 20,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="乱数の種")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """最も混む週を、処理量を乱して繰り返し模擬する。または他者のトレースを再生する。"""
    if engine != "simpy":
        raise RefusedError(f"--engine: 知らない計算方法です（{engine}）。simpy を指定してください")
    if trace is not None and directory is None:
        replay(trace, output, "simpy", as_json)
    elif directory is not None and trace is None:
        if output is not None:
            raise RefusedError("-o OUT は --trace のときだけ使います。計画の結果はそのフォルダーに入ります")
        _week(directory, week, repeat, seed, as_json=as_json)
    else:
        raise RefusedError("計画フォルダー DIR か --trace DIR のどちらか一方を指定してください")


def _week(directory: Path, week: str, repeat: int, seed: int, *, as_json: bool) -> None:
    try:
        day = None if week == "tightest" else date.fromisoformat(week)
    except ValueError:
        raise RefusedError(f"--week: 日付が正しくありません（{week}）。YYYY-MM-DD か tightest です") from None
    from capacity.simulation import study
    from capacity.simulation.settings import Settings
    from layout import folder

    plan = folder.read_planned(directory)
    settings = Settings(week=day or "tightest", engine="simpy", replications=repeat, seed=seed)
    with progress_bar() as progress:
        result = study.simulate_plan(plan, settings, progress=progress)
    study.write(plan, result)
    if as_json:
        emit_text(result.model_dump_json(indent=1))
        return
    emit(result.verdict)
    emit(f"計画より遅く終わりやすい業務（実行 {result.runs:,} 件、{result.replications} 回反復）：")
    for job in result.jobs[:SHOWN_JOBS]:
        interval = "" if job.delay_s.half_width_95 is None else f" ± {job.delay_s.half_width_95 / 60:.1f}"
        emit(
            f"  {job.label}：計画終了から平均 {_minutes(job.delay_s.mean)}{interval} 分、"
            f"95 % 点 {_minutes(job.delay_s.p95)} 分、枠の超過 {job.overrun_share:.1%}、期限遅れ {job.late_share:.1%}"
        )


def _minutes(seconds: float) -> str:
    """Signed minutes with one digit; what rounds to nothing is +0.0, never -0.0."""
    return f"{round(seconds / 60, 1) + 0.0:+.1f}"
