"""`kumiai simulate DIR --growth YEARS` and `--availability YEARS`."""

import json
import shutil
from pathlib import Path

import pytest

import estate
import planning
from layout import folder, results
from tests.kumiai.conftest import LAB, all_files

SIZES = """
disturbances:
  host_failure: {per_host_year: 4, detection_min: 2, restart_min: 5, parallel_restarts: 4,
    repair: {median_min: 240, p95_min: 1440}, basis: assumed, source: 試験}
  growth: {residents_per_year: 0, work_per_year: 0.5, online_per_year: 0.1, basis: assumed, source: 試験}
  service_level: {availability: 0.995, restore_h: 12, basis: assumed, source: 試験}
"""


@pytest.fixture(scope="module")
def planned_with_sizes(tmp_path_factory):
    """The laboratory's estate with sizes of disturbances, which its catalogue does not have."""
    place = tmp_path_factory.mktemp("sizes")
    shutil.copytree(LAB.parent, place / "lab")
    path = place / "lab" / LAB.name
    path.write_text(path.read_text(encoding="utf-8") + SIZES, encoding="utf-8")
    planning.plan(estate.load(path), place / "plan")
    return place / "plan"


@pytest.fixture
def sized_plan(planned_with_sizes, tmp_path):
    return Path(shutil.copytree(planned_with_sizes, tmp_path / "plan"))


@pytest.mark.parametrize(
    ("option", "name"), [("--growth", "simulation/growth.json"), ("--availability", "simulation/availability.json")]
)
def test_the_answer_is_said_and_left_in_the_folder(ask, sized_plan, option, name):
    answer = ask("simulate", sized_plan, option, 3)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("判定：")
    assert "nan" not in answer.out
    again = ask("simulate", sized_plan, option, 3, "--json")
    plan = folder.read(sized_plan)
    assert again.document["verdict"] == answer.out.splitlines()[0]
    assert again.document["layout_digest"] == plan.layout_digest
    assert json.loads(results.read_result(plan, name)) == again.document


def test_a_year_of_failures_names_tenants_and_the_promise(ask, sized_plan):
    answer = ask("simulate", sized_plan, "--availability", 20, "--json")
    assert answer.document["target"] == 0.995
    assert answer.document["years"] == 20
    plan = folder.read(sized_plan)
    assert {entry["tenant"] for entry in answer.document["tenants"]} == {vm.tenant for vm in plan.layout.vms}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--growth", 0), "--growth: 年数は 1 から 50 まで"),
        (("--growth", 51), "--growth: 年数は 1 から 50 まで"),
        (("--availability", 0), "--availability: 年数は 1 から 100,000 まで"),
        (("--growth", 3, "--availability", 3), "どちらか一方だけ"),
        (("--growth", 3, "--week", "1999-01-01"), "処理がありません"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(ask, sized_plan, options, words):
    before = all_files(sized_plan)
    answer = ask("simulate", sized_plan, *options)
    assert (answer.code, answer.out) == (2, "")
    assert words in answer.err
    assert all_files(sized_plan) == before


def test_an_estate_without_sizes_says_what_is_missing(ask, lab_plan):
    for option, block in (("--growth", "disturbances.growth"), ("--availability", "disturbances.host_failure")):
        answer = ask("simulate", lab_plan, option, 3)
        assert (answer.code, answer.out) == (2, "")
        assert block in answer.err
