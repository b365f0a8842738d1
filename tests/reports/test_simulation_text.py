"""The lines of a simulation and of a comparison on the terminal, against golden outputs."""

import dataclasses
import json
import os
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from capacity.simulation.comparison import compare_plans
from capacity.simulation.settings import Settings
from capacity.simulation.study import simulate_plan
from layout.folder import assemble
from layout.simulation_records import PlanSimulation
from reports import plan_comparison_text, simulation_text
from tests.layout.builder import Builder
from tests.layout.builder import write as write_folder
from tests.reports import folders

GOLDEN = Path(__file__).parents[1] / "golden" / "simulation"
MONDAY = date(2027, 5, 31)


def agree(name, lines):
    """KUMIAI_UPDATE_GOLDEN=1 writes it anew."""
    path, text = GOLDEN / name, "\n".join(lines) + "\n"
    if os.environ.get("KUMIAI_UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("plan") / "plan")


def heavier(folder):
    """The plan with half as much work again in the nightly runs, and without backups of one tenant."""
    rows = [row for row in folder.runs.to_pylist() if not (row["job"] == "backup" and row["tenant"] == "t01")]
    for row in rows:
        if row["job"] == "nightly":
            row["cpu_s"] *= 1.5
    table = pa.Table.from_pylist(rows, schema=folder.runs.schema)
    return assemble(folder.path, dataclasses.replace(Builder().contents(), runs=table))


def test_a_saved_result_reads_as_before():
    document = json.loads((folders.CASES / "lateness.json").read_text(encoding="utf-8"))
    result = PlanSimulation.model_validate_json(json.dumps(document | {"layout_digest": "0" * 64}))
    agree("saved.txt", simulation_text.lines(result))


def test_an_overloaded_night(plan):
    settings = Settings(night=MONDAY, replications=8, seed=2, load_factor=6.0)
    agree("overloaded-night.txt", simulation_text.lines(simulate_plan(plan, settings)))


def test_one_replication_has_no_intervals(plan):
    agree("once.txt", simulation_text.lines(simulate_plan(plan, Settings(week=MONDAY, replications=1))))


def test_two_plans(plan):
    settings = Settings(week=MONDAY, replications=6, seed=2)
    result = compare_plans([plan, heavier(plan)], ["a", "b"], settings)
    agree("comparison.txt", plan_comparison_text.lines(result))
