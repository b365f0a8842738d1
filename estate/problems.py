"""What is wrong with an input file, and where: the one form in which this room reports a user's mistakes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

ExitCode = Literal[2, 3]
_LONGEST_VALUE = 60


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake: `file:line:column: path: message`. Line and column count from 1, in characters.

    `exit_code` is 2 where the input is malformed or contradicts itself, 3 where it is well-formed but cannot fit.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    exit_code: ExitCode = 2

    def __str__(self) -> str:
        where = f"{visible(self.file)}:{self.line}:{self.column}: "
        return f"{where}{self.path}: {self.message}" if self.path else f"{where}{self.message}"


class EstateErrors(Exception):  # noqa: N818 - it holds every mistake, not one error
    """Every mistake found in an input, in order of file, line and column."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @property
    def exit_code(self) -> ExitCode:
        """2 if any problem is malformed input, else 3."""
        return 2 if any(problem.exit_code == 2 for problem in self.problems) else 3


def visible(text: str) -> str:
    r"""`text` on one line: control, format and unassigned characters as `\u....`, so that no input can forge output."""
    return "".join(
        c if c == " " or unicodedata.category(c)[0] not in "CZ" or c == "\u3000" else _escape(c) for c in text
    )


def shown(text: str) -> str:
    """`text` in 「」 for a message: visible, and shortened in its middle beyond 60 characters."""
    if len(text) > _LONGEST_VALUE:
        text = f"{text[:40]}…{text[-16:]}"
    return f"「{visible(text)}」"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
