"""`kumiai simulate` and `kumiai compare`: options, exit codes, one line per mistake, and Ctrl-C that keeps results."""

import json
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from layout import folder, results
from layout.plan_comparison_records import PlanComparison
from tests.kumiai.conftest import ROOT, all_files

QUICK = ["--replications", 3]


def test_a_night_under_more_load(ask, lab_plan):
    answer = ask("simulate", lab_plan, "--night", "busiest", "--load", 1.2, "--online", "shares", *QUICK, "--json")
    assert (answer.code, answer.err) == (0, "")
    assert answer.document["night"]
    assert answer.document["settings"]["load_factor"] == 1.2
    assert answer.document["settings"]["online"] == "shares"


def test_what_is_disturbed_can_be_chosen(ask, lab_plan):
    calm = ask("simulate", lab_plan, "--disturb", "none", *QUICK, "--json").document
    assert calm["settings"]["vary_work"] is False
    assert {job["delay_s"]["half_width_95"] for job in calm["jobs"]} == {0.0}
    work = ask("simulate", lab_plan, "--disturb", "work", *QUICK, "--json").document
    assert "vary_work" not in work["settings"]
    assert work["settings"]["late_start"] is False


def test_it_repeats_until_the_interval_is_narrow(ask, lab_plan):
    answer = ask("simulate", lab_plan, "--until", 100000, "--replications", 10)
    assert answer.code == 0
    assert "反復 10 回（区間が十分に狭くなったため終了）" in answer.out


def test_json_and_text_agree_and_the_result_stays(ask, lab_plan):
    text = ask("simulate", lab_plan, *QUICK)
    document = ask("simulate", lab_plan, *QUICK, "--json").document
    assert text.out.splitlines()[0] == document["verdict"]
    assert json.loads(results.read_result(folder.read(lab_plan), "simulation/lateness.json")) == document


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--week", "tightest", "--night", "busiest"], "--week と --night はどちらか一方だけ"),
        (["--night", "nonsense"], "--night: 日付ではありません"),
        (["--night", "2031-01-01"], "2031-01-01 の夜には処理がありません"),
        (["--until", "x"], "--until: 数が要ります"),
        (["--until", "-1"], "--until: 値が小さすぎます"),
        (["--load", "0"], "--load: 値が小さすぎます"),
        (["--online", "last"], "--online: 決められた値ではありません"),
        (["--disturb", "work,earthquake"], "--disturb: 知らないものです（earthquake）"),
        (["--set", "printers"], "--set: KEY=VALUE の形"),
        (["--set", "printer=2"], "--set printer: 知らないキーです"),
        (["--set", "printers=two"], "--set printers: 整数が要ります"),
        (["--fail-host", "nobody"], "ホスト「nobody」は layout.json にありません"),
        (["--fail-host", "lab01@nonsense"], "--fail-host: 日時ではありません（「nonsense」）"),
        (["--fail-host", "lab01@1893456000"], "--fail-host: 日時ではありません"),
        (["--fail-host", ""], "--fail-host: 値が空です"),
        (["--lose-site", "@2027-06-01T00:00"], "--lose-site: 値が空です"),
        (["--night", ""], "--night: 値が空です"),
        (["--until", " "], "--until: 値が空です"),
        (["--lose-site", "nowhere"], "拠点「nowhere」"),
        (["--engine", "slow"], "--engine: 知らない計算方法です"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(ask, lab_plan, arguments, said):
    before = all_files(lab_plan)
    answer = ask("simulate", lab_plan, *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 1
    assert said in answer.err
    assert all_files(lab_plan) == before


def test_a_plan_does_not_differ_from_itself(ask, lab_plan):
    before = all_files(lab_plan)
    answer = ask("compare", lab_plan, lab_plan, *QUICK)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("判定：差なし — ")
    document = ask("compare", lab_plan, lab_plan, *QUICK, "--json").document
    assert PlanComparison.model_validate_json(json.dumps(document)).equal
    assert all_files(lab_plan) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["PLAN"], "2 つ以上"),
        (["PLAN", "missing"], "計画フォルダーがありません"),
        (["PLAN", "PLAN", "--week", "x"], "--week: 日付ではありません"),
        (["PLAN", "PLAN", "--week", "2031-01-01"], "処理がありません"),
        (["PLAN", "PLAN", "--week", "2027-05-12", "--night", "busiest"], "どちらか一方"),
        (["PLAN", "PLAN", "--disturb", "rain"], "--disturb"),
    ],
)
def test_compare_refuses_in_one_line(ask, lab_plan, arguments, said):
    answer = ask("compare", *(argument.replace("PLAN", str(lab_plan)) for argument in arguments))
    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 1
    assert said in answer.err


def interrupted_after(plan, seconds):
    """Exit code, stdout and stderr of a long simulation whose process group gets Ctrl-C, as a shell sends it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kumiai", "simulate", str(plan), "--replications", "100000", "--engine", "simpy"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=100)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, out.decode(), err.decode()


def test_ctrl_c_keeps_finished_replications(lab_plan):
    for seconds in (8, 20, 60):
        code, out, err = interrupted_after(lab_plan, seconds)
        assert "Traceback" not in err
        assert err.splitlines()[-1].startswith("中断しました。")
        if code == 0:
            break
        assert (code, out) == (130, "")  # a busy machine had not finished one
    assert code == 0
    assert "（中断）" in out.splitlines()[0]
    saved = json.loads(results.read_result(folder.read(lab_plan), "simulation/lateness.json"))
    assert saved["interrupted"] is True
    assert 0 < saved["replications"] < 100_000
    assert f"終わった {saved['replications']:,} 回" in err


def test_runs_that_wait_for_each_other_are_named_before_anything_starts(ask, lab_plan):
    table = pq.read_table(lab_plan / "runs.parquet").sort_by("start")
    ids = table["run_id"].to_pylist()
    week = [0, 1]
    after = table["after"].to_pylist()
    for row, other in zip(week, reversed(week), strict=True):
        after[row] = [{"run": ids[other], "lag_s": 0.0, "lag_business_h": 0.0}]
    changed = pa.array(after, table.schema.field("after").type)
    pq.write_table(table.set_column(table.schema.get_field_index("after"), "after", changed), lab_plan / "runs.parquet")
    before = all_files(lab_plan)
    answer = ask("simulate", lab_plan, "--week", table["start"][0].as_py().date().isoformat())
    assert (answer.code, answer.out, len(answer.err.splitlines())) == (2, "", 1)
    assert "runs.parquet の内容が矛盾しています" in answer.err
    assert ids[0] in answer.err
    assert ids[1] in answer.err
    assert all_files(lab_plan) == before
