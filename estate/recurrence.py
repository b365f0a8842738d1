"""Whether an RFC 5545 recurrence is well-formed, and whether it ever falls on a day.

Only what is evaluated per day is allowed: FREQ from DAILY to YEARLY and its BY… parts, without times and DTSTART.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache

from dateutil.rrule import rrulestr

_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_WEEKDAY = re.compile(r"([-+]?[1-9][0-9]?)?(MO|TU|WE|TH|FR|SA|SU)")
_YEARS_LOOKED_AT = 10  # 29 February needs up to 8 years
# The Gregorian calendar repeats after 400 years. dateutil searches a rule that never fires until the year 9999, so it
# is shown the same days 7,600 years later: 20 times less to search, and the answer is the same.
_LATER = 7_600
_ANCHOR_YEAR = 2018  # as the calendar of `capacity`: recurrences count from 2018-01-01


class RecurrenceError(ValueError):
    """The rule cannot be used; the message says why, in Japanese."""


def _whole(low: int, high: int, *, negative: bool = False) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        if not re.fullmatch(r"[-+]?[0-9]{1,4}" if negative else r"[0-9]{1,4}", text, re.ASCII):
            return False
        return low <= abs(int(text)) <= high

    return fits


def _one_of(*words: str) -> Callable[[str], bool]:
    return lambda text: text in words


_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_PARTS: dict[str, Callable[[str], bool]] = {
    "FREQ": _one_of(*_FREQUENCIES),
    "INTERVAL": _whole(1, 1000),
    "COUNT": _whole(1, 9999),
    "UNTIL": lambda text: _until(text) is not None,
    "WKST": _one_of(*_WEEKDAYS),
    "BYMONTH": _whole(1, 12),
    "BYMONTHDAY": _whole(1, 31, negative=True),
    "BYYEARDAY": _whole(1, 366, negative=True),
    "BYWEEKNO": _whole(1, 53, negative=True),
    "BYSETPOS": _whole(1, 366, negative=True),
    "BYDAY": lambda text: _WEEKDAY.fullmatch(text) is not None,
}


def check(text: str) -> None:
    """Raise RecurrenceError unless `text` is a recurrence this product evaluates."""
    parts: dict[str, str] = {}
    for part in text.upper().removeprefix("RRULE:").split(";"):
        name, equals, value = part.partition("=")
        if not equals:
            raise RecurrenceError(f"rrule の「{part[:40]}」は「名前=値」の形ではありません（例 FREQ=YEARLY;BYMONTH=6）")
        if name not in _PARTS:
            raise RecurrenceError(f"rrule の「{name[:40]}」は使えません。使えるもの: {'、'.join(_PARTS)}")
        if name in parts:
            raise RecurrenceError(f"rrule に {name} が二つあります")
        parts[name] = value
        wrong = [item for item in value.split(",") if not _PARTS[name](item)]
        if wrong:
            raise RecurrenceError(f"rrule の {name} の値が正しくありません（{wrong[0][:40]}）{_allowed(name)}")
    if "FREQ" not in parts:
        raise RecurrenceError("rrule に FREQ がありません（例 FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=-1）")
    _check_nth_weekdays(parts)


def _check_nth_weekdays(parts: dict[str, str]) -> None:
    """The fifth Monday of a month is the last there can be, the 53rd of a year too; dateutil fails beyond them."""
    if parts["FREQ"] in ("DAILY", "WEEKLY"):
        return
    period, most = ("年", 53) if parts["FREQ"] == "YEARLY" and "BYMONTH" not in parts else ("月", 5)
    for item in parts.get("BYDAY", "").split(","):
        nth = item[:-2].lstrip("+-")
        if nth and int(nth) > most:
            raise RecurrenceError(f"rrule の BYDAY の{period}の {nth} 番目はありません（{item}）。{most} までです")


@cache
def days(text: str, first: date) -> tuple[date, ...]:
    """The first 400 days of a rule (checked before) in the ten years from `first`. Empty: it never fires."""
    rule = text.upper().removeprefix("RRULE:")
    until = re.search(r"UNTIL=([0-9]{8})[^;]*", rule)
    if until:
        rule = rule.replace(until.group(), f"UNTIL={int(until.group(1)[:4]) + _LATER:04d}{until.group(1)[4:]}")
    start = datetime(_ANCHOR_YEAR + _LATER, 1, 1)
    first = max(first, date(_ANCHOR_YEAR, 1, 1))
    begins = datetime(first.year + _LATER, first.month, first.day)
    ends = begins + timedelta(days=366 * _YEARS_LOOKED_AT)
    found: list[date] = []
    for moment in rrulestr(rule, dtstart=start):
        if moment >= ends or len(found) >= 400:
            break
        if moment >= begins:
            found.append(date(moment.year - _LATER, moment.month, moment.day))
    return tuple(found)


def _until(text: str) -> date | None:
    match = re.fullmatch(r"([0-9]{8})", text, re.ASCII)
    try:
        found = date.fromisoformat(match.group(1)) if match else None
    except ValueError:
        return None
    return found if found and 1989 <= found.year <= 2300 else None


def _allowed(name: str) -> str:
    if name == "FREQ":
        return f"。使えるもの: {'、'.join(_FREQUENCIES)}（日単位で評価します）"
    if name == "UNTIL":
        return "。日単位で評価するので、時刻なしで 20270630 のように書いてください"
    if name == "BYDAY":
        return "。MO、-1FR のように書いてください"
    return ""
