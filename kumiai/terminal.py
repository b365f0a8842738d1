"""How every command talks: data on stdout, messages on stderr, one exit code per kind of outcome.

Exit codes: 0 fine, 1 failure, 2 wrong use or malformed input, 3 well-formed but does not fit, 4 differences
found, 130 interrupted. A user's mistake is one line per mistake; a bug shows its traceback.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

OK, FAILURE, MALFORMED, UNFIT, DIFFERENT, INTERRUPTED = 0, 1, 2, 3, 4, 130

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
    stdout.print(text)


def emit_json(document: dict[str, Any]) -> None:
    """The command's result as one JSON document."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def emit_text(text: str) -> None:
    """A result that its room has already written, e.g. as JSON."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def tell(text: str) -> None:
    """One line of message."""
    stderr.print(text)


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    """A bar on stderr, silent when piped. The callback takes the step's name and its share done (0 to 1)."""
    if not stderr.is_terminal:
        yield lambda step, share: None
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=stderr, transient=True
    ) as bar:
        tasks: dict[str, Any] = {}

        def report(step: str, share: float) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=1.0)
            bar.update(tasks[step], completed=min(max(share, 0.0), 1.0))

        yield report
