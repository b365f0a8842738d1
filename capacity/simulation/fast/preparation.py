"""A system made ready once for the compiled loop, and simulated as often as wanted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from capacity.records import Floats, Ints
from capacity.simulation.columns import RunColumns, SimulationInput
from capacity.simulation.records import ServedTable, SimulationResult

from .entry import compiled_play, empty_given
from .initial import initial_records, most_active
from .kernel.compiled import Records
from .kernel.state import (
    ACTIVE,
    CHANGE,
    COUNTERS,
    ENTRY,
    FREE_FIRST,
    NEEDS_ROOM,
    PIECE,
    PIECES,
    TRANSFER,
    Found,
    Given,
    Kept,
)
from .timetable import OnlineParts, online_parts, timetable, wanted_core_s

Column: TypeAlias = Any
"""An array of the type that the compiled loop expects at its place."""


class Prepared:
    """A system whose order of releases, followers, timetable and records are worked out.

    Simulations of it may run in several threads at once: each has its own records, and none holds the interpreter.
    """

    def __init__(self, system: SimulationInput) -> None:
        self._system = system
        self._parts = {False: online_parts(system, watch_all=False)}
        self._given = _given(system, self._parts[False])
        self._most_active = most_active(system)
        self._play = compiled_play()

    def run(
        self,
        *,
        cpu_s: Floats | None = None,
        release_s: Floats | None = None,
        failed_cpu_s: Floats | None = None,
        rerun_delay_s: Floats | None = None,
        record_served: bool = False,
    ) -> SimulationResult:
        """What happens to the system with other values in these columns of its runs, where given.

        The values are not checked. Runs with demand steps keep the work of their steps.
        """
        given = self._varied(cpu_s, release_s, failed_cpu_s, rerun_delay_s)
        parts = self._parts[False]
        if record_served:
            parts = online_parts(self._system, watch_all=True)
            given = given._replace(**_online_columns(parts))
        kept, found = self._simulate(given, parts, math.inf, record_served)
        last_end_s = float(kept.clock[1])
        if kept.clock[0] > last_end_s > -math.inf:  # changes went on after the last end, which nobody counts
            kept, counted = self._simulate(given, parts, last_end_s, record_served)
            found = found._replace(pieces=counted.pieces)  # what runs did after it stands
        return _result(self._system, kept, found, record_served=record_served)

    def run_many(self, cpu_s: Floats, *, threads: int = 1) -> Floats:
        """Ends of the runs (replication x run) for each row of `cpu_s`; the same for any number of threads."""
        ends = np.empty(cpu_s.shape)

        def replicate(replication: int) -> None:
            given = self._varied(cpu_s[replication], None, None, None)
            _, found = self._simulate(given, self._parts[False], math.inf, record_served=False)
            ends[replication] = _ends(found)

        if threads == 1:
            for replication in range(len(cpu_s)):
                replicate(replication)
        else:
            with ThreadPoolExecutor(threads) as pool:
                for _ in pool.map(replicate, range(len(cpu_s))):
                    pass
        return ends

    def _varied(
        self,
        cpu_s: Floats | None,
        release_s: Floats | None,
        failed_cpu_s: Floats | None,
        rerun_delay_s: Floats | None,
    ) -> Given:
        changed: dict[str, Any] = {}
        if cpu_s is not None:
            changed["cpu_s"] = _fixed(cpu_s)
        if release_s is not None:
            changed["release_s"] = _fixed(release_s)
            changed["order"] = _release_order(self._system.runs, release_s)
        if failed_cpu_s is not None:
            changed["failed_cpu_s"] = _unless(failed_cpu_s, math.inf)
        if rerun_delay_s is not None:
            changed["rerun_delay_s"] = _unless(rerun_delay_s, 0.0)
        wrong = [name for name in changed if name != "order" and len(changed[name]) not in {0, len(self._system.runs)}]
        if wrong:
            raise ValueError(f"{wrong[0]}: expected {len(self._system.runs)} values")
        return self._given._replace(**changed)

    def _simulate(self, given: Given, parts: OnlineParts, stop_s: float, record_served: bool) -> tuple[Kept, Found]:
        kept = self._kept(given, parts)
        found = self._found(given, record_served)
        released = len(given.order) or (0 if len(self._system.runs.after) else len(self._system.runs))
        while self._play(given, kept, found, released, stop_s) == NEEDS_ROOM:
            more = np.zeros(2 * len(found.pieces), dtype=PIECE)
            more[: len(found.pieces)] = found.pieces
            found = found._replace(pieces=more)
        return kept, found

    def _kept(self, given: Given, parts: OnlineParts) -> Kept:
        system, runs, most = self._system, len(self._system.runs), self._most_active
        host, vm = initial_records(system, parts.is_watched)
        count = np.zeros(COUNTERS, dtype=np.int64)
        count[FREE_FIRST] = -1
        uses_io, uses_line = len(given.io_mib) > 0, len(given.line_mib) > 0
        kinds = 3 if uses_io or uses_line else 1
        lines, pools = len(system.centre.line_mib_s), len(system.centre.pool_slots)
        waits = _rows(0)
        if len(given.follower_ptr):
            waits = np.asarray(np.diff(system.runs.after_ptr), dtype=np.int32)
        return Kept(
            counts=count,
            clock=np.array([-math.inf, -math.inf, 0.0]),
            host=host,
            vm=vm,
            act=np.zeros(most, dtype=ACTIVE),
            io=np.zeros(most if uses_io else 0, dtype=TRANSFER),
            wire=np.zeros(most if uses_line else 0, dtype=TRANSFER),
            heap=np.zeros(kinds * most, dtype=ENTRY),
            place=_rows(kinds * most, -1),
            later=np.zeros(np.count_nonzero(waits), dtype=ENTRY),
            due=_rows(kinds * most),
            levels=np.zeros(len(system.online.ptr) - 1),
            queue_next=_rows(runs),
            waits=waits,
            earliest_s=np.array(given.release_s) if len(waits) else np.zeros(0),
            struck=_rows(runs if len(given.failed_cpu_s) else 0),
            marked_vms=_rows(len(vm)),
            marked_hosts=_rows(len(host)),
            fresh=_rows(most),
            calling=_rows(len(vm)),
            io_hosts=_rows(len(host)),
            line_first=_rows(lines, -1),
            line_runs=_rows(lines),
            line_marked=_rows(lines),
            lines=_rows(lines),
            window=np.array(system.centre.window_ptr[:-1], dtype=np.int64),
            pool_free=system.centre.pool_slots.astype(np.int32),
            pool_first=_rows(pools, -1),
            pool_last=_rows(pools, -1),
        )

    def _found(self, given: Given, record_served: bool) -> Found:
        runs, vms = len(self._system.runs), len(self._system.vms)
        again = len(given.failed_cpu_s) > 0 or not self._system.changes.move_keeps_work.all()
        return Found(
            ready_s=np.full(runs, math.inf),
            start_s=np.full(runs, math.inf),
            work_end_s=np.full(runs, math.inf),
            end_s=np.full(runs if len(given.pool) else 0, math.inf),
            attempts=np.zeros(runs if again else 0, dtype=np.int64),
            pieces=np.zeros(2 * (runs + vms + 16) if record_served else 0, dtype=PIECE),
        )


def _rows(length: int, value: int = 0) -> Ints:
    return np.full(length, value, dtype=np.int32) if value else np.zeros(length, dtype=np.int32)


def _fixed(values: npt.ArrayLike, dtype: npt.DTypeLike = np.float64) -> Column:
    """The values in one piece, not to be written to: what the compiled loop expects of all that is given."""
    column = np.ascontiguousarray(values, dtype=dtype).view()
    column.flags.writeable = False
    return column


def _unless(values: Floats | Ints, default: float) -> Column:
    """The column, or none where all its values are the default."""
    if not len(values) or (values.strides[0] == 0 and values[0] == default) or bool((values == default).all()):
        return _fixed(values[:0], values.dtype)
    return _fixed(values, values.dtype)


def _release_order(runs: RunColumns, release_s: Floats) -> Ints:
    """Rows of the runs without predecessors by release, then row; none where all rows are in that order already."""
    if not len(runs.after):
        if bool((release_s[1:] >= release_s[:-1]).all()):
            return np.asarray(_fixed((), np.int32))
        return np.asarray(_fixed(np.argsort(release_s, kind="stable"), np.int32))
    first = np.flatnonzero(runs.after_ptr[1:] == runs.after_ptr[:-1])
    return np.asarray(_fixed(first[np.argsort(release_s[first], kind="stable")], np.int32))


def _followers(runs: RunColumns) -> dict[str, Any]:
    if not len(runs.after):
        return {}
    count = len(runs)
    by_predecessor = np.argsort(runs.after, kind="stable")
    of_run = np.repeat(np.arange(count, dtype=np.int32), np.diff(runs.after_ptr))
    return {
        "follower_ptr": _fixed(np.concatenate(([0], np.cumsum(np.bincount(runs.after, minlength=count)))), np.int64),
        "follower": _fixed(of_run[by_predecessor], np.int32),
        "follower_lag_s": _fixed(runs.lag_s[by_predecessor]),
    }


def _online_columns(parts: OnlineParts) -> dict[str, Any]:
    return {
        "part_ptr": _fixed(parts.part_ptr, np.int64),
        "part": _fixed(parts.part, parts.part.dtype),
        "watched_ptr": _fixed(parts.watched_ptr, np.int64),
        "watched": _fixed(parts.watched, np.int64),
    }


def _callers(system: SimulationInput) -> dict[str, Any]:
    runs, calendars = system.runs, len(system.centre.window_ptr) - 1
    vms = max(len(system.vms), 1)
    bound = np.flatnonzero(runs.calendar >= 0)
    pairs = np.unique(runs.calendar[bound] * vms + runs.vm[bound])
    return {
        "caller_ptr": _fixed(np.searchsorted(pairs // vms, np.arange(calendars + 1)), np.int64),
        "caller": _fixed(pairs % vms, np.int64),
    }


def _given(system: SimulationInput, parts: OnlineParts) -> Given:
    runs, changes, centre = system.runs, system.changes, system.centre
    columns: dict[str, Any] = {
        "vm": _fixed(runs.vm, np.int64),
        "release_s": _fixed(runs.release_s),
        "cpu_s": _fixed(runs.cpu_s),
        "max_cores": _fixed(runs.max_cores),
        "fixed_s": _fixed(runs.fixed_s),
        "order": _release_order(runs, runs.release_s),
        "timetable": _fixed(timetable(system), CHANGE),
        "move_vm": _fixed(changes.move_vm, np.int64),
        "move_to_host": _fixed(changes.move_to_host, np.int64),
        "move_keeps_work": _fixed(changes.move_keeps_work, np.bool_),
        "line_mib_s": _fixed(centre.line_mib_s),
        "window_ptr": _fixed(centre.window_ptr, np.int64),
        "window_open_s": _fixed(centre.window_open_s),
        "window_close_s": _fixed(centre.window_close_s),
        "online_first": system.online_first,
        **_followers(runs),
        **_online_columns(parts),
        **_callers(system),
    }
    if len(runs.demand_from_s):
        columns["demand_ptr"] = _fixed(runs.demand_ptr, np.int64)
        for name in ("demand_from_s", "demand_until_s", "demand_cores"):
            columns[name] = _fixed(getattr(runs, name))
    for name in ("io_mib", "line_mib", "rerun_delay_s"):
        columns[name] = _unless(getattr(runs, name), 0.0)
    columns["failed_cpu_s"] = _unless(runs.failed_cpu_s, math.inf)
    columns["calendar"] = _unless(runs.calendar, -1)
    if bool(((runs.pool >= 0) & (runs.pool_s > 0)).any()):
        columns["pool"], columns["pool_s"] = _fixed(runs.pool, np.int64), _fixed(runs.pool_s)
    return empty_given()._replace(**columns)


def _ends(found: Found) -> Floats:
    return found.end_s if len(found.end_s) else found.work_end_s


def _result(system: SimulationInput, kept: Kept, found: Found, *, record_served: bool) -> SimulationResult:
    last_end_s = float(kept.clock[1])
    counted = last_end_s > -math.inf
    wanted = wanted_core_s(system, last_end_s)
    attempts = found.attempts if len(found.attempts) else np.isfinite(found.start_s).astype(np.int64)
    return SimulationResult(
        ready_s=found.ready_s,
        start_s=found.start_s,
        work_end_s=found.work_end_s,
        end_s=found.end_s if len(found.end_s) else found.work_end_s.copy(),
        attempts=attempts,
        host_core_s=np.array(kept.host["core_s"]) if counted else np.zeros(len(system.hosts)),
        online_wanted_core_s=wanted,
        online_served_core_s=np.maximum(wanted - kept.vm["short_s"], 0.0) if counted else np.zeros(len(system.vms)),
        served=_served(found.pieces[: kept.counts[PIECES] if counted else 0]) if record_served else None,
    )


def _served(pieces: Records) -> ServedTable:
    rows: Iterator[Ints] = (pieces[name].astype(np.int64) for name in ("host", "vm", "run"))
    host, vm, run = rows
    return ServedTable(
        host, vm, run, np.array(pieces["from_s"]), np.array(pieces["until_s"]), np.array(pieces["cores"])
    )
