"""`kumiai guard`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .target import DomainType, OnLab, State, Target, Uris, target
from .terminal import MALFORMED, UNFIT, RefusedError, emit, emit_json, tell

if TYPE_CHECKING:
    from infra.guarding.guard import Judgement
    from infra.guarding.preview import Preview
    from layout.folder import PlanFolder


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("guard")(guard)


def guard(
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="pulumi preview --json の出力（省略または - なら標準入力）")
    ] = "-",
    plan: Annotated[Path | None, typer.Option("--plan", metavar="DIR", help="計画フォルダー")] = None,
    uris: Uris = None,
    on_lab: OnLab = False,
    state: State = None,
    domain_type: DomainType = "kvm",
    offline: Annotated[bool, typer.Option("--offline", help="ホストに問い合わせない")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """pulumi preview --json を読み、電源断・データ消失・黙って捨てられる変更を拒否する（終了コード 3）。"""
    if plan is None:
        raise RefusedError("--plan に計画フォルダーを指定してください")
    where = target(state=state, uris=uris, domain_type=domain_type, on_lab=on_lab)
    from infra.guarding import preview
    from layout import folder

    read = folder.read(plan.resolve())
    try:
        given = preview.read(_bytes(file, preview.MOST_BYTES))
    except preview.PreviewError as error:
        raise RefusedError(f"{'標準入力' if file == '-' else file[:200]}: {error}") from None
    judged = _judge(given, read, where, offline=offline)
    if as_json:
        emit_json(
            {
                "format_version": "1.0",
                "verdict": judged.verdict,
                "stack": judged.stack,
                "refused": bool(judged.refusals),
                "changes": judged.changes,
                "refusals": [asdict(each) for each in judged.refusals],
                "notes": list(judged.notes),
            }
        )
    else:
        emit(judged.verdict)
        for each in judged.refusals:
            emit(f"  {each.line}")
        for note in judged.notes:
            tell(note)
    if judged.refusals:
        raise typer.Exit(UNFIT)


def _judge(given: Preview, plan: PlanFolder, where: Target, *, offline: bool) -> Judgement:
    from infra import admission, settings
    from infra.guarding import guard
    from infra.observing import observation
    from infra.refusal import RefusalError

    if offline:
        return guard.judge(given, plan)
    try:
        chosen = settings.Settings(plan.path, uris={} if where.uris is None else settings.read_uris(where.uris))
        hosts = guard.hosts_to_ask(given, plan)
        asked = {host.id: admission.uri_of(host, chosen) for host in plan.layout.hosts if host.id in hosts}
    except RefusalError as refusal:
        raise RefusedError(str(refusal), exit_code=MALFORMED) from None
    return guard.judge(given, plan, observation.observe_all(asked))


def _bytes(file: str, most: int) -> bytes:
    """One byte more than may be, so that whoever reads it sees that it is too much. Raises RefusedError."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(most + 1)
        with Path(file).open("rb") as source:
            return source.read(most + 1)
    except FileNotFoundError:
        raise RefusedError(f"{file[:200]}: ファイルがありません") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "名前が使えません"
        raise RefusedError(f"{file[:200]!r}: 読めません（{reason}）") from None
