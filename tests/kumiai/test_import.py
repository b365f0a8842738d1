"""`kumiai import`, and what comes out of `kumiai simulate --trace` for it."""

import csv
import json
import signal
import subprocess
import sys
import time

import pytest

from tests.kumiai.conftest import ROOT, all_files

SWF = "; MaxProcs: 8\n1 0 5 100 4 -1 -1 4 -1 -1 1 1 1 1 1 1 -1 -1\n2 10 5 50 8 -1 -1 4 -1 -1 1 1 1 1 1 1 1 20\n"


@pytest.fixture
def swf(tmp_path):
    path = tmp_path / "log.swf"
    path.write_text(SWF, encoding="utf-8")
    return path


def test_import_and_replay(ask, swf, tmp_path):
    answer = ask("import", "swf", swf, "-o", tmp_path / "trace")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("判定：2 件の処理を取り込みました（swf）\n")
    assert "見出しの MaxProcs" in answer.out
    replayed = ask("simulate", "--trace", tmp_path / "trace", "-o", tmp_path / "out", "--json")
    assert (replayed.code, replayed.document["mean_cpu"]) == (0, pytest.approx(800 / (8 * 170)))
    with (tmp_path / "out" / "runs.csv").open(encoding="utf-8") as stream:
        assert list(csv.reader(stream)) == [["id", "start_s", "end_s"], ["1", "0", "100"], ["2", "120", "170"]]
    origin = json.loads((tmp_path / "trace" / "import.json").read_text(encoding="utf-8"))
    again = ask("import", "swf", swf, "-o", tmp_path / "trace", "--json")
    assert again.document == origin


def test_a_replay_tells_the_energy_of_hosts_that_state_their_power(ask, swf, tmp_path):
    ask("import", "swf", swf, "-o", tmp_path / "trace")
    (tmp_path / "trace" / "hosts.csv").write_text("id,cores,idle_w,full_w\nmachine,8,100,260\n", encoding="utf-8")
    answer = ask("simulate", "--trace", tmp_path / "trace", "-o", tmp_path / "out")
    # 100 W for 170 s, and 20 W more per core for 800 core-seconds.
    assert "消費電力量：33000 J（1 ホスト）\n" in answer.out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert (summary["energy_j"], summary["energy_hosts"]) == (pytest.approx(100 * 170 + 20 * 800), 1)


def test_runs_that_no_window_is_left_for_do_not_fit(ask, swf, tmp_path):
    ask("import", "swf", swf, "-o", tmp_path / "trace")
    trace = tmp_path / "trace"
    runs = "id,vm,release_s,cpu_s,max_cores,after,calendar\na,machine,0,80,4,,\nb,machine,0,4,4,a,early\n"
    (trace / "runs.csv").write_text(runs, encoding="utf-8")
    (trace / "windows.csv").write_text("calendar,open_s,close_s\nearly,0,10\n", encoding="utf-8")
    answer = ask("simulate", "--trace", trace, "-o", tmp_path / "out")
    assert answer.code == 3
    assert answer.out.startswith("判定：不適合 — 2 件のうち 1 件は開ける枠がなく終わらない\n")
    assert (tmp_path / "out" / "runs.csv").read_text(encoding="utf-8") == "id,start_s,end_s\na,0,20\nb,inf,inf\n"
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert (summary["unfinished_runs"], summary["makespan_s"]) == (1, 20)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gwf", "log.swf"), "FORMAT: 知らない形式です（gwf）。surf、swf、bitbrains のどれかを指定してください"),
        (("swf", "log.swf", "--as", "online"), "--as と --host-cores は bitbrains のときだけ使います"),
        (("swf", "log.swf", "--hosts", "h.json"), "--hosts は surf のときだけ使います"),
        (("bitbrains", "log.swf", "--as", "x"), "--as: demand、online のどれかです（x）"),
        (("bitbrains", "log.swf", "--host-cores", "0"), "--host-cores: 0 より大きい数です（0）"),
        (("bitbrains", "log.swf"), "log.swf:1: 見出しが違います"),
        (("swf", "none.swf"), "none.swf: ファイルがありません"),
        (("swf", "."), "フォルダーです。ファイルを置いてください"),
        (("surf", "."), "ホストの JSON がちょうど 1 つではありません（なし）。--hosts で指定してください"),
    ],
)
def test_refusals_write_nothing(ask, swf, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    before = all_files(tmp_path)
    answer = ask("import", *arguments, "-o", tmp_path / "trace")
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert all_files(tmp_path) == before


def test_a_folder_of_something_else_is_left_alone(ask, swf, tmp_path):
    answer = ask("import", "swf", swf, "-o", tmp_path)
    assert (answer.code, answer.out) == (2, "")
    assert "トレースではない log.swf があるので置き換えません" in answer.err


def test_ctrl_c_leaves_nothing_half_written(tmp_path):
    trace = tmp_path / "trace"
    trace.mkdir()
    (trace / "hosts.csv").write_text("id,cores\nh,4\n", encoding="utf-8")
    (trace / "vms.csv").write_text("id,host,vcpu,slots\nv,h,,\n", encoding="utf-8")
    rows = "".join(f"r{row},v,0,{row + 1},1,\n" for row in range(20_000))
    (trace / "runs.csv").write_text("id,vm,release_s,cpu_s,max_cores,after\n" + rows, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "kumiai",
        "simulate",
        "--trace",
        str(trace),
        "-o",
        str(tmp_path / "out"),
        "--engine",
        "simpy",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    # Reading takes a moment, simulating 20,000 runs on one host with the reference far longer than this.
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "中断しました。書きかけの結果はありません。\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trace"]


def test_a_trace_that_would_not_fit_is_refused_before_it_is_read(ask, tmp_path):
    trace = tmp_path / "trace"
    trace.mkdir()
    (trace / "hosts.csv").write_text("id,cores\nh,2\n", encoding="utf-8")
    (trace / "vms.csv").write_text("id,host,vcpu,slots\nv,h,2,\n", encoding="utf-8")
    (trace / "runs.csv").write_text("id,vm,release_s,cpu_s,max_cores,after\na,v,0,10,,\n", encoding="utf-8")
    refused = ask("simulate", "--trace", trace, "-o", tmp_path / "out", "--memory-limit", "100MiB")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "約 0.2 GiB が要り、0.1 GiB に収まりません" in refused.err
    assert not (tmp_path / "out").exists()
    assert ask("simulate", "--trace", trace, "-o", tmp_path / "out", "--memory-limit", "1GiB").code == 0
    assert ask("simulate", "--trace", trace, "-o", tmp_path / "out", "--memory-limit", "much").code == 2
