"""When there are enough replications: at a fixed number, or as soon as an interval is narrow enough.

Looked at after every `STEP` replications only, and always at the same numbers of them, so that the result does not
depend on who ran them. Looking often and stopping at the first narrow interval makes it a little too narrow on
average; a minimum of replications and the steps keep that small (tests/capacity/simulation/test_stopping.py measures).
"""

from __future__ import annotations

from dataclasses import dataclass

from capacity.records import Floats
from layout.simulation_records import StoppedBy

from .estimates import half_width
from .settings import Settings

STEP = 10


@dataclass(frozen=True)
class StoppingRule:
    """At least `least` replications and at most `most`; between them as soon as the interval is narrow enough."""

    least: int
    most: int
    half_width_s: float | None = None

    @classmethod
    def of(cls, settings: Settings) -> StoppingRule:
        """The rule that the settings ask for."""
        if settings.until_half_width_s is None:
            return cls(settings.replications, settings.replications)
        return cls(settings.replications, settings.most_replications, settings.until_half_width_s)

    def verdict(self, watched: Floats) -> StoppedBy | None:
        """Why to stop after these replications (one value of the watched figure each); None to go on."""
        count = len(watched)
        if self.half_width_s is not None and count >= self.least and (count - self.least) % STEP == 0:
            reached = half_width(watched)
            if reached is not None and reached <= self.half_width_s:
                return "half_width"
        if count < self.most:
            return None
        return "replications" if self.half_width_s is None else "most_replications"
