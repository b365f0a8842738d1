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
    out = []
    misfits = {misfit.run for misfit in schedule.misfits}
    start = schedule.start_s
    end = start + runs.duration_s
    for run in range(len(runs)):
        name = runs.run_ids[run]
        if start[run] % 600 != 0:
            out.append(f"{name}: off the grid")
        for row in range(runs.after_ptr[run], runs.after_ptr[run + 1]):
            if start[run] < end[runs.after_run[row]] + runs.after_lag_s[row] - NEAR:
                out.append(f"{name}: before its predecessor")
        if run in misfits:
            continue
        row = schedule.window[run]
        if not runs.window_ptr[run] <= row < runs.window_ptr[run + 1]:
            out.append(f"{name}: another run's window")
        if start[run] < runs.window_start_s[row] - NEAR:
            out.append(f"{name}: before its window")
        need = (end[run] - start[run]) * (2 if runs.rerun_room[run] else 1)
        if start[run] + need > min(runs.window_end_s[row], runs.deadline_s[run]) + NEAR:
            out.append(f"{name}: after its window")
    for one, other in itertools.combinations(range(len(runs)), 2):
        if runs.system[one] != runs.system[other] or not (runs.exclusive[one] or runs.exclusive[other]):
            continue
        if start[one] < end[other] - NEAR and start[other] < end[one] - NEAR:
            out.append(f"{runs.run_ids[one]}: beside {runs.run_ids[other]}, which may not be")
    for vm in range(len(runs.vm_names)):
        mine = [run for run in range(len(runs)) if runs.vm[run] == vm]
        rows = [row for row in range(len(online.vm)) if online.vm[row] == vm]
        moments = sorted({*start[mine], *online.from_s[rows], *runs.change_from_s, *runs.change_until_s})
        for moment in moments:
            active = [run for run in mine if start[run] <= moment + NEAR and moment < end[run] - NEAR]
            if len(active) > runs.vm_slots[vm]:
                out.append(f"{runs.vm_names[vm]}: too many runs")
            load = sum(online.cores[row] for row in rows if online.from_s[row] <= moment < online.until_s[row])
            if active and runs.max_cores[active].sum() + load > _vcpu(runs, vm, moment) + NEAR:
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
