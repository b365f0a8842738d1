"""Lognormal durations out of uniform draws."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri  # type: ignore[import-untyped]  # scipy ships no type information

from capacity.records import Floats
from estate.disturbance_records import Duration

_NORMAL_P95 = float(ndtri(0.95))
MINUTE_S = 60.0
_LEAST = 2.0**-53
"""Draws of 0 and 1 would be 0 and infinity; this far from them they are 8.2 standard deviations off the median."""


def seconds(duration: Duration, uniform: Floats) -> Floats:
    """Seconds by inversion: `median x exp(sigma z)`, `sigma = ln(p95 / median) / 1.645`, z the normal quantile of
    `uniform`. Equal draws give equal seconds, and a larger draw never gives fewer.
    """
    sigma = math.log(duration.p95_min / duration.median_min) / _NORMAL_P95
    normal = ndtri(np.clip(uniform, _LEAST, 1.0 - _LEAST))
    return np.asarray(MINUTE_S * duration.median_min * np.exp(sigma * normal), dtype=np.float64)


def mean_seconds(duration: Duration) -> float:
    """The mean of such durations: `median x exp(sigma^2 / 2)`."""
    sigma = math.log(duration.p95_min / duration.median_min) / _NORMAL_P95
    return MINUTE_S * duration.median_min * math.exp(sigma * sigma / 2)
