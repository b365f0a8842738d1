"""The rules of a schedule in plain loops, written apart from the planner: every broken rule as one line of text."""

from __future__ import annotations

import itertools

import numpy as np

NEAR = 1e-6


def _vcpu(runs, vm, moment):
    for row in range(len(runs.change_vm)):
        if runs.change_vm[row] == vm and runs.change_from_s[row] <= moment < runs.change_until_s[row]:
            return float(runs.change_vcpu[row])
    return float(runs.vm_vcpu[vm])


def broken_rules(runs, schedule, online) -> list[str]:
    """What a schedule breaks, misfit runs left out (they are known not to fit)."""
    start = schedule.start_s
    end = start + runs.duration_s
    misfits = {misfit.run for misfit in schedule.misfits}
    out = [f"{runs.run_ids[run]}: off the grid" for run in range(len(runs)) if start[run] % 600 != 0]
    for run in range(len(runs)):
        out += _too_early(runs, run, start, end)
        if run not in misfits:
            out += _outside_window(runs, run, int(schedule.window[run]), start, end)
    for one, other in itertools.combinations(range(len(runs)), 2):
        together = start[one] < end[other] - NEAR and start[other] < end[one] - NEAR
        if together and runs.system[one] == runs.system[other] and (runs.exclusive[one] or runs.exclusive[other]):
            out.append(f"{runs.run_ids[one]}: beside {runs.run_ids[other]}, which may not be")
    for vm in range(len(runs.vm_names)):
        out += _crowded(runs, vm, start, end, online)
    return out


def _too_early(runs, run, start, end):
    rows = range(runs.after_ptr[run], runs.after_ptr[run + 1])
    ready = [end[runs.after_run[row]] + runs.after_lag_s[row] for row in rows]
    return [f"{runs.run_ids[run]}: before its predecessor" for moment in ready if start[run] < moment - NEAR]


def _outside_window(runs, run, row, start, end):
    if not runs.window_ptr[run] <= row < runs.window_ptr[run + 1]:
        return [f"{runs.run_ids[run]}: another run's window"]
    need = (end[run] - start[run]) * (2 if runs.rerun_room[run] else 1)
    closes = min(runs.window_end_s[row], runs.deadline_s[run])
    if start[run] < runs.window_start_s[row] - NEAR or start[run] + need > closes + NEAR:
        return [f"{runs.run_ids[run]}: outside its window"]
    return []


def _crowded(runs, vm, start, end, online):
    out = []
    mine = np.flatnonzero(runs.vm == vm)
    rows = np.flatnonzero(online.vm == vm)
    for moment in sorted({*start[mine], *online.from_s[rows], *runs.change_from_s, *runs.change_until_s}):
        active = mine[(start[mine] <= moment + NEAR) & (moment < end[mine] - NEAR)]
        if len(active) > runs.vm_slots[vm]:
            out.append(f"{runs.vm_names[vm]}: too many runs")
        load = online.cores[rows][(online.from_s[rows] <= moment) & (moment < online.until_s[rows])].sum()
        if len(active) and runs.max_cores[active].sum() + load > _vcpu(runs, vm, moment) + NEAR:
            out.append(f"{runs.vm_names[vm]}: more cores than it has")
    return out


def plain_peaks(runs, start, online) -> dict[str, float]:
    """The CPU peak per site by integrating every interval over every slot it touches."""
    slots = int(np.ceil(max(runs.end_s, (start + runs.duration_s).max(initial=0.0)) / 600)) + 1
    load = {name: np.zeros(slots) for name in runs.site_names}
    pieces = [
        (runs.site[run], start[run] + runs.fixed_s[run], start[run] + runs.duration_s[run], runs.max_cores[run])
        for run in range(len(runs))
    ]
    pieces += [
        (runs.vm_site[online.vm[row]], online.from_s[row], online.until_s[row], online.cores[row])
        for row in range(len(online.vm))
    ]
    for site, begin, finish, cores in pieces:
        for slot in range(int(begin // 600), min(int(finish // 600) + 1, slots)):
            inside = min(finish, (slot + 1) * 600) - max(begin, slot * 600)
            load[runs.site_names[site]][slot] += max(inside, 0.0) * cores / 600
    return {name: float(values.max()) for name, values in load.items()}
