"""`kumiai calibrate`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from .terminal import FAILURE, UNFIT, RefusedError, emit_json, emit_text, tell, tell_all

FORMATS = ("jobs", "sysstat", "prometheus")


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("calibrate")(calibrate)


def calibrate(
    logs: Annotated[
        list[Path], typer.Argument(metavar="LOGS…", help="実行記録（CSV：job, tenant, start, end, units）")
    ],
    kind: Annotated[
        str,
        typer.Option("--format", help="jobs（実行記録）、sysstat（sadf -d の出力）、prometheus（CSV）"),
    ] = "jobs",
    vcpu: Annotated[float | None, typer.Option(help="sysstat：VM の vCPU 数（記録に再起動の行がないとき）")] = None,
    population: Annotated[int | None, typer.Option(min=1, help="sysstat、prometheus：その VM が受け持つ住民数")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="YAML を書くファイル")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """実行記録や負荷の記録から、構成ファイルやカタログに貼る値（根拠 measured）を求める。"""
    if kind not in FORMATS:
        raise RefusedError(f"--format: 知らない形式です（{kind}）。{'、'.join(FORMATS)} のどれかを指定してください")
    if kind == "jobs" and (vcpu is not None or population is not None):
        raise RefusedError("--vcpu と --population は sysstat と prometheus のときだけ使います")
    if vcpu is not None and not 0 < vcpu <= 1e5:
        raise RefusedError(f"--vcpu: 0 より大きい数です（{vcpu:g}）")
    if kind != "jobs" and len(logs) != 1:
        raise RefusedError("sysstat と prometheus の記録は 1 つずつ指定してください")
    if output is not None and output.is_dir():
        raise RefusedError(f"{output}: フォルダーです。ファイルの名前を指定してください")
    if kind == "jobs":
        document, block = _jobs(logs)
    else:
        document, block = _load(logs[0], kind, vcpu, population)
    if output is not None and block:
        from layout import exchange

        try:
            exchange.replace_file(output, f"# {document['verdict']}\n{block}".encode())
        except OSError as error:
            raise RefusedError(f"{output}: 書き込めません（{error.strerror}）", exit_code=FAILURE) from None
    if as_json:
        emit_json({**document, "yaml": block})
    else:
        emit_text(f"# {document['verdict']}\n{block}")
    if not block:
        raise RefusedError("貼り付ける値がありません", exit_code=UNFIT)


def _jobs(logs: list[Path]) -> tuple[dict[str, object], str]:
    from capacity.calibration import override
    from capacity.calibration.fit import calibrate as fitted
    from capacity.calibration.job_logs import read_job_logs
    from capacity.simulation.traces import TraceError

    try:
        log = read_job_logs(logs)
    except TraceError as error:
        raise RefusedError(*error.problems) from None
    found = fitted(log)
    refused = [f"{override.label(item.tenant, item.system, item.job)}：{item.reason}" for item in found.refusals]
    # A row may be far from its tenant's line and from everybody's; it is named once.
    outliers = {line.split(": ")[0]: line for fit in reversed(found.fits) for line in fit.outliers}
    tell_all([*refused, *override.remarks(found.fits), *outliers.values()])
    verdict = f"判定：{len(found.fits)} 件のジョブの値を {len(log.runs):,} 行から求めました"
    if refused:
        verdict += f"（{len(refused)} 件は求められません）"
    return {
        "format_version": "1.0",
        "verdict": verdict,
        "source": found.source,
        "jobs": [dataclasses.asdict(fit) for fit in found.fits],
        "refused": [dataclasses.asdict(refusal) for refusal in found.refusals],
    }, override.measured_block(found)


def _load(path: Path, kind: str, vcpu: float | None, population: int | None) -> tuple[dict[str, object], str]:
    from capacity.calibration import load_records
    from capacity.calibration.online_profile import DayShape, Unshaped, day_shape, online_block
    from capacity.simulation.traces import TraceError

    try:
        record = load_records.read_sysstat(path, vcpu) if kind == "sysstat" else load_records.read_prometheus(path)
    except TraceError as error:
        raise RefusedError(*error.problems) from None
    found = [day_shape(series) for series in record.series]
    shapes = [shape for shape in found if isinstance(shape, DayShape)]
    for refusal in found:
        if isinstance(refusal, Unshaped):
            tell(f"{refusal.name}：{refusal.reason}")
    return {
        "format_version": "1.0",
        "verdict": f"判定：{len(shapes)} 台の VM のオンライン負荷の形を求めました",
        "source": record.source,
        "vms": [dataclasses.asdict(shape) for shape in shapes],
    }, online_block(record, shapes, population) if shapes else ""
