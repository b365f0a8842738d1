"""When each run wanted cores, and how many at most: found by following what it was served through its phases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from capacity.records import Bools, Floats, Ints

from ..records import ServedTable
from .evidence import NEAR_S, Evidence
from .takes import Takes


@dataclass(frozen=True)
class Wants:
    """Stretches in which a run wanted up to `cap` cores (infinite: its VM's vCPU)."""

    run: Ints
    from_s: Floats
    until_s: Floats
    cap: Floats
    has_failed: Bools
    """Per run: whether its own failure has struck."""


def wanted_work(evidence: Evidence, takes: Takes, served: ServedTable) -> Wants:
    """Follow every run; work that does not add up, or at the wrong time, is a finding."""
    order = np.lexsort((served.from_s, served.run))
    order = order[served.run[order] >= 0]
    pieces = (served.run[order], served.from_s[order], served.until_s[order], served.cores[order])
    first_piece = np.searchsorted(pieces[0], np.arange(len(evidence.system.runs) + 1))
    simple = _simple_takes(evidence, takes)
    parts = [_wants_of_simple(evidence, takes, simple, pieces, first_piece)]
    follower = _Follower(evidence, pieces, first_piece)
    others = np.flatnonzero(~simple)
    for of_run in np.split(others, np.flatnonzero(np.diff(takes.run[others])) + 1):
        if len(of_run):
            follower.follow(
                int(takes.run[of_run[0]]), [(takes.from_s[k], takes.until_s[k], bool(takes.lost[k])) for k in of_run]
            )
    parts.append(follower.wants())
    run, from_s, until_s, cap = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    ids = evidence.system.runs.ids
    wrong = np.array(follower.wrong, dtype=np.int64)
    evidence.require("work served is the work given, at its time", np.zeros(len(wrong), dtype=np.bool_), ids, wrong)
    some = until_s > from_s
    return Wants(run[some].astype(np.int64), from_s[some], until_s[some], cap[some], follower.has_failed)


def _simple_takes(evidence: Evidence, takes: Takes) -> Bools:
    """Takes of runs that did idle time and work just once, and ended."""
    runs = evidence.system.runs
    plain = (np.diff(runs.demand_ptr) == 0) & np.isinf(runs.failed_cpu_s)
    once = np.bincount(takes.run, minlength=len(runs)) == 1
    simple: Bools = (plain & once)[takes.run] & np.isfinite(takes.until_s) & ~takes.lost
    return simple


def _wants_of_simple(
    evidence: Evidence, takes: Takes, simple: Bools, pieces: tuple[Ints, Floats, Floats, Floats], first_piece: Ints
) -> tuple[Ints, Floats, Floats, Floats]:
    runs = evidence.system.runs
    run, end_s = takes.run[simple], takes.until_s[simple]
    begin_s = takes.from_s[simple] + runs.fixed_s[run]
    amounts = np.bincount(pieces[0], (pieces[2] - pieces[1]) * pieces[3], len(runs))[run]
    highest = np.zeros(len(runs))
    np.maximum.at(highest, pieces[0], pieces[3])
    slack = NEAR_S * (1 + highest[run]) + 1e-9 * runs.cpu_s[run]
    evidence.require("core-seconds in are core-seconds out", np.abs(amounts - runs.cpu_s[run]) <= slack, runs.ids, run)
    has_work = first_piece[run + 1] > first_piece[run]
    last = np.maximum(first_piece[run + 1] - 1, 0)
    first = np.minimum(first_piece[run], max(len(pieces[0]) - 1, 0))
    until_s, served_from_s = begin_s.copy(), begin_s.copy()
    if len(pieces[0]):
        until_s = np.where(has_work, pieces[2][last], begin_s)
        served_from_s = np.where(has_work, pieces[1][first], begin_s)
    evidence.require("no work before the idle time is over", served_from_s >= begin_s - NEAR_S, runs.ids, run)
    other_work = (runs.io_mib[run] > 0) | (runs.line_mib[run] > 0)
    ends = (np.abs(until_s - end_s) <= NEAR_S) | (other_work & (until_s <= end_s))
    evidence.require("the slot is given back when the work is through", ends, runs.ids, run)
    return run, begin_s, until_s, runs.max_cores[run]


class _Follower:
    """Walks through the phases of the other runs, piece of service by piece."""

    def __init__(self, evidence: Evidence, pieces: tuple[Ints, Floats, Floats, Floats], first_piece: Ints) -> None:
        self.runs = evidence.system.runs
        self.horizon_s = evidence.horizon_s
        self.pieces = pieces
        self.first_piece = first_piece
        self.has_failed = np.zeros(len(self.runs), dtype=np.bool_)
        self.wrong: list[int] = []
        self._found: list[tuple[int, float, float, float]] = []

    def wants(self) -> tuple[Ints, Floats, Floats, Floats]:
        table = np.array(self._found, dtype=np.float64).reshape(-1, 4)
        return table[:, 0].astype(np.int64), table[:, 1], table[:, 2], table[:, 3]

    def follow(self, run: int, takes: list[tuple[float, float, bool]]) -> None:
        """Through all takes of a run; everything served has to find its place."""
        mine = slice(int(self.first_piece[run]), int(self.first_piece[run + 1]))
        left = [list(piece) for piece in zip(*(column[mine].tolist() for column in self.pieces[1:]), strict=True)]
        left.reverse()
        fits = True
        for from_s, until_s, lost in takes:
            fits = fits and self._follow_take(run, left, from_s, until_s, lost=lost)
        if not fits or any(until_s - from_s > NEAR_S for from_s, until_s, _ in left):
            self.wrong.append(run)

    def _follow_take(self, run: int, left: list[list[float]], now: float, until_s: float, *, lost: bool) -> bool:
        stop_s = min(until_s, max(self.horizon_s, now))
        ends = np.isfinite(until_s) and not lost
        for idle_s, amount, cap, fails in self._phases(run):
            now += idle_s
            if now >= stop_s + NEAR_S:
                return not ends
            if amount > 0:
                reached_s = self._serve(left, amount, now, stop_s)
                self._found.append((run, now, stop_s if reached_s is None else reached_s, cap))
                if reached_s is None:
                    return not ends
                now = reached_s
            if fails:
                self.has_failed[run] = True
        other_work = self.runs.io_mib[run] > 0 or self.runs.line_mib[run] > 0
        in_time = abs(now - until_s) <= NEAR_S * (1 + self.runs.demand_ptr[run + 1] - self.runs.demand_ptr[run])
        return bool(in_time or (other_work and now <= until_s + NEAR_S))

    def _serve(self, left: list[list[float]], amount: float, now: float, stop_s: float) -> float | None:
        """Take service from the pieces until the amount is reached; None if it is not by `stop_s`."""
        missing = amount
        while left:
            from_s, until_s, cores = left[-1]
            if from_s < now - NEAR_S or until_s > stop_s + NEAR_S:
                return None  # out of place: stays and is found
            slack = NEAR_S * (1 + cores) + 1e-9 * amount
            served = (until_s - from_s) * cores
            if served < missing - slack:
                missing -= served
                left.pop()
            elif served <= missing + slack:
                left.pop()
                return until_s
            else:
                left[-1][0] = from_s + missing / cores
                return left[-1][0]
        return None

    def _phases(self, run: int) -> Iterator[tuple[float, float, float, bool]]:
        """Idle seconds, then core-seconds on at most so many cores, then perhaps a failure."""
        runs = self.runs
        fixed_s, most = float(runs.fixed_s[run]), float(runs.max_cores[run])
        steps = slice(int(runs.demand_ptr[run]), int(runs.demand_ptr[run + 1]))
        if steps.stop > steps.start:
            yield fixed_s, 0.0, most, False
            reached_s = 0.0
            columns = (runs.demand_from_s[steps], runs.demand_until_s[steps], runs.demand_cores[steps])
            for from_s, until_s, cores in zip(*(column.tolist() for column in columns), strict=True):
                idle_s = until_s - from_s if cores == 0 else 0.0
                yield from_s - reached_s + idle_s, (until_s - from_s) * cores, min(most, cores), False
                reached_s = until_s
            return
        if np.isfinite(runs.failed_cpu_s[run]) and not self.has_failed[run]:
            yield fixed_s, float(runs.failed_cpu_s[run]), most, True
            yield float(runs.rerun_delay_s[run]), 0.0, most, False
        yield fixed_s, float(runs.cpu_s[run]), most, False
