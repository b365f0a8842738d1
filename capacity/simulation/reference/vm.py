"""A VM: slots with a queue, and a share of its host's cores that it divides between online load and runs."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

from ..sharing import max_min_fair
from .ledger import Ledger
from .run import Run
from .work import Work

if TYPE_CHECKING:
    from .host import Host


class Vm:
    """One VM on its host; `is_up` is false between a failure and the restart."""

    def __init__(
        self, row: int, host: Host, ledger: Ledger, *, vcpu: float, slots: int, weight: float, online_first: bool
    ) -> None:
        self.row = row
        self.host = host
        self.vcpu = vcpu
        self.weight = weight
        self.is_up = True
        self.slots = float(slots) if slots else math.inf
        self.holders: dict[int, Run] = {}
        self.queue: list[tuple[float, int, Run]] = []
        self.working: dict[int, Work] = {}
        self.wants = 0.0
        self.share = 0.0
        self.next_end_s = math.inf
        self._ledger = ledger
        self._online_first = online_first
        self._online = 0.0
        self._online_since_s = 0.0
        self._online_served = 0.0
        self._online_served_since_s = 0.0

    # Slots

    @property
    def has_free_slot(self) -> bool:
        """Whether a run could begin now."""
        return self.is_up and len(self.holders) < self.slots

    def queue_up(self, run: Run) -> None:
        """By ready time, then row."""
        heapq.heappush(self.queue, (run.ready_s, run.row, run))

    def first_in_queue(self) -> Run:
        """Take it from the queue."""
        return heapq.heappop(self.queue)[2]

    # Cores

    def set_online(self, cores: float, now: float) -> None:
        """From now on the online load wants so many cores."""
        self._ledger.note_wanted(self.row, self._online_since_s, now, self._online)
        self._online, self._online_since_s = cores, now

    def look_what_is_wanted(self) -> float:
        """Cores that this VM could use now."""
        if not self.is_up:
            self.wants = 0.0
        else:
            self.wants = min(
                self.vcpu, self.host.cores, self._online + sum([work.cap for work in self.working.values()])
            )
        return self.wants

    def divide(self, share: float, now: float) -> None:
        """Divide a new share between the online load and the runs."""
        self.share = share
        runs = list(self.working.values())
        caps = [work.cap for work in runs]
        if share >= self._online + sum(caps):
            online, rates = self._online, caps
        elif self._online_first:
            online = min(self._online, share)
            rates = max_min_fair(share - online, caps)
        else:
            online, *rates = max_min_fair(share, [self._online, *caps])
        if online != self._online_served:
            self._close_online(now)
            self._online_served = online
        for work, rate in zip(runs, rates, strict=True):
            if rate != work.rate:
                self._close(work, now)
                work.serve_at(rate, now)
        self.next_end_s = min([work.through_s for work in runs], default=math.inf)

    def take_off(self, work: Work, now: float) -> None:
        """The work is through, or lost."""
        self._close(work, now)
        del self.working[work.run.row]

    def close_all(self, now: float) -> None:
        """Note everything that is being served, because it ends here (another host, or the end of the account)."""
        self._close_online(now)
        for work in self.working.values():
            self._close(work, now)
            work.serve_at(work.rate, now)
        self._ledger.note_wanted(self.row, self._online_since_s, now, self._online)
        self._online_since_s = now

    def _close(self, work: Work, now: float) -> None:
        if work.rate > 0:
            self._ledger.note_run(self.host.row, self.row, work.run.row, work.since_s, now, work.rate)

    def _close_online(self, now: float) -> None:
        self._ledger.note_online(self.host.row, self.row, self._online_served_since_s, now, self._online_served)
        self._online_served_since_s = now
