"""How sure a figure is: 95 % intervals over replications.

Replications are independent and equally distributed, runs of one replication are not: every interval counts
replications. Means: Student's t. Probabilities: Wilson's score interval (Wilson 1927), which stays inside [0, 1] and
says something even when nothing happened. Percentiles: Woodruff (1952), "Confidence intervals for medians and other
position measures": the interval of the share of values below, turned back into values.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

from capacity.records import Bools, Floats
from layout.simulation_records import Estimate, Proportion

_NORMAL_975 = 1.959963984540054


def half_width(means: Floats) -> float | None:
    """Half the 95 % interval of the mean of independent values; None for one value alone."""
    count = len(means)
    if count < 2:
        return None
    return float(stats.t.ppf(0.975, count - 1) * means.std(ddof=1) / math.sqrt(count))


def estimate(values: Floats) -> Estimate:
    """Mean, its 95 % interval and the 95th percentile of `values` (replication x run)."""
    means = values.mean(axis=1)
    p95 = float(np.percentile(values, 95, axis=None))
    low, high = _around_percentile(values, p95, 0.95)
    return Estimate(mean=float(means.mean()), half_width_95=half_width(means), p95=p95, p95_low=low, p95_high=high)


def _around_percentile(values: Floats, percentile: float, share: float) -> tuple[float | None, float | None]:
    """The 95 % interval of a percentile of clustered values; None at an end beyond the values there are."""
    replications, runs = values.shape
    if replications < 2:
        return None, None
    below = (values < percentile).mean(axis=1)
    # Where many values are equal, shares below may not vary; as if independent is then the least that is unknown.
    spread = max(float(below.std(ddof=1)), math.sqrt(share * (1 - share) / runs)) / math.sqrt(replications)
    half = float(stats.t.ppf(0.975, replications - 1)) * spread
    low = float(np.percentile(values, 100 * (share - half), axis=None)) if half <= share else None
    high = float(np.percentile(values, 100 * (share + half), axis=None)) if share + half < 1 else None
    return low, high


def proportion(happened: Bools) -> Proportion:
    """In how many replications something happened, with Wilson's 95 % interval of its probability."""
    return counted(int(happened.sum()), len(happened))


def counted(happened: int, count: int) -> Proportion:
    """`happened` of `count` replications; raises ValueError unless 0 <= happened <= count and count > 0."""
    if not 0 <= happened <= count or count == 0:
        raise ValueError(f"expected 0 <= happened <= count and count > 0, got {happened} of {count}")
    share, z2 = happened / count, _NORMAL_975**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    spread = _NORMAL_975 / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    # At the ends the bound is exactly 0 or 1; rounding must not say otherwise.
    low = 0.0 if happened == 0 else max(0.0, middle - spread)
    high = 1.0 if happened == count else min(1.0, middle + spread)
    return Proportion(share=share, low_95=low, high_95=high, happened=happened)
