"""How low the CPU peak of a site can be at best, whatever the schedule.

A peak is the largest average over 600-second slots, so the average over any set of whole slots is a lower bound.
Every run that keeps its windows and predecessors does a certain least work inside an interval: its work there as a
function of its start rises, stays and falls (an interval that slides over another), so the least value lies at its
first or last possible start (the energy argument of cumulative scheduling, Baptiste, Le Pape and Nuijten 1999). Three
bounds are taken: one run in its fullest slot; the least work inside one night's intervals; the work of several nights
together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from capacity.calendar import DAY_S
from capacity.grid import Grid, build, rows_of
from capacity.profile import online_site_load
from capacity.records import SLOT_S, Bools, Floats, Ints, OnlineTable, RunTable
from layout.wareki import wareki, wareki_time

_DAY_SLOTS = int(DAY_S / SLOT_S)
_COARSE = 5
_FINE = 32
_FINE_NIGHTS = 12
_LONGEST_RANGE = 62


@dataclass(frozen=True)
class _Runs:
    """The runs of one site that count: those that windows and precedence leave a start."""

    picked: Ints
    earliest: Ints
    latest: Ints
    end: Ints
    fixed: Floats
    """Slots before the CPU work begins."""
    busy: Floats
    """Slots of CPU work."""
    cores: Floats


def _work_inside(runs: _Runs, rows: Ints, start: Ints, first: Ints, until: Ints) -> Floats:
    """Core-slots of runs that start at `start`, inside `[first[j], until[j])`: one row per run, one column per j."""
    begin = (start + runs.fixed[rows])[:, None]
    finish = begin + runs.busy[rows][:, None]
    inside = np.minimum(finish, until) - np.maximum(begin, first)
    out: Floats = np.maximum(inside, 0.0) * runs.cores[rows][:, None]
    return out


def _least_work(runs: _Runs, rows: Ints, first: Ints, until: Ints) -> Floats:
    """The least core-slots that the runs together must do inside each interval."""
    early = _work_inside(runs, rows, runs.earliest[rows], first, until)
    late = _work_inside(runs, rows, runs.latest[rows], first, until)
    least: Floats = np.minimum(early, late).sum(axis=0)
    return least


def _edges(values: Ints, most: int) -> Ints:
    """At most `most` of the values: the extremes, and those that most runs share."""
    distinct, count = np.unique(values, return_counts=True)
    if len(distinct) <= most:
        return distinct
    common = distinct[np.argsort(-count, kind="stable")[: most - 2]]
    return np.unique(np.concatenate((common, distinct[[0, -1]])))


def _best_interval(runs: _Runs, rows: Ints, online: Floats, most: int) -> tuple[float, int, int]:
    """The largest average over intervals that begin and end where runs of one night may begin and end."""
    early, late = runs.earliest[rows], runs.latest[rows]
    length = runs.end[rows] - late
    starts = np.union1d(_edges(early, most), _edges(late, most))
    ends = np.union1d(_edges(late + length, most), _edges(early + length, most))
    first, until = (grid.ravel() for grid in np.meshgrid(starts, ends, indexing="ij"))
    some = until > first
    first, until = first[some], until[some]
    best = (0.0, 0, 1)
    step = max(1, 2_000_000 // max(len(rows), 1))
    for at in range(0, len(first), step):
        one, other = first[at : at + step], until[at : at + step]
        average = (_least_work(runs, rows, one, other) + online[other] - online[one]) / (other - one)
        top = int(np.argmax(average))
        if average[top] > best[0]:
            best = float(average[top]), int(one[top]), int(other[top])
    return best


class _Site:
    """One site's runs by night. A night is cut at noon; `online` is the running sum of the online load in slots."""

    def __init__(self, grid: Grid, site: int, load: Floats) -> None:
        runs = grid.runs
        usable: Bools = grid.fits_alone & (runs.site == site) & (runs.cpu_s > 0)
        picked = np.flatnonzero(usable)
        self.grid = grid
        self.load = load
        self.online = np.concatenate(([0.0], np.cumsum(load)))
        self.runs = _Runs(
            picked=picked,
            earliest=grid.earliest[picked],
            latest=grid.latest[picked],
            end=grid.latest[picked] + grid.length[picked],
            fixed=runs.fixed_s[picked] / SLOT_S,
            busy=runs.cpu_s[picked] / runs.max_cores[picked] / SLOT_S,
            cores=runs.max_cores[picked],
        )
        midnight = runs.epoch.hour * 3600 + runs.epoch.minute * 60 + runs.epoch.second
        self.shift = int(midnight / SLOT_S) + _DAY_SLOTS // 2
        self.first_night = self.night(self.runs.earliest)
        self.last_night = self.night(self.runs.latest)

    def night(self, slot: Ints) -> Ints:
        """The number of the night, noon to noon, that a slot lies in."""
        return (slot + self.shift) // _DAY_SLOTS

    def single_run(self) -> tuple[float, int]:
        """The largest fullest slot of one run, with the least online load that slot may have."""
        runs = self.runs
        if not len(runs.picked):
            return 0.0, -1
        # Starts lie on slot boundaries, so a run's fullest slot is a matter of its fixed time and length alone.
        whole = np.floor(runs.fixed + runs.busy + 1e-9) - np.ceil(runs.fixed - 1e-9)
        head = np.ceil(runs.fixed - 1e-9) - runs.fixed
        share = np.where(whole >= 1, 1.0, np.where(runs.busy <= head, runs.busy, np.maximum(head, runs.busy - head)))
        share = np.minimum(share, 1.0)
        fullest = share * runs.cores
        best, owner = 0.0, -1
        for row in np.argsort(-fullest, kind="stable")[:200].tolist():
            least = float(self.load[int(runs.earliest[row]) : int(runs.end[row])].min(initial=np.inf))
            value = float(fullest[row]) + (least if np.isfinite(least) else 0.0)
            if value > best:
                best, owner = value, int(runs.picked[row])
        return best, owner

    def nights(self) -> list[tuple[float, int, int, int]]:
        """Per night: the best average, its interval, and the night; the most promising nights in detail."""
        runs = self.runs
        single = np.flatnonzero(self.first_night == self.last_night)
        order = single[np.argsort(self.first_night[single], kind="stable")]
        night, begin = np.unique(self.first_night[order], return_index=True)
        groups = np.split(order, begin[1:]) if len(order) else []
        found = [
            (*_best_interval(runs, rows, self.online, _COARSE), number)
            for number, rows in zip(night.tolist(), groups, strict=True)
        ]
        for index in sorted(range(len(found)), key=lambda one: -found[one][0])[:_FINE_NIGHTS]:
            value, first, until = _best_interval(runs, groups[index], self.online, _FINE)
            if value > found[index][0]:
                found[index] = (value, first, until, found[index][3])
        return found

    def range_of_nights(self, nights: list[tuple[float, int, int, int]]) -> tuple[float, int, int]:
        """The largest average over the intervals of consecutive nights, with runs that may choose among the nights."""
        if not nights:
            return 0.0, 0, 0
        runs, grid = self.runs, self.grid
        first = np.array([one[1] for one in nights])
        until = np.array([one[2] for one in nights])
        number = np.array([one[3] for one in nights])
        base, count = int(number[0]), int(number[-1] - number[0]) + 1
        interval_first = np.zeros(count, dtype=np.int64)
        interval_until = np.zeros(count, dtype=np.int64)
        interval_first[number - base], interval_until[number - base] = first, until
        energy = np.zeros(count)
        for value, one, other, night in nights:
            energy[night - base] = value * (other - one)
        several = np.flatnonzero(self.last_night > self.first_night)
        ptr = grid.runs.window_ptr
        picked = runs.picked[several]
        rows = rows_of(ptr, picked)
        counts = np.diff(ptr)[picked]
        owner = np.repeat(several, counts)
        low = np.maximum(grid.low[rows], runs.earliest[owner])
        high = np.minimum(grid.high[rows], runs.latest[owner])
        night_of = self.night(low) - base
        open_row = (high >= low) & (night_of >= 0) & (night_of < count) & (self.night(high) - base == night_of)
        inside = np.clip(night_of, 0, count - 1)
        begin, finish = interval_first[inside], interval_until[inside]

        def work(start: Ints) -> Floats:
            at = start + runs.fixed[owner]
            share = np.minimum(at + runs.busy[owner], finish) - np.maximum(at, begin)
            done: Floats = np.maximum(share, 0.0) * runs.cores[owner]
            return done

        # A row outside the table of nights is not counted on; a row without starts does not matter.
        least = np.where(open_row, np.minimum(work(low), work(high)), np.where(high < low, np.inf, 0.0))
        forced = _reduce_floats(least, counts)
        forced = np.where(np.isfinite(forced), forced, 0.0)
        from_night = np.clip(self.first_night[several] - base, 0, count - 1)
        to_night = np.clip(self.last_night[several] - base, 0, count - 1)
        gained = np.zeros((count + 1, count))
        np.add.at(gained, (from_night, to_night), forced)
        gained = np.cumsum(gained[::-1], axis=0)[::-1].cumsum(axis=1)
        sums, sizes = (
            np.concatenate(([0.0], energy.cumsum())),
            np.concatenate(([0], (interval_until - interval_first).cumsum())),
        )
        best = (0.0, 0, 0)
        for one in range(count):
            last = np.arange(one, min(one + _LONGEST_RANGE, count))
            size = sizes[last + 1] - sizes[one]
            total = sums[last + 1] - sums[one] + gained[one, last]
            average = np.divide(total, size, out=np.zeros(len(last)), where=size > 0)
            top = int(np.argmax(average))
            if average[top] > best[0]:
                best = float(average[top]), base + one, base + int(last[top])
        return best


def _reduce_floats(values: Floats, counts: Ints) -> Floats:
    out = np.full(len(counts), np.inf)
    if len(values):
        out = np.minimum.reduceat(values, np.cumsum(counts) - counts)
    return out


def peak_bound(runs: RunTable, online: OnlineTable) -> dict[str, tuple[float, str]]:
    """Per site: cores that the CPU peak of every schedule reaches that fits, and the proof as a Japanese sentence.

    Runs that fit no window are left out, which keeps the bound valid. Peaks are those of `profile.slot_load`.
    """
    grid = build(runs)
    base = online_site_load(runs, online, grid.slots)
    return {name: _site_bound(grid, site, base[site]) for site, name in enumerate(runs.site_names)}


def _site_bound(grid: Grid, index: int, load: Floats) -> tuple[float, str]:
    site = _Site(grid, index, load)
    epoch = grid.runs.epoch

    def at(slot: int) -> datetime:
        return epoch + timedelta(seconds=slot * SLOT_S)

    def moment(slot: int) -> str:
        return wareki_time(at(slot))

    top = int(np.argmax(load)) if len(load) else 0
    choices = [
        (
            float(load[top]) if len(load) else 0.0,
            f"{moment(top)} の 600 秒枠では動かせないオンライン負荷だけでこの値になる。",
        )
    ]
    value, owner = site.single_run()
    if owner >= 0:
        choices.append(
            (
                value,
                f"{grid.runs.run_ids[owner]} は開始が 10 分刻みのどこでも、ある 600 秒枠をこの値まで使う"
                "（その時間帯の最小のオンライン負荷を含む）。",
            )
        )
    nights = site.nights()
    if nights:
        value, first, until, _ = max(nights)
        choices.append(
            (
                value,
                f"{moment(first)} から {moment(until)} までに、各実行を（枠、前後関係、再実行の余裕が許す）"
                "最早・最遅のどちらへ寄せても必ず残る作業と"
                f"オンライン負荷の和を {until - first} 個の 600 秒枠で割った平均であり、最大の枠は平均を下回らない。",
            )
        )
        value, one, other = site.range_of_nights(nights)
        if other > one:
            first_day = wareki(at(one * _DAY_SLOTS - site.shift))
            last_day = wareki(at(other * _DAY_SLOTS - site.shift))
            choices.append(
                (
                    value,
                    f"{first_day} から {last_day} までの各夜の区間に必ず残る作業"
                    "（どの夜を選んでもこの間に収まる実行を含む）とオンライン負荷の和を、"
                    "区間の 600 秒枠の数で割った平均であり、最大の枠は平均を下回らない。",
                )
            )
    # Floating-point sums may exceed the true value by their rounding; a bound must not.
    value, proof = max(choices)
    return max(value * (1 - 1e-9), 0.0), proof
