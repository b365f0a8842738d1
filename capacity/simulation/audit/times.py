"""Times alone: order, releases, predecessors, windows, and the shortest that work can take."""

from __future__ import annotations

import numpy as np

from capacity.records import Bools, Floats, Ints

from .evidence import NEAR_S, Evidence


def check_times(evidence: Evidence) -> bool:
    """Whether the times follow each other; what else is wrong with them becomes findings."""
    result, runs = evidence.result, evidence.system.runs
    columns = (result.ready_s, result.start_s, result.work_end_s, result.end_s)
    if any(len(column) != len(runs) for column in (*columns, result.attempts)):
        evidence.findings.append("one row per run: the result has another number of rows")
        return False
    table = np.vstack(columns)
    numbers = np.asarray(~(np.isnan(table) | np.isneginf(table)).any(axis=0), dtype=np.bool_)
    evidence.require("times must be numbers", numbers, runs.ids)
    ordered = (columns[0] <= columns[1]) & (columns[1] <= columns[2]) & (columns[2] <= columns[3])
    evidence.require("ready, start, work end, end follow each other", ordered | ~numbers, runs.ids)
    if evidence.findings:
        return False
    _check_ready(evidence)
    _check_windows(evidence)
    _check_shortest(evidence)
    return True


def near(found: Floats, expected: Floats) -> Bools:
    """Equal times; infinity equals infinity."""
    gap = np.zeros(len(found))
    finite = np.isfinite(found) & np.isfinite(expected)
    gap[finite] = np.abs(found[finite] - expected[finite])
    close: Bools = np.where(finite, gap <= NEAR_S, found == expected)
    return close


def _check_ready(evidence: Evidence) -> None:
    result, runs = evidence.result, evidence.system.runs
    expected = runs.release_s.astype(np.float64).copy()
    follower = np.repeat(np.arange(len(runs)), np.diff(runs.after_ptr))
    np.maximum.at(expected, follower, result.end_s[runs.after] + runs.lag_s)
    late = near(result.ready_s, expected) | (result.ready_s < expected)
    early = near(result.ready_s, expected) | (result.ready_s > expected)
    evidence.require("ready no later than release and predecessors with their lags", late, runs.ids)
    evidence.require("ready no earlier than release and predecessors with their lags", early, runs.ids)


def is_open(evidence: Evidence, calendar: Ints, time_s: Floats) -> Bools:
    """Whether a window of the calendar is open at each time; a calendar -1 is always open."""
    centre = evidence.system.centre
    opened = np.ones(len(calendar), dtype=np.bool_)
    for number in np.unique(calendar[calendar >= 0]).tolist():
        windows = slice(int(centre.window_ptr[number]), int(centre.window_ptr[number + 1]))
        opens, closes = centre.window_open_s[windows], centre.window_close_s[windows]
        of_calendar = calendar == number
        if not len(opens):
            opened[of_calendar] = False
            continue
        times = time_s[of_calendar]
        last = np.searchsorted(opens, times + NEAR_S, side="right") - 1
        opened[of_calendar] = (last >= 0) & (times < closes[last])
    return opened


def _check_windows(evidence: Evidence) -> None:
    result, runs = evidence.result, evidence.system.runs
    started = np.flatnonzero(np.isfinite(result.start_s))
    inside = is_open(evidence, runs.calendar[started], result.start_s[started])
    evidence.require("starts inside a window of its calendar", inside, runs.ids, started)


def _check_shortest(evidence: Evidence) -> None:
    """No run can be faster than alone on the largest host; the work is bounded by cores, storage and line."""
    system, result, runs = evidence.system, evidence.result, evidence.system.runs
    ended = np.flatnonzero(np.isfinite(result.work_end_s))
    if not len(ended):
        return
    fastest = np.minimum(runs.max_cores[ended], float(system.hosts.cores.max()))
    work_s = runs.cpu_s[ended] / fastest
    work_s = np.maximum(work_s, runs.io_mib[ended] / float(system.hosts.io_mib_s.max()))
    if len(system.centre.line_mib_s) and (system.hosts.line >= 0).all():
        work_s = np.maximum(work_s, runs.line_mib[ended] / float(system.centre.line_mib_s.max()))
    changes = system.changes
    on_failing_vm = np.isin(runs.vm[ended], changes.move_vm[~changes.move_keeps_work])
    failing = np.isfinite(runs.failed_cpu_s[ended]) & ~on_failing_vm  # else the VM's failure may have cut it short
    failed_s = np.where(failing, runs.failed_cpu_s[ended], 0.0) / fastest + runs.rerun_delay_s[ended]
    least_s = runs.fixed_s[ended] + work_s + np.where(failing, failed_s + runs.fixed_s[ended], 0.0)
    taken_s = result.work_end_s[ended] - result.start_s[ended]
    enough = taken_s >= least_s * (1 - 1e-9) - NEAR_S * (1 + np.diff(runs.demand_ptr)[ended])
    evidence.require("takes at least the time of its idle time and work", enough, runs.ids, ended)
