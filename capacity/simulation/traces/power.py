"""What hosts draw: their idle and full power as the trace states them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.records import Bools, Floats


@dataclass(frozen=True)
class HostPower:
    """Watts per host, of all its cores together, when idle and when every core works; NaN where it is not stated."""

    idle_w: Floats
    full_w: Floats

    @property
    def stated(self) -> Bools:
        """Which hosts state their power."""
        return ~np.isnan(self.idle_w)
