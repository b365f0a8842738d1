"""Intervals: the formulas against scipy's own, and that they cover what they should on estimators we know."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from capacity.simulation.estimates import counted, estimate, half_width, proportion

SEEDS = 2000


@given(st.integers(0, 300), st.integers(1, 300))
def test_wilson_is_scipys(happened, more):
    count = max(happened, 1) if more == 1 else happened + more
    found = counted(happened, count)
    expected = stats.binomtest(happened, count).proportion_ci(0.95, "wilson")
    assert (found.low_95, found.high_95) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= found.low_95 <= found.share <= found.high_95 <= 1
    assert (found.low_95 == 0.0) == (happened == 0)
    assert (found.high_95 == 1.0) == (happened == count)


def test_counts_out_of_range_are_refused():
    for happened, count in ((-1, 5), (6, 5), (0, 0)):
        with pytest.raises(ValueError, match="expected 0 <= happened"):
            counted(happened, count)


def test_proportion_counts_replications():
    found = proportion(np.array([True, False, False, True]))
    assert (found.share, found.happened) == (0.5, 2)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
def test_half_width_is_students(values):
    means = np.array(values)
    low, high = stats.t.interval(0.95, len(values) - 1, means.mean(), max(stats.sem(means), 1e-300))
    assert half_width(means) == pytest.approx((high - low) / 2, rel=1e-9, abs=1e-9)


def test_one_replication_has_no_interval():
    assert half_width(np.array([3.0])) is None
    assert estimate(np.array([[1.0, 3.0]])).half_width_95 is None


def test_runs_of_a_replication_are_not_counted_as_independent():
    """Runs that are late together say no more than one of them."""
    one = np.array([[1.0], [5.0], [3.0]])
    many = np.repeat(one, 50, axis=1)
    assert estimate(many).half_width_95 == estimate(one).half_width_95


def test_students_interval_covers_the_mean_of_exponential_replications():
    """20 replications, each the mean of 30 exponential runs: between 91 % and 98.5 % of the seeds."""
    covered = 0
    for seed in range(SEEDS):
        values = np.random.default_rng(seed).exponential(2.0, (20, 30))
        found = estimate(values)
        covered += abs(found.mean - 2.0) <= found.half_width_95
    assert 0.91 < covered / SEEDS < 0.985


@pytest.mark.parametrize("chance", [0.02, 0.1, 0.5])
def test_wilsons_interval_covers_the_probability(chance):
    covered = 0
    for seed in range(SEEDS):
        found = proportion(np.random.default_rng(seed).random(100) < chance)
        covered += found.low_95 <= chance <= found.high_95
    assert 0.91 < covered / SEEDS < 0.985


def test_woodruffs_interval_covers_the_percentile_of_runs_that_are_late_together():
    """100 replications of 20 runs with a common part: between 91 % and 98.5 % of the seeds."""
    percentile = stats.norm.ppf(0.95, scale=np.sqrt(2.0))
    covered = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        found = estimate(rng.normal(size=(100, 1)) + rng.normal(size=(100, 20)))
        covered += found.p95_low <= percentile <= found.p95_high
    assert 0.91 <= covered / 400 <= 0.985


def test_few_replications_leave_the_end_of_a_percentile_open():
    one, few = estimate(np.array([[1.0, 2.0]])), estimate(np.arange(20.0)[:, None])
    assert (one.p95_low, one.p95_high) == (None, None)
    assert few.p95_low < few.p95
    assert few.p95_high is None
    flat = estimate(np.full((50, 3), 7.0))
    assert (flat.p95_low, flat.p95) == (7.0, 7.0)
