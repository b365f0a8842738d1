"""The optional files and columns of a trace directory, and other ways to write the same."""

import random
from math import inf

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capacity.simulation.engines import engine
from capacity.simulation.traces import TraceError, read, read_trace

WHOLE = {
    "hosts.csv": "id,cores,io_mib_s,line,idle_w,full_w\nh,4,100,wan,80,300\ng,8,,,,\n",
    "vms.csv": "id,host,vcpu,slots,weight\na,h,2,1,2\nb,h,,,\n",
    "runs.csv": (
        "id,vm,release_s,cpu_s,max_cores,after,fixed_s,lag_s,io_mib,line_mib,calendar,pool,pool_s,failed_cpu_s,rerun_delay_s\n"
        "first,a,0,8,,,,,200,50,night,print,3,4,10\n"
        "second,b,0,2,1,first,1,7,,,,,,,\n"
    ),
    "online.csv": "vm,from_s,until_s,cores\nb,0,10,1\nb,5,20,0.5\n",
    "vcpu_changes.csv": "vm,at_s,vcpu\na,30,\na,20,4\n",
    "moves.csv": "vm,at_s,until_s,to_host,keeps_work\nb,60,90,h,false\nb,40,,g,true\n",
    "windows.csv": "calendar,open_s,close_s\nnight,2,50\nnoon,1,2\nnight,100,200\n",
    "pools.csv": "id,slots\nprint,2\n",
    "lines.csv": "id,mib_s\nwan,10\n",
}


def write(directory, files):
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory


def test_every_optional_file_is_read(tmp_path):
    trace = read(write(tmp_path, WHOLE))
    system = trace.system
    assert system.hosts.io_mib_s.tolist() == [100, inf]
    assert system.hosts.line.tolist() == [0, -1]
    assert trace.power.stated.tolist() == [True, False]
    assert system.vms.weight.tolist() == [2, 1]
    assert system.vms.online_class.tolist() == [-1, 0]
    assert system.online.at_s.tolist() == [0, 5, 10, 20]
    assert system.online.level.tolist() == [1, 1.5, 0.5, 0]
    first, second = system.run_rows()
    assert (first.io_mib, first.line_mib, first.calendar, first.pool, first.pool_s) == (200, 50, 0, 0, 3)
    assert (first.failed_cpu_s, first.rerun_delay_s) == (4, 10)
    assert (second.calendar, second.pool, second.failed_cpu_s, second.lag_s) == (None, None, None, (7,))
    assert system.changes.vcpu_at_s.tolist() == [20, 30]
    assert system.changes.vcpu.tolist() == [4, inf]
    assert system.changes.move_at_s.tolist() == [40, 60]
    assert system.changes.move_until_s.tolist() == [40, 90]
    assert system.changes.move_to_host.tolist() == [1, 0]
    assert system.changes.move_keeps_work.tolist() == [True, False]
    assert system.centre.window_ptr.tolist() == [0, 2, 3]
    assert system.centre.window_open_s.tolist() == [2, 100, 1]
    assert (system.centre.pool_slots.tolist(), system.centre.line_mib_s.tolist()) == ([2], [10])


def test_the_whole_model_runs_from_a_trace(tmp_path):
    system = read_trace(write(tmp_path, WHOLE))
    result = engine("simpy")(system)
    # The window opens at 2; 4 core-seconds on 2 cores, then it fails, waits 10 s and starts again: 8 core-seconds on
    # 2 cores beside 200 MiB at 100 MiB/s, and 50 MiB over a line of 10 MiB/s, the longest; then 3 s of printing.
    assert result.start_s[0] == 2
    assert result.work_end_s[0] == pytest.approx(2 + 2 + 10 + 5, abs=1e-9)
    assert result.end_s[0] == pytest.approx(22, abs=1e-9)
    assert result.start_s[1] == pytest.approx(29, abs=1e-9)


def same(left, right):
    for part in ("hosts", "vms", "runs", "online", "changes", "centre"):
        for name, value in vars(getattr(left, part)).items():
            other = getattr(getattr(right, part), name)
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, other, err_msg=f"{part}.{name}")
            else:
                assert list(value) == list(other), f"{part}.{name}"


def spoilt(text, random_source):
    """The same table with quotes, spaces, blank lines, other line ends and a byte order mark."""
    lines = text.splitlines()
    for row, line in enumerate(lines):
        cells = line.split(",")
        for column, cell in enumerate(cells):
            style = random_source.randrange(4)
            if style == 1 and row:
                cells[column] = f'"{cell}"'
            elif style == 2:
                cells[column] = f" {cell}\t"
        lines[row] = ",".join(cells)
        if row and random_source.randrange(3) == 0:
            lines[row] += "\n"
    return "\ufeff" + "\r\n".join(lines).replace("\n\r\n", "\r\n\r\n") + "\n"


@pytest.mark.parametrize("seed", range(20))
def test_other_ways_to_write_csv_say_the_same(tmp_path, seed):
    random_source = random.Random(seed)  # noqa: S311  # not for secrets
    plain = read_trace(write(tmp_path / "plain", WHOLE))
    other = write(tmp_path / "spoilt", {name: spoilt(text, random_source) for name, text in WHOLE.items()})
    same(plain, read_trace(other))


def parquet(directory, files, *, typed):
    directory.mkdir()
    for name, text in files.items():
        header, *rows = [line.split(",") for line in text.splitlines()]
        columns = {}
        for position, column in enumerate(header):
            cells = [row[position] or None for row in rows]
            try:
                columns[column] = (
                    pa.array([None if cell is None else float(cell) for cell in cells]) if typed else cells
                )
            except ValueError:
                columns[column] = cells
        pq.write_table(pa.table(columns), directory / name.replace(".csv", ".parquet"))
    return directory


@pytest.mark.parametrize("typed", [True, False])
def test_parquet_says_the_same_as_csv(tmp_path, typed):
    plain = read_trace(write(tmp_path / "plain", WHOLE))
    same(plain, read_trace(parquet(tmp_path / "parquet", WHOLE, typed=typed)))


def test_parquet_may_hold_whole_numbers_dictionaries_and_lists(tmp_path):
    trace = write(tmp_path, {name: WHOLE[name] for name in ("hosts.csv", "lines.csv")})
    pq.write_table(
        pa.table(
            {
                "id": pa.array([1, 2]),
                "host": pa.array(["h", "h"]).dictionary_encode(),
                "vcpu": [2, None],
                "slots": [1, None],
            }
        ),
        trace / "vms.parquet",
    )
    runs = {
        "id": ["a", "b", "c"],
        "vm": [1, 2, 2],
        "release_s": [0, 0, 0],
        "cpu_s": [1, 2, 3],
        "max_cores": [None, 1, 1],
    }
    pq.write_table(pa.table({**runs, "after": [[], ["a"], ["a", "b"]]}), trace / "runs.parquet")
    system = read_trace(trace)
    assert list(system.vms.ids) == ["1", "2"]
    assert system.runs.vm.tolist() == [0, 1, 1]
    assert [run.after for run in system.run_rows()] == [(), (0,), (0, 1)]
    pq.write_table(
        pa.table({**runs, "release_s": [0.0, float("nan"), 0.0], "after": ["", "", ""]}), trace / "runs.parquet"
    )
    with pytest.raises(TraceError, match=r"^runs\.parquet:2: release_s は数です（nan）$"):
        read_trace(trace)
    pq.write_table(pa.table({**runs, "after": [True, False, True]}), trace / "runs.parquet")
    with pytest.raises(TraceError, match=r"^runs\.parquet: after の型は bool です。文字か数の列にしてください$"):
        read_trace(trace)


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("hosts.csv", "h,4", "h,1e-10", "hosts.csv:2: cores の大きさは 1e-09 から 1e+15 までです（1e-10）"),
        (
            "runs.csv",
            "first,a,0,8",
            "first,a,-1e16,8",
            "runs.csv:2: release_s の大きさは 1e-09 から 1e+15 までです（-1e16）",
        ),
        ("runs.csv", "first,a,0,8", "first,a,1e999,8", "runs.csv:2: release_s は数です（1e999）"),
        ("hosts.csv", "100,wan", "100,lan", "hosts.csv:2: line の lan は定義されていません"),
        ("hosts.csv", "80,300", "80,", "hosts.csv:2: idle_w と full_w は両方書くか、両方空にしてください"),
        ("hosts.csv", "80,300", "80,30", "hosts.csv:2: full_w（30）が idle_w（80）より小さい値です"),
        ("vms.csv", "a,h,2,1,2", "a,h,2,1,0", "vms.csv:2: weight は 0 より大きい数です（0）"),
        ("runs.csv", "night,print", "day,print", "runs.csv:2: calendar の day は定義されていません"),
        ("runs.csv", "night,print", "night,scan", "runs.csv:2: pool の scan は定義されていません"),
        ("runs.csv", "print,3,4,10", "print,3,-4,10", "runs.csv:2: failed_cpu_s は 0 以上の数です（-4）"),
        (
            "runs.csv",
            "first,a,0,8,,,,,200,50,night",
            "first,a,2,8,,,,,200,50,noon",
            "runs.csv:2: 決して始められません（calendar noon は 2.0 秒で最後に閉じ、release_s は 2.0 です）",
        ),
        ("online.csv", "b,5,20", "b,20,20", "online.csv:3: 時刻が順に並んでいません（20.0 から 20.0）"),
        ("online.csv", "b,5,20,0.5", "b,5,20,-1", "online.csv:3: cores は 0 以上の数です（-1）"),
        ("vcpu_changes.csv", "a,20,4", "a,20,0", "vcpu_changes.csv:3: vcpu は 0 より大きい数です（0）"),
        ("moves.csv", "b,60,90", "b,60,50", "moves.csv:2: 時刻が順に並んでいません（60.0 から 50.0）"),
        ("moves.csv", "false", "perhaps", "moves.csv:2: keeps_work は true か false です（perhaps）"),
        (
            "moves.csv",
            "b,40,,g",
            "b,40,45,g",
            "moves.csv:3: keeps_work の移動は時間を取りません（until_s が at_s より 5.0 秒後です）",
        ),
        ("moves.csv", "b,40,,g", "b,70,,g", "moves.csv:3: 同じ VM の移動が重なっています（70.0 秒）"),
        (
            "windows.csv",
            "night,100,200",
            "night,40,200",
            "windows.csv:4: 時刻が順に並んでいません（50.0 の後に 40.0 から 200.0）",
        ),
        ("pools.csv", "print,2", "print,0", "pools.csv:2: slots は 1 以上の整数です（0）"),
        ("lines.csv", "wan,10", "wan,inf", "lines.csv:2: mib_s は 0 より大きい数です（inf）"),
        ("lines.csv", "wan,10", "wan;2,10", "lines.csv:2: id が空か「;」を含みます（wan;2）"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, name, old, new, problem):
    assert old in WHOLE[name]
    with pytest.raises(TraceError) as raised:
        read_trace(write(tmp_path, {**WHOLE, name: WHOLE[name].replace(old, new, 1)}))
    assert problem in raised.value.problems


def test_demand_does_not_go_with_transfers(tmp_path):
    demand = {"demand.csv": "run,from_s,until_s,cores\nfirst,0,4,2\n"}
    with pytest.raises(TraceError) as raised:
        read_trace(write(tmp_path, {**WHOLE, **demand}))
    assert raised.value.problems == (
        "runs.csv:2: demand.csv のある処理には io_mib、line_mib、failed_cpu_s を書けません",
    )
