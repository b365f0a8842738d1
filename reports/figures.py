"""Numbers and times as the report writes them."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from estate.clock import JST
from layout.wareki import wareki, wareki_time


def number(value: float, digits: int = 0) -> str:
    """With thousands separators and a real minus sign, which a zero never has."""
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text.replace("-", "−")


def count(value: float) -> str:
    """A quantity as counted: whole where it is whole, else with at most three digits."""
    return number(value) if float(value).is_integer() else number(value, 3).rstrip("0")


def share(part: float, whole: float, digits: int = 0) -> str:
    """Percent, or a dash where there is no whole."""
    return f"{100 * part / whole:.{digits}f} %" if whole else "—"


def minutes(seconds: float) -> str:
    """Minutes with one digit."""
    return number(seconds / 60, 1)


def signed_minutes(seconds: float) -> str:
    """Minutes with one digit and their sign."""
    text = minutes(seconds)
    return text if text.startswith("−") or not text.strip("0.") else f"+{text}"


def period(start: datetime, until: datetime) -> str:
    """`[start, until)` by its first and last day where both are midnights in Japan, else by its moments."""
    first, end = start.astimezone(JST), until.astimezone(JST)
    if all((moment.hour, moment.minute, moment.second) == (0, 0, 0) for moment in (first, end)):
        return f"{wareki(first)}から{wareki(end - timedelta(days=1))}まで"
    return f"{wareki_time(start)}から{wareki_time(until)}まで"


def week_name(monday: date) -> str:
    """令和10年3月27日（月）から4月2日（日）までの週."""
    sunday = monday + timedelta(days=6)
    return f"{wareki(monday)}（月）から{sunday.month}月{sunday.day}日（日）までの週"
