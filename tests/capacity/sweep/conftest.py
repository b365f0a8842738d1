"""A tiny plan folder, scenario files beside it, and runners."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from capacity.sweep import execution, reader, task
from tests.layout.builder import write as write_folder

SCENARIOS = """\
format: 1
plans: [plan]
settings: {engine: simpy, replications: 2}
axes:
  load_factor: [1.0, 1.5, 2.0]
seeds: {from: 3, count: 4}
"""
"""Twelve simulations."""


@pytest.fixture(scope="session")
def tiny_plan(tmp_path_factory):
    """One tenant with one system on three hosts, one week."""
    path = tmp_path_factory.mktemp("tiny") / "plan"
    write_folder(path, tenants=1, systems=1, hosts=3, start=date(2027, 5, 31), days=7)
    return path


@pytest.fixture
def write_scenarios(tiny_plan, tmp_path):
    """Writes a scenario file beside a copy of the plan; returns its path."""
    shutil.copytree(tiny_plan, tmp_path / "plan")

    def write(text=SCENARIOS, name="scenarios.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def here(tasks, plans):
    """Runs every task in this process."""
    for wanted in tasks:
        yield wanted, task.run(plans[wanted.plan_digest], wanted)


def swept(scenario_file, output, runner=here):
    """The summary of a sweep and what it told."""
    told = []
    return execution.sweep(reader.read_sweep(scenario_file), output, runner, tell=told.append), told


def all_files(folder):
    """Path and bytes of everything below a folder, hidden files too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def parquet_count(folder):
    """How many simulations the folder holds."""
    return len(list(Path(folder).glob("runs/*/seed-*.parquet")))
