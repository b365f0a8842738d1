"""`kumiai sweep`: what it says, and what Ctrl-C and kill -9 leave."""

import json
import os
import re
import signal
import subprocess
import sys
import time

from tests.capacity.sweep.conftest import SCENARIOS, all_files, parquet_count, swept, tiny_plan, write_scenarios
from tests.kumiai.conftest import ROOT

__all__ = ["tiny_plan", "write_scenarios"]
LONGEST_S = 240
MANY = SCENARIOS.replace("count: 4", "count: 30")


def start(path, output):
    """A sweep of one worker in its own process group, as a shell starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "kumiai", "sweep", str(path), "-o", str(output), "--workers", "1"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition):
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < LONGEST_S
        time.sleep(0.02)


def members(group):
    """The processes of a process group that still live."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    return [
        line for line in map(str.split, listed.splitlines()) if line[0] == str(group) and not line[1].startswith("Z")
    ]


def test_kill_9_and_ctrl_c_cost_no_finished_simulation(ask, write_scenarios, tmp_path):
    path, output = write_scenarios(MANY), tmp_path / "out"
    killed = start(path, output)
    wait_for(lambda: parquet_count(output) >= 2)
    killed.kill()
    killed.communicate()
    wait_for(lambda: members(killed.pid) == [])
    first = parquet_count(output)
    interrupted = start(path, output)
    wait_for(lambda: parquet_count(output) >= first + 2)
    os.killpg(interrupted.pid, signal.SIGINT)
    out, err = interrupted.communicate(timeout=LONGEST_S)
    assert (interrupted.returncode, out) == (130, "")
    told = err.splitlines()
    assert told[0].startswith("前回の続きです：90 回のうち ")
    assert told[-2] == f"済んだ模擬は {output} に残っています。同じコマンドで続きから始まります"
    assert told[-1].startswith("中断しました")
    # multiprocessing's resource tracker ends a moment after the command, when it sees its pipe closed.
    wait_for(lambda: members(interrupted.pid) == [])
    second = parquet_count(output)
    assert first + 2 <= second < 90
    answer = ask("sweep", path, "-o", output, "--workers", "2")
    assert answer.code == 0
    done = int(re.fullmatch(r"前回の続きです：90 回のうち (\d+) 回は済み、\d+ 回を模擬します\n", answer.err)[1])
    # Each of the two ends may fall between a file and its line in the ledger; such a run is done again.
    assert second - 2 <= done <= second
    swept(path, tmp_path / "whole")
    assert all_files(output) == all_files(tmp_path / "whole")


def test_the_answer(ask, write_scenarios, tmp_path):
    path = write_scenarios()
    answer = ask("sweep", path, "-o", tmp_path / "out", "--workers", "1")
    lines = answer.out.splitlines()
    assert answer.code == 0
    assert lines[0].startswith("判定：差あり — 3 条件を種 4 通りで模擬。")
    assert lines[-1] == f"結果：{tmp_path}/out/results.parquet"
    assert [line.split()[0] for line in lines if line.strip().startswith("load_factor=")] == [
        f"load_factor={factor}" for factor in ("1.0", "1.5", "2.0")
    ]
    document = ask("sweep", path, "-o", tmp_path / "out", "--json").document
    assert document == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (document["format_version"], document["verdict"]) == ("1.0", lines[0])
    first, second, _ = document["scenarios"]
    assert all(figure["difference"] is None for figure in first["figures"])
    by_name = [{figure["name"]: figure for figure in one["figures"]} for one in (first, second)]
    delay, more = (found["mean_delay_s"] for found in by_name)
    assert delay["value"]["low_95"] < delay["value"]["mean"] < delay["value"]["high_95"]
    assert abs(more["difference"]["mean"] - (more["value"]["mean"] - delay["value"]["mean"])) < 1e-6


def test_mistakes_are_told_before_anything_is_written(ask, write_scenarios, tmp_path):
    path = write_scenarios("format: 1\nplans: [plan]\nsettings: {load_factor: 0}\naxes: {weak: [1]}\n")
    answer = ask("sweep", path, "-o", tmp_path / "out")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.splitlines() == [
        f"{path}:3:25: settings.load_factor: 値が小さすぎます（「0」）。0 より大きい数にしてください",
        f"{path}:4:8: axes.weak: 知らないキーです（「weak」）。もしかして: 「week」",
    ]
    assert ask("sweep", path, "-o", tmp_path / "out", "--json").document["verdict"] == "判定：誤り 2 件"
    assert not (tmp_path / "out").exists()


def test_wrong_use(ask, write_scenarios, tmp_path):
    path = write_scenarios()
    for arguments, words in (
        (("--scheduler", "127.0.0.1"), "--scheduler: アドレスが正しくありません（127.0.0.1）"),
        (("--scheduler", "tcp://127.0.0.1:1", "--workers", "2"), "--workers と --scheduler は一緒に使えません"),
    ):
        answer = ask("sweep", path, "-o", tmp_path / "out", *arguments)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith(words)
    answer = ask("sweep", path, "-o", tmp_path / "plan")
    assert answer.code == 2
    assert "kumiai sweep の結果ではない" in answer.err


def test_a_library_for_clusters_is_loaded_for_clusters_only():
    code = (
        "import sys, kumiai.groups, kumiai.sweep, capacity.sweep.cluster, capacity.sweep.reader, capacity.sweep.local\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}print({{'dask', 'distributed', 'tornado'}} & set(sys.modules))"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout == "set()\n"
