"""What the findings rest on: the system, the result, and what is given about every moment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from capacity.records import Bools, Floats, Ints

from ..columns import SimulationInput
from ..records import SimulationResult
from .steps import Steps

NEAR_S = 1e-6
"""Times that lie no further apart are equal: an instant is 1e-7 s, and engines round."""


class Evidence:
    """The system, the result, and the findings so far."""

    def __init__(self, system: SimulationInput, result: SimulationResult) -> None:
        self.system = system
        self.result = result
        self.findings: list[str] = []
        ends = result.end_s[np.isfinite(result.end_s)]
        self.horizon_s = float(ends.max()) if len(ends) else -np.inf
        self.host_of, self.is_up = _places(system)
        changes = system.changes
        self.vcpu = Steps(system.vms.vcpu, changes.vcpu_vm, changes.vcpu_at_s, changes.vcpu)
        self.online = _online(system)
        cores = system.hosts.cores
        self.tolerance = 1e-6 * max(1.0, float(cores.max()) if len(cores) else 1.0)

    def require(self, rule: str, holds: Bools, names: Sequence[str] | None = None, rows: Ints | None = None) -> None:
        """Note a finding unless all hold; `names[rows]` (rows: the places themselves) say of what."""
        wrong = np.flatnonzero(~holds)
        if not len(wrong):
            return
        first = int(wrong[0] if rows is None else rows[wrong[0]])
        where = f"{names[first]}" if names is not None else f"row {first}"
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        self.findings.append(f"{rule}: {where}{more}")


def _places(system: SimulationInput) -> tuple[Steps, Steps]:
    """On which host each VM is, and whether it is up."""
    changes, vms = system.changes, system.vms
    live = changes.move_keeps_work
    to_host = changes.move_to_host.astype(np.float64)
    finite = np.isfinite(changes.move_until_s)
    host_of = Steps(vms.host.astype(np.float64), changes.move_vm[finite], changes.move_until_s[finite], to_host[finite])
    failing = np.flatnonzero(~live)
    # Leaving and being up again alternate in the order of the rows, so equal times keep the right one.
    at_s = np.column_stack((changes.move_at_s[failing], changes.move_until_s[failing])).ravel()
    vm, up = np.repeat(changes.move_vm[failing], 2), np.tile([0.0, 1.0], len(failing))
    ever = np.isfinite(at_s)
    return host_of, Steps(np.ones(len(vms)), vm[ever], at_s[ever], up[ever])


def _online(system: SimulationInput) -> Steps:
    """Cores that each VM's online load wants."""
    vms, online = system.vms, system.online
    rows = np.flatnonzero((vms.online_class >= 0) & (vms.online_cores > 0))
    classes = vms.online_class[rows]
    counts = online.ptr[classes + 1] - online.ptr[classes]
    vm = np.repeat(rows, counts)
    offset = np.arange(len(vm)) - np.repeat(np.cumsum(counts) - counts, counts)
    step = np.repeat(online.ptr[classes], counts) + offset
    level: Floats = online.level[step] * vms.online_cores[vm]
    return Steps(np.zeros(len(vms)), vm, online.at_s[step], level)
