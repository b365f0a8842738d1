"""The small rules behind the checks: check digits, rows of hosts, circles, recurrences."""

import csv
from datetime import date
from pathlib import Path

import pytest

import estate
from estate import recurrence
from estate.circles import circles
from estate.host_pattern import PatternError, expand
from estate.local_government_code import check_digit
from estate.problems import Problem, once, shown, visible

MUNICIPALITIES = Path(estate.__file__).parent / "catalogue" / "municipalities.csv"


def test_the_check_digit_of_every_municipality_is_right():
    with MUNICIPALITIES.open(encoding="utf-8", newline="") as file:
        codes = [row["code"] for row in csv.DictReader(file)]
    assert len(codes) == 1741
    assert [code for code in codes if check_digit(code[:5]) != code[5]] == []


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        ("kvm", ("kvm",)),
        ("kvm{1..3}", ("kvm1", "kvm2", "kvm3")),
        ("kvm{08..11}.a", ("kvm08.a", "kvm09.a", "kvm10.a", "kvm11.a")),
        ("r{1..2}n{1..2}", ("r1n1", "r1n2", "r2n1", "r2n2")),
        ("kvm{9..10}", ("kvm9", "kvm10")),
        ("kvm{00001..10000}", tuple(f"kvm{n:05d}" for n in range(1, 10_001))),
    ],
)
def test_a_row_of_hosts(pattern, ids):
    assert expand(pattern) == ids


@pytest.mark.parametrize("pattern", ["a{2..1}", "a{0..10000}", "a{1..101}{1..100}", "a{1..99999}{2..1}"])
def test_no_row_of_hosts(pattern):
    with pytest.raises(PatternError):
        expand(pattern)


def test_circles_are_found_along_the_references():
    assert circles({"a": ["b"], "b": ["c"], "c": []}) == []
    assert circles({"c": ["a"], "a": ["b"], "b": ["c"], "x": ["a"]}) == [["a", "b", "c"]]
    assert circles({"a": ["a"], "b": ["c"], "c": ["b"]}) == [["a"], ["b", "c"]]
    assert sorted(circles({"a": ["b", "c"], "b": ["a"], "c": ["a"]})) == [["a", "b"], ["a", "c"]]
    long = {n: [n + 1] for n in range(20_000)} | {20_000: [0]}
    assert len(circles(long)[0]) == 20_001


@pytest.mark.parametrize(
    ("rule", "first_days"),
    [
        ("FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=-1", ["2027-06-30", "2028-06-30"]),
        ("rrule:freq=monthly;byday=-1FR", ["2027-04-30", "2027-05-28"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", ["2028-02-29", "2032-02-29"]),
        ("FREQ=YEARLY;INTERVAL=3", ["2030-01-01", "2033-01-01"]),
        ("FREQ=DAILY;UNTIL=20270402", ["2027-04-01", "2027-04-02"]),
        ("FREQ=MONTHLY;BYDAY=5MO", ["2027-05-31", "2027-08-30"]),
        ("FREQ=YEARLY;BYDAY=53MO", ["2029-12-31", "2035-12-31"]),
        ("FREQ=WEEKLY", ["2027-04-05", "2027-04-12"]),
        ("FREQ=YEARLY;COUNT=3", []),
        ("FREQ=DAILY;BYMONTH=4;BYMONTHDAY=31", []),
    ],
)
def test_days_of_a_recurrence(rule, first_days):
    recurrence.check(rule)
    found = recurrence.days(rule, date(2027, 4, 1))
    assert [day.isoformat() for day in found[:2]] == first_days


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;BYMONTH=0", "FREQ=DAILY;BYDAY=XX", "BYMONTH=1", "", ";",
        "FREQ=DAILY;FREQ=DAILY", "FREQ=DAILY;BYEASTER=0", "FREQ=DAILY;UNTIL=20270231", "FREQ=DAILY;COUNT=0",
        "DTSTART:20270401\nRRULE:FREQ=DAILY", "FREQ=DAILY;BYMONTH=", "FREQ=DAILY;BYMONTHDAY=１",
        "FREQ=DAILY;UNTIL=20270605T000000Z", "FREQ=MONTHLY;BYDAY=99MO", "FREQ=MONTHLY;BYDAY=MO,-6FR",
        "FREQ=YEARLY;BYMONTH=2;BYDAY=53MO", "FREQ=YEARLY;BYDAY=54MO",
    ],
)  # fmt: skip
def test_what_is_no_recurrence(rule):
    with pytest.raises(recurrence.RecurrenceError):
        recurrence.check(rule)


def test_messages_cannot_forge_lines_or_colours():
    forged = "x\x1b[31m\n/etc/passwd:1:1: 誤り\u202e\u3000"
    assert visible(forged) == "x\\u001b[31m\\u000a/etc/passwd:1:1: 誤り\\u202e\\u3000"
    assert str(Problem(forged, 1, 2, forged, forged)).isprintable()
    assert len(shown("あ" * 1000)) < 70


def test_problems_come_in_order_once_and_not_without_end():
    many = [Problem("f", line, 1, "", "m") for line in range(3000, 0, -1)]
    kept = once(many + many)
    assert [p.line for p in kept[:1000]] == list(range(1, 1001))
    assert len(kept) == 1001
    assert "ほかに 2,000 件" in kept[-1].message


def test_a_problem_is_plain_data_for_json():
    problem = Problem("f", 1, 2, "a.b", "m", 3)
    assert problem.to_json() == {"file": "f", "line": 1, "column": 2, "path": "a.b", "message": "m", "exit_code": 3}
