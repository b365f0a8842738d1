"""Window calendars: when runs may take a slot, and who waits for the next window."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .clock import INSTANT_S, Clock, Occurrence

if TYPE_CHECKING:
    from .run import Run


class WindowOpens(Occurrence):
    """A window of the calendar opens."""

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar


class Calendar:
    """Windows `[open_s, close_s)`, and the runs that could have taken a slot had one been open."""

    def __init__(self, opens_s: Sequence[float], closes_s: Sequence[float]) -> None:
        self._opens_s = opens_s
        self._closes_s = closes_s
        self._waiting: list[Run] = []

    def is_open(self, now: float) -> bool:
        """Whether a run may take a slot in this instant."""
        window = self._next_window(now) - 1
        return window >= 0 and now + INSTANT_S < self._closes_s[window]

    def wait(self, run: Run, now: float, clock: Clock) -> None:
        """Set a run aside until the next window opens; after the last one, for ever."""
        if not self._waiting:
            window = self._next_window(now)
            if window < len(self._opens_s):
                clock.at(self._opens_s[window], WindowOpens(self))
        self._waiting.append(run)

    def release_waiting(self) -> list[Run]:
        """The runs that may queue again, because a window has opened."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def _next_window(self, now: float) -> int:
        return bisect_right(self._opens_s, now + INSTANT_S)
