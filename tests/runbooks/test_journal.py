"""The chain of the journal: what was written can be neither changed nor taken out unseen."""

from __future__ import annotations

import json
import threading
from itertools import pairwise

import pytest

from runbooks.errors import JournalError
from runbooks.running import access
from runbooks.running.journal import FIRST, Journal


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path / "journal")
    for number in range(5):
        made.append("note", "run-1", number=number, text="日本語")
    return made


def test_every_line_is_bound_to_the_one_before(journal):
    entries = list(journal.entries())
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert entries[0].data["prev"] == FIRST
    assert all(after.data["prev"] == before.hash for before, after in pairwise(entries))
    assert journal.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("line", range(5))
def test_a_changed_line_is_seen(journal, line):
    lines = journal.path.read_text().splitlines()
    lines[line] = lines[line].replace(f'"number":{line}', '"number":99')
    journal.path.write_text("\n".join(lines) + "\n")
    with pytest.raises(JournalError):
        list(journal.entries())


@pytest.mark.parametrize("line", range(4))
def test_a_line_that_was_taken_out_is_seen(journal, line):
    lines = journal.path.read_text().splitlines()
    del lines[line]
    journal.path.write_text("\n".join(lines) + "\n")
    with pytest.raises(JournalError, match="つながりが切れて"):
        list(journal.entries())


def test_a_line_with_a_new_hash_of_its_own_does_not_fit_the_next(journal):
    other = Journal(journal.folder.parent / "other")
    other.append("note", "run-1", number=7)
    lines = journal.path.read_text().splitlines()
    lines[0] = other.path.read_text().strip()
    journal.path.write_text("\n".join(lines) + "\n")
    with pytest.raises(JournalError, match=":2:"):
        list(journal.entries())


def test_swapped_lines_are_seen(journal):
    lines = journal.path.read_text().splitlines()
    lines[1], lines[2] = lines[2], lines[1]
    journal.path.write_text("\n".join(lines) + "\n")
    with pytest.raises(JournalError):
        list(journal.entries())


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_line_that_a_crash_cut_off_is_kept_and_told(journal, cut):
    whole = journal.path.read_bytes()
    last = whole.rstrip(b"\n").rpartition(b"\n")[2]
    journal.path.write_bytes(whole[: -len(last) - 1] + last[:cut])
    assert len(list(journal.entries())) == 4
    journal.append("note", "run-2", number=6)
    entries = list(journal.entries())
    assert [entry.kind for entry in entries[-2:]] == ["torn", "note"]
    assert last[:cut] in journal.path.read_bytes()
    assert access.summary(journal).torn == 1


def test_a_torn_line_that_was_changed_afterwards_is_seen(journal):
    journal.path.write_bytes(journal.path.read_bytes() + b'{"half":')
    journal.append("note", "run-2")
    journal.path.write_bytes(journal.path.read_bytes().replace(b'{"half":', b'{"haIf":'))
    with pytest.raises(JournalError, match="改ざん"):
        list(journal.entries())


def test_nothing_is_added_to_a_broken_end(journal):
    journal.path.write_bytes(journal.path.read_bytes().replace(b'"number":4', b'"number":5'))
    with pytest.raises(JournalError, match="最後の行"):
        journal.append("note", "run-2")


def test_several_writers_make_one_chain(journal):
    def write(name):
        for number in range(20):
            Journal(journal.folder).append("note", name, number=number, long="x" * 5000)

    threads = [threading.Thread(target=write, args=(f"run-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(journal.entries())) == 85


def test_a_very_long_line_does_not_hide_the_end(journal):
    journal.append("note", "run-1", long="x" * 300_000)
    journal.append("note", "run-1", number=7)
    assert [entry.seq for entry in journal.entries()][-1] == 7


def test_entries_are_one_json_document_each(journal):
    for line in journal.path.read_text(encoding="utf-8").splitlines():
        assert json.loads(line)["format_version"] == "1.0"
    assert "日本語" in journal.path.read_text(encoding="utf-8")


def test_no_journal_is_an_empty_one(tmp_path):
    found = access.summary(Journal(tmp_path / "none"))
    assert (found.runs, found.entries) == ([], 0)
