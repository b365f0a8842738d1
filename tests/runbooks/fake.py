"""Machines that answer from a list: what they are asked is kept, nothing is touched."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from runbooks.errors import ConflictError, UnreachableError
from runbooks.reaching.transport import Completed, Order


@dataclass
class Answer:
    """What a command says, on `on` (any machine where empty), the first `times` times it is asked."""

    match: str
    on: str = ""
    code: int = 0
    stdout: str = ""
    stderr: str = ""
    times: int = 10**9


@dataclass
class FakeMachines:
    """A transport for tests. A command without an answer says nothing and ends with 0, or is an error when strict."""

    answers: list[Answer] = field(default_factory=list)
    unreachable: set[str] = field(default_factory=set)
    conflicts: set[str] = field(default_factory=set)
    asked: list[tuple[str, Order]] = field(default_factory=list)
    held: list[tuple[str, str]] = field(default_factory=list)
    closed: bool = False

    def run(self, machine: str, order: Order) -> Completed:
        self.asked.append((machine, order))
        if machine in self.unreachable:
            raise UnreachableError(f"ホスト「{machine}」に接続できません")
        for answer in self.answers:
            if answer.times > 0 and answer.on in ("", machine) and re.search(answer.match, order.command):
                answer.times -= 1
                return Completed(answer.code, answer.stdout, answer.stderr, 0.01)
        return Completed(0, "", "", 0.01)

    def hold(self, machine: str, name: str, holder: str, seconds: float) -> None:
        if machine in self.conflicts:
            raise ConflictError(f"ホスト「{machine}」では別の実行が進行中です（suzuki）")
        self.held.append((machine, name))

    def close(self) -> None:
        self.closed = True

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Machine and command of everything that was asked."""
        return [(machine, order.command) for machine, order in self.asked]

    @property
    def changes(self) -> list[tuple[str, str]]:
        """Machine and command of everything that might change something."""
        return [(machine, order.command) for machine, order in self.asked if order.lock]
