"""Which days are business days, and when a window opens and closes on a day.

Municipal offices close on Saturdays, Sundays, national holidays and from 29 December to 3 January. Japan has no
daylight saving time, so a day has 86,400 seconds and midnight is +09:00 all year.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache

import holidays
import numpy as np

from capacity.records import Floats, Ints
from estate.base_records import DayType, Window
from estate.clock import JST

DAY_S = 86_400.0
_ONE_DAY = timedelta(days=1)


@cache
def _holidays_of(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("JP", years=year))


@cache
def is_closed(day: date) -> bool:
    """Whether municipal offices are closed: weekend, national holiday, 29 December to 3 January."""
    return day.weekday() >= 5 or is_year_end(day) or day in _holidays_of(day.year)


def is_year_end(day: date) -> bool:
    """Whether the day lies in 29 December to 3 January."""
    return (day.month == 12 and day.day >= 29) or (day.month == 1 and day.day <= 3)


def is_business_day(day: date) -> bool:
    """Whether municipal offices are open."""
    return not is_closed(day)


def next_business_day(day: date) -> date:
    """The day itself when it is open, else the first open day after it."""
    while is_closed(day):
        day += _ONE_DAY
    return day


def previous_business_day(day: date) -> date:
    """The day itself when it is open, else the last open day before it."""
    while is_closed(day):
        day -= _ONE_DAY
    return day


def add_business_days(day: date, count: int) -> date:
    """The `count`-th open day after `day` (before it when negative); `day` itself for 0, open or not."""
    step = _ONE_DAY if count > 0 else -_ONE_DAY
    for _ in range(abs(count)):
        day += step
        while is_closed(day):
            day += step
    return day


def last_business_day(year: int, month: int) -> date:
    """The last open day of a month."""
    return previous_business_day(date(year, month, monthrange(year, month)[1]))


@cache
def day_type(day: date) -> DayType:
    """The kind of day that windows distinguish; year end goes before the others, month end before business day."""
    if is_year_end(day):
        return "year_end"
    if is_closed(day):
        return "closed_day"
    return "month_end" if day == last_business_day(day.year, day.month) else "business_day"


def clock_span(span: str) -> tuple[float, float]:
    """Seconds after midnight of `HH:MM-HH:MM`; an end not after the start lies on the next day."""
    opens, closes = (int(clock[:2]) * 3600.0 + int(clock[3:]) * 60.0 for clock in span.split("-"))
    return opens, closes if closes > opens else closes + DAY_S


def span_text(window: Window, day: date) -> str | None:
    """The window's span on a day, `HH:MM-HH:MM`, or None without one.

    The last exception that covers the day holds. An absent month-end span means the business day's, an absent
    year-end span the closed day's.
    """
    for exception in reversed(window.exceptions):
        if exception.from_ <= day < exception.until:
            return exception.span
    match day_type(day):
        case "business_day":
            return window.business_day
        case "closed_day":
            return window.closed_day
        case "month_end":
            return window.business_day if window.month_end is None else window.month_end
        case "year_end":
            return window.closed_day if window.year_end is None else window.year_end


@dataclass(frozen=True)
class WindowSpans:
    """The days on which a window opens, ascending, as ordinals, with its spans in seconds since the epoch."""

    day: Ints
    start_s: Floats
    end_s: Floats


class Calendar:
    """The horizon `[start, end)` as days and as seconds since `start` (the epoch)."""

    def __init__(self, start: datetime, end: datetime) -> None:
        """Raise ValueError unless both are aware and `start < end`."""
        if start.tzinfo is None or end.tzinfo is None or start >= end:
            raise ValueError(f"horizon needs aware times with start < end, found {start} .. {end}")
        self.start = start.astimezone(JST)
        self.end = end.astimezone(JST)
        self.end_s = (self.end - self.start).total_seconds()
        self._start_of_day_s = (
            datetime(self.start.year, self.start.month, self.start.day, tzinfo=JST) - self.start
        ).total_seconds()
        self._spans: dict[tuple[Window, date, date], WindowSpans] = {}

    def days(self) -> Iterator[date]:
        """The days that begin before the horizon's end, the day of its start included."""
        day = self.start.date()
        while self.seconds(day) < self.end_s:
            yield day
            day += _ONE_DAY

    def seconds(self, day: date) -> float:
        """Midnight at the beginning of a day, in seconds since the epoch."""
        return (day.toordinal() - self.start.toordinal()) * DAY_S + self._start_of_day_s

    def moment(self, seconds: float) -> datetime:
        """The time, +09:00, so many seconds after the epoch."""
        return self.start + timedelta(seconds=seconds)

    def span(self, window: Window, day: date) -> tuple[float, float] | None:
        """Start and end, in seconds since the epoch, of the window that opens on `day`; None without one."""
        text = span_text(window, day)
        if text is None:
            return None
        opens, closes = clock_span(text)
        midnight = self.seconds(day)
        return midnight + opens, midnight + closes

    def window_spans(self, window: Window, first: date, until: date) -> WindowSpans:
        """All spans of a window that open on `[first, until)`; equal windows are computed once."""
        key = (window, first, until)
        found = self._spans.get(key)
        if found is None:
            days, starts, ends = [], [], []
            for ordinal in range(first.toordinal(), until.toordinal()):
                span = self.span(window, date.fromordinal(ordinal))
                if span is not None:
                    days.append(ordinal)
                    starts.append(span[0])
                    ends.append(span[1])
            found = WindowSpans(
                np.array(days, dtype=np.int64),
                np.array(starts, dtype=np.float64),
                np.array(ends, dtype=np.float64),
            )
            self._spans[key] = found
        return found
