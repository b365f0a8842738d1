"""`kumiai deploy`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .target import DomainType, OnLab, State, Uris, target
from .terminal import FAILURE, MALFORMED, UNFIT, RefusedError, emit, emit_json, tell


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("deploy")(deploy)


def deploy(
    plan: Annotated[Path, typer.Argument(metavar="DIR", help="計画フォルダー")],
    state: State = None,
    domain_type: DomainType = "kvm",
    uris: Uris = None,
    on_lab: OnLab = False,
    deadline_s: Annotated[
        float, typer.Option("--deadline", min=1.0, metavar="S", help="スタックごとの制限時間（秒）")
    ] = 600.0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """計画のスタックを順に構築し、直後の pulumi preview に差分がないことを確かめる。"""
    where = target(state=state, uris=uris, domain_type=domain_type, on_lab=on_lab)
    from infra import deploy as building
    from infra.refusal import RefusalError

    try:
        result = building.deploy(
            plan,
            state=where.state,
            domain_type=where.domain_type,
            uris=where.uris,
            deadline_s=deadline_s,
            progress=tell,
        )
    except RefusalError as refusal:
        raise RefusedError(str(refusal), exit_code=UNFIT if refusal.unfit else MALFORMED) from None
    except building.DeployError as error:
        raise RefusedError(*str(error).splitlines(), exit_code=FAILURE) from None
    if as_json:
        emit_json(
            {
                "format_version": "1.0",
                "verdict": result.verdict,
                "layout_digest": result.plan.layout_digest,
                "generation": result.plan.layout.generation,
                "stacks": [asdict(stack) for stack in result.stacks],
            }
        )
        return
    emit(result.verdict)
    for stack in result.stacks:
        emit(
            f"  {stack.name}  作成 {stack.created}、更新 {stack.updated}、削除 {stack.deleted}、"
            f"変更なし {stack.unchanged}（{stack.seconds:.1f} 秒）"
        )
