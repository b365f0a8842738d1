"""Which windows a job really has: derived from its Window record with code of the checkers' own.

Closed days are Saturday, Sunday, national holidays and 29 December to 3 January; the latter have the year-end span
where one is given. The last business day of a month has the month-end span where one is given.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache

import holidays
import numpy as np

from estate.base_records import Window

from .view import DAY, MINUTE, Ints

_MINUTES_PER_DAY = 1440


@cache
def _holidays(year: int) -> frozenset[dt.date]:
    return frozenset(holidays.country_holidays("JP", years=year))


def is_year_end(day: dt.date) -> bool:
    """29 December to 3 January."""
    return (day.month == 12 and day.day >= 29) or (day.month == 1 and day.day <= 3)


@cache
def is_closed(day: dt.date) -> bool:
    """Neither counters nor staff: weekend, national holiday, 29 December to 3 January."""
    return day.weekday() >= 5 or is_year_end(day) or day in _holidays(day.year)


@cache
def is_month_end(day: dt.date) -> bool:
    """The last business day of its month."""
    if is_closed(day):
        return False
    later = day + dt.timedelta(days=1)
    while later.month == day.month:
        if not is_closed(later):
            return False
        later += dt.timedelta(days=1)
    return True


def minutes_of(span: str) -> tuple[int, int]:
    """`20:00-06:00` as minutes of its day; an end not after the start is on the next day."""
    begin, end = ((60 * int(clock[:2]) + int(clock[3:])) for clock in span.split("-"))
    return begin, end if end > begin else end + _MINUTES_PER_DAY


def spans_of(window: Window, day: dt.date) -> set[tuple[int, int]]:
    """The window's spans on a day in minutes; more than one only where exceptions overlap, none on a day without."""
    dated = [exception.span for exception in window.exceptions if exception.from_ <= day < exception.until]
    if dated:
        found = dated
    elif is_year_end(day):
        found = [window.year_end if window.year_end is not None else window.closed_day]
    elif is_closed(day):
        found = [window.closed_day]
    elif is_month_end(day):
        found = [window.month_end if window.month_end is not None else window.business_day]
    else:
        found = [window.business_day]
    return {minutes_of(span) for span in found if span is not None}


@dataclass(frozen=True)
class Windows:
    """All windows of one record over a range of days, as arrays sorted by start."""

    start: Ints
    end: Ints
    number: Ints
    """Counts the days that have a window: windows of consecutive numbers are consecutive windows."""


def windows(window: Window, start: dt.date, days: range, shift: int = 0) -> Windows:
    """Windows on the days `start + i`; microseconds since midnight of `start`, plus `shift`."""
    rows: list[tuple[int, int, int]] = []
    number = 0
    for offset in days:
        spans = spans_of(window, start + dt.timedelta(days=offset))
        rows += [(offset * DAY + begin * MINUTE, offset * DAY + end * MINUTE, number) for begin, end in sorted(spans)]
        number += bool(spans)
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return Windows(table[:, 0] + shift, table[:, 1] + shift, table[:, 2])
