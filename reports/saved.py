"""Results that other commands saved in the plan folder."""

from __future__ import annotations

from typing import TypeVar

from layout import documents, results
from layout.folder import PlanFolder
from layout.licence_records import LicenceResult
from layout.simulation_records import WeekSimulation

LICENCES = "licences.json"
LATENESS = "simulation/lateness.json"

_Saved = TypeVar("_Saved", LicenceResult, WeekSimulation)


def licences(folder: PlanFolder) -> LicenceResult | None:
    """The saved licence count, None when there is none. Raises FolderError for another layout's or a damaged one."""
    return _saved(folder, LICENCES, LicenceResult)


def simulation(folder: PlanFolder) -> WeekSimulation | None:
    """The saved simulation, None when there is none. Raises FolderError for another layout's or a damaged one."""
    return _saved(folder, LATENESS, WeekSimulation)


def _saved(folder: PlanFolder, name: str, model: type[_Saved]) -> _Saved | None:
    if not folder.path.joinpath(name).exists():
        return None
    return documents.from_bytes(results.read_result(folder, name), model, name)
