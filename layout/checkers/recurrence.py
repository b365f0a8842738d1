"""On which days a date rule falls, derived with code of the checkers' own.

Base (a date, a recurrence, or another rule's days), then `offset`, then `only`, then `shift`; each day counts once.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

from dateutil.relativedelta import relativedelta
from dateutil.rrule import rrulestr

from estate.base_records import DateRule

from .calendar import is_closed

_COUNTER = re.compile(r";?(INTERVAL|COUNT|UNTIL)=[^;\s]*", re.IGNORECASE)
_ANCHORED = re.compile(r"INTERVAL|COUNT|DTSTART|UNTIL", re.IGNORECASE)
_TOO_FINE = re.compile(r"FREQ=(SECONDLY|MINUTELY|HOURLY)|BY(HOUR|MINUTE|SECOND)", re.IGNORECASE)
_ONE_DAY = dt.timedelta(days=1)


def is_anchored(rule: DateRule) -> bool:
    """Whether the rule's days depend on where counting begins, which its text does not say.

    For such a rule `days_of` gives the days of the same rule without the counter: a superset.
    """
    text = rule.rrule or ""
    return bool(_ANCHORED.search(text)) or ("FREQ=WEEKLY" in text.upper() and "BYDAY" not in text.upper())


def days_of(
    rule: DateRule, first: dt.date, until: dt.date, named: Callable[[str, dt.date, dt.date], frozenset[dt.date]]
) -> frozenset[dt.date]:
    """Days of a rule in `[first, until)`. `named(name, first, until)` gives the days of what `relative_to` names.

    Raises ValueError and TypeError for a recurrence that cannot be read.
    """
    count, unit = int(rule.offset.split()[0]), rule.offset.split()[1]
    reach = dt.timedelta(days=abs(count) * {"days": 1, "business_days": 4, "months": 31}[unit] + 40)
    low, high = first - reach, until + reach
    if rule.day is not None:
        base = frozenset([rule.day])
    elif rule.rrule is not None:
        base = _recurring(rule.rrule, low, high)
    else:
        base = named(rule.relative_to or "", low, high)
    days = [_moved(day, count, unit) for day in base]
    if rule.only:
        days = [day for day in days if is_closed(day) == (rule.only == "closed_day")]
    return frozenset(day for day in (_shifted(day, rule.shift) for day in days) if first <= day < until)


def _recurring(text: str, low: dt.date, high: dt.date) -> frozenset[dt.date]:
    if _TOO_FINE.search(text):
        raise ValueError(f"日より細かい rrule です: {text}")
    plain = _COUNTER.sub("", text)
    if "FREQ=WEEKLY" in plain.upper() and "BYDAY" not in plain.upper():
        plain += ";BYDAY=MO,TU,WE,TH,FR,SA,SU"
    begin = dt.datetime(low.year, 1, 1)
    moments = rrulestr(plain, dtstart=begin).between(
        dt.datetime.combine(low, dt.time()), dt.datetime.combine(high, dt.time()), inc=True
    )
    return frozenset(moment.date() for moment in moments)


def _moved(day: dt.date, count: int, unit: str) -> dt.date:
    if unit == "days":
        return day + dt.timedelta(days=count)
    if unit == "months":
        return day + relativedelta(months=count)
    step = _ONE_DAY if count > 0 else -_ONE_DAY
    for _ in range(abs(count)):
        day += step
        while is_closed(day):
            day += step
    return day


def _shifted(day: dt.date, shift: str) -> dt.date:
    while shift != "none" and is_closed(day):
        day += _ONE_DAY if shift == "next" else -_ONE_DAY
    return day
