"""On which days a date rule falls.

Order of evaluation: the base (a single date, a recurrence, or the dates of another event or job), then `offset`,
then `only` keeps days of one kind, then `shift` moves closed days. Days that coincide afterwards count once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

import numpy as np
from dateutil.relativedelta import relativedelta
from dateutil.rrule import rrulestr

from capacity.calendar import (
    Calendar,
    add_business_days,
    is_closed,
    next_business_day,
    previous_business_day,
)
from capacity.records import Ints
from estate.base_records import DateRule
from estate.resolved import ResolvedEstate

Dates = tuple[date, ...]
Scope = tuple[str, str]  # tenant, system
Span = tuple[date, date]  # first, until
Lookup = Callable[[str, date, date], Dates]

# Where a recurrence without DTSTART is counted from: a Monday, and a year of the revaluation of property (評価替え),
# so that FREQ=YEARLY;INTERVAL=3 gives 2018, 2021, 2024, 2027 and FREQ=WEEKLY gives Mondays.
ANCHOR = datetime(2018, 1, 1)
_LONGEST_CLOSURE = timedelta(days=31)
_PLAIN = re.compile(r"FREQ=(DAILY|MONTHLY|YEARLY)\b", re.IGNORECASE)
_TOO_FINE = re.compile(r"FREQ=(SECONDLY|MINUTELY|HOURLY)\b", re.IGNORECASE)


def _recurrence(text: str, first: date, until: date) -> Dates:
    if _TOO_FINE.search(text):
        raise ValueError(f"rrule は日単位で評価します。FREQ は DAILY 以上にしてください（{text}）")
    start = ANCHOR
    counted = "INTERVAL" in text.upper() or "COUNT" in text.upper()
    if _PLAIN.search(text) and not counted and "DTSTART" not in text.upper():
        # Without a counter the anchor's year does not matter; starting nearby saves years of daily dates.
        start = datetime(max(first.year - 1, 1), 1, 1)
    try:
        rule = rrulestr(text, dtstart=start)
        found = rule.between(datetime.combine(first, time.min), datetime.combine(until, time.min), inc=True)
    except (ValueError, TypeError) as error:
        raise ValueError(f"rrule を解釈できません（{text}）: {error}") from error
    return tuple(sorted({moment.date() for moment in found if moment.date() < until}))


def _offset(text: str) -> tuple[int, str]:
    count, unit = text.split(" ")
    return int(count), unit


def _moved(day: date, count: int, unit: str) -> date:
    if unit == "days":
        return day + timedelta(days=count)
    if unit == "months":
        return day + relativedelta(months=count)
    return add_business_days(day, count)


def _reach(count: int, unit: str) -> timedelta:
    """How far, at most, `offset` and `shift` together carry a day."""
    days_per_unit = {"days": 1, "business_days": 3, "months": 31}[unit]
    return timedelta(days=abs(count) * days_per_unit) + _LONGEST_CLOSURE


def _minus(day: date, reach: timedelta) -> date:
    return date.min if day - date.min < reach else day - reach


def _plus(day: date, reach: timedelta) -> date:
    return date.max if date.max - day < reach else day + reach


def occurrences(rule: DateRule, first: date, until: date, lookup: Lookup) -> Dates:
    """Ascending dates of a rule in `[first, until)`, each once.

    `lookup(name, first, until)` gives the dates of the event or job that `relative_to` names. Months keep the day of
    the month, or take the month's last day where it is shorter. Raises ValueError for a rule that cannot be read.
    """
    count, unit = _offset(rule.offset)
    reach = _reach(count, unit)
    base_first, base_until = _minus(first, reach), _plus(until, reach)
    if rule.day is not None:
        base: Dates = (rule.day,) if base_first <= rule.day < base_until else ()
    elif rule.rrule is not None:
        base = _recurrence(rule.rrule, base_first, base_until)
    elif rule.relative_to is not None:
        base = lookup(rule.relative_to, base_first, base_until)
    else:
        raise ValueError("日付の規則には date, rrule, relative_to のどれか一つが必要です")
    days = [_moved(day, count, unit) for day in base] if count else list(base)
    if rule.only is not None:
        days = [day for day in days if is_closed(day) == (rule.only == "closed_day")]
    if rule.shift == "next":
        days = [next_business_day(day) for day in days]
    elif rule.shift == "previous":
        days = [previous_business_day(day) for day in days]
    return tuple(sorted({day for day in days if first <= day < until}))


class DateBook:
    """The dates of every rule of an estate; equal rules are evaluated once, whatever the number of tenants."""

    def __init__(self, estate: ResolvedEstate, calendar: Calendar) -> None:
        self._calendar = calendar
        self._events = estate.events
        self._jobs = {(job.tenant, job.system, job.job): job.when for job in estate.jobs}
        self._known: dict[tuple[DateRule, Span, Dates | None], Dates] = {}
        self._ordinals: dict[Dates, Ints] = {}

    def dates(self, rule: DateRule, tenant: str, system: str, first: date, until: date) -> Dates:
        """Dates of a rule of a job of `tenant`'s `system`, in `[first, until)`.

        Raises ValueError for an unknown name in `relative_to` and for rules that refer to each other in a circle.
        """
        return self._dates(rule, (tenant, system), (first, until), ())

    def ordinals(self, rule: DateRule, tenant: str, system: str, first: date, until: date) -> Ints:
        """The same dates as proleptic ordinals (`date.toordinal`)."""
        dates = self.dates(rule, tenant, system, first, until)
        found = self._ordinals.get(dates)
        if found is None:
            found = np.array([day.toordinal() for day in dates], dtype=np.int64)
            self._ordinals[dates] = found
        return found

    def _dates(self, rule: DateRule, scope: Scope, span: Span, path: tuple[str, ...]) -> Dates:
        base: Dates | None = None
        if rule.relative_to is not None:
            reach = _reach(*_offset(rule.offset))
            base = self._named(rule.relative_to, scope, (_minus(span[0], reach), _plus(span[1], reach)), path)
        key = (rule, span, base)
        found = self._known.get(key)
        if found is None:
            # The reference was resolved above, so that equal rules with equal references share one entry.
            found = occurrences(rule, *span, lambda *_: base or ())
            self._known[key] = found
        return found

    def _named(self, name: str, scope: Scope, span: Span, path: tuple[str, ...]) -> Dates:
        tenant, system = scope
        if name in self._events:
            label, rule = name, self._events[name]
        else:
            owner, job = name.split("/", 1) if "/" in name else (system, name)
            label = f"{tenant}/{owner}/{job}"
            found = self._jobs.get((tenant, owner, job))
            if found is None:
                raise ValueError(f"relative_to の参照先がありません: {name}（{tenant}/{system}）")
            rule, system = found, owner
        if label in path:
            raise ValueError(f"日付の参照が循環しています: {' → '.join((*path, label))}")
        return self._dates(rule, (tenant, system), span, (*path, label))
