"""Writing, reading and replacing plan folders, and the results in them."""

import json
import os
from dataclasses import replace

import pyarrow as pa
import pytest

from layout import FolderError, exchange, folder, layout_file, results
from tests.layout import builder


@pytest.fixture(scope="module")
def contents():
    return builder.Builder(days=3).contents()


def files(path):
    return {entry.name: entry.read_bytes() for entry in path.iterdir()}


def test_round_trip_gives_equal_bytes_and_records(tmp_path, contents):
    written = folder.write(tmp_path / "a", contents)
    read = folder.read(tmp_path / "a")
    folder.write(tmp_path / "b", read)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert (read.estate, read.layout, read.run) == (contents.estate, contents.layout, written.run)
    assert (
        read.layout_digest
        == written.layout_digest
        == read.run.layout_digest
        == layout_file.layout_digest(contents.layout)
    )
    assert all(getattr(read, name).equals(getattr(contents, name)) for name in ("runs", "online", "profile"))


def test_bytes_do_not_depend_on_how_the_tables_are_chunked(tmp_path, contents):
    parts = replace(contents, runs=pa.Table.from_batches(contents.runs.to_batches(max_chunksize=2)))
    folder.write(tmp_path / "a", contents)
    folder.write(tmp_path / "b", parts)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_japanese_text_stays_readable(tmp_path, contents):
    folder.write(tmp_path / "a", contents)
    assert "試験の組合" in (tmp_path / "a" / "layout.json").read_text(encoding="utf-8")


def test_unknown_keys_of_the_same_major_version_are_ignored(tmp_path, contents):
    folder.write(tmp_path / "a", contents)
    for name in ("layout.json", "estate.json", "run.json"):
        path = tmp_path / "a" / name
        text = path.read_text(encoding="utf-8").replace('"1.0",', '"1.7", "colour": "green",', 1)
        path.write_text(text, encoding="utf-8")
    read = folder.read(tmp_path / "a")
    assert read.layout.format_version == "1.7"
    assert read.estate == contents.estate
    assert (
        layout_file.read_layout(tmp_path / "a" / "layout.json")
        == read.layout
        == layout_file.read_layout(tmp_path / "a")
    )


def test_existing_plan_folder_is_replaced_with_everything_in_it(tmp_path, contents):
    folder.write(tmp_path / "a", contents)
    (tmp_path / "a" / "report").mkdir()
    (tmp_path / "a" / "report" / "old.html").write_text("old", encoding="utf-8")
    folder.write(tmp_path / "a", contents)
    assert set(files(tmp_path / "a")) == {"estate.json", "layout.json", "run.json", *folder.TABLES}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_folder_that_is_no_plan_is_never_replaced(tmp_path, contents):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(FolderError, match="計画フォルダーではない"):
        folder.write(tmp_path / "photos", contents)
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(FolderError, match="同じ名前のファイル"):
        folder.write(tmp_path / "file", contents)
    assert files(tmp_path / "photos") == {"cat.jpg": b"cat"}


def test_empty_folder_and_new_parents_are_fine(tmp_path, contents):
    (tmp_path / "empty").mkdir()
    folder.write(tmp_path / "empty", contents)
    folder.write(tmp_path / "x" / "y", contents)
    assert folder.read(tmp_path / "empty").layout == folder.read(tmp_path / "x" / "y").layout


def test_contradicting_layout_is_not_written(tmp_path, contents):
    vms = tuple(vm.model_copy(update={"mac": "52:54:00:00:00:00"}) for vm in contents.layout.vms)
    with pytest.raises(FolderError, match="MAC アドレス"):
        folder.write(tmp_path / "a", replace(contents, layout=contents.layout.model_copy(update={"vms": vms})))
    assert list(tmp_path.iterdir()) == []


def test_failure_while_writing_leaves_the_old_folder(tmp_path, contents, monkeypatch):
    folder.write(tmp_path / "a", contents)
    before = files(tmp_path / "a")
    written = []

    def full_disk(path, data):
        written.append(path)
        if len(written) == 4:
            raise OSError(28, "No space left on device")
        path.write_bytes(data)

    monkeypatch.setattr(exchange, "write_file", full_disk)
    with pytest.raises(FolderError, match="書き込めません（No space left on device）"):
        folder.write(tmp_path / "a", contents)
    assert files(tmp_path / "a") == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_without_the_exchange_call_the_old_folder_steps_aside(tmp_path, contents, monkeypatch):
    folder.write(tmp_path / "a", contents)
    monkeypatch.setattr(exchange, "_exchange", lambda first, second: False)
    later = contents.layout.model_copy(update={"generation": 2})
    folder.write(tmp_path / "a", replace(contents, layout=later))
    assert folder.read(tmp_path / "a").layout.generation == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_old_folder_that_stepped_aside_comes_back(tmp_path, contents):
    """As a writer without the exchange call leaves it when it is killed between its two renames."""
    folder.write(tmp_path / "a", contents)
    (tmp_path / "a").rename(tmp_path / ".a.kumiai-old-0123")
    exchange.recover(tmp_path / "a")
    assert folder.read(tmp_path / "a").layout == contents.layout
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_orphans_are_removed_and_living_writers_are_not(tmp_path, contents):
    (tmp_path / ".a.kumiai-new-dead").mkdir()
    (tmp_path / ".a.kumiai-new-dead" / "layout.json").write_text("{", encoding="utf-8")
    living = tmp_path / ".a.kumiai-new-living"
    living.mkdir()
    with exchange.lock_folder(living):
        folder.write(tmp_path / "a", contents)
        assert sorted(entry.name for entry in tmp_path.iterdir()) == [".a.kumiai-new-living", "a"]


@pytest.fixture
def plan(tmp_path, contents):
    return folder.write(tmp_path / "plan", contents)


def test_result_round_trip_names_the_layout(plan):
    results.write_result(plan, "simulation/summary.json", b'{\n "a": [1, 2]\n}\n')
    results.write_result(plan, "report/index.html", "<p>判定</p>".encode())
    assert json.loads(results.read_result(plan, "simulation/summary.json")) == {
        "layout_digest": plan.layout_digest,
        "a": [1, 2],
    }
    assert results.read_result(plan, "report/index.html").decode() == "<p>判定</p>"
    assert results.result_names(plan) == ("report/index.html", "simulation/summary.json")
    results.write_result(plan, "licences.json", b"{}")
    assert json.loads(results.read_result(plan, "licences.json")) == {"layout_digest": plan.layout_digest}


def test_result_of_another_layout_is_refused(plan, contents, tmp_path):
    results.write_result(plan, "licences.json", b'{"total": 1}')
    later = replace(contents, layout=contents.layout.model_copy(update={"generation": 2}))
    other = folder.write(tmp_path / "other", later)
    for name in ("licences.json", "results.json"):
        (other.path / name).write_bytes((plan.path / name).read_bytes())
    with pytest.raises(FolderError, match=r"別の layout\.json"):
        results.read_result(other, "licences.json")
    with pytest.raises(FolderError, match=r"別の layout\.json"):
        results.write_result(other, "licences.json", (plan.path / "licences.json").read_bytes())
    assert results.result_names(other) == ()


def test_changed_unlisted_and_absent_results_are_refused(plan):
    path = results.write_result(plan, "licences.json", b'{"total": 1}')
    path.write_bytes(path.read_bytes().replace(b"1}", b"2}"))
    with pytest.raises(FolderError, match="内容が違います"):
        results.read_result(plan, "licences.json")
    (plan.path / "report").mkdir()
    (plan.path / "report" / "x.html").write_text("x", encoding="utf-8")
    with pytest.raises(FolderError, match="記録がありません"):
        results.read_result(plan, "report/x.html")
    with pytest.raises(FolderError, match="まだ作られていません"):
        results.read_result(plan, "simulation/runs.parquet")


def test_result_of_a_folder_that_was_planned_anew_is_not_written(plan, contents):
    folder.write(plan.path, replace(contents, layout=contents.layout.model_copy(update={"generation": 2})))
    with pytest.raises(FolderError, match="途中で変わりました"):
        results.write_result(plan, "licences.json", b"{}")
    assert not (plan.path / "licences.json").exists()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../x",
        "report/../../x",
        "layout.json",
        "run.json",
        "results.json",
        ".hidden",
        "a//b",
        "a\nb",
        "report/.x",
    ],
)
def test_result_names_stay_inside(plan, name):
    with pytest.raises(FolderError, match="使えません"):
        results.write_result(plan, name, b"{}")


def test_result_through_a_link_out_of_the_folder_is_refused(plan, tmp_path):
    (tmp_path / "outside").mkdir()
    (plan.path / "report").symlink_to(tmp_path / "outside")
    with pytest.raises(FolderError, match="外を指しています"):
        results.write_result(plan, "report/x.html", b"x")


@pytest.mark.parametrize("data", [b"", b"[1]", b"{", b"\xff", b"[" * 5000])
def test_json_results_are_objects(plan, data):
    with pytest.raises(FolderError, match="結果"):
        results.write_result(plan, "licences.json", data)


def test_unwritable_parent_is_a_clear_refusal(tmp_path, contents):
    if os.geteuid() == 0:
        # root may write everywhere but not below a file
        (tmp_path / "file").write_text("x", encoding="utf-8")
        target = tmp_path / "file" / "plan"
    else:
        (tmp_path / "closed").mkdir(mode=0o500)
        target = tmp_path / "closed" / "plan"
    with pytest.raises(FolderError):
        folder.write(target, contents)
