"""Does a VM ever run more jobs at once than it takes, or more cores than it has at that moment?"""

from __future__ import annotations

import itertools

import numpy as np

from . import sweep
from .findings import Findings
from .view import FAR, Floats, Ints, View, microseconds

_TOLERANCE = 1e-6


def check(view: View) -> Findings:
    """Violations of the number of runs at once, and of vCPU by `max_cores` of concurrent runs plus online load."""
    found = Findings()
    vms = view.folder.layout.vms
    known = view.vm >= 0
    vm, start, end = view.vm[known], view.start[known], view.end[known]
    at_once = sweep.levels(vm, start, end, np.ones(len(vm)))
    limit = np.array([vm.slots for vm in vms], dtype=np.float64)
    found.add_where(
        at_once.level > limit[at_once.group] + 0.5,
        lambda i: (
            f"{vms[at_once.group[i]].id}: {view.moment(at_once.time[i])} に {at_once.level[i]:.0f} 件が同時に動きます"
            f"（同時実行数は {limit[at_once.group[i]]:.0f}）"
        ),
    )
    online_vm, begin, until, cores = view.online
    online = online_vm >= 0
    absent_vm, absent_from, absent_until, absent = _absent_vcpu(view)
    largest = np.array([max([vm.vcpu, *(c.vcpu for c in vm.vcpu_changes)]) for vm in vms], dtype=np.float64)
    used = sweep.levels(
        np.concatenate([vm, online_vm[online], absent_vm]),
        np.concatenate([start, begin[online], absent_from]),
        np.concatenate([end, until[online], absent_until]),
        np.concatenate([view.max_cores[known], cores[online], absent]),
    )
    found.add_where(
        used.level > largest[used.group] + _TOLERANCE,
        lambda i: (
            f"{vms[used.group[i]].id}: {view.moment(used.time[i])} に使うコアがその時の vCPU を"
            f" {used.level[i] - largest[used.group[i]]:.3f} 超えます"
        ),
    )
    return found


def _absent_vcpu(view: View) -> tuple[Ints, Ints, Ints, Floats]:
    """What a VM lacks of its largest vCPU, as load: VM, from, until, cores. So one sweep meets changing vCPU."""
    rows: list[tuple[int, int, int, int]] = []
    zero = view.folder.estate.start
    for index, vm in enumerate(view.folder.layout.vms):
        changes = [(microseconds(c.from_, zero), microseconds(c.until, zero), c.vcpu) for c in vm.vcpu_changes]
        largest = max([vm.vcpu, *(vcpu for _, _, vcpu in changes)])
        borders = sorted(
            {-FAR, FAR + view.horizon_us, *(time for begin, until, _ in changes for time in (begin, until))}
        )
        for begin, until in itertools.pairwise(borders):
            vcpu = max((vcpu for start, end, vcpu in changes if start <= begin < end), default=vm.vcpu)
            if vcpu < largest:
                rows.append((index, begin, until, largest - vcpu))
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return table[:, 0], table[:, 1], table[:, 2], table[:, 3].astype(np.float64)
