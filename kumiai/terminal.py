"""How every command talks: data on stdout, messages on stderr, one exit code per kind of outcome.

Exit codes: 0 fine, 1 failure, 2 wrong use or malformed input, 3 well-formed but does not fit, 4 differences
found, 130 interrupted. A user's mistake is one line per mistake; a bug shows its traceback.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

OK, FAILURE, MALFORMED, UNFIT, DIFFERENT, INTERRUPTED = 0, 1, 2, 3, 4, 130

MOST_LINES, LONGEST_LINE = 200, 2_000
"""What of a refusal is shown: nobody reads the thousandth mistake, or a name of a megabyte."""

stdout = Console(soft_wrap=True, highlight=False, markup=False)
stderr = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


class RefusedError(Exception):
    """A user's mistake or an unfit input, already in words: its lines go to stderr, the command ends."""

    def __init__(self, *lines: str, exit_code: int = MALFORMED) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.exit_code = exit_code


def emit(text: str) -> None:
    """One line of data."""
    stdout.print(_harmless(text))


def emit_json(document: dict[str, Any]) -> None:
    """The command's result as one JSON document."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def emit_text(text: str) -> None:
    """A result that its room has already written, e.g. as JSON."""
    sys.stdout.write(_harmless(text if text.endswith("\n") else text + "\n"))


def tell(text: str) -> None:
    """One line of message."""
    stderr.print(_harmless(text))


class _Told(logging.Handler):
    """What a room has to say while it works becomes a message."""

    def emit(self, record: logging.LogRecord) -> None:
        tell(record.getMessage())


def tell_what_rooms_say() -> None:
    """From here on the rooms' own notes (`logging`, from INFO on) are messages."""
    rooms = logging.getLogger("capacity")
    rooms.setLevel(logging.INFO)
    rooms.handlers = [_Told()]


def tell_all(lines: Sequence[str]) -> None:
    """The lines of a refusal: the first of them, the middle of long ones left out, and how many more there are."""
    for line in lines[:MOST_LINES]:
        half = LONGEST_LINE // 2
        tell(line if len(line) <= LONGEST_LINE else f"{line[:half]}…（{len(line):,} 字）…{line[-half:]}")
    if len(lines) > MOST_LINES:
        tell(f"ほか {len(lines) - MOST_LINES:,} 件の誤りがあります")


def _harmless(text: str) -> str:
    """`text` with control and format characters as `\\u....`: names in somebody's folder cannot steer the terminal."""
    # Whole lines first: a result of many megabytes is looked at line by line, not letter by letter.
    return "\n".join(line if line.isprintable() else "".join(map(_visible, line)) for line in text.split("\n"))


def _visible(character: str) -> str:
    return character if character.isprintable() or character == "\u3000" else f"\\u{ord(character):04x}"


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    """A bar on stderr, silent when piped. The callback takes the step's name and its share done (0 to 1)."""
    if not stderr.is_terminal:
        yield lambda step, share: None
        return
    columns = (SpinnerColumn(), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=stderr, transient=True) as bar:
        # One line, the changing text at its end: nothing on the screen moves.
        task = bar.add_task("", total=1.0)

        def report(step: str, share: float) -> None:
            bar.update(task, description=step, completed=min(max(share, 0.0), 1.0))

        yield report
