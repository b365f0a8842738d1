"""Random estates are planned; the checkers accept every plan, or the plan (or the check) says why it does not fit."""

from __future__ import annotations

import json

import pytest

import estate
import planning
from layout import checkers, folder
from tests.planning.random_estate import estate as random_estate


@pytest.fixture
def planned(tmp_path):
    def plan(seed):
        document, catalogue = random_estate(seed)
        path = tmp_path / "estate.yaml"
        path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
        (tmp_path / "catalogue.yaml").write_text(json.dumps(catalogue, ensure_ascii=False), encoding="utf-8")
        return planning.plan(estate.load(path), tmp_path / "out", seed=seed), tmp_path / "out"

    return plan


@pytest.mark.parametrize("seed", range(20))
def test_a_random_estate_is_planned_and_accepted_or_says_why(planned, seed):
    try:
        record, destination = planned(seed)
    except estate.EstateErrors as errors:
        refused = errors
    else:
        _accepted_or_explained(record, folder.read(destination))
        return
    assert refused.exit_code == 3
    assert all(problem.message for problem in refused.problems)


def _accepted_or_explained(record, plan):
    refused = [verdict for verdict in checkers.check(plan) if not verdict.passed]
    if record.fits:
        assert refused == []
        assert record.misfits == ()
    else:
        assert record.misfits
        assert all(misfit.reason for misfit in record.misfits)
        assert {misfit.kind for misfit in record.misfits} != {"checker"}, refused


def test_most_random_estates_fit(planned):
    """The generator would prove nothing if nearly every estate were refused."""
    fitting = 0
    for seed in range(20):
        try:
            fitting += planned(seed)[0].fits
        except estate.EstateErrors:
            continue
    assert fitting >= 10


def test_the_same_seed_gives_the_same_bytes(planned):
    names = ("estate.json", "layout.json", "runs.parquet", "online.parquet", "profile.parquet")
    _, destination = planned(3)
    first = {name: (destination / name).read_bytes() for name in names}
    _, destination = planned(3)
    assert {name: (destination / name).read_bytes() for name in names} == first
