"""A run from its first line in the journal to its last: look, agree, do, and undo where something fails."""

from __future__ import annotations

import secrets as random_source
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from runbooks.errors import ConflictError, JournalError, RunbookError, UnreachableError
from runbooks.reaching.transport import Transport
from runbooks.running import confirmation, resume, scope, survey
from runbooks.running.confirmation import Consent
from runbooks.running.journal import Journal
from runbooks.running.provenance import commit
from runbooks.running.scope import Reach, Scope
from runbooks.running.session import RefusedError, Session, StepFailedError, StoppedError
from runbooks.running.steps import Past, Walk, roll_back
from runbooks.running.survey import Survey
from runbooks.text.library import Library
from runbooks.text.names import Site, built_in

Outcome = Literal["done", "failed", "refused", "stopped", "rehearsed", "rolled back"]
SILENT_HOST = (
    "壊れて答えないホストなら：電源を入れて戻れば手順書 restart-host-vms、二度と戻らなければ restore-dead-host-vms です"
)


@dataclass(frozen=True)
class Request:
    """What is asked for: a runbook, its parameters as text, by whom; or an interrupted run to go on with."""

    name: str
    parameters: Mapping[str, str]
    operator: str
    dry_run: bool = False
    resume: str | None = None
    roll_back: bool = False
    """With `resume`: undo what the run did, instead of going on."""


@dataclass(frozen=True)
class Result:
    """How a run ended; `lines` say why, in Japanese."""

    outcome: Outcome
    run: str
    lines: list[str] = field(default_factory=list)
    survey: Survey | None = None
    applied: int = 0
    skipped: int = 0


def carry_out(
    request: Request,
    site: Site,
    library: Library,
    transport: Callable[[], Transport],
    journal: Journal,
    *,
    consent: Consent,
    tell: Callable[[str], None] = lambda _: None,
    stop_asked: Callable[[], bool] = lambda: False,
) -> Result:
    """Carries a request out. Raises RunbookError, EstateErrors, JournalError before anything is touched.

    An exception that is none of these (a second Ctrl-C, a bug) leaves a run that can be resumed.
    """
    past = resume.read(journal, request.resume) if request.resume else None
    run_id = request.resume or _run_id()
    runbook = library.get(request.name)
    given = dict(request.parameters)
    if past is not None:
        resume.require_same(past, runbook, request.parameters, site.layout_digest)
        given = past.parameters
    with tempfile.TemporaryDirectory(prefix=f"kumiai-{request.name}-") as work:
        names = built_in(
            site, operator=request.operator, run_id=run_id, now=past.now if past else _now(), work=Path(work)
        )
        top = scope.enter(runbook, given, site.layout, names)
        hands = transport()
        session = Session(
            run_id,
            request.operator,
            journal,
            hands,
            tell,
            stop_asked,
            site.state,
            Path(work),
            runbook.header.deadline_s,
        )
        try:
            touched = scope.accessed(scope.reach(top), site.layout)
            session.note(
                "resumed" if past else "rehearsal" if request.dry_run else "started",
                runbook=runbook.name,
                runbook_digest=runbook.digest,
                plan=str(site.plan),
                layout_digest=site.layout_digest,
                generation=site.layout.generation,
                commit=commit(),
                parameters=given,
                now=names["now"],
                # From the first line on: a look at somebody's systems is an access, also when nothing comes of it.
                **asdict(touched),
            )
            result = _ended(request, session, library, top, names, consent, past)
            session.note("ended", outcome=result.outcome, lines=[session.black(line) for line in result.lines])
            return result
        finally:
            hands.close()


def _ended(
    request: Request,
    session: Session,
    library: Library,
    top: Scope,
    names: Mapping[str, Any],
    consent: Consent,
    past: resume.Earlier | None,
) -> Result:
    walk = Walk(session, library, names, past.past if past else Past())
    seen: Survey | None = None
    try:
        if request.dry_run:
            seen = survey.look(session, library, top, names, rehearsing=True)
            _note_reach(session, seen)
            return Result("rehearsed", session.run, seen.refusals, seen)
        session.transport.hold("local", session.run, f"{request.operator} {session.run}", 0)
        session.lock(list(scope.reach(top).hosts))
        if request.roll_back and past is not None:
            session.lock([each.machine for each in past.order])
            walk.undo = list(past.order)
            roll_back(session, walk.undo)
            return Result("rolled back", session.run)
        if past is not None:
            _wait_for_orphans(session, past)
        # What is asked once may be left out only where it was asked: a run that changed nothing may have ended before.
        seen = survey.look(session, library, top, names, resumed=past is not None and bool(past.past.facts))
        if seen.refusals:
            _note_reach(session, seen)
            raise RefusedError(seen.refusals)  # noqa: TRY301 - all refusals end in one place
        session.lock(list(seen.reach.hosts))
        _agree(session, seen, consent)
        session.begin()
        walk.run(top)
    except RefusedError as error:
        return Result("refused", session.run, error.lines, seen)
    except UnreachableError as error:
        lines = [*str(error).splitlines(), SILENT_HOST]
        return Result("failed", session.run, lines, seen, walk.applied, walk.skipped)
    except (ConflictError, StepFailedError) as error:
        return Result("failed", session.run, str(error).splitlines(), seen, walk.applied, walk.skipped)
    except StoppedError:
        return Result("stopped", session.run, [], seen, walk.applied, walk.skipped)
    if walk.failed:
        return Result("failed", session.run, walk.failed, seen, walk.applied, walk.skipped)
    return Result("done", session.run, [], seen, walk.applied, walk.skipped)


def _wait_for_orphans(session: Session, past: resume.Earlier) -> None:
    """Waits for the command that a runner left behind when it was killed: what is seen meanwhile is no answer."""
    for each in past.order:
        if each.key not in past.past.done:
            session.lock([each.machine])
            session.wait_for_change(each.key, each.machine, each.deadline_s, sudo=each.sudo)


def _agree(session: Session, seen: Survey, consent: Consent) -> None:
    for line in confirmation.text(seen, session.operator):
        session.tell(line)
    try:
        how = confirmation.require(seen, consent)
    except RunbookError as error:
        session.note("not_confirmed", reason=str(error))
        session.note("ended", outcome="not confirmed", lines=[str(error)])
        raise
    session.note("confirmed", how=how, **asdict(_accessed(seen)))


def _note_reach(session: Session, seen: Survey) -> None:
    """Whose systems a run that changes nothing has looked at, the runbooks that it would have called included."""
    session.note("looked_at", **asdict(_accessed(seen)))


def _accessed(seen: Survey) -> Reach:
    return scope.accessed(seen.reach, seen.scope.names["layout"])


def _run_id() -> str:
    return f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{random_source.token_hex(3)}"


def _now() -> datetime:
    return datetime.now().astimezone()


__all__ = ["JournalError", "Request", "Result", "carry_out"]
