"""How much work the runs of a queue bring: three shapes with the same mean, from none to much variation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from capacity.records import Floats


class Work(Protocol):
    """A distribution of core-seconds."""

    @property
    def mean(self) -> float:
        """Core-seconds."""

    @property
    def second_moment(self) -> float:
        """Of the core-seconds, not central."""

    def draw(self, random: np.random.Generator, count: int) -> Floats:
        """The work of `count` runs."""

    def residual(self, random: np.random.Generator, count: int) -> Floats:
        """What is left of the work found in service at a random moment: density P(work > x) / mean."""


@dataclass(frozen=True)
class Exponential:
    """Without memory: what is left is distributed as the whole."""

    mean: float

    @property
    def second_moment(self) -> float:
        return 2 * self.mean**2

    def draw(self, random: np.random.Generator, count: int) -> Floats:
        return random.exponential(self.mean, count)

    def residual(self, random: np.random.Generator, count: int) -> Floats:
        return self.draw(random, count)


@dataclass(frozen=True)
class Constant:
    """The same for every run; what is left is uniform."""

    mean: float

    @property
    def second_moment(self) -> float:
        return self.mean**2

    def draw(self, random: np.random.Generator, count: int) -> Floats:
        return np.full(count, self.mean)

    def residual(self, random: np.random.Generator, count: int) -> Floats:
        return random.uniform(0.0, self.mean, count)


@dataclass(frozen=True)
class Hyperexponential:
    """Two exponential phases of equal total work ("balanced means"), squared coefficient of variation `scv` > 1."""

    mean: float
    scv: float

    @property
    def second_moment(self) -> float:
        return (1 + self.scv) * self.mean**2

    def _phases(self) -> tuple[float, float, float]:
        """Probability of the first phase, and the means of both."""
        often = (1 + math.sqrt((self.scv - 1) / (self.scv + 1))) / 2
        return often, self.mean / (2 * often), self.mean / (2 * (1 - often))

    def draw(self, random: np.random.Generator, count: int) -> Floats:
        often, short, long = self._phases()
        return random.exponential(1.0, count) * np.where(random.random(count) < often, short, long)

    def residual(self, random: np.random.Generator, count: int) -> Floats:
        # Both phases hold half of the work, so each is found in service half of the time.
        _, short, long = self._phases()
        return random.exponential(1.0, count) * np.where(random.random(count) < 0.5, short, long)
