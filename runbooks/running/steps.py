"""Carries out the steps of a runbook: check, apply, verify; and undoes them in reverse order when one fails."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from runbooks.errors import RunbookError, UnreachableError
from runbooks.running import readings
from runbooks.running.ready import Ready, ready
from runbooks.running.scope import Instance, Scope, instances, nested
from runbooks.running.session import RefusedError, Session, StepFailedError, explained
from runbooks.text.library import Library
from runbooks.text.records import Step

ASK_AGAIN_S = 1.0
MOST_LINES = 20
"""Of a step's output that are told."""


@dataclass(frozen=True)
class Undo:
    """How a step that was begun is undone; rendered before it began, so that it means the state before."""

    key: str
    title: str
    machine: str
    rollback: str
    check: str
    rollback_verify: str
    no_rollback: str
    deadline_s: int
    sudo: bool


@dataclass
class Past:
    """What an interrupted run had done, from its journal."""

    done: set[str] = field(default_factory=set)
    begun: dict[str, Undo] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Path of a scope -> its facts as they were before its first step."""


@dataclass
class Walk:
    """One way through the steps."""

    session: Session
    library: Library
    built_in: Mapping[str, Any]
    past: Past
    undo: list[Undo] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Instances whose failure was tolerated."""
    applied: int = 0
    skipped: int = 0

    def run(self, scope: Scope) -> None:
        """Every step of the scope. Raises StepFailedError after the rollback that the runbook wants, StoppedError."""
        mark = len(self.undo)
        # The facts of before the first step stand: a rollback must lead back there, not to where a resumed run began.
        scope.facts.update(self.past.facts.get(scope.path, {}))
        self.session.note("scope", scope=scope.path, facts=scope.facts)
        try:
            for step in scope.runbook.steps:
                self._step(scope, step, mark)
        except (StepFailedError, UnreachableError, RunbookError) as error:
            if scope.runbook.header.on_failure == "rollback":
                self._back(mark)
            else:
                self.session.tell("ここまでの手順は、そのままにします（続きから再開できます）")
            raise StepFailedError(str(error)) from None

    def _step(self, scope: Scope, step: Step, mark: int) -> None:
        all_of_it = list(instances(scope, step))
        failures = 0
        for instance in all_of_it:
            self.session.pause()
            try:
                if step.runbook is not None:
                    self._call(scope, step, instance)
                else:
                    self._one(step, instance)
            except (StepFailedError, UnreachableError, RefusedError) as error:
                failures += 1
                if failures > math.floor(len(all_of_it) * step.tolerate_percent / 100):
                    raise StepFailedError(f"{step.title}（{_of(instance)}）：{error}") from None
                self.failed.append(f"{step.title}（{_of(instance)}）：{error}")
                self.session.tell(f"  失敗しましたが続けます：{step.title}（{_of(instance)}）：{error}")
        if step.commit:
            self.session.note("committed", steps=[each.key for each in self.undo[mark:]])
            del self.undo[mark:]

    def _call(self, scope: Scope, step: Step, instance: Instance) -> None:
        assert step.runbook is not None  # noqa: S101 - asked by the caller
        inner = nested(scope, step, instance, self.library.get(step.runbook), self.built_in)
        self.session.tell(f"■ {step.title}（{_of(instance)}）：{inner.runbook.header.title}")
        resumed = inner.path in self.past.facts
        found = readings.collect(self.session, inner, resumed=resumed)
        if refused := readings.refusals(found):
            raise RefusedError(refused)
        self.run(inner)

    def _one(self, step: Step, instance: Instance) -> None:
        key, machine, session = instance.key, instance.machine, self.session
        made = ready(step, instance)
        session.tell(f"● {step.title}（{_of(instance)}）")
        data = made.data(session)
        if key in self.past.done and made.read(session, "verify", made.verify, data).code == 0:
            self._kept(key)
            session.tell("  前回済み")
            return
        checked = made.read(session, "check", made.check, data)
        # A step that was begun and not ended may be half done: its check alone is not believed.
        half_done = key in self.past.begun and key not in self.past.done
        if checked.code == 0 and not (half_done and made.read(session, "verify", made.verify, data).code != 0):
            self._kept(key)
            session.note("step_skipped", step=key)
            session.tell("  済んでいます")
            self.skipped += 1
            return
        if checked.code not in (0, 1):
            raise StepFailedError(f"今の状態を調べられません（{explained(checked, step.deadline_s)}）")
        undo = self.past.begun.get(key) or Undo(
            key,
            step.title,
            machine,
            made.rollback,
            made.check,
            made.rollback_verify,
            step.no_rollback or "",
            step.deadline_s,
            step.sudo,
        )
        stdin = made.secret_data(session) if made.secret else data
        session.lock([machine])
        session.note("step_begun", step=key, undo=asdict(undo))
        self.undo.append(undo)
        done = session.change(
            key, "apply", machine, made.apply, step.deadline_s, sudo=step.sudo, stdin=stdin, keep=step.keep_output
        )
        if done.code != 0:
            session.note("step_failed", step=key, phase="apply")
            raise StepFailedError(explained(done, step.deadline_s))
        self._verify(made, data)
        session.note("step_done", step=key)
        session.tell("  実施しました")
        for line in done.stdout.splitlines()[-MOST_LINES:] if step.tell_output else ():
            session.tell(f"    {line.rstrip()}")
        self.applied += 1

    def _verify(self, made: Ready, data: bytes) -> None:
        step = made.step
        until = self.session.clock() + step.verify_for_s
        while True:
            done = made.read(self.session, "verify", made.verify, data)
            if done.code == 0:
                return
            if self.session.clock() >= until:
                self.session.note("step_failed", step=made.instance.key, phase="verify")
                raise StepFailedError(f"結果を確かめられません（{explained(done, step.deadline_s)}）")
            self.session.pause()
            time.sleep(ASK_AGAIN_S)

    def _kept(self, key: str) -> None:
        """A step that an earlier part of this run did is undone with the others."""
        if key in self.past.begun:
            self.undo.append(self.past.begun[key])

    def _back(self, mark: int) -> None:
        roll_back(self.session, self.undo, mark)


def roll_back(session: Session, undo: list[Undo], mark: int = 0) -> None:
    """Undoes what was begun since `mark`, the newest first, each proven. Raises StepFailedError where one stays."""
    if len(undo) > mark:
        session.tell("失敗したので、逆の順に元へ戻します")
    while len(undo) > mark:
        each = undo[-1]
        if each.no_rollback:
            session.note("not_rolled_back", step=each.key, reason=each.no_rollback)
            session.tell(f"  {each.title}（{each.machine}）：戻しません — {each.no_rollback}")
        else:
            _undo(session, each)
            session.note("rolled_back", step=each.key)
            session.tell(f"  {each.title}（{each.machine}）：戻しました")
        undo.pop()


def _undo(session: Session, each: Undo) -> None:
    rest = "。手で確かめてください"
    try:
        done = session.change(each.key, "rollback", each.machine, each.rollback, each.deadline_s, sudo=each.sudo)
        if done.code != 0:
            raise StepFailedError(explained(done, each.deadline_s))  # noqa: TRY301 - told once, below
        proof = each.rollback_verify or each.check
        session.ends = max(session.ends, session.clock() + each.deadline_s)
        seen = session.read(each.key, "rollback_verify", each.machine, proof, each.deadline_s, sudo=each.sudo)
        if seen.code != (0 if each.rollback_verify else 1):
            raise StepFailedError(f"戻ったことを確かめられません（{explained(seen, each.deadline_s)}）")  # noqa: TRY301
    except (StepFailedError, UnreachableError) as error:
        session.note("rollback_failed", step=each.key, reason=str(error))
        raise StepFailedError(f"元へ戻す途中で止まりました：{each.title}（{each.machine}）：{error}{rest}") from None


def _of(instance: Instance) -> str:
    return f"{instance.item}、{instance.machine}" if instance.item else instance.machine
