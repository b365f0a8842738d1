"""When hosts stop: by hand, and against the Poisson process."""

import itertools

import numpy as np
import pytest
from scipy import stats

from capacity.simulation.disturbances.failover import HostStop
from capacity.simulation.disturbances.host_failure import YEAR_S, draws_needed, host_stops
from estate.disturbance_records import Duration, HostFailure

SOURCE = {"basis": "assumed", "source": "[A] test"}


def record(per_year=2.0, repair_min=60.0):
    return HostFailure(
        per_host_year=per_year,
        detection_min=2.0,
        restart_min=5.0,
        parallel_restarts=2,
        repair=Duration(median_min=repair_min, p95_min=repair_min),
        **SOURCE,
    )


def test_gaps_by_inversion_and_repairs():
    half, late = 1 - np.exp(-1.0), 1 - np.exp(-10.0)
    gaps = np.array([[half, half, late], [late, late, late]])
    found = host_stops(record(), 1000.0, 1000.0 + 1.2 * YEAR_S, gaps, np.full((2, 3), 0.5))
    at_s = 1000.0 + YEAR_S / 2
    assert [(stop.host, stop.at_s, stop.back_s) for stop in found] == [
        (0, pytest.approx(at_s), pytest.approx(at_s + 3600.0)),
        (0, pytest.approx(1000.0 + YEAR_S), pytest.approx(1000.0 + YEAR_S + 3600.0)),
    ]


def test_a_host_that_is_down_does_not_fail_again():
    gaps = np.array([[0.5, 1e-9, 1 - 1e-9]])
    found = host_stops(record(), 0.0, YEAR_S, gaps, np.full((1, 3), 0.5))
    assert len(found) == 1


def test_too_few_draws_are_named():
    with pytest.raises(ValueError, match="2 draws per host are too few"):
        host_stops(record(), 0.0, YEAR_S, np.full((1, 2), 0.1), np.full((1, 2), 0.5))
    with pytest.raises(ValueError, match="as many gaps as repairs"):
        host_stops(record(), 0.0, YEAR_S, np.full((1, 2), 0.1), np.full((1, 3), 0.5))


def test_no_rate_no_stop():
    nothing = np.zeros((3, draws_needed(record(0.0), YEAR_S)))
    assert host_stops(record(0.0), 0.0, YEAR_S, nothing, nothing) == ()


def test_counts_and_times_are_those_of_a_poisson_process():
    hosts, rate = 20_000, record(2.0, 1e-3)
    draws = np.random.default_rng(7).random((2, hosts, draws_needed(rate, YEAR_S)))
    found = host_stops(rate, 0.0, YEAR_S, draws[0], draws[1])
    counts = np.bincount([stop.host for stop in found], minlength=hosts)
    seen = np.bincount(counts, minlength=8)[:8]
    expected = stats.poisson(2.0).pmf(np.arange(8)) * hosts
    assert stats.chisquare(seen, expected * seen.sum() / expected.sum()).pvalue > 0.001
    assert stats.kstest([stop.at_s / YEAR_S for stop in found], "uniform").pvalue > 0.001
    assert all(earlier.at_s <= later.at_s for earlier, later in itertools.pairwise(found))
    assert isinstance(found[0], HostStop)
