"""Random small systems with every feature: both engines say what an oracle with exact fractions says."""

import math

import pytest
from hypothesis import given, settings

from capacity.simulation.engines import engine
from tests.capacity.simulation.exact_oracle import Oracle
from tests.capacity.simulation.random_systems import system_of_seed, systems


def as_float(time):
    return math.inf if time is None else float(time)


def disagreements(system, simulate):
    """What an engine says otherwise than the oracle: what, row, oracle, engine."""
    oracle = Oracle(system)
    oracle.run()
    result = simulate(system.columns())
    expected = {
        "ready_s": [as_float(state.ready) for state in oracle.states],
        "start_s": [as_float(state.start) for state in oracle.states],
        "work_end_s": [as_float(state.work_end) for state in oracle.states],
        "end_s": [as_float(state.end) for state in oracle.states],
        "attempts": [state.attempts for state in oracle.states],
        "host_core_s": [float(core_s) for core_s in oracle.accounts["host"]],
        "online_wanted_core_s": [float(core_s) for core_s in oracle.accounts["wanted"]],
        "online_served_core_s": [float(core_s) for core_s in oracle.accounts["served"]],
    }
    return [
        (name, row, says, found)
        for name, column in expected.items()
        for row, (says, found) in enumerate(zip(column, getattr(result, name).tolist(), strict=True))
        if says != found and not abs(says - found) <= 1e-6
    ]


@pytest.mark.parametrize("name", ["simpy", "fast"])
@settings(max_examples=100, deadline=None, derandomize=True)
@given(systems())
def test_oracle_agrees(name, system):
    assert not disagreements(system, engine(name))


@pytest.mark.parametrize("name", ["simpy", "fast"])
def test_oracle_agrees_on_five_hundred_seeds(name):
    for seed in range(500):
        found = disagreements(system_of_seed(seed), engine(name))
        assert not found, f"seed {seed}: {found}\n{system_of_seed(seed)}"
