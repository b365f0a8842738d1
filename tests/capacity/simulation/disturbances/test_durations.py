"""Lognormal durations by their median and 95 % point."""

import numpy as np
import pytest
from scipy import stats

from capacity.simulation.disturbances.durations import mean_seconds, seconds
from estate.disturbance_records import Duration

HOUR_OR_FOUR = Duration(median_min=60.0, p95_min=240.0)


def test_median_and_95_per_cent_point_come_back():
    assert seconds(HOUR_OR_FOUR, np.array([0.5, 0.95])) == pytest.approx([3600.0, 4 * 3600.0], rel=1e-12)


def test_equal_points_mean_no_spread():
    always = Duration(median_min=7.0, p95_min=7.0)
    assert seconds(always, np.array([0.01, 0.5, 0.99])) == pytest.approx([420.0] * 3, rel=1e-12)
    assert mean_seconds(always) == pytest.approx(420.0)


def test_a_larger_draw_never_gives_less_and_the_ends_are_finite():
    found = seconds(HOUR_OR_FOUR, np.linspace(0.0, 1.0, 1001))
    assert (np.diff(found) >= 0).all()
    assert np.isfinite(found).all()
    assert found[0] > 0


def test_the_distribution_is_scipys_lognormal():
    sigma = np.log(4.0) / stats.norm.ppf(0.95)
    known = stats.lognorm(s=sigma, scale=3600.0)
    draws = np.linspace(0.001, 0.999, 97)
    assert seconds(HOUR_OR_FOUR, draws) == pytest.approx(known.ppf(draws), rel=1e-9)
    assert mean_seconds(HOUR_OR_FOUR) == pytest.approx(known.mean(), rel=1e-9)
