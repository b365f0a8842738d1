"""`kumiai import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .terminal import RefusedError, emit, emit_json

if TYPE_CHECKING:
    from capacity.imports import ImportedTrace


FORMATS = ("surf", "swf", "bitbrains")
LOADS = ("demand", "online")


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("import")(import_trace)


def import_trace(
    kind: Annotated[
        str,
        typer.Argument(metavar="FORMAT", help="surf（OpenDC）、swf（Standard Workload Format）、bitbrains（GWA-T-12）"),
    ],
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="元のファイルまたはフォルダー")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="TRACEDIR", help="トレースのフォルダー")],
    hosts: Annotated[Path | None, typer.Option(metavar="JSON", help="surf：ホストのファイル")] = None,
    load: Annotated[
        str | None,
        typer.Option(
            "--as", help="bitbrains：demand（足りない分は後で処理、既定）または online（足りない分は失われる）"
        ),
    ] = None,
    host_cores: Annotated[
        float | None, typer.Option(metavar="CORES", help="bitbrains：ホストのコア数（既定は全 VM の合計）")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """他者の記録を、kumiai simulate --trace で再生できるフォルダーにする。"""
    if kind not in FORMATS:
        raise RefusedError(f"FORMAT: 知らない形式です（{kind}）。{'、'.join(FORMATS)} のどれかを指定してください")
    if load not in (None, *LOADS):
        raise RefusedError(f"--as: {'、'.join(LOADS)} のどれかです（{load}）")
    if hosts is not None and kind != "surf":
        raise RefusedError("--hosts は surf のときだけ使います")
    if (load is not None or host_cores is not None) and kind != "bitbrains":
        raise RefusedError("--as と --host-cores は bitbrains のときだけ使います")
    if host_cores is not None and not 0 < host_cores <= 1e9:
        raise RefusedError(f"--host-cores: 0 より大きい数です（{host_cores:g}）")
    from capacity.simulation import traces

    try:
        traces.check_trace_replaceable(output)
        trace = _read(kind, source, hosts, load == "online", host_cores)
        document = trace.document()
        traces.write_trace(output, trace.tables, document)
    except traces.TraceError as error:
        raise RefusedError(*error.problems) from None
    if as_json:
        emit_json(document)
        return
    emit(str(document["verdict"]))
    for label, lines in (
        ("元のファイル", trace.source),
        ("単位", trace.units),
        ("除いたもの・まとめたもの", trace.notes),
    ):
        emit(f"{label}：" + ("" if lines else "なし"))
        for line in lines:
            emit(f"  {line}")
    emit(f"結果：{output}")


def _read(kind: str, source: Path, hosts: Path | None, online: bool, host_cores: float | None) -> ImportedTrace:
    if kind == "surf":
        from capacity.imports.surf import read_surf

        return read_surf(source, hosts)
    if kind == "swf":
        from capacity.imports.swf import read_swf

        return read_swf(source)
    from capacity.imports.bitbrains import read_bitbrains

    return read_bitbrains(source, load="online" if online else "demand", host_cores=host_cores)
