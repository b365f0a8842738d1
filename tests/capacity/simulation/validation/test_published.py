"""Published cases on both engines; a wrong engine is noticed."""

from dataclasses import replace

import pytest

from capacity.simulation.engines import engine
from capacity.simulation.validation import published

CASES = tuple(published.cases())


def test_there_are_cases_of_every_published_simulator():
    assert len(CASES) == 22
    assert {case.name.split("-")[0] for case in CASES} == {"ciw", "cloudsim", "dslab", "opendc"}
    assert all(case.source for case in CASES)


@pytest.mark.parametrize("name", ["fast", "simpy"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_engine_answers_as_published(case, name):
    assert case.largest_difference(engine(name)) <= published.EXACT_S


def test_another_time_or_energy_is_noticed():
    case = next(case for case in CASES if case.name == "opendc-scenario-01")
    assert replace(case, end_s=case.end_s + 1.0).largest_difference(engine("simpy")) == pytest.approx(1.0)
    hungrier = replace(case, power=replace(case.power, full_w=300.0))
    assert hungrier.largest_difference(engine("simpy")) > 0.1


def test_a_line_per_case():
    lines = published.checks(engine("simpy"), "simpy")
    assert [line.passed for line in lines] == [True] * len(CASES)
