"""`kumiai runbook`: the group and its commands."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .interrupts import first_ctrl_c_asks
from .target import DomainType, OnLab, State, Target, Uplinks, Uris, target
from .terminal import FAILURE, INTERRUPTED, OK, UNFIT, RefusedError, emit, emit_json, emit_text, tell

if TYPE_CHECKING:
    from runbooks.running.run import Request, Result
    from runbooks.text.library import Library

Name = Annotated[str, typer.Argument(metavar="NAME", help="運用手順書の名前（kumiai runbook list）")]
Plan = Annotated[Path | None, typer.Option("--plan", metavar="DIR", help="計画フォルダー")]
Params = Annotated[list[str] | None, typer.Option("--param", metavar="名前=値", help="引数（繰り返せる）")]
Folder = Annotated[
    Path | None, typer.Option("--runbooks", metavar="DIR", help="運用手順書のフォルダー（既定は同梱のもの）")
]
JournalFolder = Annotated[
    Path | None, typer.Option("--journal", metavar="DIR", help="記録のフォルダー（既定は状態のフォルダーの journal）")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON で出力する")]


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    group = typer.Typer(no_args_is_help=True, help="運用手順書：読む、下見する、実行する、記録を見る。")
    group.command("list")(list_)
    group.command("show")(show)
    group.command("run")(run)
    group.command("journal")(journal)
    app.add_typer(group, name="runbook")


def list_(folder: Folder = None, as_json: AsJson = False) -> None:
    """運用手順書の一覧。"""
    from runbooks.text.library import everything

    with _explained():
        found = list(everything(_library(folder)))
    if as_json:
        rows = [
            {"name": each.name, "title": each.header.title, "impact": each.header.impact,
             "destructive": each.header.destructive, "parameters": list(each.header.parameters)}
            for each in found
        ]  # fmt: skip
        emit_json({"format_version": "1.0", "verdict": f"{len(rows)} 件", "runbooks": rows})
        return
    for each in found:
        emit(f"{each.name:<24}{each.header.title}")
        emit(f"{'':<24}引数：{'、'.join(each.header.parameters) or 'なし'}　影響：{each.header.impact}")


def show(name: Name, folder: Folder = None) -> None:
    """紙の手順書として Markdown で示す。"""
    from runbooks.text import paper

    with _explained():
        emit_text(paper.markdown(_library(folder).get(name)))


def run(
    name: Name,
    plan: Annotated[Path, typer.Option("--plan", metavar="DIR", help="計画フォルダー")],
    parameters: Params = None,
    operator: Annotated[
        str | None, typer.Option("--operator", metavar="ID", envvar="KUMIAI_OPERATOR", help="実行者の個人の ID")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="調べるだけで、何も変えない")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="確認を省く（破壊的な操作には効かない）")] = False,
    confirm: Annotated[
        str | None, typer.Option("--confirm", metavar="NAME", help="対象の名前（破壊的な操作の確認）")
    ] = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="RUN", help="中断した実行を続きから再開する")
    ] = None,
    roll_back: Annotated[bool, typer.Option("--rollback", help="--resume の実行を、続けずに元へ戻す")] = False,
    state: State = None,
    domain_type: DomainType = "kvm",
    uris: Uris = None,
    uplinks: Uplinks = None,
    on_lab: OnLab = False,
    journal_folder: JournalFolder = None,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """運用手順書を実行する。--dry-run は、実際の命令と、ホストごとの今の値と目標を示す。"""
    from layout.folder import read_planned
    from runbooks.reaching.machines import Machines
    from runbooks.running import operators
    from runbooks.running.confirmation import Consent
    from runbooks.running.journal import Journal
    from runbooks.running.run import Request, carry_out
    from runbooks.text.names import Site

    where = target(state=state, uris=uris, domain_type=domain_type, on_lab=on_lab, uplinks=uplinks)
    if roll_back and not resume:
        raise RefusedError("--rollback は --resume と一緒に使います")
    planned = read_planned(plan.resolve())
    with _explained():
        if not planned.run.fits and not _library(folder).get(name).header.unfit_plan:
            raise RefusedError(f"{plan}: 適合しない計画では実行しません（{planned.run.verdict}）", exit_code=UNFIT)
        request = Request(
            name,
            _pairs(parameters or ()),
            operators.require(operator),
            dry_run=dry_run,
            resume=resume,
            roll_back=roll_back,
        )
        site = Site(
            planned.layout,
            planned.path,
            where.state.resolve(),
            _uris(where),
            where.uris.resolve() if where.uris else None,
            where.uplinks.resolve() if where.uplinks else None,
            where.domain_type,
            planned.layout_digest,
        )
        record = Journal((journal_folder or where.state / "journal").resolve())
        ask = _ask if sys.stdin.isatty() and not as_json else None
        with first_ctrl_c_asks() as stop_asked:
            result = carry_out(
                request,
                site,
                _library(folder),
                lambda: Machines(site, record.folder / "locks"),
                record,
                consent=Consent(yes, confirm, ask),
                tell=tell,
                stop_asked=stop_asked,
            )
    raise typer.Exit(_told(request, result, as_json=as_json))


def journal(
    journal_folder: JournalFolder = None,
    state: State = None,
    on_lab: OnLab = False,
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="ID", help="この団体に関わる実行だけ")] = None,
    who: Annotated[str | None, typer.Option("--operator", metavar="ID", help="この実行者だけ")] = None,
    run_id: Annotated[str | None, typer.Option("--run", metavar="RUN", help="一つの実行の命令をすべて示す")] = None,
    as_json: AsJson = False,
) -> None:
    """操作とアクセスの記録を確かめ、要約する。つながりが切れていれば終了コード 1。"""
    from runbooks.running import access
    from runbooks.running.journal import Journal

    where = target(state=state, uris=None, domain_type="kvm", on_lab=on_lab)
    with _explained():
        found = access.summary(Journal((journal_folder or where.state / "journal").resolve()))
        chosen = access.chosen(found, tenant=tenant, operator=who, run=run_id)
    if as_json:
        emit_json({"format_version": "1.0", **access.document(chosen, commands=run_id is not None)})
        return
    for line in access.lines(chosen, commands=run_id is not None):
        emit(line)


def _told(request: Request, result: Result, *, as_json: bool) -> int:
    from runbooks.running import rehearsal

    verdicts: dict[str, tuple[str, int]] = {
        "done": (f"判定：完了 — 実施 {result.applied} 件、済み {result.skipped} 件", OK),
        "rehearsed": (
            "判定：下見 — 前提条件をすべて満たします" if not result.lines else "判定：下見 — 実行できません",
            OK,
        ),
        "refused": ("判定：実行しません — 前提条件を満たしません", UNFIT),
        "failed": (
            f"判定：失敗 — 原因を除いて、続きは kumiai runbook run {request.name} --resume {result.run} …"
            "（元へ戻すだけなら --rollback も付ける）",
            FAILURE,
        ),
        "stopped": (f"判定：中断 — 続きは kumiai runbook run {request.name} --resume {result.run} …", INTERRUPTED),
        "rolled back": ("判定：元へ戻しました", OK),
    }
    verdict, code = verdicts[result.outcome]
    if result.outcome == "rehearsed" and result.lines:
        code = UNFIT
    if as_json:
        document: dict[str, Any] = {
            "format_version": "1.0", "verdict": verdict, "outcome": result.outcome, "run": result.run,
            "applied": result.applied, "skipped": result.skipped, "reasons": result.lines,
        }  # fmt: skip
        if result.survey is not None:
            document["plan"] = rehearsal.document(result.survey)
        emit_json(document)
        return code
    emit(f"{verdict}（実行 {result.run}）")
    for line in result.lines:
        emit(f"  {line}")
    if result.outcome == "rehearsed" and result.survey is not None:
        for line in rehearsal.lines(result.survey):
            emit(line)
    return code


def _library(folder: Path | None) -> Library:
    from runbooks.text.library import FOLDER, Library

    return Library((folder or FOLDER).resolve())


def _uris(where: Target) -> dict[str, str]:
    from layout.connections import read_uris

    return {} if where.uris is None else read_uris(where.uris)


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for word in given:
        name, sign, text = word.partition("=")
        if not sign or not name or name in pairs:
            raise RefusedError(f"--param「{word[:80]}」: 名前=値 の形で、一つの名前は一度だけ書いてください")
        pairs[name] = text
    return pairs


def _ask(question: str) -> str:
    # Ctrl-C here means no, and nothing was done yet.
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline()


@contextmanager
def _explained() -> Iterator[None]:
    from estate.problems import EstateErrors
    from runbooks.errors import JournalError, RunbookError, UnreachableError

    try:
        yield
    except EstateErrors as errors:
        raise RefusedError(*(str(problem) for problem in errors.problems)) from None
    except RunbookError as error:
        raise RefusedError(*str(error).splitlines()) from None
    except (JournalError, UnreachableError) as error:
        raise RefusedError(*str(error).splitlines(), exit_code=FAILURE) from None
