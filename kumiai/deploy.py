"""`kumiai deploy`."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .target import DomainType, OnLab, State, Uris, target
from .terminal import FAILURE, MALFORMED, UNFIT, RefusedError, emit, emit_json, tell

if TYPE_CHECKING:
    from infra.deployment.deploy import DeployResult


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("deploy")(deploy)


def deploy(
    plan: Annotated[Path | None, typer.Argument(metavar="DIR", help="計画フォルダー")] = None,
    state: State = None,
    domain_type: DomainType = "kvm",
    uris: Uris = None,
    on_lab: OnLab = False,
    stack: Annotated[
        list[str] | None, typer.Option("--stack", metavar="NAME", help="このスタックだけを構築する（繰り返せる）")
    ] = None,
    start: Annotated[str, typer.Option(metavar="all|none|VM,VM…", help="作成したときに起動する仮想サーバ")] = "all",
    parallel: Annotated[int, typer.Option(min=1, max=16, metavar="N", help="同時に構築するスタックの数")] = 3,
    skip_host: Annotated[
        list[str] | None, typer.Option("--skip-host", metavar="H", help="このホストに触れない（繰り返せる）")
    ] = None,
    adopt: Annotated[
        list[str] | None,
        typer.Option("--adopt", metavar="VM", help="残っているディスクからこの仮想サーバを組み直す（繰り返せる）"),
    ] = None,
    remove_orphan: Annotated[
        list[str] | None,
        typer.Option(
            "--remove-orphan",
            metavar="NAME",
            help="Pulumi の状態にない、停止中の仮想サーバの定義か、使われていないボリュームを消す（繰り返せる）",
        ),
    ] = None,
    after: Annotated[
        str,
        typer.Option(
            "--after",
            metavar="VM",
            help="この仮想サーバの手順の終わりに使う。ほかの仮想サーバの手順だけが残っていれば、"
            "構築せずに示して終わる（終了コード 0）",
        ),
    ] = "",
    deadline_s: Annotated[
        float, typer.Option("--deadline", min=1.0, metavar="S", help="スタックごとの制限時間（秒）")
    ] = 600.0,
    environment: Annotated[
        bool, typer.Option("--env", help="構築せず、--stack のスタックを pulumi で手で扱うための環境変数を書き出す")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """計画のスタックを順に構築し、直後の pulumi preview に差分がないことを確かめる。"""
    where = target(state=state, uris=uris, domain_type=domain_type, on_lab=on_lab)
    if environment:
        _write_environment(where.state, stack or [])
        return
    if plan is None:
        raise RefusedError("計画フォルダーを指定してください（kumiai deploy DIR）", exit_code=MALFORMED)
    from infra.deployment import deploy as building
    from infra.refusal import RefusalError

    try:
        result = building.deploy(
            plan,
            state=where.state,
            domain_type=where.domain_type,
            uris=where.uris,
            deadline_s=deadline_s,
            stacks=stack,
            start=start,
            parallel=parallel,
            skip_hosts=skip_host or (),
            adopt=adopt or (),
            remove_orphans=remove_orphan or (),
            after=after,
            progress=tell,
        )
    except RefusalError as refusal:
        raise RefusedError(*str(refusal).splitlines(), exit_code=UNFIT if refusal.unfit else MALFORMED) from None
    except building.DeployError as error:
        raise RefusedError(*str(error).splitlines(), exit_code=FAILURE) from None
    (_emit_json if as_json else _emit)(result)
    if not result.complete:
        raise typer.Exit(FAILURE)


def _emit_json(result: DeployResult) -> None:
    emit_json(
        {
            "format_version": "1.0",
            "verdict": result.verdict,
            "layout_digest": result.plan.layout_digest,
            "generation": result.plan.layout.generation,
            "stacks": [asdict(stack) for stack in result.stacks],
            "left_out": [asdict(each) for each in result.left_out],
            "waiting": list(result.waiting),
        }
    )


def _emit(result: DeployResult) -> None:
    emit(result.verdict)
    for stack in result.stacks:
        emit(
            f"  {stack.name}  作成 {stack.created}、更新 {stack.updated}、削除 {stack.deleted}、"
            f"変更なし {stack.unchanged}（{stack.seconds:.1f} 秒）"
        )
    for line in result.waiting:
        emit(f"  {line}")
    for each in result.left_out:
        emit(f"  除いたホスト {each.host}（{each.reason}）")
        for vm in each.vms:
            emit(f"    {vm}  触れていません")


def _write_environment(state: Path, stacks: list[str]) -> None:
    """Lines for `eval`. What the shell has already is left out: the lines may be pasted, and pasted text is seen."""
    from infra.deployment import by_hand
    from infra.engine import EngineError

    if len(stacks) != 1:
        raise RefusedError("--env にはスタックを一つ指定してください（--stack NAME）", exit_code=MALFORMED)
    try:
        variables = by_hand.engine_environment(state, stacks[0])
    except EngineError as error:
        raise RefusedError(*str(error).splitlines(), exit_code=FAILURE) from None
    for name, value in variables.items():
        if os.environ.get(name) != value:
            emit(f"export {name}={shlex.quote(value)}")
