"""The line through measurements, some of which are wrong."""

import numpy as np
import pytest

from capacity.calibration.robust import fit_line, median_with_interval


def points(rng, rows=40, wrong=0.15):
    """Times of runs with 100 s of fixed time and 0.02 s per unit, 2 % scatter, and some rows three times too long."""
    x = rng.uniform(5_000, 60_000, rows)
    y = (100 + 0.02 * x) * (1 + 0.02 * rng.standard_normal(rows))
    bad = rng.permutation(rows) < wrong * rows
    return x, np.where(bad, 3 * y, y), bad


def test_exact_points_give_the_exact_line():
    x = np.array([1.0, 2.0, 5.0, 9.0])
    line = fit_line(x, 3 + 2 * x, np.random.default_rng(0), replicates=20)
    assert (line.intercept.value, line.slope.value) == pytest.approx((3, 2))
    assert not line.outlying.any()


def test_wrong_rows_change_little_and_are_found():
    x, y, bad = points(np.random.default_rng(1))
    line = fit_line(x, y, np.random.default_rng(2))
    assert line.slope.value == pytest.approx(0.02, rel=0.03)
    assert line.intercept.value == pytest.approx(100, abs=25)
    assert line.outlying[bad].all()
    assert line.outlying[~bad].mean() < 0.15
    ordinary = np.polyfit(x, y, 1)[0]
    assert abs(line.slope.value - 0.02) < abs(ordinary - 0.02) / 3


def test_the_line_does_not_follow_one_row_with_extreme_units():
    x, y, _ = points(np.random.default_rng(3), wrong=0)
    x[0], y[0] = 5e6, 60.0
    assert fit_line(x, y, np.random.default_rng(2)).slope.value == pytest.approx(0.02, rel=0.03)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    held = np.zeros(2)
    for seed in range(100):
        x, y, _ = points(np.random.default_rng(seed), rows=30)
        line = fit_line(x, y, np.random.default_rng(seed), replicates=200)
        held += [line.slope.low <= 0.02 <= line.slope.high, line.intercept.low <= 100 <= line.intercept.high]
    # 95 % and its binomial scatter over 100 seeds; wrong rows lengthen the intervals rather than shift them.
    assert (held >= 88).all()


def test_below_zero_the_line_goes_through_the_origin():
    x = np.array([10.0, 20.0, 30.0, 40.0])
    line = fit_line(x, 2 * x - 5, np.random.default_rng(0), replicates=20)
    assert line.at_zero
    assert line.intercept.value == 0
    assert line.slope.value == pytest.approx(np.median(2 - 5 / x))


def test_many_rows_take_a_sample_of_pairs():
    x, y, _ = points(np.random.default_rng(4), rows=5_000)
    line = fit_line(x, y, np.random.default_rng(0), replicates=50)
    assert line.slope.value == pytest.approx(0.02, rel=0.02)
    again = fit_line(x, y, np.random.default_rng(0), replicates=50)
    assert (line.slope, line.intercept) == (again.slope, again.intercept)


def test_the_median_and_its_interval():
    estimate = median_with_interval(np.array([1.0, 2.0, 3.0, 4.0, 100.0]), np.random.default_rng(0))
    assert estimate.value == 3
    assert estimate.low < 3 < estimate.high
