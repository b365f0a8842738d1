"""Which runs fail on their way, where, and how long until they are done again?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.records import Bools, Floats
from estate.disturbance_records import FailedRun

from .durations import seconds


@dataclass(frozen=True)
class Failures:
    """Columns of the runs: `failed_cpu_s` (infinite: it does not fail) and `rerun_delay_s`."""

    failed_cpu_s: Floats
    rerun_delay_s: Floats


def failures(
    cpu_s: Floats, may_fail: Bools, failed: FailedRun, happens: Floats, where: Floats, length: Floats
) -> Failures:
    """A run that may fail does so with the record's probability, evenly between `work_from` and `work_until` of its
    `cpu_s` (the work of this replication), and begins anew after the delay.

    `happens`, `where` and `length` are uniform draws per run. Runs with demand steps must not be among `may_fail`.
    """
    fails = may_fail & (happens < failed.probability)
    share = failed.work_from + (failed.work_until - failed.work_from) * where
    return Failures(
        failed_cpu_s=np.where(fails, cpu_s * share, np.inf),
        rerun_delay_s=np.where(fails, seconds(failed.delay, length), 0.0),
    )
