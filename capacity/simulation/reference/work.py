"""A piece of work that a shared resource serves: core-seconds, or MiB of storage or line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .run import Run

NO_RATE = 1e-9
"""A rate below this (cores, MiB/s) is what rounding has left of nothing."""


class Work:
    """What is left of it as of the last change of its rate."""

    __slots__ = ("cap", "left", "rate", "run", "since_s")

    def __init__(self, run: Run, amount: float, cap: float = math.inf) -> None:
        self.run = run
        self.left = amount
        self.cap = cap
        self.rate = 0.0
        self.since_s = 0.0

    @property
    def through_s(self) -> float:
        """When it is served if the rate stays."""
        return self.since_s + self.left / self.rate if self.rate > 0 else math.inf

    def serve_at(self, rate: float, now: float) -> None:
        """From now on at this rate."""
        if self.rate > 0:
            self.left = max(0.0, self.left - self.rate * (now - self.since_s))
        self.rate = rate if rate >= NO_RATE else 0.0
        self.since_s = now
