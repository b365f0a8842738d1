"""What is swept: the settings of a simulation of a plan folder, whether it can begin, and the simulation itself."""

from __future__ import annotations

from capacity.simulation.settings import Settings
from layout.folder import PlanFolder
from layout.simulation_records import PlanSimulation

__all__ = ["Settings", "check", "simulate", "what_decides"]


def simulate(folder: PlanFolder, settings: Settings) -> PlanSimulation:
    """One simulation in this process alone; the processes of a sweep are its own. Raises FolderError."""
    from capacity.simulation import study

    return study.simulate_plan(folder, settings, workers=1)


def check(folder: PlanFolder, settings: Settings) -> None:
    """Everything before the first replication: the week, what fails when. Raises FolderError where it cannot be."""
    from capacity.simulation import study

    study.trial_of(folder, study.read(folder, settings), settings)


def what_decides(settings: Settings) -> dict[str, object]:
    """The settings that a plan may contradict: dates and names. Factors and switches fit every plan."""
    return {
        name: value
        for name, value in settings
        if value is not None and not isinstance(value, bool | int | float) and name not in _ANY_PLAN
    }


_ANY_PLAN = frozenset({"engine", "online", "until_figure"})
"""Words that mean the same for every plan."""
