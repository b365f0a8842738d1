"""What a checker found: a count, and the first lines of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from layout.records import CheckVerdict

LINES_KEPT = 20


@dataclass
class Findings:
    """Violations of one rule. Lines are made only for those that are kept."""

    lines: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, line: str) -> None:
        """One violation."""
        self.count += 1
        if len(self.lines) < LINES_KEPT:
            self.lines.append(line)

    def add_all(self, lines: Iterable[str]) -> None:
        """Several violations."""
        for line in lines:
            self.add(line)

    def add_where(self, broken: npt.NDArray[np.bool_], describe: Callable[[int], str]) -> None:
        """One violation per true element; `describe(index)` makes its line."""
        rows = np.flatnonzero(broken)
        self.count += len(rows)
        for row in rows[: LINES_KEPT - len(self.lines)]:
            self.lines.append(describe(int(row)))

    def verdict(self, checker: str) -> CheckVerdict:
        """The verdict of the checker with this name."""
        return CheckVerdict(checker=checker, passed=self.count == 0, violations=tuple(self.lines), count=self.count)
