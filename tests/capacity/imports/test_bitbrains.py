"""Bitbrains traces: one CSV file per VM."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.imports import ImportedTrace
from capacity.imports.bitbrains import read_bitbrains
from capacity.simulation.engines import engine
from capacity.simulation.traces import TraceError, read, write_trace
from tests.capacity.simulation.traces.hostile import read_or_refuse

HEADER = (
    "Timestamp [ms];\tCPU cores;\tCPU capacity provisioned [MHZ];\tCPU usage [MHZ];\tCPU usage [%];\t"
    "Memory capacity provisioned [KB]\n"
)
ONE = HEADER + "1376314846;\t4;\t8000.0;\t4000.0;\t50;\t67108864.0\n1376315146;\t4;\t8000;\t9000;\t100;\t1\n"
TWO = HEADER + (
    "1376314946;\t2;\t4000;\t1000;\t25;\t1\n1376314946;\t2;\t4000;\t1;\t1;\t1\n"
    "1376315246;\t2;\t0;\t10;\t1;\t1\n1376317946;\t2;\t4000;\t4000;\t100;\t1\n"
)


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def test_samples_become_demand(tmp_path):
    trace = read_bitbrains(write(tmp_path / "source", one=ONE, two=TWO))
    assert trace.tables["hosts"].to_pylist() == [{"id": "host", "cores": 6.0}]
    assert trace.tables["vms"].column("vcpu").to_pylist() == [4.0, 2.0]
    assert trace.tables["runs"].select(["id", "vm", "release_s", "cpu_s"]).to_pylist() == [
        {"id": "one", "vm": "one", "release_s": 0.0, "cpu_s": 1800.0},
        {"id": "two", "vm": "two", "release_s": 100.0, "cpu_s": 750.0},
    ]
    assert trace.tables["demand"].to_pylist() == [
        {"run": "one", "from_s": 0, "until_s": 300, "cores": 2.0},
        {"run": "one", "from_s": 300, "until_s": 600, "cores": 4.0},
        {"run": "two", "from_s": 0, "until_s": 300, "cores": 0.5},
        {"run": "two", "from_s": 3000, "until_s": 3300, "cores": 2.0},
    ]
    assert trace.notes == (
        "割当 MHz が 0 で使用量のある測定を除いた：1 行",
        "割当を超える使用量を割当に抑えた：1 行",
        "同じ時刻の 2 つ目の測定を除いた：1 行",
        "測定の途切れ（負荷なしとした）：1 行",
    )
    write_trace(tmp_path / "trace", trace.tables, trace.document())
    assert engine("simpy")(read(tmp_path / "trace").system).end_s.tolist() == [600, 3400]


def test_samples_become_online_load_on_a_host_of_given_size(tmp_path):
    source = write(tmp_path / "source", one=ONE)
    trace = read_bitbrains(source / "one.csv", load="online", host_cores=2.5)
    assert trace.tables["hosts"].to_pylist() == [{"id": "host", "cores": 2.5}]
    assert trace.tables["online"].to_pylist() == [
        {"vm": "one", "from_s": 0, "until_s": 300, "cores": 2.0},
        {"vm": "one", "from_s": 300, "until_s": 600, "cores": 4.0},
    ]
    write_trace(tmp_path / "trace", trace.tables, trace.document())
    assert len(read(tmp_path / "trace").system.runs) == 0


def test_times_in_milliseconds_are_recognised(tmp_path):
    text = ONE.replace("1376314846;", "1376314846000;").replace("1376315146;", "1376315146000;")
    trace = read_bitbrains(write(tmp_path / "source", one=text))
    assert trace.tables["demand"].column("until_s").to_pylist() == [300, 600]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("CPU cores;", "cores;", "one.csv:1: 見出しが違います。CPU cores が要ります（区切りは ;）"),
        ("4000.0", "x", "one.csv:2: 数として読めません（1376314846; 4; 8000.0; x; 50; 67108864.0）"),
        ("4000.0", "nan", "one.csv:2: 値が範囲の外です"),
        ("4000.0", "-1", "one.csv:2: 値が範囲の外です"),
        ("\t4;\t8000.0", "\t0;\t8000.0", "one.csv:2: 値が範囲の外です"),
        ("1376315146", "1376314746", "one.csv:3: 時刻が順に並んでいません（1376314846 の後に 1376314746）"),
        (";\t8000;\t9000;\t100;\t1", "", "one.csv:3: 数として読めません"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, old, new, problem):
    assert old in ONE
    with pytest.raises(TraceError) as raised:
        read_bitbrains(write(tmp_path / "source", one=ONE.replace(old, new, 1)))
    assert raised.value.problems[0].startswith(problem)


def test_nothing_to_read(tmp_path):
    with pytest.raises(TraceError, match="CSV ファイルがありません"):
        read_bitbrains(write(tmp_path / "empty"))
    with pytest.raises(TraceError, match="測定値が 1 つもありません"):
        read_bitbrains(write(tmp_path / "header", one=HEADER))
    with pytest.raises(TraceError, match=r"none\.csv: ファイルがありません"):
        read_bitbrains(tmp_path / "none.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bitbrains")


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200), odd=st.floats() | st.integers(), tail=st.booleans())
def test_any_bytes_are_refused_or_imported(folder, data, odd, tail):
    text = ONE.replace("9000", str(odd)).encode()
    (folder / "one.csv").write_bytes(text + data if tail else data)
    answer = read_or_refuse(lambda: read_bitbrains(folder / "one.csv"))
    if isinstance(answer, ImportedTrace):
        write_trace(folder / "trace", answer.tables, answer.document())
    assert answer


def test_a_file_name_that_is_not_utf_8_still_names_a_vm(tmp_path):
    source = write(tmp_path / "source", one=ONE)
    (source / "one.csv").rename(source / os.fsdecode(b"\xffone.csv"))
    trace = read_bitbrains(source)
    assert trace.tables["vms"].column("id").to_pylist() == ["�one"]
    write_trace(tmp_path / "trace", trace.tables, trace.document())
    assert read(tmp_path / "trace").system.vms.ids[0] == "�one"
