"""The runs of a trace: runs.csv and demand.csv."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from capacity.records import Bools, Floats, Ints
from capacity.simulation.columns import Centre, RunColumns
from capacity.simulation.validity import runs_in_circles

from .cells import (
    ANY,
    NOT_NEGATIVE,
    POSITIVE,
    Names,
    identifiers,
    in_range,
    numbers,
    references,
    row_of,
    texts,
    undefined,
)
from .centre import Places
from .files import Table, TableFormat
from .mistakes import Mistakes

RUNS = TableFormat(
    "runs",
    ("id", "vm", "release_s", "cpu_s", "max_cores", "after"),
    (
        "fixed_s",
        "lag_s",
        "io_mib",
        "line_mib",
        "calendar",
        "pool",
        "pool_s",
        "failed_cpu_s",
        "rerun_delay_s",
    ),
)
DEMAND = TableFormat("demand", ("run", "from_s", "until_s", "cores"))


def read_runs(table: Table, demand: Table, vms: Names, places: Places, mistakes: Mistakes) -> RunColumns:
    """The runs of a trace, as far as each can be judged by its own row and its demand steps."""
    names = identifiers(table, mistakes)
    after = _after(table, names, mistakes)
    steps = _demand(demand, names, mistakes)
    return RunColumns(
        ids=names,
        vm=references(table, "vm", vms, mistakes),
        release_s=numbers(table, "release_s", ANY, mistakes),
        cpu_s=numbers(table, "cpu_s", NOT_NEGATIVE, mistakes),
        max_cores=numbers(table, "max_cores", POSITIVE, mistakes, empty=math.inf),
        fixed_s=numbers(table, "fixed_s", NOT_NEGATIVE, mistakes, empty=0.0),
        after_ptr=after.ptr,
        after=after.rows,
        lag_s=_lags(table, after.ptr, mistakes),
        demand_ptr=steps.ptr,
        demand_from_s=steps.from_s,
        demand_until_s=steps.until_s,
        demand_cores=steps.cores,
        io_mib=numbers(table, "io_mib", NOT_NEGATIVE, mistakes, empty=0.0),
        line_mib=numbers(table, "line_mib", NOT_NEGATIVE, mistakes, empty=0.0),
        calendar=references(table, "calendar", places.calendars, mistakes, may_be_empty=True),
        pool=references(table, "pool", places.pools, mistakes, may_be_empty=True),
        pool_s=numbers(table, "pool_s", NOT_NEGATIVE, mistakes, empty=0.0),
        failed_cpu_s=numbers(table, "failed_cpu_s", NOT_NEGATIVE, mistakes, empty=math.inf),
        rerun_delay_s=numbers(table, "rerun_delay_s", NOT_NEGATIVE, mistakes, empty=0.0),
    )


def check_together(table: Table, runs: RunColumns, centre: Centre, mistakes: Mistakes) -> None:
    """What only shows where several rows are seen together: demand that is not `cpu_s`, circles, closed windows."""
    steps = np.diff(runs.demand_ptr)
    shaped = steps > 0
    if shaped.any():
        of_run = np.repeat(np.arange(len(runs)), steps)
        work = (runs.demand_until_s - runs.demand_from_s) * runs.demand_cores
        integral = np.bincount(of_run, weights=work, minlength=len(runs))
        close = np.isclose(integral, runs.cpu_s, rtol=1e-6, atol=1e-6)
        mistakes.rows(
            table,
            shaped & ~close,
            lambda row: f"cpu_s は {runs.cpu_s[row]} ですが、demand.csv の合計は {integral[row]} です",
        )
        mixed = (runs.io_mib > 0) | (runs.line_mib > 0) | np.isfinite(runs.failed_cpu_s)
        mistakes.rows(
            table,
            shaped & mixed,
            lambda row: "demand.csv のある処理には io_mib、line_mib、failed_cpu_s を書けません",
        )
    circle = np.zeros(len(runs), dtype=np.bool_)
    circle[_in_circle(runs, runs_in_circles(runs))] = True
    mistakes.rows(table, circle, lambda row: f"先行関係が循環しています（{runs.ids[row]}）")
    if len(centre.window_close_s):
        last_close = np.concatenate((centre.window_close_s[centre.window_ptr[1:] - 1], [math.inf]))
        mistakes.rows(
            table,
            runs.release_s >= last_close[runs.calendar],
            lambda row: (
                f"決して始められません（calendar {centre.calendar_ids[runs.calendar[row]]} は "
                f"{last_close[runs.calendar[row]]} 秒で最後に閉じ、release_s は {runs.release_s[row]} です）"
            ),
        )


def _in_circle(runs: RunColumns, stuck: list[int]) -> Ints:
    """Of the rows that can never become ready, those that wait for themselves rather than for a circle."""
    if not stuck:
        return np.zeros(0, dtype=np.int64)
    # Loads slowly, and is needed only where something is wrong.
    from scipy.sparse import coo_array  # type: ignore[import-untyped]  # scipy ships no type information
    from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]

    count = len(runs)
    follower = np.repeat(np.arange(count), np.diff(runs.after_ptr))
    graph = coo_array((np.ones(len(follower), dtype=np.int8), (follower, runs.after)), shape=(count, count))
    component = connected_components(graph.tocsr(), connection="strong")[1]
    large = np.bincount(component, minlength=count)[component] > 1
    large[follower[follower == runs.after]] = True
    return np.flatnonzero(large)


@dataclass(frozen=True)
class _Parts:
    """Cells of several entries joined with `;`: entry by entry, and which belong to which row."""

    ptr: Ints
    texts: pa.Array

    @property
    def of_row(self) -> Ints:
        return np.repeat(np.arange(len(self.ptr) - 1), np.diff(self.ptr))


def _parts(table: Table, column: str) -> _Parts:
    cells = texts(table, column)
    if not len(cells) or pc.all(pc.equal(cells, "")).as_py():
        return _Parts(np.zeros(len(cells) + 1, dtype=np.int64), pa.array([], pa.large_string()))
    lists = pc.split_pattern(cells, ";")
    entries = pc.utf8_trim_whitespace(lists.flatten())
    there = pc.not_equal(entries, "").to_numpy(zero_copy_only=False)
    before = np.concatenate(([0], np.cumsum(there)))
    return _Parts(before[np.array(lists.offsets, dtype=np.int64)], entries.filter(pa.array(there)))


@dataclass(frozen=True)
class _After:
    ptr: Ints
    rows: Ints


def _after(table: Table, names: Names, mistakes: Mistakes) -> _After:
    parts = _parts(table, "after")
    rows = row_of(parts.texts, names)
    _report_entries(table, parts, rows < 0, lambda entry: undefined("after", parts.texts[entry].as_py()), mistakes)
    return _After(parts.ptr, np.maximum(rows, 0))


def _lags(table: Table, after_ptr: Ints, mistakes: Mistakes) -> Floats:
    """`lag_s` is one number for all predecessors, or one per predecessor, joined with `;`."""
    parts = _parts(table, "lag_s")
    given, wanted = np.diff(parts.ptr), np.diff(after_ptr)
    lags, wrong = in_range(parts.texts, NOT_NEGATIVE, None)
    _report_entries(
        table,
        parts,
        wrong,
        lambda entry: NOT_NEGATIVE.said("lag_s", parts.texts[entry].as_py()),
        mistakes,
    )
    mistakes.rows(
        table,
        (given > 1) & (given != wanted),
        lambda row: f"lag_s の数が {given[row]} です。正しくは 1 または {wanted[row]}",
    )
    of_row = np.repeat(np.arange(len(wanted)), wanted)
    if mistakes or not len(lags):
        return np.zeros(len(of_row))
    # One for all: every predecessor reads the row's first entry; one each: its own; none: 0.
    position = np.arange(len(of_row)) - after_ptr[of_row]
    entry = parts.ptr[of_row] + np.where(given[of_row] > 1, position, 0)
    return np.where(given[of_row] > 0, lags[np.minimum(entry, len(lags) - 1)], 0.0)


def _report_entries(
    table: Table, parts: _Parts, wrong: Bools, message: Callable[[int], str], mistakes: Mistakes
) -> None:
    """Name wrong entries of joined cells; of several in one cell the first."""
    if not wrong.any():
        return
    entries = np.flatnonzero(wrong)
    row, at = np.unique(parts.of_row[entries], return_index=True)
    first = dict(zip(row.tolist(), entries[at].tolist(), strict=True))
    in_row = np.zeros(len(table), dtype=np.bool_)
    in_row[row] = True
    mistakes.rows(table, in_row, lambda found: message(first[found]))


@dataclass(frozen=True)
class _Steps:
    ptr: Ints
    from_s: Floats
    until_s: Floats
    cores: Floats


def _demand(table: Table, names: Names, mistakes: Mistakes) -> _Steps:
    """Demand steps by run. The steps of one run are in order; those of several runs may be mixed."""
    run = references(table, "run", names, mistakes)
    from_s = numbers(table, "from_s", NOT_NEGATIVE, mistakes)
    until_s = numbers(table, "until_s", NOT_NEGATIVE, mistakes)
    cores = numbers(table, "cores", NOT_NEGATIVE, mistakes)
    order = np.argsort(run, kind="stable") if (np.diff(run) < 0).any() else np.arange(len(run))
    run, from_s, until_s, cores = run[order], from_s[order], until_s[order], cores[order]
    reached_s = np.concatenate(([0.0], until_s[:-1]))[: len(run)]
    reached_s[1:][run[1:] != run[:-1]] = 0.0
    wrong = np.zeros(len(run), dtype=np.bool_)
    wrong[order] = ~((reached_s <= from_s) & (from_s < until_s))
    if not mistakes and wrong.any():
        place = np.argsort(order)
        mistakes.rows(
            table,
            wrong,
            lambda row: (
                f"時刻が順に並んでいません（{reached_s[place[row]]} の後に "
                f"{from_s[place[row]]} から {until_s[place[row]]}）"
            ),
        )
    counts = np.bincount(np.maximum(run, 0), minlength=len(names)) if len(run) else np.zeros(len(names), dtype=np.int64)
    ptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return _Steps(ptr, from_s, until_s, cores)
