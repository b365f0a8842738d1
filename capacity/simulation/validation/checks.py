"""One line of the validation table, and how a simulated figure is judged against an exact one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

from capacity.records import Floats

JOINT_LEVEL = 0.99
"""All figures of one table together are inside their widened intervals with this probability, if the engine is right."""
PRECISION = 0.05
"""A figure whose 95 % interval is wider than this share of the exact value proves nothing and fails."""


@dataclass(frozen=True)
class Check:
    """A case, what is right, what the engine says (with its 95 % interval), and whether that passes."""

    case: str
    expected: str
    found: str
    engine: str
    passed: bool


@dataclass(frozen=True)
class Figure:
    """An exact value and the means of independent replications that estimate it."""

    case: str
    exact: float
    means: Floats

    @property
    def mean(self) -> float:
        return float(self.means.mean())

    def half_width(self, level: float = 0.95) -> float:
        """Half of Student's interval of that level over the replications."""
        count = len(self.means)
        quantile = float(stats.t.ppf((1 + level) / 2, count - 1))
        return quantile * float(self.means.std(ddof=1)) / math.sqrt(count)

    def covered(self) -> bool:
        """Whether the 95 % interval holds the exact value."""
        return abs(self.mean - self.exact) <= self.half_width()


def judged(figures: list[Figure], engine: str) -> list[Check]:
    """A line per figure.

    Of twenty right 95 % intervals one misses, so each is judged by an interval wide enough that all of them together
    hold with JOINT_LEVEL (Bonferroni); and it must be narrow enough to tell anything.
    """
    level = 1 - (1 - JOINT_LEVEL) / max(1, len(figures))
    return [
        Check(
            case=figure.case,
            expected=f"{figure.exact:.6g}",
            found=f"{figure.mean:.6g} ± {figure.half_width():.2g}",
            engine=engine,
            passed=abs(figure.mean - figure.exact) <= figure.half_width(level)
            and figure.half_width() <= PRECISION * figure.exact,
        )
        for figure in figures
    ]
