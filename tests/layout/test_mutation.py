"""The checkers against random damages: what breaks a rule is refused by its checker, what does not is accepted."""

from pathlib import Path

import pytest

from layout import checkers, folder
from tests.layout import accounts, builder, damage, oracle

JUDGED = {
    "windows",
    "deadlines",
    "precedence",
    "slots",
    "exclusivity",
    "rerun_room",
    "completeness",
    "dates",
    "hosts",
    "capacity",
    "anti_affinity",
    "reserve",
    "network",
    "peak",
    "bounds",
    "online",
}


@pytest.fixture(scope="module")
def sound():
    return folder.assemble(Path("sound"), builder.Builder().contents())


def refused(plan):
    return {verdict.checker for verdict in checkers.check(plan) if not verdict.passed}


def test_sound_folder_is_accepted_by_every_checker(sound):
    assert oracle.broken(sound) == set()
    assert refused(sound) == set()


@pytest.mark.parametrize("seed", range(2))
def test_damages_are_refused_by_the_responsible_checker(sound, seed):
    seen = set()
    for case in damage.damages(sound, seed, 70, accounts.settle):
        verdict = refused(case.folder)
        if case.refused_by:
            assert case.refused_by in verdict, case.name
            assert "fits" in verdict, case.name
        if case.harmless:
            assert verdict == set(), case.name
        assert verdict & JUDGED == oracle.broken(case.folder), case.name
        seen.add(case.refused_by)
    assert seen >= {"windows", "precedence", "completeness", "capacity", "reserve", "peak", "bounds"}


def test_most_damages_are_refused_by_few_checkers(sound):
    """A settled damage has one cause: the mean number of refusing checkers besides `fits` stays small."""
    counts = [
        len(refused(case.folder) - {"fits"})
        for case in damage.damages(sound, 9, 60, accounts.settle)
        if case.refused_by
    ]
    assert sum(counts) / len(counts) < 3
