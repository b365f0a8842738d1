"""Traces that nobody wrote with good intentions: one line per mistake, never another exception."""

import os
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.simulation.traces import TraceError, read_trace
from tests.capacity.simulation.traces.hostile import read_or_refuse
from tests.capacity.simulation.traces.test_every_file import WHOLE, parquet, write

DEMAND = {"demand.csv": "run,from_s,until_s,cores\nsecond,0,2,1\n"}


def refusal(directory):
    with pytest.raises(TraceError) as raised:
        read_trace(directory)
    assert raised.value.problems
    assert all(line and "\n" not in line for line in raised.value.problems)
    return raised.value.problems


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted({**WHOLE, **DEMAND})), data=st.binary(max_size=300))
def test_random_bytes_are_refused_or_read(folder, name, data):
    write(folder, {**WHOLE, **DEMAND})
    (folder / name).write_bytes(data)
    assert read_or_refuse(lambda: read_trace(folder))


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted({**WHOLE, **DEMAND})), data=st.data())
def test_a_table_with_odd_cells_is_refused_or_read(folder, name, data):
    write(folder, {**WHOLE, **DEMAND})
    rows = [line.split(",") for line in {**WHOLE, **DEMAND}[name].splitlines()]
    row = data.draw(st.integers(1, len(rows) - 1))
    column = data.draw(st.integers(0, len(rows[0]) - 1))
    odd = st.sampled_from(
        ["", "nan", "inf", "-1", "1e999", "1_0", "0x10", "１", "9" * 5000, "first", ";;", '"', "\0", "-0"]
    )
    rows[row][column] = data.draw(odd | st.text(max_size=5))
    text = "\n".join(",".join(cells) for cells in rows) + "\n"
    (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    assert read_or_refuse(lambda: read_trace(folder))


@pytest.mark.parametrize("seed", range(60))
def test_damaged_parquet_is_refused_or_read(tmp_path, seed):
    random_source = random.Random(seed)  # noqa: S311  # not for secrets
    trace = parquet(tmp_path / "trace", WHOLE, typed=True)
    path = trace / random_source.choice(["runs.parquet", "hosts.parquet", "online.parquet"])
    data = bytearray(path.read_bytes())
    if seed % 3 == 0:
        data = data[: random_source.randrange(len(data))]
    for _ in range(random_source.randrange(1, 8)):
        if data:
            data[random_source.randrange(len(data))] = random_source.randrange(256)
    path.write_bytes(data)
    assert read_or_refuse(lambda: read_trace(trace))


def test_what_is_no_file_is_refused_by_name(tmp_path):
    trace = write(tmp_path / "trace", WHOLE)
    (trace / "vms.csv").unlink()
    (trace / "vms.csv").mkdir()
    (trace / "hosts.csv").unlink()
    os.mkfifo(trace / "hosts.csv")
    (trace / "demand.csv").symlink_to("nowhere")
    assert refusal(trace) == (
        "hosts.csv: 通常のファイルではないもの（パイプや装置）です。ファイルを置いてください",
        "vms.csv: フォルダーです。ファイルを置いてください",
        "demand.csv: ファイルがありません",
    )


def test_folders_that_are_none(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert refusal(tmp_path / "none")[0].endswith(
        "none: フォルダーがありません。hosts.csv、vms.csv、runs.csv のあるフォルダーを指定してください"
    )
    assert "file: フォルダーではありません" in refusal(tmp_path / "file")[0]


def test_two_files_for_one_table(tmp_path):
    trace = write(tmp_path, WHOLE)
    pq.write_table(pa.table({"id": ["h"]}), trace / "hosts.parquet")
    assert refusal(trace) == ("hosts.csv: hosts.parquet もあります。どちらか一方にしてください",)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "runs.csv:1: 見出しが違います（）"),
        (b"id\xff", "runs.csv: UTF-8 の CSV として読めません（1 行目のバイト 0xff）"),
        (WHOLE["runs.csv"].encode("utf-16"), "runs.csv: UTF-8 の CSV として読めません"),
        (WHOLE["runs.csv"].encode() + b'x,"a', "runs.csv:4: CSV として読めません"),
        (WHOLE["runs.csv"].encode() + b"x,a", "runs.csv:4: 列数が 2 です。正しくは 15"),
    ],
)
def test_files_that_are_no_table(tmp_path, content, problem):
    trace = write(tmp_path, WHOLE)
    (trace / "runs.csv").write_bytes(content)
    assert refusal(trace)[0].startswith(problem)


def test_every_mistake_is_listed_and_long_lists_are_counted(tmp_path):
    rows = "".join(f"r{number},nowhere,0,nan,,\n" for number in range(5000))
    trace = write(tmp_path, {**WHOLE, "runs.csv": "id,vm,release_s,cpu_s,max_cores,after\n" + rows})
    problems = refusal(trace)
    assert problems[:3] == (
        "runs.csv:2: vm の nowhere は定義されていません",
        "runs.csv:2: cpu_s は 0 以上の数です（nan）",
        "runs.csv:3: vm の nowhere は定義されていません",
    )
    assert problems[-1] == "ほか 9,900 件の誤りがあります"
    assert len(problems) == 101


def test_lines_are_those_of_the_file_also_after_blank_and_broken_ones(tmp_path):
    runs = 'id,vm,release_s,cpu_s,max_cores,after\n\na,v,0,1,,\n\n"b\nc",v,0,x,,\n'
    vms = "id,host,vcpu,slots\nv,h,1,\n"
    trace = write(tmp_path, {"hosts.csv": "id,cores\nh,4\n", "vms.csv": vms, "runs.csv": runs})
    assert refusal(trace) == ("runs.csv:6: cpu_s は 0 以上の数です（x）",)


def test_only_the_circle_is_named_not_who_waits_for_it(tmp_path):
    runs = "id,vm,release_s,cpu_s,max_cores,after\na,v,0,1,,c\nb,v,0,1,,a\nc,v,0,1,,b\nd,v,0,1,,c\ne,v,0,1,,e\n"
    vms = "id,host,vcpu,slots\nv,h,1,\n"
    trace = write(tmp_path, {"hosts.csv": "id,cores\nh,4\n", "vms.csv": vms, "runs.csv": runs})
    assert refusal(trace) == tuple(
        f"runs.csv:{line}: 先行関係が循環しています（{name}）"
        for line, name in ((2, "a"), (3, "b"), (4, "c"), (6, "e"))
    )


def test_names_cannot_break_the_line_of_a_mistake(tmp_path):
    hosts = 'id,cores\n"a\n\x1b[31mb",4\n"a\n\x1b[31mb",4\n'
    trace = write(tmp_path, {"hosts.csv": hosts, "vms.csv": "id,host,vcpu,slots\n", "runs.csv": WHOLE["runs.csv"]})
    assert refusal(trace)[0] == "hosts.csv:5: id a  [31mb は 3 行目にもあります"


def test_a_run_may_wait_for_very_many_others(tmp_path):
    names = [f"run-number-{number}" for number in range(60_000)]
    rows = "".join(f"{name},v,0,0,,\n" for name in names) + f"last,v,0,1,,{';'.join(names)}\n"
    tables = {"hosts.csv": "id,cores\nh,4\n", "vms.csv": "id,host,vcpu,slots\nv,h,,\n"}
    for quote in ("", '"'):
        header = f"{quote}id{quote},vm,release_s,cpu_s,max_cores,after\n"
        system = read_trace(write(tmp_path, {**tables, "runs.csv": header + rows}))
        assert system.runs.after[-60_000:].tolist() == list(range(60_000))


def test_a_mistake_in_a_file_of_very_long_names_has_its_line(tmp_path):
    name = "x" * 200_000
    runs = f"id,vm,release_s,cpu_s,max_cores,after\n{name},v,0,1,,\nb,v,0,NaN,,\n"
    vms = "id,host,vcpu,slots\nv,h,1,\n"
    trace = write(tmp_path, {"hosts.csv": "id,cores\nh,4\n", "vms.csv": vms, "runs.csv": runs})
    assert refusal(trace) == ("runs.csv:3: cpu_s は 0 以上の数です（NaN）",)


def test_no_predecessor_is_lost_beside_an_empty_one(tmp_path):
    columns = {"id": ["a", "b", "c"], "vm": ["v"] * 3, "release_s": [0.0] * 3, "cpu_s": [1.0] * 3}
    after = pa.array([[], None, ["a", None]], pa.list_(pa.string()))
    trace = write(tmp_path, {"hosts.csv": "id,cores\nh,4\n", "vms.csv": "id,host,vcpu,slots\nv,h,1,\n"})
    pq.write_table(pa.table({**columns, "max_cores": [1.0] * 3, "after": after}), trace / "runs.parquet")
    (trace / "runs.csv").unlink(missing_ok=True)
    assert refusal(trace)[0].startswith("runs.parquet: after の型は list<")
    whole = pa.array([[], None, ["a", "b"]], pa.list_(pa.string()))
    pq.write_table(pa.table({**columns, "max_cores": [1.0] * 3, "after": whole}), trace / "runs.parquet")
    assert read_trace(trace).runs.after.tolist() == [0, 1]
