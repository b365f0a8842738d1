"""Nothing is lost and nothing appears: what engines say about contended systems, before the independent auditor.

The auditor knows no engine and no formula of queueing theory: it follows every piece of service that an engine reports
(who had how many cores of which host from when until when).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from capacity.simulation.audit import audit
from capacity.simulation.columns import SimulationInput, plain_runs
from capacity.simulation.engines import Engine
from capacity.simulation.records import (
    OnlineLoad,
    Relocation,
    SimulatedHost,
    SimulatedVm,
    VcpuStep,
    WindowCalendar,
)

from .checks import Check
from .queues import Numbered, Queue, replicated
from .works import Exponential, Hyperexponential

SEED = 20270402


def checks(engine: Engine, name: str) -> list[Check]:
    """A line per system."""
    found = []
    for case, system in systems():
        result = engine(system, record_served=True)
        findings = audit(system, result)
        asked = math.fsum(system.runs.cpu_s.tolist())
        served = math.fsum(result.host_core_s.tolist()) - math.fsum(result.online_served_core_s.tolist())
        lost = served / asked - 1
        expected_lost = "= 0" if not len(system.changes.move_vm) else "≧ 0（障害でやり直し）"
        found.append(
            Check(
                case=f"保存則と監査：{case}（{len(system.runs):,} 件）",
                expected=f"指摘 0 件、供給 ÷ 仕事 − 1 {expected_lost}",
                found=f"指摘 {len(findings)} 件、{lost:.1e}{'：' + findings[0] if findings else ''}",
                engine=name,
                passed=not findings and (lost > -1e-9 if len(system.changes.move_vm) else abs(lost) <= 1e-9),
            )
        )
    return found


def systems() -> Iterator[tuple[str, SimulationInput]]:
    """Names and systems: theory's queues, and a night with all that happens to VMs."""
    for name, queue in (
        ("M/M/4 0.9 PS", Queue(3.6, Exponential(1.0), 4, shared=True)),
        ("M/H2/1 0.8 FCFS", Queue(0.8, Hyperexponential(1.0, 4.0))),
    ):
        yield name, replicated(queue, replications=range(2), runs=1_000, seed=SEED)[0]
    yield "変更と障害のある夜", eventful_night()


def eventful_night(*, vms: int = 24, runs: int = 1_500) -> SimulationInput:
    """Four hosts that are too small for their VMs, with online load, windows, vCPU changes, moves and a failure."""
    random = np.random.default_rng(SEED)
    hosts = [SimulatedHost(f"h{row}", 8.0) for row in range(4)]
    machines = [
        SimulatedVm(f"v{row}", row % 3, vcpu=4.0, slots=3 if row % 2 else None, weight=float(1 + row % 3))
        for row in range(vms)
    ]
    system = SimulationInput.of(
        hosts,
        machines,
        (),
        online=[OnlineLoad(row, 600.0 * row, 600.0 * row + 7200.0, 1.5) for row in range(0, vms, 3)],
        vcpu_steps=[VcpuStep(row, 9_000.0 + row, 2.0 + row % 5) for row in range(0, vms, 4)],
        relocations=[
            *(Relocation(row, 12_000.0, 12_600.0, 3, keeps_work=False) for row in range(0, vms, 3)),
            *(Relocation(row, 15_000.0, 15_000.0, 3, keeps_work=True) for row in range(1, vms, 6)),
        ],
        calendars=[WindowCalendar("night", ((3_600.0, 7_200.0), (10_800.0, 28_800.0), (36_000.0, 1e7)))],
    )
    release_s = np.sort(random.uniform(0.0, 28_800.0, runs))
    count = np.arange(runs)
    chained = count % 5 == 4
    ptr = np.concatenate(([0], np.cumsum(chained)))
    before = count[chained] - 4
    rows = plain_runs(
        ids=Numbered(runs),
        vm=random.integers(0, vms, runs),
        release_s=release_s,
        cpu_s=random.exponential(600.0, runs),
        max_cores=random.choice([1.0, 2.0, math.inf], runs),
        fixed_s=random.choice([0.0, 30.0], runs),
        after=(ptr.astype(np.int64), before.astype(np.int64), np.full(len(before), 60.0)),
    )
    return replace(system, runs=replace(rows, calendar=np.where(count % 4 == 0, 0, -1)))
