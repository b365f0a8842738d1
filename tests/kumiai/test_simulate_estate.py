"""`kumiai simulate ESTATE.yaml -o OUT`: the whole estate, and every way to use it wrongly."""

import json

import pyarrow.parquet as pq
import pytest

from capacity.unplanned import study
from tests.capacity.unplanned import towns
from tests.kumiai.conftest import all_files


@pytest.fixture
def estate_file(tmp_path):
    folder = tmp_path / "estate"
    folder.mkdir()
    return towns.written(folder)


def test_the_whole_estate_is_simulated_and_written(ask, estate_file, tmp_path):
    out = tmp_path / "out"
    answer = ask("simulate", estate_file, "-o", out)
    assert answer.code == 0
    document = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert answer.out.splitlines() == [document["verdict"], f"結果：{out}"]
    assert sorted(path.name for path in out.iterdir()) == ["runs", "summary.json"]
    rows = {path.name: pq.read_metadata(path).num_rows for path in (out / "runs").iterdir()}
    assert rows == {f"{site}.parquet": document["sites"][site]["runs"] for site in ("north", "south")}
    assert document["runs"] == sum(rows.values()) == document["runs_of_estate"]
    assert set(document["sites"]["north"]["utilisation"]) == {"north1", "north2", "north3"}
    before = {path: path.read_bytes() for path in (out / "runs").iterdir()}
    again = ask("simulate", estate_file, "-o", out, "--json")
    assert again.document == json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert again.document["verdict"] == document["verdict"]
    assert {path: path.read_bytes() for path in (out / "runs").iterdir()} == before


def test_both_engines_answer_alike(ask, estate_file, tmp_path):
    tables = []
    for engine in ("fast", "simpy"):
        assert ask("simulate", estate_file, "-o", tmp_path / engine, "--engine", engine).code == 0
        tables.append(pq.read_table(tmp_path / engine / "runs" / "south.parquet").to_pydict())
    fast, simpy = tables
    assert {name: fast[name] for name in ("tenant", "system", "job", "date", "late")} == {
        name: simpy[name] for name in ("tenant", "system", "job", "date", "late")
    }
    for name in ("ready", "start", "end"):
        for one, other in zip(fast[name], simpy[name], strict=True):
            assert abs((one - other).total_seconds()) <= 2e-6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "-o OUT が要ります"),
        (("-o", "OUT", "--memory-limit", "1MiB"), "に収まりません"),
        (("-o", "OUT", "--memory-limit", "4GB"), "4GiB や 800MiB"),
        (("-o", "OUT", "--memory-limit", "0GiB"), "4GiB や 800MiB"),
        (("-o", "OUT", "--memory-limit", "-1GiB"), "4GiB や 800MiB"),
        (("-o", "OUT", "--memory-limit", "naniGiB"), "4GiB や 800MiB"),
        (("-o", "OUT", "--memory-limit", "9" * 400 + "GiB"), "4GiB や 800MiB"),
        (("-o", "OUT", "--growth", "3", "--availability", "2"), "--growth、--availability は計画フォルダー"),
        (("-o", "OUT", "--engine", "abacus"), "fast か simpy"),
        (("-o", "OUT", "--night", "busiest", "--replications", "3"), "--night、--replications は計画フォルダー"),
        (("-o", "USED"), "置き換えません"),
        (("-o", "FILE"), "同じ名前のファイル"),
        (("-o", "LINK"), "シンボリックリンク"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(ask, estate_file, tmp_path, arguments, words):
    (tmp_path / "USED").mkdir()
    (tmp_path / "USED" / "letter.txt").write_text("mine")
    (tmp_path / "FILE").write_text("mine")
    (tmp_path / "LINK").symlink_to(tmp_path / "nowhere")
    before = all_files(tmp_path)
    known = {"OUT", "USED", "FILE", "LINK"}
    answer = ask("simulate", estate_file, *(tmp_path / word if word in known else word for word in arguments))
    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 1
    assert words in answer.err
    assert all_files(tmp_path) == before


def test_the_refusal_of_memory_says_how_much_and_what_would_help(ask, estate_file, tmp_path):
    answer = ask("simulate", estate_file, "-o", tmp_path / "out", "--memory-limit", "100MiB")
    assert "約 0.6 GiB が要り、0.1 GiB に収まりません" in answer.err
    assert "上限を上げるか、拠点を分けるか、horizon の期間を短くしてください" in answer.err


def test_a_memory_limit_is_for_estates_only(ask, lab_plan):
    answer = ask("simulate", lab_plan, "--memory-limit", "4GiB")
    assert (answer.code, answer.out) == (2, "")
    assert "構成ファイル" in answer.err


@pytest.mark.parametrize("text", ["", "\x00", "format: 1\n", "a: [", "\ufeff- 1\n", "format: .nan\n"])
def test_a_broken_estate_file_is_named_with_its_lines(ask, tmp_path, text):
    path = tmp_path / "estate.yaml"
    path.write_text(text, encoding="utf-8")
    answer = ask("simulate", path, "-o", tmp_path / "out")
    assert (answer.code, answer.out) == (2, "")
    assert all(line.startswith(f"{path}:") for line in answer.err.splitlines())
    assert not (tmp_path / "out").exists()


def test_vms_without_room_are_named_before_anything_is_written(ask, tmp_path):
    hosts = towns.document()["hosts"]
    hosts[1]["id"] = "south{1..2}"
    hosts[1]["memory_gib"] = 32
    path = towns.written(tmp_path, hosts=hosts)
    answer = ask("simulate", path, "-o", tmp_path / "out")
    assert (answer.code, answer.out) == (3, "")
    assert "拠点 south のホスト 1 台（予備を除く）に仮想サーバ" in answer.err
    assert [entry.name for entry in tmp_path.iterdir()] == ["estate.yaml"]


def test_an_interrupt_leaves_finished_sites_marked_or_nothing(ask, tmp_path, monkeypatch):
    path, out = towns.written(tmp_path, **towns.scattered()), tmp_path / "out"
    wait, pressed = study.wait, []

    def press_ctrl_c(*arguments, **settings):
        found = wait(*arguments, **settings)
        if found.done and not pressed:
            pressed.append(True)
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(study, "wait", press_ctrl_c)
    monkeypatch.setattr("kumiai.simulate_estate.WORKERS", 1)
    assert ask("simulate", path, "-o", out).code == 130
    document = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert document["interrupted"] is True
    names = set(document["sites"])
    assert 1 <= len(names) < 4
    assert {path.name for path in (out / "runs").iterdir()} == {f"{name}.parquet" for name in names}
    assert "中断" in document["verdict"]

    def nothing(*_):
        raise KeyboardInterrupt

    before = all_files(out)
    monkeypatch.setattr(study, "_group", nothing)
    monkeypatch.setattr(study, "wait", wait)
    assert ask("simulate", path, "-o", out).code == 130
    assert all_files(out) == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["estate.yaml", "out"]
