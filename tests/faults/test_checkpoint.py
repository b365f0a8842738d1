"""The engine's record after a crash: truncated, lost, locked, half annotated."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys

import pytest

from infra.recovery import checkpoint, turns
from infra.recovery.checkpoint import CheckpointError, Thing
from infra.recovery.turns import BusyError
from tests.faults import backend
from tests.faults.backend import STACK

FINISHED = "2026-11-22T07:40:16.927066283Z"
BEFORE = "2026-11-22T07:40:16.91Z"
YESTERDAY = "2026-11-21T07:40:16Z"


@pytest.fixture
def files(tmp_path):
    """A stack that was built yesterday and changed today; each file says which it is by its domains."""
    found = backend.files(tmp_path / "stacks")
    found.state.write_bytes(backend.document(backend.deployment("a", "b", "c", at=FINISHED)))
    found.copies[0].write_bytes(backend.document(backend.deployment("a", "b", at=BEFORE)))
    (found.history / f"{STACK}-1795333218517935075.checkpoint.json").write_bytes(
        backend.document(backend.deployment("a", at=YESTERDAY))
    )
    return found


def names(files):
    latest = json.loads(files.state.read_bytes())["checkpoint"]["latest"]
    return sorted(thing.name for thing in checkpoint.summary(latest).standing)


def test_a_whole_record_is_left_alone(files, tmp_path):
    before = files.state.read_bytes()
    assert checkpoint.mend(files, tmp_path / "damaged") is None
    assert files.state.read_bytes() == before
    assert not (tmp_path / "damaged").exists()


@pytest.mark.parametrize("seed", range(20))
def test_a_record_cut_anywhere_is_replaced_by_the_newest_whole_copy(files, tmp_path, seed):
    whole = files.state.read_bytes()
    cut = whole[: random.Random(seed).randrange(len(whole))]  # noqa: S311 - a place to cut, no secret
    files.state.write_bytes(cut)
    said = checkpoint.mend(files, tmp_path / "damaged")
    assert names(files) == ["a", "b"]
    assert "2026-11-22T07:40:16Z" in said
    (kept,) = (tmp_path / "damaged").iterdir()
    assert kept.read_bytes() == cut


def test_the_copy_of_a_finished_update_is_newer_than_the_backup(files, tmp_path):
    whole = files.state.read_bytes()
    (files.history / f"{STACK}-1795333218999999999.checkpoint.json").write_bytes(whole)
    files.state.write_bytes(b"\0" * len(whole))  # what a power cut leaves of a file that was never synced
    checkpoint.mend(files, tmp_path / "damaged")
    assert names(files) == ["a", "b", "c"]


def test_damaged_copies_are_passed_over(files, tmp_path):
    files.state.write_bytes(b"")
    files.copies[0].write_bytes(files.copies[0].read_bytes()[:-1])
    checkpoint.mend(files, tmp_path / "damaged")
    assert names(files) == ["a"]


def test_a_lost_record_comes_back(files, tmp_path):
    files.state.unlink()
    assert checkpoint.mend(files, tmp_path / "damaged") is not None
    assert names(files) == ["a", "b"]


def test_a_stack_that_was_removed_stays_removed(files, tmp_path):
    files.state.unlink()
    shutil.rmtree(files.history)  # as `pulumi stack rm` does
    assert checkpoint.mend(files, tmp_path / "damaged") is None
    assert not files.state.exists()


def test_without_any_whole_copy_nothing_is_guessed(files, tmp_path):
    for path in (files.state, *files.copies):
        path.write_bytes(b"{")
    with pytest.raises(CheckpointError, match="使える控えもありません"):
        checkpoint.mend(files, tmp_path / "damaged")
    assert files.state.read_bytes() == b"{"


def test_the_record_before_an_update_is_newer_than_any_update_that_ended(files, tmp_path):
    """An engine without room has written half a record over the whole one, and then over its backup."""
    kept = tmp_path / "before" / f"{STACK}.json"
    checkpoint.keep(files, kept)
    half = files.state.read_bytes()[:100]
    files.state.write_bytes(half)
    files.copies[0].write_bytes(half)
    (files.state.parent / f"{STACK}.json.18ea5cbef25c4b7f.tmp").write_bytes(half)
    checkpoint.mend(files, tmp_path / "damaged", kept)
    assert names(files) == ["a", "b", "c"]
    assert [path.name for path in files.state.parent.glob("*.tmp")] == []


def test_the_record_before_an_update_wins_over_one_of_equal_age(files, tmp_path):
    """Recovery and adoption rewrite a record without giving it a new time."""
    kept = tmp_path / "before" / f"{STACK}.json"
    kept.parent.mkdir()
    kept.write_bytes(backend.document(backend.deployment("a", at=BEFORE)))
    files.state.write_bytes(b"{")
    checkpoint.mend(files, tmp_path / "damaged", kept)
    assert names(files) == ["a"]


def test_a_backup_that_is_newer_than_the_record_before_the_update_is_taken(files, tmp_path):
    kept = tmp_path / "before" / f"{STACK}.json"
    kept.parent.mkdir()
    kept.write_bytes(backend.document(backend.deployment("a", at=YESTERDAY)))
    files.state.write_bytes(b"{")
    checkpoint.mend(files, tmp_path / "damaged", kept)
    assert names(files) == ["a", "b"]


def test_the_first_update_of_all_without_room(files, tmp_path):
    """Before it nothing was recorded: that is what comes back, and not a complaint that no copy is whole."""
    kept = tmp_path / "before" / f"{STACK}.json"
    shutil.rmtree(files.history)
    files.state.write_bytes(b'{"version": 3, "checkpoint": {"stack": "organization/kumiai/t00"}}')
    checkpoint.keep(files, kept)
    for path in (files.state, files.copies[0]):
        path.write_bytes(b"{")
    assert checkpoint.mend(files, tmp_path / "damaged", kept) is not None
    assert json.loads(files.state.read_bytes())["checkpoint"] == {"stack": "organization/kumiai/t00"}


def test_half_a_note_is_dropped_and_a_whole_one_is_kept(files, tmp_path):
    half = files.state.with_name(files.state.name + ".attrs")
    half.write_bytes(b"")
    whole = files.copies[0].with_name(files.copies[0].name + ".attrs")
    whole.write_text('{"user.content_type": "application/json"}')
    checkpoint.mend(files, tmp_path / "damaged")
    assert not half.exists()
    assert whole.exists()


@pytest.mark.parametrize("content", [b"", b"vers", b"version"])
def test_the_layout_of_the_store_cut_short(files, tmp_path, content):
    meta = files.root / ".pulumi" / "meta.yaml"
    meta.write_bytes(content)
    checkpoint.mend(files, tmp_path / "damaged")
    assert meta.read_bytes() == b"version: 1\n"


@pytest.mark.parametrize(
    ("content", "whole"), [(b"", False), (b"encryption", False), (b"config:\n  kumiai:plan: /x\n", True)]
)
def test_settings_that_were_cut_off_are_put_aside(tmp_path, content, whole):
    settings = tmp_path / f"Pulumi.{STACK}.yaml"
    settings.write_bytes(content)
    said = checkpoint.mend_settings(tmp_path, STACK, tmp_path / "damaged")
    assert (said is None) == whole
    assert settings.exists() == whole
    assert whole or [path.read_bytes() for path in (tmp_path / "damaged").iterdir()] == [content]


def test_the_lock_of_an_engine_that_is_dead_is_removed(files):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    path = backend.lock(files, process.pid)
    (said,) = checkpoint.unlock(files)
    assert "sato" in said
    assert str(process.pid) in said
    assert list(files.locks.iterdir()) == []
    assert not path.exists()


def test_the_lock_of_a_number_that_another_program_has_now_is_removed(files):
    backend.lock(files, os.getpid())
    assert len(checkpoint.unlock(files)) == 1


def test_the_lock_of_a_living_engine_is_respected(files, tmp_path):
    program = tmp_path / turns.ENGINE
    shutil.copy("/bin/sleep", program)
    process = subprocess.Popen([program, "60"])
    try:
        path = backend.lock(files, process.pid)
        with pytest.raises(BusyError, match=rf"sato.*{process.pid}"):
            checkpoint.unlock(files)
        assert path.exists()
    finally:
        process.kill()
        process.wait()
    assert len(checkpoint.unlock(files)) == 1


def test_a_lock_of_another_machine_cannot_be_judged_here(files):
    path = backend.lock(files, 1, host="kiban-pc02")
    with pytest.raises(BusyError, match=r"kiban-pc02.*pulumi cancel"):
        checkpoint.unlock(files)
    assert path.exists()


@pytest.mark.parametrize("content", [b"", b'{"pid": 12', b"{}"])
def test_half_a_lock_is_removed(files, content):
    (files.locks / "0a1b.json").write_bytes(content)
    (files.locks / "0a1b.json.17c0.tmp").write_bytes(content)
    assert checkpoint.unlock(files) == ()
    assert list(files.locks.iterdir()) == []


def test_the_summary_tells_what_stands_what_was_begun_and_what_is_broken():
    latest = backend.deployment("a", pending=("b",))
    latest["resources"].append(backend.volume("a-seed-0.iso", initErrors=["upload failed"]))
    found = checkpoint.summary(latest)
    assert found.standing == {Thing("kvm01", "domain", "", "a")}
    assert found.pending == {Thing("kvm01", "domain", "", "b")}
    assert found.broken == {Thing("kvm01", "volume", "default", "a-seed-0.iso")}
    assert found.untidy
    tidy = checkpoint.summary(checkpoint.tidied(latest))
    assert (tidy.standing, tidy.pending, tidy.broken, tidy.untidy) == (found.standing, frozenset(), frozenset(), False)


def test_a_rewritten_record_leaves_the_one_before_as_the_backup(files):
    before = files.state.read_bytes()
    checkpoint.rewrite(files, checkpoint.tidied(backend.deployment("z", at=FINISHED, pending=("y",))))
    assert names(files) == ["z"]
    assert files.copies[0].read_bytes() == before
    assert json.loads(files.state.read_bytes())["checkpoint"]["stack"] == f"organization/kumiai/{STACK}"


@pytest.mark.parametrize(
    ("url", "there"),
    [("file:///srv/stacks", True), ("file:///srv/stacks?no_tmp_dir=true", True), ("s3://bucket", False), ("", False)],
)
def test_only_a_folder_of_this_machine_has_files(url, there):
    found = checkpoint.files_of({"PULUMI_BACKEND_URL": url}, STACK)
    assert (found is not None) == there
    assert found is None or str(found.state) == f"/srv/stacks/.pulumi/stacks/kumiai/{STACK}.json"


def test_a_name_with_a_star_stands_for_all_that_begin_so():
    seeds = Thing("kvm01", "volume", "default", "a-seed-*")
    assert seeds.covers("a-seed-0b8f.iso")
    assert not seeds.covers("a-system")
    assert seeds.among([Thing("kvm01", "volume", "default", "a-seed-0b8f.iso")])
    assert not seeds.among([Thing("kvm02", "volume", "default", "a-seed-0b8f.iso")])


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    path.write_bytes(b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
