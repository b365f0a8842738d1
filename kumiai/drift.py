"""`kumiai drift`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .target import DomainType, OnLab, State, Uplinks, Uris, target
from .terminal import DIFFERENT, FAILURE, MALFORMED, RefusedError, emit, emit_json, tell


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("drift")(drift)


def drift(
    plan: Annotated[Path, typer.Argument(metavar="DIR", help="計画フォルダー")],
    state: State = None,
    domain_type: DomainType = "kvm",
    uris: Uris = None,
    uplinks: Uplinks = None,
    on_lab: OnLab = False,
    images: Annotated[bool, typer.Option("--images", help="ホストにあるベースイメージの内容も読んで確かめる")] = False,
    deadline_s: Annotated[
        float, typer.Option("--deadline", min=1.0, metavar="S", help="ホストごとの制限時間（秒）")
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """計画、Pulumi の状態、実機（libvirt とネットワーク）を比べる。差分があれば終了コード 4。"""
    where = target(state=state, uris=uris, domain_type=domain_type, on_lab=on_lab, uplinks=uplinks)
    from infra import settings
    from infra.engine import EngineError
    from infra.inspection import drift as comparing
    from infra.recovery.checkpoint import CheckpointError
    from infra.refusal import RefusalError
    from layout import folder

    read = folder.read(plan.resolve())
    try:
        chosen = settings.Settings(
            read.path,
            settings.domain_type(where.domain_type),
            {} if where.uris is None else settings.read_uris(where.uris),
            where.uris,
        )
        found = comparing.drift(
            read.layout, chosen, state=where.state, uplinks=where.uplinks, images=images, deadline_s=deadline_s,
            progress=tell,
        )  # fmt: skip
    except RefusalError as refusal:
        raise RefusedError(str(refusal), exit_code=MALFORMED) from None
    except (EngineError, CheckpointError) as error:
        raise RefusedError(*str(error).splitlines(), exit_code=FAILURE) from None
    if as_json:
        emit_json(
            {
                "format_version": "1.0",
                "verdict": found.verdict,
                "layout_digest": read.layout_digest,
                "differences": [{**asdict(each), "line": each.line} for each in found.differences],
                "down": found.down,
                "notes": list(found.notes),
            }
        )
    else:
        emit(found.verdict)
        for each in found.differences:
            emit(f"  {each.line}")
        for host, reason in found.down.items():
            tell(f"ホスト「{host}」：{reason}（このホストの仮想サーバは調べていません）")
        for note in found.notes:
            tell(note)
    if found.differences:
        raise typer.Exit(DIFFERENT)
