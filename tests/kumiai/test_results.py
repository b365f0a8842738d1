"""Commands that read a plan folder: `simulate`, `license count`, and what they refuse."""

import json
from pathlib import Path

import pytest

from layout import folder, results
from tests.kumiai.conftest import all_files

TRACE = {
    "hosts.csv": "id,cores\nh1,4\n",
    "vms.csv": "id,host,vcpu,slots\nv1,h1,2,1\n",
    "runs.csv": "id,vm,release_s,cpu_s,max_cores,after\na,v1,0,10,2,\nb,v1,0,4,1,a\n",
}


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "trace"
    path.mkdir()
    for name, text in TRACE.items():
        (path / name).write_text(text, encoding="utf-8")
    return path


def edit_layout(plan: Path, old: str, new: str) -> None:
    path = plan / "layout.json"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_simulate_answers_and_leaves_its_result(ask, lab_plan):
    answer = ask("simulate", lab_plan, "--replications", 2)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("判定：遅れなし — ")
    plan = folder.read(lab_plan)
    (name,) = [name for name in results.result_names(plan) if name.endswith(".json")]
    again = ask("simulate", lab_plan, "--replications", 2, "--json")
    assert again.code == 0
    assert again.document["format_version"] == "1.0"
    assert again.document["layout_digest"] == plan.layout_digest
    assert again.document["verdict"] == answer.out.splitlines()[0]
    assert json.loads(results.read_result(plan, name)) == again.document


@pytest.mark.parametrize("week", ["2027-05-12", "2027-05-16"])
def test_simulate_takes_the_week_of_any_day(ask, lab_plan, week):
    answer = ask("simulate", lab_plan, "--replications", 1, "--week", week, "--json")
    assert (answer.code, answer.document["week"]) == (0, "2027-05-10")


@pytest.mark.parametrize(
    "week", ["nonsense", "", "2027-05-32", "2027-02-29", "12.5.2027", "2026-05-12", "9999-12-31", "0001-01-01"]
)
def test_simulate_refuses_weeks_that_are_none_or_empty(ask, lab_plan, week):
    before = all_files(lab_plan)
    answer = ask("simulate", lab_plan, "--replications", 1, "--week", week)
    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 1
    assert all_files(lab_plan) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate"],
        ["simulate", "PLAN", "--trace", "PLAN"],
        ["simulate", "PLAN", "-o", "out"],
        ["simulate", "PLAN", "--engine", "slow"],
        ["simulate", "PLAN", "--replications", "0"],
        ["simulate", "PLAN", "--replications", "100001"],
        ["simulate", "PLAN", "--seed", "-1"],
        ["simulate", "missing"],
        ["simulate", "--trace", "missing"],
        ["simulate", "--trace", "missing", "-o", "out"],
        ["license"],
        ["license", "nope"],
        ["license", "count"],
        ["license", "count", "missing"],
        ["license", "count", "PLAN", "--as-of", "nonsense"],
        ["license", "count", "PLAN", "--rules", "missing"],
        ["license", "count", "PLAN/run.json"],
        ["license", "count", "PLAN/runs.parquet"],
        ["deploy"],
        ["deploy", "missing"],
        ["deploy", "PLAN", "--domain-type", "xen"],
        ["deploy", "PLAN", "--deadline", "0"],
        ["deploy", "PLAN", "--lab", "--uris", "u.json"],
        ["report"],
        ["report", "missing"],
        ["report", "PLAN", "--format", "docx"],
        ["lab"],
        ["lab", "nope"],
        ["lab", "up", "--hosts", "0"],
        ["lab", "up", "--hosts", "65"],
        ["lab", "exec"],
        ["check"],
        ["new"],
        ["plan", "estate.yaml"],
        ["nope"],
        ["--nope"],
        ["check", "--nope", "x"],
        [],
    ],
    ids=" ".join,
)
def test_wrong_use_is_2_and_writes_nothing(ask, lab_plan, monkeypatch, tmp_path, arguments):
    monkeypatch.chdir(tmp_path)
    before = all_files(tmp_path)
    answer = ask(*(argument.replace("PLAN", str(lab_plan)) for argument in arguments))
    assert answer.code == 2
    assert answer.err or answer.out.strip().startswith("Usage")
    assert all_files(tmp_path) == before


def test_a_trace_is_replayed(ask, trace, tmp_path):
    answer = ask("simulate", "--trace", trace, "-o", tmp_path / "out")
    assert answer.code == 0
    assert answer.out.endswith(f"結果：{tmp_path / 'out'}\n")
    rows = (tmp_path / "out" / "runs.csv").read_text().splitlines()
    assert rows[0] == "id,start_s,end_s"
    assert [tuple(map(float, row.split(",")[1:])) for row in rows[1:]] == [(0.0, 5.0), (5.0, 9.0)]
    as_json = ask("simulate", "--trace", trace, "-o", tmp_path / "out", "--json")
    assert as_json.document["format_version"] == "1.0"
    assert as_json.document["verdict"] == answer.out.splitlines()[0]


def test_a_broken_trace_is_2_with_a_line_per_mistake(ask, trace, tmp_path):
    (trace / "runs.csv").write_text("id,vm,release_s,cpu_s,max_cores,after\na,nope,0,x,2,\n")
    answer = ask("simulate", "--trace", trace, "-o", tmp_path / "out")
    assert (answer.code, answer.out) == (2, "")
    assert "runs.csv:2" in answer.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["file", "file/out", "full"])
def test_a_trace_result_replaces_nothing_else(ask, trace, tmp_path, name):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    before = all_files(tmp_path)
    answer = ask("simulate", "--trace", trace, "-o", tmp_path / name)
    assert (answer.code, answer.out) == (2, "")
    assert all_files(tmp_path) == before


def test_licences_of_a_folder(ask, lab_plan):
    answer = ask("license", "count", lab_plan)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("判定：適合 — ")
    as_json = ask("license", "count", lab_plan, "--json")
    assert as_json.document["format_version"] == "1.0"
    assert as_json.document["verdict"] == answer.out.splitlines()[0]
    plan = folder.read(lab_plan)
    assert json.loads(results.read_result(plan, "licences.json")) == as_json.document


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_licence_violations_are_3_and_a_result(ask, write_estate, tmp_path, as_json):
    def change(document, catalogue):
        for system in catalogue["systems"].values():
            system["roles"]["ap"]["products"] = [{"rule": "sraoss-powergres.os"}]
        document["licences"] = [{"id": "few", "rule": "sraoss-powergres.os", "quantity": 1, "source": "試験"}]

    assert ask("plan", write_estate(change), "-o", tmp_path / "out").code == 0
    answer = ask("license", "count", tmp_path / "out", *as_json)
    assert answer.code == 3
    verdict = answer.document["verdict"] if as_json else answer.out.splitlines()[0]
    assert verdict.startswith("判定：")
    assert "違反" in answer.out if not as_json else answer.document["violations"]
    assert (tmp_path / "out" / "licences.json").is_file()


def test_licences_of_a_bare_layout_are_counts_only(ask, lab_plan, tmp_path):
    layout = (lab_plan / "layout.json").rename(tmp_path / "bare.json")
    answer = ask("license", "count", layout)
    assert answer.code == 0
    assert answer.out.startswith("判定：必要数のみ")
    as_json = ask("license", "count", layout, "--json")
    assert as_json.document["entitlements_known"] is False
    assert as_json.document["violations"] == []
    assert not (tmp_path / "licences.json").exists()


def test_what_is_asked_aside_does_not_become_the_result(ask, lab_plan):
    before = all_files(lab_plan)
    assert ask("license", "count", lab_plan, "--as-of", "2027-05-10").code == 0
    assert all_files(lab_plan) == before


def test_a_report_is_rendered_and_says_where(ask, lab_plan):
    answer = ask("report", lab_plan)
    assert answer.code == 0
    assert answer.out.startswith("判定：適合 — ")
    as_json = ask("report", lab_plan, "--json")
    assert as_json.document["format_version"] == "1.0"
    assert as_json.document["verdict"] == answer.out.splitlines()[0]
    html = Path(as_json.document["files"]["html"]).read_text(encoding="utf-8")
    assert as_json.document["verdict"] in html


COMMANDS = [["simulate", "--replications", "1"], ["license", "count"], ["report"], ["deploy"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_another_major_version_is_refused(ask, lab_plan, command):
    edit_layout(lab_plan, '"format_version": "1.0"', '"format_version": "2.0"')
    before = all_files(lab_plan)
    answer = ask(*command, lab_plan)
    assert (answer.code, answer.out) == (2, "")
    assert "形式バージョン 2.0" in answer.err
    assert all_files(lab_plan) == before


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_layout_edited_after_planning_is_refused(ask, lab_plan, command):
    edit_layout(lab_plan, '"restore_priority": 1', '"restore_priority": 2')
    before = all_files(lab_plan)
    answer = ask(*command, lab_plan)
    assert (answer.code in {2, 3}, answer.out) == (True, "")
    assert "layout" in answer.err
    assert all_files(lab_plan) == before


@pytest.mark.parametrize("name", ["run.json", "estate.json", "layout.json", "runs.parquet"])
@pytest.mark.parametrize("command", COMMANDS[:3], ids=lambda command: command[0])
def test_a_folder_without_one_of_its_files_is_refused(ask, lab_plan, command, name):
    (lab_plan / name).unlink()
    answer = ask(*command, lab_plan)
    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 1


def test_options_of_plans_are_refused_for_a_trace(ask, trace, tmp_path):
    answer = ask("simulate", "--trace", trace, "-o", tmp_path / "out", "--growth", 2, "--load", 3)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "--load、--growth は計画フォルダーを模擬するときだけ使います\n"
    assert not (tmp_path / "out").exists()
