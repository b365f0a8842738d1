"""Make room for runs that levelling could not place: they and what stands in their way go back to their earliest start.

The schedule of earliest starts is free of conflicts, so any set of runs may return to it as soon as it contains
everything that conflicts with its members there.
"""

from __future__ import annotations

import numpy as np

from capacity.grid import Grid
from capacity.levelling.fill import UNPLACED, Filler
from capacity.records import Ints


class Repair:
    """Returns runs to the schedule `home` of earliest starts."""

    def __init__(self, filler: Filler, home: Ints) -> None:
        self._filler = filler
        self._home = home
        runs = filler.grid.runs
        order = np.argsort(runs.system, kind="stable")
        counts = np.bincount(runs.system, minlength=len(runs.system_names))
        self._mates = np.split(order, np.cumsum(counts)[:-1])

    def send_home(self, runs: Ints) -> int:
        """Put unplaced runs at their earliest starts; returns how many placed runs had to go home with them."""
        filler, home = self._filler, self._home
        moving = set(runs.tolist())
        todo = sorted(moving, reverse=True)
        while todo:
            run = todo.pop()
            if filler.start[run] != UNPLACED:
                filler.take(np.array([run]), filler.demand_of(run))
            for other in self.in_the_way(run, int(home[run])):
                if other not in moving:
                    moving.add(other)
                    todo.append(other)
        for run in sorted(moving):
            filler.put(np.array([run]), home[run : run + 1], filler.demand_of(run))
        return len(moving) - len(runs)

    def in_the_way(self, run: int, begin: int) -> list[int]:
        """Placed runs that conflict with `run` when it starts in slot `begin`."""
        grid: Grid = self._filler.grid
        runs, start = grid.runs, self._filler.start
        mates = self._mates[int(runs.system[run])]
        placed = start[mates]
        meets = (placed != UNPLACED) & (placed < begin + grid.length[run]) & (placed + grid.length[mates] > begin)
        meets &= runs.exclusive[mates] | bool(runs.exclusive[run]) | (runs.vm[mates] == runs.vm[run])
        found: list[int] = mates[meets].tolist()
        for row in range(int(runs.after_ptr[run]), int(runs.after_ptr[run + 1])):
            other = int(runs.after_run[row])
            if start[other] != UNPLACED and start[other] + grid.gap[row] > begin:
                found.append(other)
        for row in range(int(grid.next_ptr[run]), int(grid.next_ptr[run + 1])):
            other = int(grid.next_run[row])
            if start[other] != UNPLACED and start[other] < begin + grid.next_gap[row]:
                found.append(other)
        return found
