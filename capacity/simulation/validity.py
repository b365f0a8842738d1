"""Whether a simulation input makes sense: the first contradiction is named, nothing is guessed."""

from __future__ import annotations

import math

from .records import SimulatedRun, SimulationInput


def check(system: SimulationInput) -> None:
    """Raise ValueError for numbers out of range, rows that do not exist, and runs that wait for each other."""
    for host in system.hosts:
        _require(_finite(host.cores) and host.cores > 0, f"host {host.id}: cores must be above 0, got {host.cores}")
    for vm in system.vms:
        _require(0 <= vm.host < len(system.hosts), f"vm {vm.id}: there is no host row {vm.host}")
        _require(vm.vcpu is None or (_finite(vm.vcpu) and vm.vcpu > 0), f"vm {vm.id}: vcpu must be above 0")
        _require(vm.slots is None or vm.slots >= 1, f"vm {vm.id}: slots must be at least 1, got {vm.slots}")
    for run in system.runs:
        _check_run(run, system)
    for load in system.online:
        _require(0 <= load.vm < len(system.vms), f"online load: there is no vm row {load.vm}")
        _require(_amount(load.cores) and load.from_s < load.until_s, "online load: cores or times are out of range")
    for step in system.vcpu_steps:
        _require(0 <= step.vm < len(system.vms), f"vcpu step: there is no vm row {step.vm}")
        _require(step.vcpu is None or step.vcpu > 0, "vcpu step: vcpu must be above 0")
    circle = runs_in_circles(system.runs)
    _require(not circle, f"runs wait for each other: {', '.join(system.runs[row].id for row in circle[:5])}")


def runs_in_circles(runs: tuple[SimulatedRun, ...]) -> list[int]:
    """Rows of runs that can never become ready, because each waits (in the end) for itself; empty where all can."""
    open_predecessors = [len(run.after) for run in runs]
    followers: list[list[int]] = [[] for _ in runs]
    for row, run in enumerate(runs):
        for predecessor in run.after:
            followers[predecessor].append(row)
    free = [row for row, count in enumerate(open_predecessors) if count == 0]
    while free:
        for row in followers[free.pop()]:
            open_predecessors[row] -= 1
            if open_predecessors[row] == 0:
                free.append(row)
    return [row for row, count in enumerate(open_predecessors) if count > 0]


def _check_run(run: SimulatedRun, system: SimulationInput) -> None:
    _require(0 <= run.vm < len(system.vms), f"run {run.id}: there is no vm row {run.vm}")
    _require(_finite(run.release_s), f"run {run.id}: release_s must be a number")
    _require(_amount(run.cpu_s) and _amount(run.fixed_s), f"run {run.id}: cpu_s and fixed_s must be 0 or more")
    _require(run.max_cores is None or (_finite(run.max_cores) and run.max_cores > 0), f"run {run.id}: max_cores <= 0")
    _require(all(0 <= row < len(system.runs) for row in run.after), f"run {run.id}: `after` names a row out of range")
    _require(len(run.lag_s) in (0, len(run.after)), f"run {run.id}: one lag per predecessor, or none")
    _require(all(map(_amount, run.lag_s)), f"run {run.id}: lags must be 0 or more")
    reached_s = 0.0
    for step in run.demand:
        in_order = reached_s <= step.from_s < step.until_s
        _require(in_order and _amount(step.cores), f"run {run.id}: demand steps must follow each other")
        reached_s = step.until_s
    if run.demand:
        integral = math.fsum((step.until_s - step.from_s) * step.cores for step in run.demand)
        close = math.isclose(integral, run.cpu_s, rel_tol=1e-6, abs_tol=1e-6)
        _require(close, f"run {run.id}: cpu_s is {run.cpu_s}, its demand steps make {integral}")


def _finite(value: float) -> bool:
    return math.isfinite(value)


def _amount(value: float) -> bool:
    return math.isfinite(value) and value >= 0


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
