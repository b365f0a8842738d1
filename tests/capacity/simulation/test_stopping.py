"""Sequential stopping: where it stops, and that stopping does not make intervals lie."""

import numpy as np
import pytest

from capacity.simulation.estimates import half_width
from capacity.simulation.settings import Settings
from capacity.simulation.stopping import STEP, StoppingRule


def stopped_at(rule, values):
    return next((n, why) for n in range(1, len(values) + 1) if (why := rule.verdict(values[:n])) is not None)


def test_a_fixed_number_is_that_number():
    rule = StoppingRule.of(Settings(replications=7))
    assert stopped_at(rule, np.zeros(50)) == (7, "replications")


def test_a_narrow_interval_ends_it_at_the_first_look():
    rule = StoppingRule.of(Settings(replications=20, until_half_width_s=1.0))
    assert stopped_at(rule, np.zeros(50)) == (20, "half_width")


def test_it_goes_on_until_the_interval_is_narrow_enough():
    rule = StoppingRule(20, 10_000, 10.0)
    values = np.random.default_rng(1).normal(0.0, 100.0, 2000)
    count, why = stopped_at(rule, values)
    assert (why, (count - 20) % STEP) == ("half_width", 0)
    assert half_width(values[:count]) <= 10.0 < half_width(values[: count - STEP])


def test_it_ends_at_the_most():
    rule = StoppingRule(20, 45, 1e-9)
    values = np.random.default_rng(1).normal(0.0, 100.0, 2000)
    assert stopped_at(rule, values) == (45, "most_replications")


def test_one_replication_never_looks_narrow():
    assert stopped_at(StoppingRule(1, 30, 1e9), np.zeros(30)) == (1 + STEP, "half_width")


def test_most_below_least_is_refused():
    with pytest.raises(ValueError, match="most_replications"):
        Settings(replications=20, most_replications=19, until_half_width_s=1.0)


def test_intervals_still_cover_where_they_decide_when_to_stop():
    """2,000 seeds, about 100 replications each: coverage stays between 91 % and 98.5 %."""
    rule, covered, seeds = StoppingRule(20, 1000, 20.0), 0, 2000
    for seed in range(seeds):
        values = np.random.default_rng(seed).normal(5.0, 100.0, 400)
        count, _ = stopped_at(rule, values)
        covered += abs(values[:count].mean() - 5.0) <= half_width(values[:count])
    assert 0.91 < covered / seeds < 0.985
