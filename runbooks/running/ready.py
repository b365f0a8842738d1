"""A step for one item and machine, its templates filled in: the exact commands and their standard input."""

from __future__ import annotations

from dataclasses import dataclass

from runbooks.reaching.transport import LOCAL, Completed
from runbooks.running import secrets
from runbooks.running.scope import Instance
from runbooks.running.session import Session, StepFailedError, explained
from runbooks.text import templates
from runbooks.text.records import Step


@dataclass(frozen=True)
class Ready:
    """The commands of a step. `data` is the input of check, apply and verify; a secret is that of apply alone."""

    step: Step
    instance: Instance
    check: str
    apply: str
    verify: str
    rollback: str
    rollback_verify: str
    input_from: str
    secret: str

    def read(self, session: Session, phase: str, command: str, data: bytes) -> Completed:
        """Runs one of the commands that change nothing."""
        step, instance = self.step, self.instance
        return session.read(instance.key, phase, instance.machine, command, step.deadline_s, sudo=step.sudo, stdin=data)

    def data(self, session: Session) -> bytes:
        """What check, apply and verify read. Raises StepFailedError where the command that makes it fails."""
        if self.step.input is not None:
            return templates.text(self.step.input, self.instance.names).encode()
        if not self.input_from:
            return b""
        done = session.read(self.instance.key, "input", LOCAL, self.input_from, self.step.deadline_s)
        if done.code != 0 or done.truncated:
            raise StepFailedError(f"渡すデータを作れません（{explained(done, self.step.deadline_s)}）")
        return done.stdout.encode()

    def secret_data(self, session: Session) -> bytes:
        """The secret, hidden from here on. Raises RunbookError."""
        secret = secrets.find(session.state, self.secret)
        session.black.add(secret)
        return secret.reveal().encode()


def ready(step: Step, instance: Instance) -> Ready:
    """The step's commands for this instance. Raises RunbookError."""

    def filled(text: str | None) -> str:
        return "" if text is None else templates.command(text, instance.names)

    return Ready(
        step,
        instance,
        check=filled(step.check),
        apply=filled(step.apply),
        verify=filled(step.verify),
        rollback=filled(step.rollback),
        rollback_verify=filled(step.rollback_verify),
        input_from=filled(step.input_from),
        secret=templates.text(step.secret, instance.names) if step.secret is not None else "",
    )
