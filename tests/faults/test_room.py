"""Is there room for the records of an update? Asked of a file system of a few MiB."""

from __future__ import annotations

import shutil
from collections import namedtuple

import pytest

from infra.recovery import room
from infra.recovery.room import MIB, FullDiskError

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def free(monkeypatch):
    """How much each file system has, in bytes."""
    left = {"bytes": 1000 * MIB}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2000 * MIB, 0, left["bytes"]))
    return left


def test_an_update_that_fits_is_let_through(free, tmp_path):
    room.require([tmp_path], None, 500)
    assert room.full([tmp_path]) == ()


def test_a_folder_that_is_not_there_yet_is_judged_by_the_one_above(free, tmp_path):
    room.require([tmp_path / "state" / "stacks"], None, 1)
    free["bytes"] = 0
    (line,) = room.full([tmp_path / "state" / "stacks"])
    assert str(tmp_path / "state" / "stacks") in line


def test_the_message_names_folder_mount_and_figures(free, tmp_path):
    free["bytes"] = 5 * MIB
    with pytest.raises(FullDiskError) as caught:
        room.require([tmp_path, tmp_path], None, 0)
    said = str(caught.value)
    assert [word for word in (str(tmp_path), "マウント先 /", "5.0 MiB", "触れていません") if word not in said] == []
    assert said.count(str(tmp_path)) == 1


def test_a_large_record_and_many_things_need_more(free, tmp_path):
    record = tmp_path / "t00.json"
    free["bytes"] = room.MARGIN + 2 * MIB
    room.require([tmp_path], record, 10)
    record.write_bytes(b"x" * MIB)
    with pytest.raises(FullDiskError):
        room.require([tmp_path], record, 10)
    record.unlink()
    with pytest.raises(FullDiskError):
        room.require([tmp_path], record, 2 * MIB // (room.COPIES * room.EACH) + 1)
