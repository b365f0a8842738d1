"""The engines by name. Both answer the same question with the same records (docs/simulation-model.md)."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from .columns import SimulationInput
from .records import SimulationResult

EngineName: TypeAlias = Literal["fast", "simpy"]


class Engine(Protocol):
    """When every run of a system gets its slot and ends."""

    def __call__(self, system: SimulationInput, *, record_served: bool = False) -> SimulationResult:
        """Raises ValueError for a system that contradicts itself."""


def engine(name: EngineName = "fast") -> Engine:
    """The engine of that name: `fast` is compiled, `simpy` is the reference that a reader can check by eye."""
    if name == "fast":
        from . import fast  # each engine loads its own large library

        return fast.simulate
    from . import reference

    return reference.simulate
