"""Every window of an estate as a calendar of the simulation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import numpy as np

from capacity.calendar import Calendar
from capacity.records import Floats, Ints
from estate.base_records import Window

TAIL = timedelta(days=90)
"""Windows go on for so long after the horizon, for runs that are late."""


class WindowBook:
    """The distinct windows, numbered, with their spans in seconds since the horizon's start."""

    def __init__(self, calendar: Calendar, windows: Iterable[Window]) -> None:
        self.number: dict[Window, int] = {}
        for window in windows:
            self.number.setdefault(window, len(self.number))
        first, until = calendar.start.date() - timedelta(days=1), calendar.end.date() + TAIL
        spans = [calendar.window_spans(window, first, until) for window in self.number]
        merged = [_merged(each.start_s, each.end_s) for each in spans]
        self.ids = tuple(f"window-{number}" for number in self.number.values())
        self.ptr: Ints = np.concatenate(([0], np.cumsum([len(opens) for opens, _ in merged]))).astype(np.int64)
        self.open_s: Floats = np.concatenate([opens for opens, _ in merged] or [np.zeros(0)])
        self.close_s: Floats = np.concatenate([closes for _, closes in merged] or [np.zeros(0)])


def _merged(opens: Floats, closes: Floats) -> tuple[Floats, Floats]:
    """Windows of different kinds of days may overlap; together they are open as long as any is."""
    order = np.argsort(opens, kind="stable")
    opens, closes = opens[order], np.maximum.accumulate(closes[order])
    begins = np.ones(len(opens), dtype=np.bool_)
    begins[1:] = opens[1:] >= closes[:-1]
    ends = np.append(begins[1:], np.ones(min(1, len(opens)), dtype=np.bool_))
    return opens[begins], closes[ends]
