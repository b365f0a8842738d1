"""Dates and times as Japanese reports write them (令和9年6月7日 02:00)."""

from __future__ import annotations

from datetime import date, datetime

from estate.clock import JST

# First days of the eras (official notices of 1989 and 2019); earlier dates are written in the western calendar.
_ERAS = ((date(2019, 5, 1), "令和"), (date(1989, 1, 8), "平成"))


def wareki(day: date) -> str:
    """A date in the Japanese calendar; a datetime is taken at its own clock. Year 1 is 元年."""
    plain = day.date() if isinstance(day, datetime) else day
    for first, name in _ERAS:
        if plain >= first:
            year = plain.year - first.year + 1
            return f"{name}{'元' if year == 1 else year}年{plain.month}月{plain.day}日"
    return f"{plain.year}年{plain.month}月{plain.day}日"


def wareki_time(moment: datetime) -> str:
    """A moment in Japan: date and minutes."""
    local = moment.astimezone(JST)
    return f"{wareki(local)} {local:%H:%M}"


def fiscal_year_name(fiscal_year: int) -> str:
    """令和9年度（2027年度）."""
    return f"{wareki(date(fiscal_year, 5, 1)).split('年')[0]}年度（{fiscal_year}年度）"
