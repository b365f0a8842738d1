"""What changes between replications: each disturbance makes another system from a system and its random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from capacity.records import Floats

from .columns import SimulationInput
from .streams import Draws

_LEAST = 2.0**-54
"""Half the smallest number above 0 that a stream gives, so that no quantile is infinite."""


class Disturbance(Protocol):
    """One thing that goes otherwise than planned. It must be picklable and depend on nothing but its arguments."""

    def __call__(self, system: SimulationInput, draws: Draws, replication: int) -> SimulationInput:
        """The system with this disturbance in it; `system` itself where nothing happens in this replication.

        `draws` has one number per run and purpose. What happens to hosts or sites draws from `streams.generator`.
        """


def standard_normal(uniform: Floats) -> Floats:
    """Normal numbers by inverse transform: they rise with the uniform ones, which keeps scenarios comparable."""
    return np.asarray(special.ndtri(np.maximum(uniform, _LEAST)), dtype=np.float64)


def lognormal(uniform: Floats, median: float, p95: float) -> Floats:
    """Lognormal numbers with this median and 95th percentile (equal: always the median)."""
    sigma = np.log(p95 / median) / special.ndtri(0.95)
    return np.asarray(median * np.exp(sigma * standard_normal(uniform)), dtype=np.float64)


@dataclass(frozen=True)
class VaryingWork:
    """Work times a lognormal factor of mean 1 with the run's coefficient of variation `work_cv`.

    sigma^2 = ln(1 + cv^2), mu = -sigma^2 / 2 of the underlying normal distribution.
    """

    work_cv: Floats

    def __call__(self, system: SimulationInput, draws: Draws, replication: int) -> SimulationInput:
        """Other `cpu_s`."""
        variance = np.log1p(self.work_cv**2)
        factor = np.exp(np.sqrt(variance) * standard_normal(draws.work) - variance / 2)
        return system.with_runs(cpu_s=system.runs.cpu_s * factor)
