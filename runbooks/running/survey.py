"""A look at a whole run before it begins: what is known, what must hold, and every step, called runbooks included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runbooks.errors import RunbookError, UnreachableError
from runbooks.running import readings
from runbooks.running.readings import Found
from runbooks.running.ready import ready
from runbooks.running.scope import Instance, Reach, Scope, instances, nested, reach
from runbooks.running.session import Session, StepFailedError, explained
from runbooks.text.library import Library
from runbooks.text.records import Step


@dataclass(frozen=True)
class Planned:
    """One step for one item and machine, with the exact commands. `state` is what its check says now."""

    key: str
    title: str
    item: str
    machine: str
    check: str
    apply: str
    verify: str
    rollback: str
    no_rollback: str
    secret: str
    input_from: str
    destructive: bool
    state: str
    """`done`, `to do`, or why nobody knows."""
    unreachable: bool = False


@dataclass
class Survey:
    """A runbook of the run, what was found for it, and what it would do."""

    scope: Scope
    found: list[Found]
    steps: list[Planned | Survey] = field(default_factory=list)
    called_by: str = ""

    @property
    def reach(self) -> Reach:
        """What the whole of it touches."""
        whole = reach(self.scope)
        machines = tuple(step.machine for step in self.steps if isinstance(step, Planned) and step.machine != "local")
        whole = whole.joined(Reach(machines, (), ()))
        for step in self.steps:
            if isinstance(step, Survey):
                whole = whole.joined(step.reach)
        return whole

    def all(self) -> Iterator[Survey]:
        """This one and those below."""
        yield self
        for step in self.steps:
            if isinstance(step, Survey):
                yield from step.all()

    @property
    def refusals(self) -> list[str]:
        """Every machine that cannot be reached, once, and every precondition that does not hold, of all of it."""
        broken = [line for each in self.all() for line in readings.refusals(each.found)]
        return [*dict.fromkeys(self.unreachable.values()), *broken]

    @property
    def unreachable(self) -> dict[str, str]:
        """Machine -> why nothing could be asked there."""
        asked = {found.machine: found.said for each in self.all() for found in each.found if found.unreachable}
        return asked | {step.machine: step.state for step in self.planned if step.unreachable}

    @property
    def planned(self) -> list[Planned]:
        """Every single step of all of it."""
        return [step for each in self.all() for step in each.steps if isinstance(step, Planned)]

    @property
    def destructive(self) -> list[str]:
        """What of it cannot be undone or cuts somebody off, by title."""
        titles = [each.scope.runbook.header.title for each in self.all() if each.scope.runbook.header.destructive]
        return list(dict.fromkeys([*titles, *(step.title for step in self.planned if step.destructive)]))


def look(
    session: Session,
    library: Library,
    scope: Scope,
    built_in: Mapping[str, Any],
    *,
    resumed: bool = False,
    rehearsing: bool = False,
) -> Survey:
    """Asks everything there is to ask; with `rehearsing` also every step's check, and goes on past what fails.

    Raises StepFailedError, UnreachableError (not while rehearsing), RunbookError.
    """
    seen = Survey(scope, readings.collect(session, scope, resumed=resumed, rehearsing=rehearsing))
    for step in scope.runbook.steps:
        try:
            for instance in instances(scope, step):
                if step.runbook is None:
                    seen.steps.append(_planned(session, step, instance, rehearsing=rehearsing))
                    continue
                inner = nested(scope, step, instance, library.get(step.runbook), built_in)
                child = look(session, library, inner, built_in, resumed=resumed, rehearsing=rehearsing)
                child.called_by = step.title
                seen.steps.append(child)
        except RunbookError as error:
            if not rehearsing:
                raise
            # A fact could not be had, which is told where it was asked: what depends on it cannot be shown.
            why = str(error) if all(each.holds for each in seen.found) else readings.UNKNOWN
            seen.steps.append(
                Planned(step.id, step.title, "", "?", "", "", "", "", "", "", "", step.destructive, f"不明：{why}")
            )
    return seen


def _planned(session: Session, step: Step, instance: Instance, *, rehearsing: bool) -> Planned:
    made = ready(step, instance)
    state, unreachable = "to do", False
    if rehearsing:
        try:
            done = made.read(session, "check", made.check, made.data(session))
            state = {0: "done", 1: "to do"}.get(done.code) or explained(done, step.deadline_s)
        except (UnreachableError, StepFailedError) as error:
            state, unreachable = str(error), isinstance(error, UnreachableError)
    return Planned(
        instance.key,
        step.title,
        instance.item,
        instance.machine,
        made.check,
        made.apply,
        made.verify,
        made.rollback,
        step.no_rollback or "",
        made.secret,
        made.input_from,
        step.destructive,
        state,
        unreachable,
    )
