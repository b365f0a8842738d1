"""Every mistake of a trace, in the order of its files and lines; long lists are cut and counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from capacity.records import Bools

MOST_SHOWN = 100
"""Mistakes that are put into words. A table of a million rows may be wrong in every one of them."""


class TraceError(ValueError):
    """Everything that is wrong with a trace, one Japanese line per mistake (`file:line: what`)."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Placed(Protocol):
    """A table whose rows stand at lines of a file."""

    @property
    def name(self) -> str:
        """The file's name."""

    def line(self, row: int) -> int:
        """The line of the file at which a row ends, from 1."""


class Mistakes:
    """Collects mistakes; `check` raises when there are any."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, int, str]] = []
        self._files: dict[str, int] = {}
        self._counted = 0

    def __bool__(self) -> bool:
        return bool(self._lines)

    def file(self, name: str, message: str) -> None:
        """A mistake of a whole file."""
        self._add(name, 0, f"{name}: {message}")

    def line(self, name: str, line: int, message: str) -> None:
        """A mistake at a line that is known already."""
        if len(self._lines) < 2 * MOST_SHOWN:
            self._add(name, line, f"{name}:{line}: {message}")
        else:
            self._counted += 1

    def rows(self, table: Placed, wrong: Bools, message: Callable[[int], str]) -> None:
        """A mistake in each row where `wrong` holds; `message(row)` says it."""
        found = np.flatnonzero(wrong)
        for row in found[:MOST_SHOWN].tolist():
            line = table.line(row)
            self._add(table.name, line, f"{table.name}:{line}: {message(row)}")
        self._counted += max(0, len(found) - MOST_SHOWN)

    def check(self) -> None:
        """Raise TraceError if anything was wrong."""
        if not self._lines:
            return
        ordered = [text for _, _, text in sorted(self._lines, key=lambda found: found[:2])]
        left = self._counted + max(0, len(ordered) - MOST_SHOWN)
        cut = (*ordered[:MOST_SHOWN], f"ほか {left:,} 件の誤りがあります") if left else tuple(ordered)
        raise TraceError(cut)

    def _add(self, name: str, line: int, text: str) -> None:
        # Cells may hold line breaks and terminal controls.
        shown = text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)
        self._lines.append((self._rank(name), line, shown))

    def _rank(self, name: str) -> int:
        return self._files.setdefault(name, len(self._files))
