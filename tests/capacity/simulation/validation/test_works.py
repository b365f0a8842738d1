"""Distributions of work: what is drawn has the moments that theory is given."""

import numpy as np
import pytest

from capacity.simulation.validation.works import Constant, Exponential, Hyperexponential

COUNT = 400_000


@pytest.mark.parametrize("work", [Exponential(2.0), Constant(2.0), Hyperexponential(2.0, 4.0)], ids=repr)
def test_moments(work):
    random = np.random.default_rng(5)
    drawn = work.draw(random, COUNT)
    assert drawn.mean() == pytest.approx(work.mean, rel=0.01)
    assert (drawn**2).mean() == pytest.approx(work.second_moment, rel=0.03)
    # The mean residual of a renewal process.
    left = work.residual(random, COUNT)
    assert left.mean() == pytest.approx(work.second_moment / (2 * work.mean), rel=0.01)
    # P(residual <= x) = E[min(work, x)] / mean, here with x = mean.
    assert (left <= work.mean).mean() == pytest.approx(np.minimum(drawn, work.mean).mean() / work.mean, abs=0.005)
