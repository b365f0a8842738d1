"""When something happens: SimPy keeps the time, and what happens within `INSTANT_S` is one instant."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import simpy

INSTANT_S = 1e-7
"""Times that lie no further apart are one instant."""


class Occurrence:
    """Something that will happen, unless it is made void before."""

    void = False


class Clock:
    """Gathers the occurrences of an instant and hands them over together, with the time of the first."""

    def __init__(self, first_s: float, settle: Callable[[float, list[Occurrence]], None]) -> None:
        self._environment = simpy.Environment(initial_time=first_s)
        self._settle_instant = settle
        self._gathered: list[tuple[float, Occurrence]] = []

    def run(self) -> None:
        """Until nothing is to happen any more."""
        self._environment.run()

    def at(self, time_s: float, occurrence: Occurrence) -> None:
        """Let something happen at a time that is not before this instant."""
        delay_s = max(0.0, time_s - self._environment.now)
        # SimPy's clock would round the time, so the event carries it.
        self._environment.timeout(delay_s, (time_s, occurrence)).callbacks.append(self._occur)

    def _occur(self, event: simpy.Event) -> None:
        # The value is the one `at` gave it.
        time_s, occurrence = cast("tuple[float, Occurrence]", event.value)
        if occurrence.void:
            return
        if not self._gathered:
            self._environment.timeout(INSTANT_S).callbacks.append(self._settle)
        self._gathered.append((time_s, occurrence))

    def _settle(self, _: simpy.Event) -> None:
        gathered, self._gathered = self._gathered, []
        now = min(time_s for time_s, _ in gathered)
        until_s = now + INSTANT_S
        self._settle_instant(now, [occurrence for time_s, occurrence in gathered if time_s <= until_s])
        for time_s, occurrence in gathered:
            if time_s > until_s:
                self.at(time_s, occurrence)
