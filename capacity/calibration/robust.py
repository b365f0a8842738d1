"""A straight line through measurements some of which are wrong: Theil-Sen with bootstrap intervals.

Job logs hold runs that were repeated, waited for a full host or processed a test file. The Theil-Sen line (Sen,
J. Am. Stat. Assoc. 63, 1968) stays right while less than 29 % of the rows are such, in time as well as in units,
and has no tuning constant; Huber's estimator gives way to a single row with an extreme number of units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.records import Bools, Floats, Ints

REPLICATES = 1000
_ALL_PAIRS = 1500
"""Rows up to which every pair is looked at; above, a fixed number of random pairs (Sen's estimator, incomplete)."""
_PAIRS = 400_000
_REPLICATE_PAIRS = 5_000
_OUTLYING = 3.5
"""Residuals beyond so many robust standard deviations are outliers (Iglewicz and Hoaglin, 1993)."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """`y = intercept + slope x`, neither below 0."""

    intercept: Estimate
    slope: Estimate
    outlying: Bools
    """Rows too far from the line for the scatter of the others."""
    residual: Floats
    at_zero: bool
    """The measurements ask for a negative intercept: the line goes through 0 instead."""


def fit_line(x: Floats, y: Floats, rng: np.random.Generator, replicates: int = REPLICATES) -> Line:
    """The line through points (x, y), with percentile bootstrap intervals (Efron, 1979) over resampled rows.

    Needs two different x. Where the best line crosses the y axis below 0, the median of y / x is the slope.
    """
    slope, intercept = _line(x, y, rng)
    draws = np.array([_resampled(x, y, rng) for _ in range(replicates)])
    at_zero = intercept < 0
    residual = y - intercept - slope * x
    scale = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
    outlying = np.abs(residual) > _OUTLYING * max(scale, 1e-9 * float(np.median(np.abs(y))))
    slopes, intercepts = draws[:, 0], np.maximum(draws[:, 1], 0.0)
    return Line(
        intercept=Estimate(max(intercept, 0.0), *_interval(intercepts)),
        slope=Estimate(slope, *_interval(slopes)),
        outlying=outlying,
        residual=residual,
        at_zero=at_zero,
    )


def median_with_interval(values: Floats, rng: np.random.Generator, replicates: int = REPLICATES) -> Estimate:
    """The median, with its percentile bootstrap interval."""
    rows = rng.integers(0, len(values), (replicates, len(values)))
    return Estimate(float(np.median(values)), *_interval(np.median(values[rows], axis=1)))


def _interval(draws: Floats) -> tuple[float, float]:
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def _line(x: Floats, y: Floats, rng: np.random.Generator) -> tuple[float, float]:
    if len(x) <= _ALL_PAIRS:
        first, second = np.triu_indices(len(x), 1)
    else:
        first, second = rng.integers(0, len(x), (2, _PAIRS))
    return _through(x, y, first, second)


def _resampled(x: Floats, y: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """The line through rows drawn with replacement; few pairs are enough for the scatter of a median."""
    rows = rng.integers(0, len(x), len(x))
    pairs = rng.integers(0, len(x), (2, max(_REPLICATE_PAIRS, len(x))))
    return _through(x[rows], y[rows], pairs[0], pairs[1])


def _through(x: Floats, y: Floats, first: Ints, second: Ints) -> tuple[float, float]:
    """Median slope of these pairs, and the median distance of all rows from a line of that slope through 0."""
    run = x[second] - x[first]
    apart = run != 0
    if not apart.any():
        return 0.0, float(np.median(y))
    slope = float(np.median((y[second] - y[first])[apart] / run[apart]))
    intercept = float(np.median(y - slope * x))
    if intercept < 0:
        return float(np.median(y[x > 0] / x[x > 0])) if (x > 0).any() else slope, intercept
    return slope, intercept
