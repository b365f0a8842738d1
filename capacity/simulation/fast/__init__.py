"""The compiled engine: the same answers as the reference, many times faster (docs/simulation-model.md)."""

from __future__ import annotations

from capacity.simulation.columns import SimulationInput
from capacity.simulation.records import SimulationResult
from capacity.simulation.validity import check

from .preparation import Prepared

__all__ = ["Prepared", "prepare", "simulate"]


def prepare(system: SimulationInput, *, checked: bool = True) -> Prepared:
    """The system ready to be simulated many times. Raises ValueError for one that contradicts itself."""
    if checked:
        check(system)
    return Prepared(system)


def simulate(system: SimulationInput, *, record_served: bool = False, checked: bool = True) -> SimulationResult:
    """When every run of the system gets its slot and ends.

    Raises ValueError for a system that contradicts itself; without `checked` it must not.
    """
    return prepare(system, checked=checked).run(record_served=record_served)
