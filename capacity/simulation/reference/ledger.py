"""The account of what was served to whom, up to the last end of a run."""

from __future__ import annotations

import math

import numpy as np

from capacity.records import Floats

from ..records import ServedTable


class Ledger:
    """Core-seconds per host and per VM's online load.

    Only what lies before the last end of a run counts, and which end is the last is known only in the end: what comes
    after the last end so far waits in a tail, which the next end makes count.
    """

    def __init__(self, hosts: int, vms: int, *, recording: bool) -> None:
        self.host_core_s = _Account(hosts)
        self.online_wanted_core_s = _Account(vms)
        self.online_served_core_s = _Account(vms)
        self._recording = recording
        self._rows: list[tuple[int, int, int, float, float, float]] = []
        self._last_end_s = -math.inf

    def run_ends(self, now: float) -> None:
        """All that has been noted counts, and everything up to now."""
        if now > self._last_end_s:
            self._last_end_s = now
            for account in (self.host_core_s, self.online_wanted_core_s, self.online_served_core_s):
                account.count_tail()

    def note_run(self, host: int, vm: int, run: int, from_s: float, until_s: float, cores: float) -> None:
        """A run had so many cores."""
        if cores > 0 and until_s > from_s:
            self.host_core_s.add(host, from_s, until_s, cores, self._last_end_s)
            if self._recording:
                self._rows.append((host, vm, run, from_s, until_s, cores))

    def note_online(self, host: int, vm: int, from_s: float, until_s: float, cores: float) -> None:
        """A VM's online load had so many cores."""
        self.note_run(host, vm, -1, from_s, until_s, cores)
        if cores > 0 and until_s > from_s:
            self.online_served_core_s.add(vm, from_s, until_s, cores, self._last_end_s)

    def note_wanted(self, vm: int, from_s: float, until_s: float, cores: float) -> None:
        """A VM's online load wanted so many cores."""
        if cores > 0 and until_s > from_s:
            self.online_wanted_core_s.add(vm, from_s, until_s, cores, self._last_end_s)

    @property
    def last_end_s(self) -> float:
        """The last end of a run so far; minus infinity before the first."""
        return self._last_end_s

    def served_table(self) -> ServedTable | None:
        """What was served, in the order in which it ended; None where nobody asked for it."""
        if not self._recording:
            return None
        table = np.array(self._rows, dtype=np.float64).reshape(-1, 6)
        table[:, 4] = np.minimum(table[:, 4], self._last_end_s)
        table = table[table[:, 4] > table[:, 3]]
        host, vm, run = (table[:, column].astype(np.int64) for column in range(3))
        return ServedTable(host, vm, run, table[:, 3], table[:, 4], table[:, 5])


class _Account:
    """Core-seconds per row: those that count, and the tail after the last end."""

    def __init__(self, rows: int) -> None:
        self._counted = [0.0] * rows
        self._tail: dict[int, float] = {}

    def add(self, row: int, from_s: float, until_s: float, cores: float, last_end_s: float) -> None:
        if from_s < last_end_s:
            self._counted[row] += cores * (min(until_s, last_end_s) - from_s)
            from_s = last_end_s
        if until_s > from_s:
            self._tail[row] = self._tail.get(row, 0.0) + cores * (until_s - from_s)

    def count_tail(self) -> None:
        for row, core_s in self._tail.items():
            self._counted[row] += core_s
        self._tail.clear()

    def total(self) -> Floats:
        return np.array(self._counted, dtype=np.float64)
