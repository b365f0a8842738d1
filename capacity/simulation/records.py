"""What a simulation is given and what it answers.

Times are seconds on the caller's own clock (a trace's, or since a week's Monday), work is core-seconds. Rows refer to
each other by position: a run's `vm` is an index into `SimulationInput.vms`, `after` are indices into `runs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from capacity.records import Floats


@dataclass(frozen=True, slots=True)
class SimulatedHost:
    """A physical host that shares `cores` between its VMs."""

    id: str
    cores: float


@dataclass(frozen=True, slots=True)
class SimulatedVm:
    """A VM on `host`: at most `vcpu` cores and `slots` runs at once; None is no limit of its own."""

    id: str
    host: int
    vcpu: float | None = None
    slots: int | None = None


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


@dataclass(frozen=True, slots=True)
class OnlineLoad:
    """Daytime load of a VM over `[from_s, until_s)`: served before the VM's runs. Loads of one VM add up."""

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


@dataclass(frozen=True)
class SimulationInput:
    """A closed system: hosts, VMs, runs in row order, online load and vCPU changes."""

    hosts: tuple[SimulatedHost, ...]
    vms: tuple[SimulatedVm, ...]
    runs: tuple[SimulatedRun, ...]
    online: tuple[OnlineLoad, ...] = ()
    vcpu_steps: tuple[VcpuStep, ...] = ()

    def with_work(self, cpu_s: Sequence[float]) -> SimulationInput:
        """The same system with other work per run; the runs must have no `demand` (its integral would differ)."""
        if len(cpu_s) != len(self.runs):
            raise ValueError(f"work of {len(cpu_s)} runs was given for {len(self.runs)} runs")
        changed = []
        for run, work in zip(self.runs, cpu_s, strict=True):
            if run.demand:
                raise ValueError(f"run {run.id}: the work of a run with demand steps is their integral")
            changed.append(replace(run, cpu_s=float(work)))
        return replace(self, runs=tuple(changed))


@dataclass(frozen=True, slots=True)
class Served:
    """A VM's runs (`run` >= 0) or its online load (`run` None) had `cores` over `[from_s, until_s)`."""

    vm: int
    run: int | None
    from_s: float
    until_s: float
    cores: float


@dataclass(frozen=True)
class SimulationResult:
    """Seconds per run, in row order."""

    ready_s: Floats
    start_s: Floats
    """When the run took its slot."""
    end_s: Floats
    served: tuple[Served, ...] | None = None
    """Who had how many cores when; only when it was asked for."""
