"""Small cases with exact answers that other simulators publish in their own tests.

`cases/*.json` holds each as hosts, VMs and runs with the published start and end of every run, and where a power model
is given (idle and full watts, linear between) the joules. `source` says where it is published. Units: OpenDC's MHz,
CloudSim Plus's MIPS and DSLab's capacity are cores here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from capacity.records import Floats
from capacity.simulation.columns import SimulationInput
from capacity.simulation.energy import energy_j
from capacity.simulation.engines import Engine
from capacity.simulation.records import DemandStep, Relocation, SimulatedHost, SimulatedRun, SimulatedVm

from .checks import Check

EXACT_S = 1e-6
"""Engines promise no more."""


@dataclass(frozen=True)
class Power:
    """Watts of the only host without load and with full load, linear between, and the published joules."""

    idle_w: float
    full_w: float
    energy_j: float


@dataclass(frozen=True)
class Published:
    """A system with the published start and end of every run, in row order."""

    name: str
    source: str
    system: SimulationInput
    start_s: Floats
    end_s: Floats
    power: Power | None = None

    def largest_difference(self, engine: Engine) -> float:
        """Seconds between a published time and the engine's; of the energy, relative to it."""
        result = engine(self.system)
        apart = max(
            float(np.abs(result.start_s - self.start_s).max()),
            float(np.abs(result.end_s - self.end_s).max()),
        )
        if self.power is None:
            return apart
        used_j = energy_j(
            self.system.hosts.cores,
            result.host_core_s,
            float(result.end_s.max()),
            np.array([self.power.idle_w]),
            np.array([self.power.full_w]),
        )
        return max(apart, abs(float(used_j.sum()) / self.power.energy_j - 1))


def cases() -> Iterator[Published]:
    """All of them, by name."""
    folder = resources.files(__package__) / "cases"
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.endswith(".json"):
            yield of_document(path.name.removesuffix(".json"), json.loads(path.read_text(encoding="utf-8")))
    yield thousand_fragments()


def of_document(name: str, case: dict[str, Any]) -> Published:
    """The case that a JSON document describes."""
    hosts = {host["id"]: row for row, host in enumerate(case["hosts"])}
    vms = {vm["id"]: row for row, vm in enumerate(case["vms"])}
    rows = {run["id"]: row for row, run in enumerate(case["runs"])}
    system = SimulationInput.of(
        hosts=[SimulatedHost(**host) for host in case["hosts"]],
        vms=[SimulatedVm(**{**vm, "host": hosts[vm["host"]]}) for vm in case["vms"]],
        runs=[
            SimulatedRun(
                **{
                    **run,
                    "vm": vms[run["vm"]],
                    "after": tuple(rows[before] for before in run.get("after", ())),
                    "demand": tuple(DemandStep(*step) for step in run.get("demand", ())),
                }
            )
            for run in case["runs"]
        ],
        relocations=[
            Relocation(vms[move["vm"]], move["at_s"], move["until_s"], hosts[move["to_host"]], move["keeps_work"])
            for move in case.get("relocations", ())
        ],
    )
    expected = np.array([case["expect"][run["id"]] for run in case["runs"]], dtype=np.float64)
    power = Power(**case["power"]) if "power" in case else None
    return Published(name, case["source"], system, expected[:, 0], expected[:, 1], power)


def thousand_fragments() -> Published:
    """A thousand demand steps of 10 minutes must end at exactly a thousand times 10 minutes."""
    steps = tuple(DemandStep(600.0 * k, 600.0 * (k + 1), 1000.0 + k % 2 * 500.0) for k in range(1000))
    run = SimulatedRun("a", 0, 0.0, 600.0 * 1_250_000, demand=steps)
    return Published(
        name="opendc-flow-12-thousand-fragments",
        source="OpenDC, opendc-sdk-runner tests: FlowDistributorTest 12",
        system=SimulationInput.of((SimulatedHost("h", 2000.0),), (SimulatedVm("v", 0),), (run,)),
        start_s=np.zeros(1),
        end_s=np.array([600_000.0]),
    )


def checks(engine: Engine, name: str) -> list[Check]:
    """A line per case."""
    return [
        Check(
            case=f"{case.name}（{case.source.split(':')[0].split(',')[0]}）",
            expected=f"公表値（処理 {len(case.end_s)} 件{'、電力量' if case.power else ''}）",
            found=f"最大差 {apart:.1e}",
            engine=name,
            passed=apart <= EXACT_S,
        )
        for case in cases()
        for apart in (case.largest_difference(engine),)
    ]
