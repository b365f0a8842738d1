"""The arrays that the capacity modules hand to each other.

Time is float64 seconds since the horizon's start (`RunTable.epoch`, +09:00); a slot is 600 s. Ragged data
(windows and predecessors per run) is stored as compressed rows: row `i` is `values[ptr[i]:ptr[i + 1]]`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

SLOT_S = 600.0

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]


def _no_ints() -> Ints:
    return np.zeros(0, dtype=np.int64)


def _no_floats() -> Floats:
    return np.zeros(0, dtype=np.float64)


@dataclass(frozen=True)
class RunTable:
    """Every job run of the horizon, in order of release, then tenant, system, job.

    n runs; `tenant`, `system`, `job`, `vm` are indices into the name tuples. Systems are per tenant:
    `system_names[k]` is `tenant/system`, `job_names[k]` is `tenant/system/job`.
    """

    epoch: datetime
    end_s: float
    tenant_names: tuple[str, ...]
    system_names: tuple[str, ...]
    job_names: tuple[str, ...]
    vm_names: tuple[str, ...]
    site_names: tuple[str, ...]
    run_ids: tuple[str, ...]
    tenant: Ints
    system: Ints
    job: Ints
    vm: Ints
    site: Ints
    release_s: Floats
    deadline_s: Floats
    window_ptr: Ints
    window_start_s: Floats
    window_end_s: Floats
    after_ptr: Ints
    after_run: Ints
    after_lag_s: Floats
    after_lag_business_h: Floats
    fixed_s: Floats
    cpu_s: Floats
    io_mib: Floats
    max_cores: Floats
    exclusive: Bools
    rerun_room: Bools
    work_cv: Floats
    vm_slots: Ints
    """Per VM: runs at once."""
    vm_vcpu: Ints
    """Per VM: normal vCPU (a run's `max_cores` never exceeds what its VM has at that date)."""
    vm_site: Ints = field(default_factory=_no_ints)
    """Per VM: index into `site_names`."""
    vm_tenant: Ints = field(default_factory=_no_ints)
    """Per VM: index into `tenant_names`."""
    change_vm: Ints = field(default_factory=_no_ints)
    """VMs whose vCPU changes for a while; the four `change_` arrays belong together."""
    change_from_s: Floats = field(default_factory=_no_floats)
    change_until_s: Floats = field(default_factory=_no_floats)
    change_vcpu: Ints = field(default_factory=_no_ints)
    job_labels: tuple[str, ...] = ()
    """Per job: `団体 業務システム ジョブ` by their Japanese names, for messages; may be absent."""

    @property
    def duration_s(self) -> Floats:
        """Planned length of each run: `fixed_s + cpu_s / max_cores`."""
        return self.fixed_s + self.cpu_s / self.max_cores

    def __len__(self) -> int:
        return len(self.run_ids)


@dataclass(frozen=True)
class Misfit:
    """A run that fits no window, or anything else that makes a plan not fit. `reason` is a Japanese sentence."""

    kind: str
    reason: str
    run: int | None = None
    minutes: float | None = None


@dataclass(frozen=True)
class Displaced:
    """A run that starts elsewhere than in the plan that is kept. `reason` is a Japanese clause."""

    run: int
    kept_s: float
    """Its start in the kept plan, in seconds since the epoch."""
    reason: str


@dataclass(frozen=True)
class Schedule:
    """Start times for every run of a RunTable, and the window each start lies in."""

    start_s: Floats
    window: Ints
    """Index into `RunTable.window_start_s` per run (absolute, not relative to the row)."""
    misfits: tuple[Misfit, ...]
    displaced: tuple[Displaced, ...] = ()
    """Only where start times were kept: who had to leave theirs."""


@dataclass(frozen=True)
class OnlineTable:
    """Daytime load: `cores` on VM `vm` over `[from_s, until_s)`. VMs are indices into `vm_names`."""

    vm_names: tuple[str, ...]
    vm: Ints
    from_s: Floats
    until_s: Floats
    cores: Floats


@dataclass(frozen=True)
class Relocated:
    """A VM on another host than in the plan that is kept. `reason` is a Japanese clause."""

    vm: str
    from_host: str
    to_host: str
    reason: str


Fewest: TypeAlias = Literal["proven", "for this reserve", "unproven"]
"""Nobody could move fewer VMs: whatever hosts stay empty; given the hosts that stay empty; or nobody knows."""


@dataclass(frozen=True)
class LoweredReserve:
    """A site with fewer empty hosts than the policy says; the hosts that somebody wanted used, or not used."""

    site: str
    wanted: int
    kept: int
    moved_to: tuple[str, ...]
    without: tuple[str, ...]


@dataclass(frozen=True)
class Placement:
    """Host per VM (index into `host_names`), empty reserve hosts, and the bound on the number of hosts per site."""

    vm_names: tuple[str, ...]
    host_names: tuple[str, ...]
    host: Ints
    """-1 where no host was found; then `misfits` says why."""
    reserve: tuple[str, ...]
    lower_bound: dict[str, int]
    """Per site: hosts that are needed at least, the reserve included."""
    used: dict[str, int]
    """Per site: hosts that carry VMs, plus the reserve."""
    proof: dict[str, str]
    misfits: tuple[Misfit, ...]
    relocated: tuple[Relocated, ...] = ()
    """Only where a placement was kept: who had to leave its host."""
    fewest: Fewest = "unproven"
    """Whether fewer VMs could have left theirs; of all sites the least that is known."""
    lowered: tuple[LoweredReserve, ...] = ()
    """Sites that keep fewer hosts empty than the policy says, because of moves and hosts to do without."""
