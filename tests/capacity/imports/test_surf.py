"""OpenDC traces: the published week, and what is refused."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capacity.imports.surf import read_surf
from capacity.simulation.engines import engine
from capacity.simulation.traces import TraceError, read, summary, write_trace

WEEK = Path(__file__).parents[2] / "cases" / "capacity" / "opendc-surf-week"
TOPOLOGY = json.loads((WEEK / "hosts_100.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("hosts", "energy_j", "mean_cpu", "makespan_s"),
    # 279: OpenDC's own expected energy, with its tolerance of 1e6 J; 100: all work and idle time, by hand from the
    # makespan. Mean CPU is weighted by time over the makespan (OpenDC averages hourly samples: 0.2664 and 0.6164).
    [(279, 1.21125541e10, 0.2688, 604_800.0), (100, 9.0552037e9, 0.6197, 731_970.0)],
)
def test_the_week_has_its_published_energy(tmp_path, hosts, energy_j, mean_cpu, makespan_s):
    trace = read_surf(WEEK, WEEK / f"hosts_{hosts}.json")
    assert {stem: table.num_rows for stem, table in trace.tables.items()} == {
        "hosts": 1,
        "vms": 1,
        "runs": 6_295,
        "demand": 1_166_906,
    }
    write_trace(tmp_path / "trace", trace.tables, trace.document())
    written = read(tmp_path / "trace")
    totals = summary(written.system, engine("fast")(written.system), written.power)
    assert totals["energy_j"] == pytest.approx(energy_j, abs=1e6)
    assert totals["mean_cpu"] == pytest.approx(mean_cpu, abs=5e-5)
    assert totals["makespan_s"] == pytest.approx(makespan_s, abs=1e-6)
    assert totals["served_core_s"] == pytest.approx(totals["work_core_s"], rel=1e-9)


def small(folder, tasks=(), fragments=(), topology=None):
    """Two hosts of 16 cores at 2,100 MHz, two tasks that overlap."""
    folder.mkdir(exist_ok=True)
    tasks = {"id": [7, 8], "submission_time": [2_000, 1_000], "cpu_count": [16, 16], **dict(tasks)}
    fragments = {
        "id": [7, 8, 8, 8, 7],
        "duration": [1000, 1000, 1000, 500, 2000],
        "cpu_usage": [2100.0, 4200.0, 4200.0, 0.0, 33600.0],
        **dict(fragments),
    }
    pq.write_table(pa.table(tasks), folder / "tasks.parquet")
    pq.write_table(pa.table(fragments), folder / "fragments.parquet")
    (folder / "hosts.json").write_text(json.dumps(topology or TOPOLOGY), encoding="utf-8")
    return folder


def test_fragments_follow_each_other_and_equal_ones_are_one_step(tmp_path):
    trace = read_surf(small(tmp_path))
    assert trace.tables["runs"].select(["id", "release_s", "cpu_s"]).to_pylist() == [
        {"id": "8", "release_s": 0.0, "cpu_s": 4.0},
        {"id": "7", "release_s": 1.0, "cpu_s": 33.0},
    ]
    assert trace.tables["demand"].to_pylist() == [
        {"run": "8", "from_s": 0.0, "until_s": 2.0, "cores": 2.0},
        {"run": "8", "from_s": 2.0, "until_s": 2.5, "cores": 0.0},
        {"run": "7", "from_s": 0.0, "until_s": 1.0, "cores": 1.0},
        {"run": "7", "from_s": 1.0, "until_s": 3.0, "cores": 16.0},
    ]
    assert trace.tables["hosts"].to_pylist() == [{"id": "hosts", "cores": 1600, "idle_w": 3200.0, "full_w": 18000.0}]
    assert trace.tables["vms"].column("slots").to_pylist() == [100]
    assert trace.notes == ("同じ高さで続く断片をまとめました（5 個から 4 段）",)


def test_what_is_left_out_is_said(tmp_path):
    trace = read_surf(small(tmp_path, fragments={"id": [7, 9, 9, 9, 7]}))
    assert trace.tables["runs"].column("id").to_pylist() == ["7"]
    assert trace.notes[:2] == (
        "tasks.parquet にない処理の断片 3 個を除きました",
        "断片のない処理 1 件を除きました",
    )


def hosts(**changes):
    document = json.loads(json.dumps(TOPOLOGY))
    document["clusters"][0]["hosts"][0].update(changes)
    return document


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"tasks": {"cpu_count": [16, 8]}}, "tasks.parquet:2: cpu_count は 8 です。ホスト 1 台の 16 が要ります"),
        ({"tasks": {"id": [7, 7]}}, "tasks.parquet:2: id 7 は前にもあります"),
        ({"tasks": {"id": ["a", "b"]}}, "tasks.parquet: id の型は string です。数の列が要ります"),
        ({"tasks": {"submission_time": [1.0, float("nan")]}}, "tasks.parquet:2: submission_time に数がありません"),
        ({"fragments": {"duration": [1, 1, 0, 1, 1]}}, "fragments.parquet:3: duration は 0 より大きい数です（0）"),
        ({"fragments": {"cpu_usage": [1.0, 1, 1, 1, -1]}}, "fragments.parquet:5: cpu_usage は 0 以上の数です（-1）"),
        ({"topology": hosts(count=0)}, "hosts.json: 同じ型のホストが 1 台以上要ります（1 種類、0 台）"),
        ({"topology": {"clusters": [{}]}}, "hosts.json: ホストの形が違います（KeyError：'hosts'）"),
        ({"topology": [1]}, "hosts.json: ホストの形が違います"),
        (
            {"topology": hosts(cpu={"coreCount": 16, "coreSpeed": "2.1 parsec"})},
            "hosts.json: ホストの形が違います（ValueError：2.1 parsec",
        ),
    ],
)
def test_mistakes_name_file_and_row(tmp_path, arguments, problem):
    with pytest.raises(TraceError) as raised:
        read_surf(small(tmp_path, **arguments))
    assert raised.value.problems[0].startswith(problem)


def test_files_that_are_none(tmp_path):
    folder = small(tmp_path)
    (folder / "other.json").write_text("{", encoding="utf-8")
    with pytest.raises(TraceError, match=r"ちょうど 1 つではありません（hosts\.json、other\.json）"):
        read_surf(folder)
    with pytest.raises(TraceError, match=r"other\.json:1: JSON として読めません"):
        read_surf(folder, folder / "other.json")
    (folder / "fragments.parquet").write_bytes((folder / "fragments.parquet").read_bytes()[:-20])
    with pytest.raises(TraceError, match=r"fragments\.parquet: Parquet として読めません"):
        read_surf(folder, folder / "hosts.json")
    (folder / "tasks.parquet").unlink()
    with pytest.raises(TraceError, match=r"tasks\.parquet: ファイルがありません"):
        read_surf(folder, folder / "hosts.json")
