"""Slot pools of the whole centre, e.g. its printers: a run uses one after it has given its VM slot back."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from .clock import Occurrence

if TYPE_CHECKING:
    from .run import Run


class PrintOver(Occurrence):
    """A run's pages are printed."""

    def __init__(self, run: Run) -> None:
        self.run = run


class Pool:
    """Free slots, and the queue for them by the time of queueing, then row."""

    def __init__(self, slots: int) -> None:
        self.free_slots = slots
        self._queue: list[tuple[float, int, Run]] = []

    def queue_up(self, run: Run, now: float) -> None:
        """Let a run wait for a slot."""
        heapq.heappush(self._queue, (now, run.row, run))

    def hand_out(self) -> list[Run]:
        """The runs that take a slot now."""
        takers = []
        while self._queue and self.free_slots:
            self.free_slots -= 1
            takers.append(heapq.heappop(self._queue)[2])
        return takers
