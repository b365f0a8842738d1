"""What is wrong with an input file, and where: the one form in which this room reports a user's mistakes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

ExitCode = Literal[2, 3]
_LONGEST_VALUE = 60
_MOST_PROBLEMS = 1000


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
        path = f"{self.path}: " if self.path else ""
        return visible(f"{self.file}:{self.line}:{self.column}: {path}{self.message}")

    def to_json(self) -> dict[str, str | int]:
        """The problem as plain data, for `--json`."""
        return asdict(self)


class EstateErrors(Exception):  # noqa: N818 - it holds every mistake, not one error
    """Every mistake found in an input, in order of file, line and column."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = once(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @property
    def exit_code(self) -> ExitCode:
        """2 if any problem is malformed input, else 3."""
        return 2 if any(problem.exit_code == 2 for problem in self.problems) else 3


def once(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """In order of place, each mistake once, at most 1,000 of them and a last line that counts the rest.

    A mistake in an anchored node is one mistake, however often the node is used.
    """
    first: dict[tuple[str, int, int, str], Problem] = {}
    for problem in sorted(problems):
        first.setdefault((problem.file, problem.line, problem.column, problem.message), problem)
    found = tuple(first.values())
    if len(found) <= _MOST_PROBLEMS:
        return found
    last = found[_MOST_PROBLEMS]
    more = f"誤りが多いため、ここまでを示します（ほかに {len(found) - _MOST_PROBLEMS:,} 件）"
    code: ExitCode = 2 if any(problem.exit_code == 2 for problem in found) else 3
    return (*found[:_MOST_PROBLEMS], Problem(last.file, last.line, last.column, "", more, code))


def visible(text: str) -> str:
    r"""`text` on one line: control, format and unassigned characters as `\u....`, so that no input can forge output.

    So are unusual spaces: a full-width one in an id is a mistake nobody sees.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def shown(text: str) -> str:
    """`text` in 「」 for a message: visible, and shortened in its middle beyond 60 characters."""
    if len(text) > _LONGEST_VALUE:
        text = f"{text[:40]}…{text[-16:]}"
    return f"「{visible(text)}」"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
