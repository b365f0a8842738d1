"""The scenario file: what its scenarios are, and every mistake at its place."""

import json
from pathlib import Path

import pytest

from capacity.sweep import plans, reader
from capacity.sweep.reader import read_sweep, tasks
from estate import EstateErrors, read_document
from estate.base_records import Record

CASES = Path(__file__).parents[2] / "cases" / "capacity" / "sweep"


class Case(Record):
    """A scenario file and what is said about it."""

    id: str
    text: str
    says: tuple[str, ...]


class CaseFile(Record):
    """The file broken.yaml."""

    cases: tuple[Case, ...]


BROKEN = read_document(CASES / "broken.yaml", CaseFile).cases


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.id)
def test_every_mistake_is_told_at_its_place(case, write_scenarios):
    path = write_scenarios(case.text)
    with pytest.raises(EstateErrors) as caught:
        read_sweep(path)
    told = [str(p).removeprefix(str(path)).replace(str(path.parent), "{folder}") for p in caught.value.problems]
    wanted = [line.removesuffix("…") for line in case.says]
    # Where a line of the case ends with "…", another room says the rest.
    for line, start, whole in zip(told, wanted, case.says, strict=True):
        assert (line[: len(start)] if start != whole else line) == start
    assert caught.value.exit_code == 2


def settings(sweep):
    return [json.loads(scenario.settings_json) for scenario in sweep.scenarios]


def test_named_scenarios_come_first_then_every_combination(write_scenarios):
    sweep = read_sweep(
        write_scenarios(
            """\
format: 1
plans: [plan]
settings: {engine: simpy, replications: 7}
axes:
  load_factor: [1, 1.25]
  事態: [{name: 平常}, {host_failure: false, online_factor: 0.5}]
scenarios:
  - {name: 現状, replications: 9}
seeds: [4, 2]
"""
        )
    )
    assert [scenario.name for scenario in sweep.scenarios] == [
        "現状",
        "load_factor=1、事態=平常",
        "load_factor=1、事態=1",
        "load_factor=1.25、事態=平常",
        "load_factor=1.25、事態=1",
    ]
    found = settings(sweep)
    assert [one["replications"] for one in found] == [9, 7, 7, 7, 7]
    assert [one["load_factor"] for one in found] == [1.0, 1.0, 1.0, 1.25, 1.25]
    assert [one["online_factor"] for one in found] == [1.0, 1.0, 0.5, 1.0, 0.5]
    assert [one["host_failure"] for one in found] == [True, True, False, True, False]
    assert "seed" not in found[0]
    wanted = tasks(sweep)
    assert [(task.scenario, task.seed) for task in wanted[:3]] == [
        ("現状", 4), ("現状", 2), ("load_factor=1、事態=平常", 4)
    ]  # fmt: skip
    assert [json.loads(task.settings_json)["seed"] for task in wanted] == [4, 2] * 5
    assert len({task.key for task in wanted}) == 10


def test_a_file_of_plans_only_is_one_scenario(write_scenarios):
    sweep = read_sweep(write_scenarios("format: 1\nplans: [plan]\n"))
    assert [scenario.name for scenario in sweep.scenarios] == ["基本"]
    assert sweep.seeds == (0,)


def test_equal_scenarios_run_once(write_scenarios):
    text = "format: 1\nplans: [plan]\naxes: {load_factor: [1.0, 2.0]}\nscenarios: [{name: 現状}]\n"
    sweep = read_sweep(write_scenarios(text))
    assert len(sweep.scenarios) == 3
    assert sweep.scenarios[0].key == sweep.scenarios[1].key
    assert [task.scenario for task in tasks(sweep)] == ["現状", "load_factor=2.0"]


def test_a_key_knows_plan_settings_and_version(write_scenarios, tmp_path, monkeypatch):
    path = write_scenarios("format: 1\nplans: [plan]\n")
    before = read_sweep(path).scenarios[0].key
    assert (
        read_sweep(write_scenarios("format: 1\nplans: [plan]\nsettings: {load_factor: 1}\n")).scenarios[0].key == before
    )
    run = json.loads((tmp_path / "plan" / "run.json").read_text())
    (tmp_path / "plan" / "run.json").write_text(json.dumps({**run, "timings_s": {"runs": 1.5}}))
    assert read_sweep(path).scenarios[0].key == before, "how long planning took is no part of the plan"
    monkeypatch.setattr(reader, "version", lambda: "another")
    assert read_sweep(path).scenarios[0].key != before


def test_too_many_are_refused_before_they_are_made(write_scenarios):
    values = ", ".join(str(1 + place / 1000) for place in range(500))
    axes = "\n".join(f"  {name}: [{values}]" for name in ("load_factor", "online_factor", "work_cv_factor"))
    path = write_scenarios(f"format: 1\nplans: [plan]\naxes:\n{axes}\n")
    with pytest.raises(EstateErrors) as caught:
        read_sweep(path)
    assert [str(problem).removeprefix(str(path)) for problem in caught.value.problems] == [
        ":3:1: axes: 条件の組み合わせが多すぎます（500 × 500 × 500 = 125,000,000 通り）。"
        "上限は 10,000 通りです。値を減らすか、ファイルを分けてください"
    ]
    path = write_scenarios(
        f"format: 1\nplans: [plan]\naxes:\n  load_factor: [{values}]\nseeds: {{from: 0, count: 401}}\n"
    )
    with pytest.raises(EstateErrors, match=r"seeds: 模擬が多すぎます（条件 500 × 種 401 = 200,500 回）"):
        read_sweep(path)


def test_the_example_is_sound(tiny_plan, monkeypatch):
    packed = plans.pack(tiny_plan, "plan")
    monkeypatch.setattr(reader.plans, "pack", lambda path, written: packed)
    sweep = read_sweep(Path(__file__).parents[3] / "examples" / "pilot" / "scenarios.yaml")
    assert [scenario.name for scenario in sweep.scenarios][:2] == ["計画どおり", "load_factor=1.1、昼間の負荷=現状"]
    assert (len(sweep.scenarios), sweep.seeds) == (5, (0, 1, 2, 3, 4))
