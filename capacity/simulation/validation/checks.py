"""One line of the validation table, and how a simulated figure is judged against an exact one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

from capacity.records import Floats
from capacity.simulation.estimates import half_width

JOINT_LEVEL = 0.99
"""Figures of a right engine are all inside their widened intervals with this probability, taken together."""
PRECISION = 0.1
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

    @property
    def half_width(self) -> float:
        """Half of the 95 % interval, by the product's own estimator."""
        return half_width(self.means) or math.inf

    def covered(self, level: float = 0.95) -> bool:
        """Whether Student's interval of that level over the replications holds the exact value."""
        degrees = len(self.means) - 1
        wider = float(stats.t.ppf((1 + level) / 2, degrees) / stats.t.ppf(0.975, degrees))
        return abs(self.mean - self.exact) <= wider * self.half_width


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
            found=f"{figure.mean:.6g} ± {figure.half_width:.2g}",
            engine=engine,
            passed=figure.covered(level) and figure.half_width <= PRECISION * figure.exact,
        )
        for figure in figures
    ]
