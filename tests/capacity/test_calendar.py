"""Business days, day types and window spans, against the calendar of 2027 and 2028 on paper."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from capacity import calendar
from capacity.calendar import Calendar
from estate.base_records import WindowException
from estate.clock import JST
from tests.capacity.small_estates import window

SPRING = Calendar(datetime(2027, 4, 1, tzinfo=JST), datetime(2028, 4, 1, tzinfo=JST))


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2027-04-28", "business_day"),  # Wednesday
        ("2027-04-29", "closed_day"),  # 昭和の日
        ("2027-04-30", "month_end"),
        ("2027-05-03", "closed_day"),  # 憲法記念日
        ("2027-05-04", "closed_day"),
        ("2027-05-05", "closed_day"),
        ("2027-05-06", "business_day"),
        ("2027-03-22", "closed_day"),  # 春分の日 falls on Sunday the 21st: substitute holiday
        ("2027-06-05", "closed_day"),  # Saturday
        ("2027-10-29", "month_end"),  # the 31st is a Sunday
        ("2027-12-28", "month_end"),
        ("2027-12-29", "year_end"),
        ("2028-01-01", "year_end"),
        ("2028-01-03", "year_end"),
        ("2028-01-04", "business_day"),
        ("2028-02-29", "month_end"),
    ],
)
def test_day_types(day, kind):
    assert calendar.day_type(date.fromisoformat(day)) == kind
    assert calendar.is_business_day(date.fromisoformat(day)) == (kind in {"business_day", "month_end"})


def test_neighbouring_business_days():
    assert calendar.next_business_day(date(2027, 5, 1)) == date(2027, 5, 6)
    assert calendar.previous_business_day(date(2027, 5, 5)) == date(2027, 4, 30)
    assert calendar.next_business_day(date(2027, 12, 29)) == date(2028, 1, 4)
    assert calendar.previous_business_day(date(2028, 1, 3)) == date(2027, 12, 28)
    assert calendar.next_business_day(date(2027, 5, 6)) == date(2027, 5, 6)


def test_counting_business_days():
    assert calendar.add_business_days(date(2027, 4, 28), 2) == date(2027, 5, 6)
    assert calendar.add_business_days(date(2027, 5, 6), -2) == date(2027, 4, 28)
    assert calendar.add_business_days(date(2027, 5, 3), 0) == date(2027, 5, 3)


def test_a_window_over_midnight_ends_on_the_next_day():
    night = window("20:00-06:00")
    start, end = SPRING.span(night, date(2027, 4, 2))
    assert start == 86_400 + 20 * 3600
    assert end == 2 * 86_400 + 6 * 3600


def test_spans_by_day_type_and_exception():
    kinds = window(
        "20:00-06:00",
        "18:00-24:00",
        month_end="22:00-05:00",
        year_end="00:00-24:00",
        exceptions=(
            WindowException.model_validate({"from": date(2027, 5, 1), "until": date(2027, 5, 3), "span": None}),
            WindowException.model_validate(
                {"from": date(2027, 5, 2), "until": date(2027, 5, 4), "span": "01:00-02:00"}
            ),
        ),
    )
    texts = {day: calendar.span_text(kinds, date.fromisoformat(day)) for day in (
        "2027-04-28", "2027-04-29", "2027-04-30", "2027-12-30", "2027-05-01", "2027-05-02", "2027-05-03", "2027-05-04"
    )}  # fmt: skip
    assert list(texts.values()) == [
        "20:00-06:00", "18:00-24:00", "22:00-05:00", "00:00-24:00", None, "01:00-02:00", "01:00-02:00", "18:00-24:00",
    ]  # fmt: skip
    assert SPRING.span(kinds, date(2027, 5, 1)) is None
    assert SPRING.span(kinds, date(2027, 12, 30)) == (273 * 86_400, 274 * 86_400)


def test_absent_special_spans_fall_back():
    plain = window("20:00-06:00", None)
    assert calendar.span_text(plain, date(2027, 4, 30)) == "20:00-06:00"
    assert calendar.span_text(plain, date(2027, 12, 30)) is None


def test_seconds_and_moments_are_each_others_inverse():
    offset = Calendar(datetime(2027, 4, 1, 9, tzinfo=JST), datetime(2027, 4, 3, tzinfo=JST))
    assert offset.seconds(date(2027, 4, 1)) == -9 * 3600
    assert offset.seconds(date(2027, 4, 2)) == 15 * 3600
    assert offset.moment(15 * 3600.0) == datetime(2027, 4, 2, tzinfo=JST)
    assert list(offset.days()) == [date(2027, 4, 1), date(2027, 4, 2)]


def test_a_year_has_its_days():
    days = list(SPRING.days())
    assert (len(days), days[0], days[-1]) == (366, date(2027, 4, 1), date(2028, 3, 31))
    assert SPRING.end_s == 8_784 * 3600


def test_a_horizon_needs_zones_and_an_order():
    begin = datetime(2027, 4, 1, tzinfo=JST)
    with pytest.raises(ValueError, match="horizon"):
        Calendar(begin, begin)
    with pytest.raises(ValueError, match="horizon"):
        Calendar(begin.replace(tzinfo=None), begin + timedelta(days=1))


def test_window_spans_skip_days_without_one():
    spans = SPRING.window_spans(window("20:00-06:00"), date(2027, 4, 28), date(2027, 5, 8))
    assert [date.fromordinal(day).isoformat() for day in spans.day] == [
        "2027-04-28", "2027-04-30", "2027-05-06", "2027-05-07",
    ]  # fmt: skip
    assert (spans.end_s - spans.start_s == 10 * 3600).all()
