"""When are runs released whose staff check takes longer than planned?"""

from __future__ import annotations

import numpy as np

from capacity.records import Bools, Floats
from estate.disturbance_records import LateStart

from .durations import seconds


def released_s(release_s: Floats, follows_check: Bools, late: LateStart, happens: Floats, length: Floats) -> Floats:
    """Release of each run: the planned one, or later with the record's probability where a check comes before.

    `happens` and `length` are uniform draws per run. Draws are used row by row, so no run disturbs another.
    """
    is_late = follows_check & (happens < late.probability)
    return np.asarray(release_s + np.where(is_late, seconds(late.delay, length), 0.0), dtype=np.float64)
