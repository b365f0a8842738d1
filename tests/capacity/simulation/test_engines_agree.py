"""Two engines that share nothing but records give the same times: 10,000 random small systems, and a whole year."""

import math

import numpy as np
import pytest
from hypothesis import given, settings

from capacity.simulation.columns import SimulationInput
from capacity.simulation.engines import engine
from capacity.simulation.records import OnlineLoad, SimulatedHost, SimulatedRun, SimulatedVm
from tests.capacity.simulation.random_systems import system_of_seed, systems

YEAR_S = 366 * 86400.0
COLUMNS = ("ready_s", "start_s", "work_end_s", "end_s", "attempts")
ACCOUNTS = ("host_core_s", "online_wanted_core_s", "online_served_core_s")


def disagreements(system):
    """What the engines say differently: name, row, reference, fast."""
    reference, fast = engine("simpy")(system), engine("fast")(system)
    found = []
    for name in (*COLUMNS, *ACCOUNTS):
        ours, theirs = getattr(reference, name), getattr(fast, name)
        apart = (ours != theirs) & ~np.isclose(ours, theirs, rtol=0.0, atol=1e-6)
        found += [(name, row, ours[row], theirs[row]) for row in np.flatnonzero(apart).tolist()]
    return found


@pytest.mark.parametrize("thousand", range(9))
def test_engines_agree_on_nine_thousand_seeds(thousand):
    for seed in range(1000 * thousand, 1000 * (thousand + 1)):
        system = system_of_seed(seed)
        found = disagreements(system.columns())
        assert not found, f"system_of_seed({seed}): {found[:5]}\n{system}"


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(systems())
def test_engines_agree_on_a_thousand_systems_of_hypothesis(system):
    assert not disagreements(system.columns())


@pytest.mark.parametrize("name", ["simpy", "fast"])
def test_a_year_of_hourly_runs_does_not_drift(name):
    """Each run works 2,400 1/3 core-seconds on one core, so every end is known."""
    count = int(YEAR_S / 3600)
    release_s = 3600.0 * np.arange(count)
    work = 2400 + 1 / 3
    runs = tuple(SimulatedRun(f"r{row}", 0, at_s, work, 1.0) for row, at_s in enumerate(release_s.tolist()))
    system = SimulationInput.of((SimulatedHost("h", 1.0),), (SimulatedVm("v", 0, slots=1),), runs)
    result = engine(name)(system)
    assert np.abs(result.start_s - release_s).max() == 0.0
    assert np.abs(result.end_s - (release_s + work)).max() <= 1e-8


@pytest.mark.parametrize("name", ["simpy", "fast"])
def test_a_year_of_one_run_after_the_other_does_not_drift(name):
    """A chain of 10-minute runs, each after the one before: the 52,704th ends with the year."""
    count = int(YEAR_S / 600)
    runs = tuple(
        SimulatedRun(f"r{row}", 0, 0.0, 600.0, 1.0, after=(row - 1,) if row else (), lag_s=(0.0,) if row else ())
        for row in range(count)
    )
    system = SimulationInput.of((SimulatedHost("h", 4.0),), (SimulatedVm("v", 0),), runs)
    assert np.abs(engine(name)(system).end_s - 600.0 * np.arange(1, count + 1)).max() == 0.0


@pytest.mark.parametrize("name", ["simpy", "fast"])
def test_a_year_of_one_run_that_gives_way_every_hour(name):
    """Online load takes a tenth of the core every second hour: after 366 days the run has 0.95 of the year's work."""
    hours = range(0, 366 * 24, 2)
    online = tuple(OnlineLoad(0, 3600.0 * hour, 3600.0 * (hour + 1), 0.1) for hour in hours)
    system = SimulationInput.of(
        (SimulatedHost("h", 1.0),),
        (SimulatedVm("v", 0),),
        (SimulatedRun("long", 0, 0.0, 0.95 * YEAR_S),),
        online,
    )
    result = engine(name)(system)
    assert result.end_s[0] == pytest.approx(YEAR_S, rel=0, abs=1e-6)
    assert result.online_served_core_s[0] == pytest.approx(0.05 * YEAR_S, rel=1e-12)
    assert math.isclose(result.host_core_s[0], YEAR_S, rel_tol=1e-12)
