"""`kumiai deploy`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .terminal import FAILURE, MALFORMED, UNFIT, RefusedError, emit, emit_json, tell

LAB_STATE = "pulumi"


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("deploy")(deploy)


def deploy(
    plan: Annotated[Path, typer.Argument(metavar="DIR", help="計画フォルダー")],
    state: Annotated[
        Path | None,
        typer.Option(
            "--state", metavar="DIR", help="Pulumi の状態を置くフォルダー（既定は .state、--lab なら検証環境の中）"
        ),
    ] = None,
    domain_type: Annotated[str, typer.Option("--domain-type", metavar="kvm|qemu", help="仮想化の種類")] = "kvm",
    uris: Annotated[
        Path | None, typer.Option("--uris", metavar="FILE", help="ホストから URI への JSON（計画の URI に代わる）")
    ] = None,
    on_lab: Annotated[bool, typer.Option("--lab", help="動いている検証環境に構築する（qemu とその URI）")] = False,
    deadline_s: Annotated[
        float, typer.Option("--deadline", min=1.0, metavar="S", help="スタックごとの制限時間（秒）")
    ] = 600.0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """計画のスタックを順に構築し、直後の pulumi preview に差分がないことを確かめる。"""
    if on_lab:
        if uris is not None:
            raise RefusedError("--lab と --uris は同時に使えません")
        domain_type, uris = "qemu", _lab_uris()
        # The record of what was built goes with the laboratory: a new one must not be taken for the old.
        state = state or uris.parent / LAB_STATE
    state = state or Path(".state")
    from infra import deploy as building
    from infra.refusal import RefusalError

    try:
        result = building.deploy(
            plan, state=state, domain_type=domain_type, uris=uris, deadline_s=deadline_s, progress=tell
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


def _lab_uris() -> Path:
    """The file that `kumiai lab up` writes; this command does not know the laboratory otherwise."""
    path = Path(os.environ.get("KUMIAI_LAB") or ".lab") / "uris.json"
    if not path.is_file():
        raise RefusedError(
            f"検証環境が動いていません（{path} がありません）。kumiai lab up で起動してください", exit_code=FAILURE
        )
    return path
