"""The backup index: which is the newest, how old in business days, which may go."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks import backups
from runbooks.backups import BackupError, Keeping, Manifest

DIGEST = "0" * 64


def line(vm: str, generation: str, begun: str) -> str:
    about = {"vm": vm, "tenant": "aya", "system": "tax", "generation": generation, "plan": DIGEST, "operator": "y.h"}
    files = {f"{vm}-data.qcow2": {"bytes": 7, "sha256": DIGEST}}
    document = {
        "format_version": "1.0",
        "about": {**about, "volumes": [f"{vm}-data"]},
        "begun": begun,
        "ended": begun,
        "consistency": "running",
        "files": files,
    }
    return json.dumps(document)


def made(*times: datetime) -> tuple[Manifest, ...]:
    lines = [line("vm-1", f"g{number:04}", time.isoformat()) for number, time in enumerate(times)]
    return backups.read(lines)[0]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=backups.JAPAN)


@pytest.mark.parametrize(
    ("begun", "now", "age"),
    [
        ("2027-05-10T02:00", "2027-05-10T17:00", 0),
        ("2027-05-10T23:00", "2027-05-11T09:00", 1),
        ("2027-05-14T23:00", "2027-05-17T09:00", 1),  # Friday night, Monday morning
        ("2027-05-14T23:00", "2027-05-16T09:00", 0),  # Friday night, Sunday
        ("2027-04-28T23:00", "2027-05-06T09:00", 2),  # 30 April and 6 May; 29 April, 3 to 5 May are holidays
        ("2027-12-28T23:00", "2028-01-04T09:00", 1),  # the offices close from 29 December to 3 January
        ("2027-12-28T23:00", "2028-01-05T09:00", 2),
    ],
)
def test_age_counts_business_days(begun, now, age):
    assert backups.age_in_business_days(at(begun), at(now)) == age


def test_a_time_of_another_zone_is_a_day_in_japan():
    begun = datetime.fromisoformat("2027-05-10T16:00:00+00:00")  # 11 May, 01:00 in Japan
    assert backups.age_in_business_days(begun, at("2027-05-11T09:00")) == 0


def test_the_newest_is_taken_unless_another_is_asked_for():
    found = made(at("2027-05-11T02:00"), at("2027-05-10T02:00"))
    assert backups.choose(found, "vm-1").about.generation == "g0000"
    assert backups.choose(found, "vm-1", "g0001").begun == at("2027-05-10T02:00")
    with pytest.raises(BackupError, match="世代「g7」はありません"):
        backups.choose(found, "vm-1", "g7")
    with pytest.raises(BackupError, match="「vm-2」のバックアップが見つかりません"):
        backups.choose(found, "vm-2")


def test_a_damaged_manifest_does_not_hide_the_others():
    good = line("vm-1", "g1", "2027-05-10T02:00:00+09:00")
    found, damaged = backups.read(["{", "", good, good.replace('"1.0"', '"2.0"'), '{"about": 3}'])
    assert [each.about.generation for each in found] == ["g1"]
    assert damaged == 3


def test_old_generations_go_by_day_week_and_month():
    nights = made(*(at("2027-04-01T02:00") + timedelta(days=day) for day in range(60)))  # until 30 May
    gone = {each.begun.date().isoformat() for each in backups.expired(nights, Keeping(daily=7, weekly=3, monthly=2))}
    kept = {each.begun.date().isoformat() for each in nights} - gone
    # the last 7 days, the ends of the last 3 weeks (30, 23, 16 May), of the last 2 months (30 May, 30 April)
    days = {f"2027-05-{day}" for day in range(24, 31)}
    assert kept == days | {"2027-05-23", "2027-05-16", "2027-04-30"}


def test_a_backup_made_in_haste_does_not_push_out_the_one_of_the_night():
    found = made(at("2027-05-10T02:00"), at("2027-05-10T10:00"))
    assert backups.expired(found, Keeping(1, 0, 0), adding=at("2027-05-10T11:00")) == ()
    later = backups.expired(found, Keeping(1, 0, 0), adding=at("2027-05-14T02:00"))
    assert [each.about.generation for each in later] == ["g0000", "g0001"]


@given(
    hours=st.lists(st.integers(0, 24 * 500), max_size=40),
    daily=st.integers(1, 9),
    weekly=st.integers(0, 9),
    monthly=st.integers(0, 9),
)
def test_the_newest_days_are_always_kept(hours, daily, weekly, monthly):
    found = made(*(at("2027-01-01T00:00") + timedelta(hours=hour) for hour in sorted(hours)))
    kept = [each for each in found if each not in backups.expired(found, Keeping(daily, weekly, monthly))]
    if found:
        assert found[-1] in kept
        days = sorted({each.begun.date() for each in found})
        assert set(days[-daily:]) <= {each.begun.date() for each in kept}
    assert len({each.begun.date() for each in kept}) <= daily + weekly + monthly + 3


def test_the_index_says_per_host_what_was_found_there(tmp_path):
    path = tmp_path / "backups.json"
    first, second = line("vm-1", "g1", "2027-05-10T02:00:00+09:00"), line("vm-2", "g1", "2027-05-10T03:00:00+09:00")
    assert backups.update_index(path, {"bk01": [first, second]}) == 2
    newer = line("vm-1", "g2", "2027-05-11T02:00:00+09:00")
    assert backups.update_index(path, {"bk01": [newer]}, vm="vm-1") == 2
    index = backups.read_index(path)
    assert sorted((each.about.vm, each.about.generation) for each in index["bk01"]) == [("vm-1", "g2"), ("vm-2", "g1")]
    assert index["bk01"][0].files["vm-2-data.qcow2"].bytes == 7
    late = backups.overdue(index, ["vm-1", "vm-2", "vm-3"], at("2027-05-12T09:00"), 1)
    assert late == ("vm-2\t2", "vm-3\tなし")


def test_a_broken_index_says_how_it_is_made_again(tmp_path):
    (tmp_path / "backups.json").write_text("[]")
    with pytest.raises(BackupError, match="index-backups"):
        backups.read_index(tmp_path / "backups.json")


def test_each_vm_is_taken_from_where_its_newest_backup_is():
    stored = {
        "bk01": ["vm-1 g1 2027-05-10T02:00:00Z", "vm-2 g1 2027-05-10T02:00:00Z"],
        "bk02": ["vm-1 g2 2027-05-11T02:00:00Z"],
    }
    found = backups.sources(stored, ["vm-1", "vm-2"])
    assert (found["vm-1"]["host"], found["vm-1"]["generation"], found["vm-2"]["host"]) == ("bk02", "g2", "bk01")
    with pytest.raises(BackupError, match="バックアップのない仮想サーバ：vm-3"):
        backups.sources(stored, ["vm-1", "vm-3"])


def test_the_command_answers_and_explains(capsys, monkeypatch):
    import io

    stored = line("vm-1", "g1", "2027-05-10T02:00:00+09:00") + "\nnothing\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(stored))
    assert backups.main(["age", "--vm", "vm-1", "--now", "2027-05-12T09:00:00+09:00"]) == 0
    told = capsys.readouterr()
    assert told.out == "2\n"
    assert "読めない manifest.json が 1 個" in told.err
    monkeypatch.setattr("sys.stdin", io.StringIO(stored))
    assert backups.main(["choose", "--vm", "vm-9"]) == 1
    assert "「vm-9」のバックアップが見つかりません" in capsys.readouterr().err
