"""Compiled code is kept between starts, and nothing that can happen to the folder breaks a simulation."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from capacity.simulation.fast import cache
from capacity.simulation.fast.entry import compiled_play

SIGNATURE = (numba.float64, numba.float64)


def add(one, other):
    """Something to compile that takes no time."""
    return one + other


@pytest.fixture
def root(tmp_path, monkeypatch):
    folder = tmp_path / "compiled"
    monkeypatch.setattr(cache, "cache_roots", lambda: (folder,))
    return folder


def kept(root):
    return {file: file.stat().st_mtime_ns for file in root.rglob("*") if file.is_file()}


def loaded():
    made = cache.compiled_once(add, SIGNATURE)
    assert made(1.5, 2.0) == 3.5
    return sum(made.stats.cache_hits.values())


def test_the_second_start_compiles_nothing(root):
    assert loaded() == 0
    before = kept(root)
    assert loaded() == 1
    assert kept(root) == before
    assert not [folder for folder in root.iterdir() if folder.name.startswith(".")]


@pytest.mark.parametrize("damage", [b"", b"\x80\x05 not a pickle", None])
def test_damaged_files_are_compiled_anew(root, damage):
    loaded()
    for file in root.rglob("*.nb?"):
        if damage is None:
            file.unlink()
        else:
            file.write_bytes(damage)
    assert loaded() == 0
    assert loaded() == 1


def test_a_damaged_list_is_made_anew(root):
    loaded()
    next(root.rglob("manifest.json")).write_text("{")
    assert loaded() == 0
    assert loaded() == 1


def test_a_folder_that_cannot_be_written_gives_way_to_the_next(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    free = tmp_path / "free"
    monkeypatch.setattr(cache, "cache_roots", lambda: (blocked / "below", free))
    assert loaded() == 0
    assert kept(free)
    assert loaded() == 1


def test_without_any_folder_each_process_compiles_for_itself(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setattr(cache, "cache_roots", lambda: (blocked / "below",))
    assert loaded() == 0


def test_whoever_comes_second_finds_the_folder_of_the_first(root, monkeypatch):
    loaded()
    before = kept(root)
    monkeypatch.setattr(cache, "_loaded", lambda *_: None)  # as if it had looked before the first was done
    assert loaded() == 0
    monkeypatch.undo()
    monkeypatch.setattr(cache, "cache_roots", lambda: (root,))
    assert loaded() == 1
    assert len(kept(root)) == len(before)


def test_the_users_folder_follows_the_environment(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.cache_roots()[1] == Path("/somewhere/kumiai")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache.cache_roots()[1] == Path("/home/someone/.cache/kumiai")


def test_another_process_loads_the_loop_that_this_one_compiled():
    compiled_play()
    load = "from capacity.simulation.fast.entry import compiled_play"
    program = f"{load}; print(sum(compiled_play().stats.cache_hits.values()))"
    root = Path(__file__).parents[4]
    found = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout == "1\n"


def test_a_source_that_was_touched_or_moved_is_compiled_once_more(root, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / "touched.py"
    source.write_text("def add(one, other):\n    return one + other\n")

    def hits():
        monkeypatch.delitem(sys.modules, "touched", raising=False)
        importlib.invalidate_caches()
        made = cache.compiled_once(importlib.import_module("touched").add, SIGNATURE)
        return sum(made.stats.cache_hits.values())

    assert [hits(), hits()] == [0, 1]
    os.utime(source, ns=(1, 1))
    assert [hits(), hits()] == [0, 1]


def test_whoever_has_to_wait_for_the_compiler_is_told_once(root, caplog):
    with caplog.at_level("INFO", logger="capacity"):
        loaded()
        loaded()
    assert [record.getMessage() for record in caplog.records] == [
        "計算エンジンを準備しています（この計算機で一度だけ、1 分ほど）"
    ]
