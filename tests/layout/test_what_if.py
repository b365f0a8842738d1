"""A layout as it would be after a change that nobody has made."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from layout import what_if
from layout.errors import FolderError
from layout.licence_records import ViolationResult
from layout.records import Layout, MoveRecord
from tests.layout.builder import Builder

VM = "t00-s00-ap-01"


def layout(changes: list[dict] | None = None) -> Layout:
    data = Builder().layout().model_dump(mode="json", by_alias=True)
    for vm in data["vms"]:
        if vm["id"] == VM:
            vm |= {"vcpu": 2, "vcpu_max": 8, "vcpu_changes": changes or []}
    return Layout.model_validate_json(json.dumps(data))


def vm(found: Layout):
    return next(each for each in found.vms if each.id == VM)


def spans(found: Layout) -> list[tuple[str, str, int]]:
    return [(f"{c.from_:%m-%d}", f"{c.until:%m-%d}", c.vcpu) for c in vm(found).vcpu_changes]


def busy(from_: str, until: str, vcpu: int = 4) -> dict:
    return {"from": f"2027-{from_}T00:00:00+09:00", "until": f"2027-{until}T00:00:00+09:00", "vcpu": vcpu}


def test_a_number_for_all_time_replaces_what_is_planned():
    found = vm(what_if.changed(layout([busy("05-12", "05-20")]), [f"{VM}.vcpu=16"]))
    assert (found.vcpu, found.vcpu_max, found.vcpu_changes) == (16, 16, ())


@pytest.mark.parametrize(
    ("planned", "expected"),
    [
        ([], [("05-15", "05-18", 6)]),
        ([("05-10", "05-20")], [("05-10", "05-15", 4), ("05-15", "05-18", 6), ("05-18", "05-20", 4)]),
        ([("05-16", "05-17")], [("05-15", "05-18", 6)]),
        (
            [("05-10", "05-16"), ("05-17", "05-30")],
            [("05-10", "05-15", 4), ("05-15", "05-18", 6), ("05-18", "05-30", 4)],
        ),
        (
            [("05-10", "05-15"), ("05-18", "05-30")],
            [("05-10", "05-15", 4), ("05-15", "05-18", 6), ("05-18", "05-30", 4)],
        ),
    ],
)
def test_a_number_for_some_days_stands_between_what_is_planned(planned, expected):
    found = what_if.changed(layout([busy(*span) for span in planned]), [f"{VM}.vcpu=6@2027-05-15/2027-05-18"])
    assert spans(found) == expected
    assert vm(found).vcpu == 2


def test_another_place_is_one_from_the_beginning_without_moves():
    before = layout()
    here = vm(before).host
    other = next(host.id for host in before.hosts if host.site == vm(before).site and host.id != here)
    moves = (MoveRecord(vm=VM, at=datetime.fromisoformat("2027-05-10T00:00:00+09:00"), from_host=other, to_host=here),)
    moved = before.model_copy(update={"moves": moves})
    found = what_if.changed(moved, [f"{VM}.host={other}"])
    assert (vm(found).host, found.moves) == (other, ())
    assert what_if.changed(moved, [f"{VM}.host={here}"]) == moved


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("", "読めません"),
        (f"{VM}.memory=8", "読めません"),
        (f"{VM}.vcpu", "読めません"),
        (f"{VM}.host=kvm02@2027-05-01/2027-05-02", "読めません"),
        ("nobody.vcpu=8", "「nobody」は計画にありません"),
        (f"{VM}.host=nowhere", "ホスト「nowhere」はありません"),
        (f"{VM}.vcpu=0", "整数です"),
        (f"{VM}.vcpu=many", "整数です"),
        (f"{VM}.vcpu=8@2027-02-30/2027-05-02", "日付ではありません"),
        (f"{VM}.vcpu=8@2027-05-02/2027-05-02", "終わりは始めより後"),
    ],
)
def test_mistakes_are_told(change, words):
    with pytest.raises(FolderError, match=words):
        what_if.changed(layout(), [change])


def violation(**more) -> ViolationResult:
    data = {
        "rule": "r", "vm": "v", "host": None, "from": "2027-05-01T00:00:00+09:00", "until": "2027-06-01T00:00:00+09:00",
        "held": 2, "needed": 4, "unit": "本", "busy_season": False, "because": "b", **more,
    }  # fmt: skip
    return ViolationResult.model_validate_json(json.dumps(data))


def test_only_violations_that_are_new_or_larger_count():
    old = [violation()]
    assert what_if.grown(old, [violation()]) == ()
    assert what_if.grown(old, [violation(needed=3)]) == ()
    assert len(what_if.grown(old, [violation(needed=5)])) == 1
    assert len(what_if.grown(old, [violation(vm="w")])) == 1
    assert len(what_if.grown(old, [violation(rule="s")])) == 1
    assert len(what_if.grown(old, [violation(until="2027-07-01T00:00:00+09:00")])) == 1
    assert what_if.grown(old, [violation(until="2027-05-02T00:00:00+09:00")]) == ()
    assert len(what_if.grown([], [violation()])) == 1
