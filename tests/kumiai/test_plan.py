"""`kumiai plan`."""

import pytest

import estate
import planning
from layout import checkers, folder
from planning import networks
from tests.kumiai.conftest import LAB, all_files


def tight(document, catalogue):
    """Two of three large VMs fit: one host per site beside the reserve, too small for all of its VMs."""
    for system in catalogue["systems"].values():
        system["roles"]["ap"]["size"]["memory_gib"] = {"small": 24.0, "large": 24.0}
    for site in document["sites"]:
        host = next(host for host in document["hosts"] if host["site"] == site["id"])
        host.update(id=f"{site['id']}{{1..2}}", memory_gib=25.0)
    document["hosts"] = list({host["site"]: host for host in reversed(document["hosts"])}.values())


def too_long(_, catalogue):
    for system in catalogue["systems"].values():
        for job in system["jobs"].values():
            job["work"]["fixed_s"] = 13 * 3600.0


def test_a_plan_that_fits(ask, write_estate, tmp_path):
    answer = ask("plan", write_estate(), "-o", tmp_path / "out")
    assert answer.code == 0
    assert answer.out.startswith("判定：適合 — 令和9年度（2027年度）、最繁忙 ")
    assert answer.out.endswith(f"計画フォルダー：{tmp_path / 'out'}\n")
    assert "独立検査：20 / 20 合格" in answer.out
    plan = folder.read(tmp_path / "out")
    assert plan.run.fits
    assert all(verdict.passed for verdict in checkers.check(plan))
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_plan_as_json_is_its_run_record(ask, tmp_path):
    answer = ask("plan", LAB, "-o", tmp_path / "out", "--json")
    assert answer.code == 0
    assert answer.document == folder.read(tmp_path / "out").run.model_dump(mode="json")
    assert answer.document["format_version"] == "1.0"
    assert answer.document["verdict"].startswith("判定：適合 — ")


def test_a_plan_that_does_not_fit_is_written_and_says_why(ask, write_estate, tmp_path):
    path = write_estate(tight)
    answer = ask("plan", path, "-o", tmp_path / "out")
    assert answer.code == 3
    assert answer.out.startswith("判定：不適合 — 仮想サーバ ")
    assert "不適合：" in answer.out
    plan = folder.read(tmp_path / "out")
    assert not plan.run.fits
    assert plan.run.misfits
    assert answer.out.splitlines()[0] == plan.run.verdict
    as_json = ask("plan", path, "-o", tmp_path / "out", "--json")
    assert as_json.code == 3
    assert as_json.document["fits"] is False
    assert as_json.document["verdict"] == plan.run.verdict


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_job_longer_than_its_window_is_found_before_planning(ask, write_estate, tmp_path, monkeypatch, as_json):
    monkeypatch.setattr(planning, "plan", lambda *_, **__: pytest.fail("planned all the same"))
    path = write_estate(too_long)
    answer = ask("plan", path, "-o", tmp_path / "out", *as_json)
    assert answer.code == 3
    assert "バッチ枠に入りません" in answer.err
    assert not (tmp_path / "out").exists()
    if as_json:
        assert answer.document["verdict"].startswith("判定：誤り ")
        assert {problem["exit_code"] for problem in answer.document["problems"]} == {3}
    else:
        assert answer.out == ""


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_malformed_input_writes_nothing_and_leaves_the_old_plan(ask, write_estate, lab_plan, as_json):
    before = all_files(lab_plan)
    path = write_estate(lambda document, _: document.update(fiscal_year="2027"))
    answer = ask("plan", path, "-o", lab_plan, *as_json)
    assert answer.code == 2
    assert "fiscal_year" in answer.err
    assert all_files(lab_plan) == before
    if as_json:
        assert answer.document["problems"][0]["path"] == "fiscal_year"
    else:
        assert answer.out == ""


@pytest.mark.parametrize("name", ["full", "file", "file/below", "dangling", "nowhere/../file/below"])
def test_a_destination_that_is_no_plan_is_refused_before_any_work(ask, tmp_path, monkeypatch, name):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    monkeypatch.setattr("capacity.runs.generate", lambda *_: pytest.fail("worked all the same"))
    answer = ask("plan", LAB, "-o", tmp_path / name)
    assert (answer.code, answer.out) == (2, "")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["dangling", "file", "full", "mine.txt"]


def test_a_destination_without_permission_is_refused_before_any_work(ask, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, _: path != tmp_path)  # root may write everywhere
    monkeypatch.setattr("capacity.runs.generate", lambda *_: pytest.fail("worked all the same"))
    answer = ask("plan", LAB, "-o", tmp_path / "new")
    assert (answer.code, answer.out) == (2, "")
    assert f"{tmp_path} に書き込めません" in answer.err


def test_a_new_plan_replaces_the_old_one_as_a_whole(ask, lab_plan):
    (lab_plan / "licences.json").write_text("old")
    assert ask("plan", LAB, "-o", lab_plan).code == 0
    assert not (lab_plan / "licences.json").exists()
    assert folder.read(lab_plan).run.fits


def test_too_many_networks_do_not_fit_and_nothing_is_written(ask, tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "ADDRESS_SPACE", networks.IPv4Network("10.0.0.0/24"))
    answer = ask("plan", LAB, "-o", tmp_path / "out")
    assert (answer.code, answer.out) == (3, "")
    assert "アドレス空間 10.0.0.0/24" in answer.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seed", ["0", "9223372036854775807"])
def test_any_seed_gives_a_plan(ask, tmp_path, seed):
    assert ask("plan", LAB, "-o", tmp_path / "out", "--seed", seed).code == 0
    assert folder.read(tmp_path / "out").run.seed == int(seed)


@pytest.mark.parametrize("seed", ["-1", "9223372036854775808", "x", "1.5", ""])
def test_a_seed_that_is_none_is_wrong_use(ask, tmp_path, seed):
    answer = ask("plan", LAB, "-o", tmp_path / "out", "--seed", seed)
    assert (answer.code, answer.out) == (2, "")
    assert "--seed" in answer.err
    assert not (tmp_path / "out").exists()


def test_warnings_are_messages_and_progress_is_silent_when_piped(ask, tmp_path):
    answer = ask("plan", LAB, "-o", tmp_path / "out")
    assert answer.err.splitlines() == list(estate.load(LAB).warnings)
