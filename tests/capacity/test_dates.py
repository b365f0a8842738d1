"""Date rules: cases as data, references between events and jobs, and what is refused."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from capacity.calendar import Calendar
from capacity.dates import DateBook, occurrences
from estate.clock import JST
from tests.capacity.small_estates import estate, job, rule

CASES = json.loads((Path(__file__).parents[1] / "cases" / "capacity" / "dates.json").read_text(encoding="utf-8"))


def _rule(values):
    return rule(**{key: date.fromisoformat(value) if key == "date" else value for key, value in values.items()})


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_cases(case):
    base = [date.fromisoformat(day) for day in case.get("base", [])]
    found = occurrences(
        _rule(case["rule"]),
        date.fromisoformat(case["first"]),
        date.fromisoformat(case["until"]),
        lambda name, first, until: tuple(day for day in base if first <= day < until),
    )
    assert [day.isoformat() for day in found] == case["expected"]


def _book(jobs, events=None):
    made = estate(jobs, start=date(2027, 4, 1), days=366, events=events)
    calendar = Calendar(made.start, made.end)
    return DateBook(made, calendar)


YEAR = (date(2027, 4, 1), date(2028, 4, 1))


def test_chains_of_references_through_events_and_jobs():
    due = rule(rrule="FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=-1", shift="next")
    notice = rule(relative_to="first-due-date", offset="-10 days", shift="previous")
    book = _book(
        [
            job("tax/notice", when=notice),
            job("tax/print", when=rule(relative_to="notice", offset="1 business_days")),
            job("kokuho/assessment", when=rule(relative_to="tax/print", offset="1 months")),
        ],
        events={"first-due-date": due},
    )
    dates = [
        book.dates(rule(relative_to=name), "a", system, *YEAR)
        for name, system in (("first-due-date", "tax"), ("notice", "tax"), ("tax/print", "x"), ("assessment", "kokuho"))
    ]
    # 30 June 2027 is a Wednesday; ten days before is Sunday the 20th, so Friday the 18th; print on Monday the 21st.
    assert dates == [(date(2027, 6, 30),), (date(2027, 6, 18),), (date(2027, 6, 21),), (date(2027, 7, 21),)]


def test_equal_rules_are_evaluated_once_whatever_the_tenant():
    tenants = [job("tax/a", tenant=f"t{number}", vm=f"t{number}-tax") for number in range(5)]
    book = _book(tenants)
    arrays = {id(book.ordinals(one.when, one.tenant, one.system, *YEAR)) for one in tenants}
    assert len(arrays) == 1


def test_a_circle_is_named():
    book = _book(
        [job("tax/a", when=rule(relative_to="b")), job("tax/b", when=rule(relative_to="tax/a", offset="1 days"))]
    )
    with pytest.raises(ValueError, match=r"循環.*tax/a → .*tax/b → .*tax/a"):
        book.dates(rule(relative_to="a"), "a", "tax", *YEAR)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rrule": "FREQ=NEVER"}, "rrule を解釈できません"),
        ({"rrule": "FREQ=HOURLY"}, "日単位"),
        ({"relative_to": "nothing"}, "参照先がありません: nothing"),
        ({}, "どれか一つ"),
    ],
)
def test_refused_rules(values, message):
    with pytest.raises(ValueError, match=message):
        _book([job("tax/a")]).dates(rule(**values), "a", "tax", *YEAR)


def test_far_offsets_do_not_leave_the_calendar():
    book = _book([job("tax/a")])
    assert book.dates(rule(date=date(9950, 1, 1), offset="999 months"), "a", "tax", *YEAR) == ()
    horizon = Calendar(datetime(2027, 4, 1, tzinfo=JST), datetime(2027, 4, 2, tzinfo=JST))
    assert horizon.moment(86_400.0) - horizon.start == timedelta(days=1)
