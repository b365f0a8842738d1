"""Whether a simulation input makes sense: the first contradiction is named, nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from capacity.records import Bools, Floats, Ints

from .columns import RunColumns, SimulationInput


def check(system: SimulationInput) -> None:
    """Raise ValueError for numbers out of range, rows that do not exist, and runs that wait for each other."""
    _check_hosts_and_vms(system)
    _check_centre(system)
    _check_changes(system)
    _check_runs(system)
    circle = runs_in_circles(system.runs)
    if circle:
        raise ValueError(f"runs wait for each other: {', '.join(system.runs.ids[row] for row in circle[:5])}")


def runs_in_circles(runs: RunColumns) -> list[int]:
    """Rows of runs that can never become ready, because each waits (in the end) for itself; empty where all can."""
    if not len(runs.after) or _after_earlier_rows(runs):
        return []
    count = len(runs)
    open_predecessors = np.diff(runs.after_ptr)
    follower = np.repeat(np.arange(count), open_predecessors)[np.argsort(runs.after, kind="stable")]
    follower_ptr = np.concatenate(([0], np.cumsum(np.bincount(runs.after, minlength=count))))
    free = np.flatnonzero(open_predecessors == 0)
    waiting = open_predecessors.copy()
    while len(free):
        counts = follower_ptr[free + 1] - follower_ptr[free]
        offsets = np.repeat(np.cumsum(counts) - counts, counts)
        rows = np.repeat(follower_ptr[free], counts) + np.arange(int(counts.sum())) - offsets
        touched, times = np.unique(follower[rows], return_counts=True)
        waiting[touched] -= times
        free = touched[waiting[touched] == 0]
    return [int(row) for row in np.flatnonzero(waiting > 0)]


def _after_earlier_rows(runs: RunColumns) -> bool:
    return bool((runs.after < np.repeat(np.arange(len(runs)), np.diff(runs.after_ptr))).all())


def _check_hosts_and_vms(system: SimulationInput) -> None:
    hosts, vms = system.hosts, system.vms
    _all(hosts.ids, "host", _positive(hosts.cores), "cores must be above 0", hosts.cores)
    _all(hosts.ids, "host", hosts.io_mib_s > 0, "io_mib_s must be above 0", hosts.io_mib_s)
    _all(hosts.ids, "host", _rows(hosts.line, len(system.centre.line_mib_s), none=True), "there is no line", hosts.line)
    _all(vms.ids, "vm", _rows(vms.host, len(hosts)), "there is no host row", vms.host)
    _all(vms.ids, "vm", vms.vcpu > 0, "vcpu must be above 0", vms.vcpu)
    _all(vms.ids, "vm", vms.slots >= 0, "slots must be at least 1", vms.slots)
    _all(vms.ids, "vm", _positive(vms.weight), "weight must be above 0", vms.weight)
    classes = len(system.online.ptr) - 1
    _all(vms.ids, "vm", _rows(vms.online_class, classes, none=True), "there is no online class", vms.online_class)
    _all(vms.ids, "vm", _amount(vms.online_cores), "online_cores must be 0 or more", vms.online_cores)


def _check_centre(system: SimulationInput) -> None:
    centre, online = system.centre, system.online
    _all(centre.pool_ids, "pool", centre.pool_slots >= 1, "slots must be at least 1", centre.pool_slots)
    _all(centre.line_ids, "line", centre.line_mib_s > 0, "mib_s must be above 0", centre.line_mib_s)
    opens, closes = centre.window_open_s, centre.window_close_s
    _require(bool((opens < closes).all()), "windows: a window closes before it opens")
    _require(_in_order(opens, centre.window_ptr, closes), "windows: a calendar's windows must follow each other")
    _require(bool(np.isfinite(online.at_s).all()), "online load: times must be numbers")
    _require(bool(_amount(online.level).all()), "online load: levels must be 0 or more")
    _require(_in_order(online.at_s, online.ptr), "online load: the steps of a class must be in order of time")


def _check_changes(system: SimulationInput) -> None:
    changes, count = system.changes, len(system.vms)
    _require(bool(_rows(changes.vcpu_vm, count).all()), "vcpu step: there is no such vm row")
    _require(bool((changes.vcpu > 0).all()), "vcpu step: vcpu must be above 0")
    _require(bool(np.isfinite(changes.vcpu_at_s).all()), "vcpu step: at_s must be a number")
    _require(bool((np.diff(changes.vcpu_at_s) >= 0).all()), "vcpu steps must be in order of time")
    _require(bool(_rows(changes.move_vm, count).all()), "relocation: there is no such vm row")
    _require(bool(_rows(changes.move_to_host, len(system.hosts)).all()), "relocation: there is no such host row")
    _require(bool(np.isfinite(changes.move_at_s).all()), "relocation: at_s must be a number")
    _require(bool((np.diff(changes.move_at_s) >= 0).all()), "relocations must be in order of time")
    in_time = np.where(
        changes.move_keeps_work,
        changes.move_until_s == changes.move_at_s,
        changes.move_until_s >= changes.move_at_s,
    )
    _require(bool(in_time.all()), "relocation: until_s must not be before at_s, and a live move takes no time")
    by_vm = np.lexsort((changes.move_at_s, changes.move_vm))
    same = changes.move_vm[by_vm][1:] == changes.move_vm[by_vm][:-1]
    apart = changes.move_at_s[by_vm][1:] >= changes.move_until_s[by_vm][:-1]
    _require(bool((apart | ~same).all()), "relocations of one vm must not overlap")


def _check_runs(system: SimulationInput) -> None:
    runs, centre = system.runs, system.centre
    _all(runs.ids, "run", _rows(runs.vm, len(system.vms)), "no vm row", runs.vm)
    _all(runs.ids, "run", np.isfinite(runs.release_s), "release_s must be a number", runs.release_s)
    for name in ("cpu_s", "fixed_s", "io_mib", "line_mib", "pool_s", "rerun_delay_s"):
        values: Floats = getattr(runs, name)
        _all(runs.ids, "run", _amount(values), f"{name} must be 0 or more", values)
    _all(runs.ids, "run", runs.max_cores > 0, "max_cores must be above 0", runs.max_cores)
    _all(runs.ids, "run", runs.failed_cpu_s >= 0, "failed_cpu_s must be 0 or more", runs.failed_cpu_s)
    calendars, pools = len(centre.window_ptr) - 1, len(centre.pool_slots)
    _all(runs.ids, "run", _rows(runs.calendar, calendars, none=True), "there is no calendar", runs.calendar)
    _all(runs.ids, "run", _rows(runs.pool, pools, none=True), "there is no pool", runs.pool)
    of_run = np.repeat(np.arange(len(runs)), np.diff(runs.after_ptr))
    _some(runs.ids, of_run, _rows(runs.after, len(runs)), "`after` names a row out of range")
    _require(len(runs.lag_s) == len(runs.after), "one lag per predecessor")
    _some(runs.ids, of_run, _amount(runs.lag_s), "lags must be 0 or more")
    if len(runs.demand_from_s):
        _check_demand(runs)


def _check_demand(runs: RunColumns) -> None:
    from_s, until_s, cores = runs.demand_from_s, runs.demand_until_s, runs.demand_cores
    steps = np.diff(runs.demand_ptr)
    of_run = np.repeat(np.arange(len(runs)), steps)
    reached_s = np.concatenate(([0.0], until_s[:-1]))
    reached_s[runs.demand_ptr[:-1][steps > 0]] = 0.0
    in_order = (reached_s <= from_s) & (from_s < until_s) & np.isfinite(until_s) & _amount(cores)
    _some(runs.ids, of_run, in_order, "demand steps must follow each other")
    integral = np.bincount(of_run, weights=(until_s - from_s) * cores, minlength=len(runs))
    close = np.isclose(integral, runs.cpu_s, rtol=1e-6, atol=1e-6) | (steps == 0)
    _all(runs.ids, "run", close, "cpu_s is not the integral of its demand steps", runs.cpu_s)
    plain = (runs.io_mib == 0) & (runs.line_mib == 0) & np.isinf(runs.failed_cpu_s)
    _all(runs.ids, "run", plain | (steps == 0), "demand steps do not go with io_mib, line_mib, failed_cpu_s", steps)


def _positive(values: Floats) -> Bools:
    return np.isfinite(values) & (values > 0)


def _amount(values: Floats) -> Bools:
    return np.isfinite(values) & (values >= 0)


def _rows(values: Ints, count: int, *, none: bool = False) -> Bools:
    return (values >= (-1 if none else 0)) & (values < count)


def _in_order(values: Floats, ptr: Ints, until: Floats | None = None) -> bool:
    """Whether each compressed row's values follow each other (from the end of the one before)."""
    if len(values) < 2:
        return True
    first = np.zeros(len(values), dtype=np.bool_)
    first[ptr[:-1][np.diff(ptr) > 0]] = True
    previous = values if until is None else until
    follows = values[1:] > previous[:-1] if until is None else values[1:] >= previous[:-1]
    return bool((follows | first[1:]).all())


def _all(ids: Sequence[str], kind: str, holds: Bools, message: str, found: Floats | Ints) -> None:
    if not holds.all():
        row = int(np.flatnonzero(~holds)[0])
        raise ValueError(f"{kind} {ids[row]}: {message}, got {found[row]}")


def _some(ids: Sequence[str], of_run: Ints, holds: Bools, message: str) -> None:
    if not holds.all():
        raise ValueError(f"run {ids[int(of_run[np.flatnonzero(~holds)[0]])]}: {message}")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
