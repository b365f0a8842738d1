"""The Standard Workload Format."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.imports import ImportedTrace
from capacity.imports.swf import read_swf
from capacity.simulation.engines import engine
from capacity.simulation.traces import TraceError, read, write_trace
from tests.capacity.simulation.traces.hostile import read_or_refuse

HEADER = "; Version: 2.2\n; MaxProcs: 8\n; UnixStartTime: 1000\n"
JOBS = (
    "1 0 5 100 4 -1 -1 4 -1 -1 1 1 1 1 1 1 -1 -1\n"
    "2 10 5 50 8 -1 -1 4 -1 -1 1 1 1 1 1 1 1 20\n"
    "3 10 5 -1 -1 -1 -1 4 -1 -1 5 1 1 1 1 1 -1 -1\n"
    "4 11 5 7 -1 -1 -1 2 -1 -1 0 1 1 1 1 1 3 2\n"
    "4 11 5 3 2 -1 -1 2 -1 -1 2 1 1 1 1 1 -1 -1\n"
)


def write(folder, text):
    path = folder / "log.swf"
    path.write_text(text, encoding="utf-8")
    return path


def test_jobs_become_runs(tmp_path):
    trace = read_swf(write(tmp_path, HEADER + JOBS))
    assert trace.tables["hosts"].to_pylist() == [{"id": "machine", "cores": 8.0}]
    assert trace.tables["runs"].drop(["vm"]).to_pylist() == [
        {"id": "1", "release_s": 0, "cpu_s": 400, "max_cores": 4, "after": "", "lag_s": 0},
        {"id": "2", "release_s": 10, "cpu_s": 400, "max_cores": 8, "after": "1", "lag_s": 20},
        {"id": "4", "release_s": 11, "cpu_s": 14, "max_cores": 2, "after": "", "lag_s": 0},
    ]
    assert trace.notes == (
        "中断した処理の一部（状態 2～4。全体の行がある）：1 件",
        "先行する処理が記録にない（先行関係だけを除いた）：1 件",
        "始まる前に取り消された処理（状態 5）：1 件",
    )
    write_trace(tmp_path / "trace", trace.tables, trace.document())
    result = engine("simpy")(read(tmp_path / "trace").system)
    assert result.end_s.tolist() == [100, 170, 18]


def test_without_a_header_the_widest_job_is_the_machine(tmp_path):
    trace = read_swf(write(tmp_path, JOBS))
    assert trace.tables["hosts"].to_pylist() == [{"id": "machine", "cores": 8.0}]
    assert any("見出しにない" in line for line in trace.units)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("1 0 5 100 4", "1 0 5 100", "log.swf:4: 欄が 17 個です。正しくは 18"),
        ("1 0 5 100 4", "1 0 5 nan 4", "log.swf:4: 4 番目の欄は数です（nan）"),
        (
            "1 0 5 100 4",
            "1 -3 5 100 4",
            "log.swf:4: 投入時刻、実行時間、思考時間、プロセッサー数が範囲の外です（1 -3 5 100 4 ",
        ),
        ("1 0 5 100 4", "1.5 0 5 100 4", "log.swf:4: 処理の番号は 1 以上の整数です（1.5）"),
        ("2 10 5 50 8", "1 10 5 50 8", "log.swf:5: 処理 1 は 4 行目にもあります"),
        ("2 10 5 50 8", "2 10 5 50 9", "log.swf:5: 処理 2 は決して入りません（9 個、計算機は 8 個）"),
        ("1 1 1 1 1 -1 -1\n2", "1 1 1 1 1 4 -1\n2", "log.swf:4: 先行する処理 4 は、それより前の行にありません"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, old, new, problem):
    text = HEADER + JOBS
    assert old in text
    with pytest.raises(TraceError) as raised:
        read_swf(write(tmp_path, text.replace(old, new, 1)))
    assert raised.value.problems[0].startswith(problem)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("swf")


@settings(max_examples=150, deadline=None)
@given(
    data=st.binary(max_size=200)
    | st.lists(st.integers(-5, 10**9), min_size=18, max_size=18).map(lambda row: " ".join(map(str, row)).encode())
)
def test_any_bytes_are_refused_or_imported(folder, data):
    (folder / "log.swf").write_bytes(data)
    answer = read_or_refuse(lambda: read_swf(folder / "log.swf"))
    if isinstance(answer, ImportedTrace):
        write_trace(folder / "trace", answer.tables, answer.document())
    assert answer
