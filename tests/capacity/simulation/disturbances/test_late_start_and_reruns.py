"""Late releases and failed runs, by hand and by the share of runs concerned."""

import numpy as np
import pytest

from capacity.simulation.disturbances.late_start import released_s
from capacity.simulation.disturbances.reruns import failures
from estate.disturbance_records import Duration, FailedRun, LateStart

SOURCE = {"basis": "assumed", "source": "[A] test"}
LATE = LateStart(kinds=("notice",), probability=0.25, delay=Duration(median_min=60.0, p95_min=240.0), **SOURCE)
FAILS = FailedRun(
    probability=0.5, work_from=0.2, work_until=0.6, delay=Duration(median_min=10.0, p95_min=10.0), **SOURCE
)


def test_only_runs_after_a_check_start_late_and_only_so_often():
    found = released_s(
        np.array([100.0, 200.0, 300.0]),
        np.array([True, False, True]),
        LATE,
        happens=np.array([0.1, 0.1, 0.25]),
        length=np.array([0.5, 0.5, 0.5]),
    )
    assert found.tolist() == pytest.approx([100.0 + 3600.0, 200.0, 300.0])


def test_the_share_of_late_runs_is_the_probability():
    draws = np.random.default_rng(1).random((2, 20_000))
    delay_s = released_s(np.zeros(20_000), np.ones(20_000, dtype=bool), LATE, draws[0], draws[1])
    assert (delay_s > 0).mean() == pytest.approx(0.25, abs=0.01)
    assert np.median(delay_s[delay_s > 0]) == pytest.approx(3600.0, rel=0.05)


def test_a_failure_strikes_evenly_in_its_part_of_the_work():
    found = failures(
        np.array([1000.0, 1000.0, 500.0, 500.0]),
        np.array([True, True, True, False]),
        FAILS,
        happens=np.array([0.4, 0.6, 0.0, 0.0]),
        where=np.array([0.0, 0.0, 1.0, 1.0]),
        length=np.array([0.3, 0.3, 0.9, 0.9]),
    )
    assert found.failed_cpu_s.tolist() == pytest.approx([200.0, np.inf, 300.0, np.inf])
    assert found.rerun_delay_s.tolist() == pytest.approx([600.0, 0.0, 600.0, 0.0])
