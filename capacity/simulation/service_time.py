"""How many seconds of its own service hours does a system have, and how many lie in an outage?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from capacity.calendar import Calendar
from capacity.records import Floats
from estate.base_records import Window

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class ServiceTime:
    """Disjoint spans `[opens, closes)` in order of time, in seconds on the caller's clock."""

    opens_s: Floats
    closes_s: Floats

    @property
    def total_s(self) -> float:
        """All of it."""
        return float((self.closes_s - self.opens_s).sum())

    def before(self, at_s: Floats) -> Floats:
        """Service seconds before each time."""
        if not len(self.opens_s):
            return np.zeros(np.shape(at_s))
        ends = np.stack((self.opens_s, self.closes_s), axis=1).ravel()
        served = np.cumsum(self.closes_s - self.opens_s)
        reached = np.stack((np.concatenate(([0.0], served[:-1])), served), axis=1).ravel()
        return np.asarray(np.interp(at_s, ends, reached), dtype=np.float64)

    def within(self, from_s: Floats, until_s: Floats) -> Floats:
        """Service seconds in each of `[from_s, until_s)`."""
        return np.asarray(self.before(until_s) - self.before(from_s), dtype=np.float64)


def service_time(window: Window, origin: datetime, from_s: float, until_s: float) -> ServiceTime:
    """The window's spans in `[from_s, until_s)`, seconds since `origin`.

    The window is read as opening hours, day type and dated exceptions included. Raises ValueError for an empty span.
    """
    start, end = origin + timedelta(seconds=from_s), origin + timedelta(seconds=until_s)
    calendar = Calendar(origin, end)
    first: date = start.astimezone(calendar.start.tzinfo).date() - _ONE_DAY
    last: date = end.astimezone(calendar.start.tzinfo).date() + _ONE_DAY
    if start >= end:
        raise ValueError(f"service time needs from < until, got {from_s} .. {until_s}")
    spans = calendar.window_spans(window, first, last)
    opens, closes = np.clip(spans.start_s, from_s, until_s), np.clip(spans.end_s, from_s, until_s)
    return _disjoint(opens[closes > opens], closes[closes > opens])


def _disjoint(opens_s: Floats, closes_s: Floats) -> ServiceTime:
    """Spans in order of their opening, those that touch or overlap made one."""
    if not len(opens_s):
        return ServiceTime(opens_s, closes_s)
    reached = np.maximum.accumulate(closes_s)
    begins = np.concatenate(([True], opens_s[1:] > reached[:-1]))
    return ServiceTime(opens_s[begins], reached[np.concatenate((np.flatnonzero(begins)[1:] - 1, [len(reached) - 1]))])
