"""The checkers on a folder that the use case `plan` wrote: accepted as it is, refused when damaged."""

from pathlib import Path

import pytest

import estate
import planning
from layout import checkers, folder
from tests.layout import damage

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    destination = tmp_path_factory.mktemp("planned") / "lab"
    planning.plan(estate.load(ROOT / "examples" / "lab" / "estate.yaml"), destination)
    return folder.read(destination)


def refused(plan):
    return {verdict.checker for verdict in checkers.check(plan) if not verdict.passed}


def test_planned_folder_is_accepted_by_every_checker(planned):
    assert planned.run.fits
    assert refused(planned) == set()


def test_damages_to_a_planned_folder_are_refused(planned):
    told = 0
    for case in damage.damages(planned, 11, 80):
        verdict = refused(case.folder)
        if case.refused_by:
            told += 1
            assert case.refused_by in verdict, case.name
        if case.harmless:
            assert verdict == set(), case.name
    assert told > 50
