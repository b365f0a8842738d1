"""One run's hands: every command goes through here, recorded before and after, bounded in time, secrets hidden."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runbooks.errors import ConflictError, UnreachableError
from runbooks.reaching.transport import LOCAL, Completed, Order, Transport
from runbooks.running.journal import Journal
from runbooks.running.secrets import Blackened

LOCK = "kumiai-runbook.lock"
"""The name of the lock on every host: two runs never change the same host at a time."""
CHANGE_LOCK = "/run/lock/kumiai-runbook.change"
"""Held on a host while a command changes it: a command that outlived its runner is waited for."""
WAIT_FOR_CONFIRMATION_S = 3600
SHOWN_ON_FAILURE = 600
"""Characters of a failed command's last words that go into the record."""
MOST_KEPT = 20_000
"""Characters of a kept output that go into the record."""


class StepFailedError(Exception):
    """A step, a fact or a rollback that did not work. Japanese lines."""


class StoppedError(Exception):
    """Somebody asked to stop; nothing runs any more, the run can be resumed."""


class RefusedError(Exception):
    """Preconditions that do not hold: one Japanese line each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass
class Session:
    """What the parts of a run share."""

    run: str
    operator: str
    journal: Journal
    transport: Transport
    listener: Callable[[str], None]
    stop_asked: Callable[[], bool]
    state: Path
    work: Path
    deadline_s: float
    black: Blackened = field(default_factory=Blackened)
    locked: set[str] = field(default_factory=set)
    ends: float = float("inf")
    """When the whole run must be over, by the monotonic clock."""
    clock: Callable[[], float] = time.monotonic

    def tell(self, line: str) -> None:
        """A line for whoever watches. That nobody does any more is no reason to stop half-way: the journal goes on."""
        try:
            self.listener(self.black(line))
        except (BrokenPipeError, SystemExit):  # the console's own way to say so is SystemExit
            self.listener = lambda _: None

    def note(self, kind: str, **said: object) -> None:
        """A line in the journal."""
        self.journal.append(kind, self.run, operator=self.operator, **said)

    def lock(self, machines: list[str]) -> None:
        """Takes the locks of these hosts, in one order for all runs. Raises ConflictError, UnreachableError."""
        seconds = self.deadline_s + WAIT_FOR_CONFIRMATION_S
        for machine in sorted(set(machines) - self.locked - {LOCAL}):
            try:
                self.transport.hold(machine, LOCK, f"{self.operator} {self.run}", seconds)
            except ConflictError as error:
                self.note("lock_refused", machine=machine, reason=str(error))
                raise
            self.locked.add(machine)
            self.note("locked", machine=machine)

    def begin(self) -> None:
        """From here on the run's own deadline counts."""
        self.ends = self.clock() + self.deadline_s

    def pause(self) -> None:
        """Between commands: stops here when somebody asked for it. Raises StoppedError."""
        if self.stop_asked():
            raise StoppedError

    def read(
        self,
        key: str,
        phase: str,
        machine: str,
        command: str,
        deadline_s: float,
        *,
        sudo: bool = False,
        stdin: bytes = b"",
    ) -> Completed:
        """A command that changes nothing. Raises UnreachableError, StepFailedError after the run's deadline."""
        order = Order(command, self._left(deadline_s), stdin=stdin, sudo=sudo)
        done = self._do(key, phase, machine, order)
        # A program that was ended by a signal said nothing; what only reads may be asked once more.
        return self._do(key, phase, machine, order) if _died(done) else done

    def change(
        self,
        key: str,
        phase: str,
        machine: str,
        command: str,
        deadline_s: float,
        *,
        sudo: bool = False,
        stdin: bytes = b"",
        keep: bool = False,
    ) -> Completed:
        """A command that changes something, alone on its machine. Raises as `read`."""
        # A rollback may always take its time: half-way is the worst place.
        seconds = deadline_s if phase == "rollback" else self._left(deadline_s)
        order = self._alone(machine, command, seconds, stdin=stdin, sudo=sudo)
        return self._do(key, phase, machine, order, keep=keep)

    def wait_for_change(self, key: str, machine: str, deadline_s: float, *, sudo: bool = False) -> None:
        """Waits for a command that changes the machine and has outlived its runner. Raises as `read`, and
        StepFailedError where it does not end within its deadline.
        """
        done = self._do(key, "wait", machine, self._alone(machine, "true", self._left(deadline_s), sudo=sudo))
        if done.code != 0:
            raise StepFailedError(explained(done, deadline_s))

    def _alone(self, machine: str, command: str, seconds: float, *, stdin: bytes = b"", sudo: bool = False) -> Order:
        path = CHANGE_LOCK if machine != LOCAL else str(self.journal.folder / "locks" / f"{self.run}.change")
        return Order(command, seconds, stdin=stdin, sudo=sudo, lock=path, lock_wait_s=int(seconds) + 10)

    def _left(self, deadline_s: float) -> float:
        left = self.ends - self.clock()
        if left <= 0:
            raise StepFailedError(f"手順書全体の制限時間 {self.deadline_s:.0f} 秒を過ぎました")
        return min(deadline_s, left)

    def _do(self, key: str, phase: str, machine: str, order: Order, *, keep: bool = False) -> Completed:
        self.note("command", step=key, phase=phase, machine=machine, command=self.black(order.command))
        try:
            done = self.transport.run(machine, order)
        except UnreachableError as error:
            self.note("unreachable", step=key, phase=phase, machine=machine, reason=self.black(str(error)))
            raise
        out, err = self.black(done.stdout), self.black(done.stderr)
        hidden = (out, err) != (done.stdout, done.stderr)
        digest = hashlib.sha256((out + err).encode()).hexdigest() if hidden or not done.digest else done.digest
        said: dict[str, object] = {
            "code": done.code,
            "seconds": round(done.seconds, 3),
            "output_digest": digest,
            "output_bytes": len(out.encode()) + len(err.encode()),
        }
        if done.truncated:
            said["truncated"] = True
        if hidden:
            said["redacted"] = True
        if keep and done.code == 0:
            said["output"] = out[:MOST_KEPT]
        if done.code != 0 and phase not in ("check", "precondition"):
            said["last_words"] = (err.strip() or out.strip())[-SHOWN_ON_FAILURE:]
        self.note("result", step=key, phase=phase, machine=machine, **said)
        return Completed(done.code, out, err, done.seconds, done.truncated, digest)


def _died(done: Completed) -> bool:
    return 128 < done.code < 160 and not done.timed_out


def explained(done: Completed, deadline_s: float) -> str:
    """Why a command counts as failed, in one line with its last words."""
    words = " ".join((done.stderr.strip() or done.stdout.strip()).split())[-SHOWN_ON_FAILURE:]
    if done.timed_out:
        reason = f"制限時間 {deadline_s:.0f} 秒で打ち切りました"
    elif done.code < 0:
        reason = "どこまで進んだか分かりません"
    elif done.code == 75:
        reason = "前の命令がまだ動いています（終了コード 75）"
    else:
        reason = f"終了コード {done.code}"
    return f"{reason}{f'：{words}' if words else ''}"
