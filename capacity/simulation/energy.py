"""The electricity that hosts use: power linear in how many cores work."""

from __future__ import annotations

import numpy as np

from capacity.records import Floats


def energy_j(cores: Floats, served_core_s: Floats, elapsed_s: float, idle_w: Floats, full_w: Floats) -> Floats:
    """Joules per host over `elapsed_s` seconds in which it served `served_core_s` core-seconds.

    Power is `idle_w + (full_w - idle_w) x share of its cores that work`, the linear model of Fan, Weber and Barroso
    (Power Provisioning for a Warehouse-sized Computer, ISCA 2007). Its integral needs only the work served: when
    the cores worked does not matter. A host that stands for several machines states the sum of their power.
    """
    return np.asarray(idle_w * elapsed_s + (full_w - idle_w) * served_core_s / cores, dtype=np.float64)
