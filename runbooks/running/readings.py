"""Facts and preconditions: everything that is known, and asked, before the first step."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from runbooks.errors import RunbookError, UnreachableError, Value
from runbooks.reaching.transport import Completed
from runbooks.running.scope import Instance, Scope, instances
from runbooks.running.session import Session, StepFailedError, explained
from runbooks.text import templates
from runbooks.text.records import Fact, Precondition

UNKNOWN = "前に調べる事実が分からないので、調べていません"


@dataclass(frozen=True)
class Found:
    """What a fact or precondition said on one machine. `wanted` is None where nothing is wanted of it."""

    key: str
    title: str
    machine: str
    command: str
    holds: bool
    current: Any = None
    wanted: Any = None
    is_fact: bool = True
    said: str = ""
    unreachable: bool = False
    """Nothing could be asked there; `said` is why."""
    follows: bool = False
    """Not asked, because a fact that it needs is not known: told there, not here."""
    confirm: bool = False
    """Whether it is told before the confirmation."""


def collect(session: Session, scope: Scope, *, resumed: bool = False, rehearsing: bool = False) -> list[Found]:
    """Asks every fact and precondition of a runbook in order; facts become known to the scope.

    Raises StepFailedError for a fact that cannot be had (not while rehearsing), UnreachableError.
    """
    found: list[Found] = []
    for record in scope.runbook.readings:
        session.pause()
        if isinstance(record, Precondition) and record.once and resumed:
            continue
        try:
            told, values = _ask(session, scope, record, resumed=resumed, rehearsing=rehearsing)
        except RunbookError:
            if not rehearsing or all(each.holds for each in found):
                raise
            # It depends on a fact that could not be had, which is told where that was asked.
            found.append(_unasked(record, record.id, "?", record.run, UNKNOWN, follows=True))
            continue
        found += told
        # While rehearsing, a fact that could not be had stays unknown, and so does what depends on it.
        if isinstance(record, Fact) and all(each.holds for each in told):
            scope.facts[record.id] = _gathered(values)
    return found


def _ask(
    session: Session, scope: Scope, record: Fact | Precondition, *, resumed: bool, rehearsing: bool
) -> tuple[list[Found], list[tuple[Instance, Any]]]:
    """One fact or precondition on every machine. Raises RunbookError, UnreachableError, StepFailedError."""
    found: list[Found] = []
    values: list[tuple[Instance, Any]] = []
    for instance in instances(scope, record, resumed=resumed):
        command = templates.command(record.run, instance.names)
        phase = "fact" if isinstance(record, Fact) else "precondition"
        try:
            done = session.read(instance.key, phase, instance.machine, command, record.deadline_s)
        except UnreachableError as error:
            if not rehearsing:
                raise
            found.append(_unasked(record, instance.key, instance.machine, command, str(error), unreachable=True))
            continue
        if isinstance(record, Fact):
            one = _fact(session, record, instance, command, done, rehearsing=rehearsing)
            values.append((instance, one.current))
        else:
            one = _precondition(record, instance, command, done)
        found.append(one)
    return found, values


def refusals(found: list[Found]) -> list[str]:
    """One line per fact that could not be had and per precondition that does not hold, where somebody was asked."""
    broken = [each for each in found if not each.holds and not each.unreachable and not each.follows]
    return [f"{each.title}（{each.machine}）{'を調べられません' * each.is_fact}：{each.said}" for each in broken]


def _unasked(
    record: Fact | Precondition, key: str, machine: str, command: str, why: str, *, unreachable: bool = False,
    follows: bool = False,
) -> Found:  # fmt: skip
    is_fact = isinstance(record, Fact)
    return Found(
        key, record.title, machine, command, False, is_fact=is_fact, said=why, unreachable=unreachable, follows=follows
    )


def _fact(
    session: Session, record: Fact, instance: Instance, command: str, done: Completed, *, rehearsing: bool
) -> Found:
    wanted = None if record.wanted is None else templates.value(record.wanted, instance.names)
    try:
        if done.code == 0:
            value = parse(record.parse, done.stdout)
        elif record.default is not None:
            value = templates.value(record.default, instance.names)
        else:
            raise StepFailedError(explained(done, record.deadline_s))  # noqa: TRY301 - one place tells of both
    except (StepFailedError, RunbookError) as error:
        if rehearsing:
            return Found(instance.key, record.title, instance.machine, command, False, wanted=wanted, said=str(error))
        raise StepFailedError(f"{record.title}（{instance.machine}）を調べられません：{error}") from None
    session.note("fact", step=instance.key, machine=instance.machine, value=value)
    return Found(instance.key, record.title, instance.machine, command, True, value, wanted, confirm=record.confirm)


def _precondition(record: Precondition, instance: Instance, command: str, done: Completed) -> Found:
    words = " ".join((done.stdout.strip() or done.stderr.strip()).split())[-400:]
    otherwise = templates.text(record.otherwise, instance.names) if done.code else ""
    return Found(
        instance.key,
        record.title,
        instance.machine,
        command,
        done.code == 0,
        is_fact=False,
        said=f"{otherwise}{f'（{words}）' if words else ''}" if done.code else "",
    )


def _gathered(values: list[tuple[Instance, Any]]) -> Value:
    """One value, or an object by item, by machine, or by item and machine."""
    if len(values) == 1 and not values[0][0].item and not values[0][0].many:
        return values[0][1]
    gathered: dict[str, Any] = {}
    for instance, value in values:
        if instance.item and instance.many:
            gathered.setdefault(instance.item, {})[instance.machine] = value
        else:
            gathered[instance.item or instance.machine] = value
    return gathered


def parse(kind: str, text: str) -> Value:
    """The value of a fact's output. Raises StepFailedError."""
    bare = text.strip()
    if kind == "integer":
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", bare):
            raise StepFailedError(f"整数ではありません（{bare[:80]}）")
        return int(bare)
    if kind == "lines":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if kind == "json":
        try:
            return json.loads(text)
        except ValueError:
            raise StepFailedError(f"JSON ではありません（{bare[:80]}）") from None
    return bare
