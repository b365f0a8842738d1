"""Trace directories: what is read, what is refused with its line, what is written."""

import csv
import json
from math import inf

import pytest

from capacity.simulation.records import DemandStep
from capacity.simulation.reference import simulate
from capacity.simulation.traces import TraceError, read_trace, write_results

GOOD = {
    "hosts.csv": "id,cores\nh,4\n",
    "vms.csv": "id,host,vcpu,slots\na,h,2,1\nb,h,,\n",
    "runs.csv": (
        "id,vm,release_s,cpu_s,max_cores,after,fixed_s,lag_s\n"
        "first,a,0,8,,,,\n"
        "second,a,0,2,1,,1,\n"
        "last,b,5,12,,first;second,,1;0.5\n"
        "shaped,b,0,6,,,,\n"
    ),
    "demand.csv": "run,from_s,until_s,cores\nshaped,1,3,3\n",
}


def write(directory, files):
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory


def test_a_trace_is_read_simulated_and_written(tmp_path):
    system = read_trace(write(tmp_path, GOOD))
    assert (system.vms.vcpu.tolist(), system.vms.slots.tolist()) == ([2.0, inf], [1, 0])
    rows = list(system.run_rows())
    assert rows[2].after == (0, 1)
    assert rows[2].lag_s == (1.0, 0.5)
    assert rows[3].demand == (DemandStep(1.0, 3.0, 3.0),)
    out = tmp_path / "out"
    write_results(out, system, simulate(system))
    with (out / "runs.csv").open(encoding="utf-8") as stream:
        rows = {row["id"]: (float(row["start_s"]), float(row["end_s"])) for row in csv.DictReader(stream)}
    # shaped wants 3 of 4 cores from 1 on beside first's 2: both get 2, and 2 x 3 s are its 6 core-seconds.
    assert rows == {"first": (0.0, 4.0), "shaped": (0.0, 4.0), "second": (4.0, 7.0), "last": (7.5, 10.5)}
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert (summary["runs"], summary["work_core_s"], summary["makespan_s"]) == (4, 28.0, 10.5)
    assert summary["verdict"].startswith("判定：4 件")


def test_results_replace_results_and_nothing_else(tmp_path):
    system = read_trace(write(tmp_path, GOOD))
    result = simulate(system)
    write_results(tmp_path / "out", system, result)
    before = (tmp_path / "out/runs.csv").read_bytes()
    write_results(tmp_path / "out", system, result)
    assert (tmp_path / "out/runs.csv").read_bytes() == before
    with pytest.raises(TraceError, match=r"模擬の結果ではない demand\.csv があるので置き換えません"):
        write_results(tmp_path, system, result)
    with pytest.raises(TraceError, match="フォルダーとして読めません"):
        write_results(tmp_path / "runs.csv", system, result)


def test_one_lag_holds_for_all_predecessors(tmp_path):
    runs = GOOD["runs.csv"].replace("1;0.5", "2")
    assert list(read_trace(write(tmp_path, {**GOOD, "runs.csv": runs})).run_rows())[2].lag_s == (2.0, 2.0)


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("hosts.csv", "h,4", "h,0", "hosts.csv:2: cores は 0 より大きい数です（0）"),
        ("hosts.csv", "h,4", "h,nan", "hosts.csv:2: cores は 0 より大きい数です（nan）"),
        ("hosts.csv", "h,4", "h,4\nh,5", "hosts.csv:3: id h は 2 行目にもあります"),
        (
            "hosts.csv",
            "id,cores",
            "id,core",
            "hosts.csv:1: 見出しが違います（id, core）。正しくは id, cores（任意：io_mib_s, line, idle_w, full_w）",
        ),
        ("vms.csv", "b,h,,", "b,x,,", "vms.csv:3: host の x は定義されていません"),
        ("vms.csv", "a,h,2,1", "a,h,2,1.5", "vms.csv:2: slots は 1 以上の整数か空です（1.5）"),
        ("vms.csv", "a,h,2,1", "a,h,2", "vms.csv:2: 列数が 3 です。正しくは 4"),
        ("runs.csv", "first,a,0,8", "first,a,0,-8", "runs.csv:2: cpu_s は 0 以上の数です（-8）"),
        ("runs.csv", "first,a,0,8", "first,a,x,8", "runs.csv:2: release_s は数です（x）"),
        ("runs.csv", "first;second,,1;0.5", "first;third,,", "runs.csv:4: after の third は定義されていません"),
        ("runs.csv", "1;0.5", "1;0.5;2", "runs.csv:4: lag_s の数が 3 です。正しくは 1 または 2"),
        ("runs.csv", "first,a,0,8,,,,", "first,a,0,8,,last,,", "runs.csv:2: 先行関係が循環しています（first）"),
        ("runs.csv", "shaped,b,0,6", "shaped,b,0,7", "runs.csv:5: cpu_s は 7.0 ですが、demand.csv の合計は 6.0 です"),
        (
            "demand.csv",
            "shaped,1,3,3",
            "shaped,3,1,3",
            "demand.csv:2: 時刻が順に並んでいません（0.0 の後に 3.0 から 1.0）",
        ),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, name, old, new, problem):
    assert old in GOOD[name]
    with pytest.raises(TraceError) as raised:
        read_trace(write(tmp_path, {**GOOD, name: GOOD[name].replace(old, new)}))
    assert problem in raised.value.problems


def test_missing_and_binary_files_are_named_together(tmp_path):
    write(tmp_path, {"runs.csv": GOOD["runs.csv"]})
    (tmp_path / "vms.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceError) as raised:
        read_trace(tmp_path)
    assert raised.value.problems[0] == "hosts.csv: ファイルがありません"
    assert raised.value.problems[1].startswith("vms.csv: UTF-8 の CSV として読めません")
