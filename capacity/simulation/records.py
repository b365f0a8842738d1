"""One row at a time: hosts, VMs, runs and changes as a person would write them down, and what a simulation answers.

Times are seconds on the caller's own clock (a trace's, or since a week's Monday), work is core-seconds. Rows refer to
each other by position: a run's `vm` is an index into the VMs, `after` are indices into the runs. `columns.py` holds
the same as arrays, which is what both engines are given; docs/simulation-model.md says what every field does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from capacity.records import Floats, Ints


@dataclass(frozen=True, slots=True)
class SimulatedHost:
    """A physical host that shares `cores` between its VMs, and its storage bandwidth between those that read it."""

    id: str
    cores: float
    io_mib_s: float | None = None
    """Storage bandwidth; None is never a limit."""
    line: int | None = None
    """Index of the line to the backup site that this host's transfers use; None: they take no time."""


@dataclass(frozen=True, slots=True)
class SimulatedVm:
    """A VM on `host`: at most `vcpu` cores and `slots` runs at once; None is no limit of its own."""

    id: str
    host: int
    vcpu: float | None = None
    slots: int | None = None
    weight: float = 1.0
    """Its share of a full host against other VMs'."""


@dataclass(frozen=True, slots=True)
class DemandStep:
    """The run wants `cores` over `[from_s, until_s)`, counted from its start (after its `fixed_s`).

    What is not served in time is still worked off at no more than `cores`, and all later steps move by as much.
    """

    from_s: float
    until_s: float
    cores: float


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """One run: ready at its release and `lag_s` after the end of each of `after`, then it takes a slot of its VM.

    It uses no CPU for `fixed_s`, then up to `max_cores` (None: the VM's vCPU) until `cpu_s` core-seconds are served.
    `demand` shapes the same `cpu_s` over time.
    """

    id: str
    vm: int
    release_s: float
    cpu_s: float
    max_cores: float | None = None
    fixed_s: float = 0.0
    after: tuple[int, ...] = ()
    lag_s: tuple[float, ...] = ()
    """One lag per entry of `after`; empty is no lag."""
    demand: tuple[DemandStep, ...] = ()
    io_mib: float = 0.0
    """Read from and written to its host's storage beside the CPU work."""
    line_mib: float = 0.0
    """Sent over its host's line to the backup site beside the CPU work."""
    calendar: int | None = None
    """Index of the window calendar in whose windows alone it may take a slot; None: at any time."""
    pool: int | None = None
    """Index of the centre's slot pool (printers) that it needs for `pool_s` after its work, its VM slot given back."""
    pool_s: float = 0.0
    failed_cpu_s: float | None = None
    """Served core-seconds after which it fails; after `rerun_delay_s` it does everything again. None: no failure."""
    rerun_delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class OnlineLoad:
    """Daytime load of a VM over `[from_s, until_s)`. Loads of one VM add up."""

    vm: int
    from_s: float
    until_s: float
    cores: float


@dataclass(frozen=True, slots=True)
class VcpuStep:
    """From `at_s` on the VM has `vcpu` (None: no limit of its own)."""

    vm: int
    at_s: float
    vcpu: float | None


@dataclass(frozen=True, slots=True)
class Relocation:
    """The VM leaves its host at `at_s` and is up on `to_host` from `until_s`.

    A live move keeps its work and takes no time (`until_s` = `at_s`). After a failure the work of every run that held
    a slot is lost: it queues again, by its first ready time.
    """

    vm: int
    at_s: float
    until_s: float
    to_host: int
    keeps_work: bool


@dataclass(frozen=True, slots=True)
class SlotPool:
    """A resource of the whole centre that serves so many runs at once, e.g. its printers."""

    id: str
    slots: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line to the backup site, shared by all transfers of its hosts."""

    id: str
    mib_s: float


@dataclass(frozen=True, slots=True)
class WindowCalendar:
    """Windows `[open_s, close_s)` in order of time, apart from each other."""

    id: str
    windows: tuple[tuple[float, float], ...]


def _no_ints() -> Ints:
    return np.zeros(0, dtype=np.int64)


def _no_floats() -> Floats:
    return np.zeros(0, dtype=np.float64)


@dataclass(frozen=True)
class ServedTable:
    """Who had how many cores when: row by row, `run` -1 is the VM's online load."""

    host: Ints = field(default_factory=_no_ints)
    vm: Ints = field(default_factory=_no_ints)
    run: Ints = field(default_factory=_no_ints)
    from_s: Floats = field(default_factory=_no_floats)
    until_s: Floats = field(default_factory=_no_floats)
    cores: Floats = field(default_factory=_no_floats)

    def __len__(self) -> int:
        return len(self.vm)


@dataclass(frozen=True)
class SimulationResult:
    """Seconds per run, in row order; infinite for a run that no window is left for, or that waits for such a run."""

    ready_s: Floats
    """Released, and all of `after` ended with their lags."""
    start_s: Floats
    """When the run first took a slot."""
    work_end_s: Floats
    """When it gave its slot back for good; `end_s` comes later only for a run that prints."""
    end_s: Floats
    attempts: Ints
    """How often it took a slot, plus its own failed attempts."""
    host_core_s: Floats
    """Per host: core-seconds served up to the last (finite) end of a run, online load included."""
    online_wanted_core_s: Floats
    """Per VM: its online load over time, up to the last (finite) end of a run."""
    online_served_core_s: Floats
    served: ServedTable | None = None
    """Only when it was asked for."""
