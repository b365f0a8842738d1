"""Results that other commands saved in the plan folder."""

from __future__ import annotations

import re
from typing import TypeVar

from layout import documents, results
from layout.bill_records import BillResult
from layout.errors import FolderError
from layout.folder import PlanFolder
from layout.licence_records import LicenceResult
from layout.simulation_records import PlanSimulation

from . import bill_checks

LICENCES = "licences.json"
BILL = "bill.json"
LATENESS = "simulation/lateness.json"

_ENDLESS = re.compile(rb"[:\[,\s]-?[0-9]{300}")
"""A whole number beyond what a float holds: no page, sheet or chart can show it."""

_Saved = TypeVar("_Saved", LicenceResult, BillResult, PlanSimulation)


def licences(folder: PlanFolder) -> LicenceResult | None:
    """The saved licence count, None when there is none. Raises FolderError for another layout's or a damaged one."""
    return _saved(folder, LICENCES, LicenceResult)


def bill(folder: PlanFolder) -> BillResult | None:
    """The saved bill, None when there is none. Raises FolderError for another layout's, a damaged one, or one that
    does not add up.
    """
    saved = _saved(folder, BILL, BillResult)
    return None if saved is None else bill_checks.require(saved, BILL)


def simulation(folder: PlanFolder) -> PlanSimulation | None:
    """The saved simulation, None when there is none. Raises FolderError for another layout's or a damaged one."""
    return _saved(folder, LATENESS, PlanSimulation)


def _saved(folder: PlanFolder, name: str, model: type[_Saved]) -> _Saved | None:
    if not folder.path.joinpath(name).exists():
        return None
    data = results.read_result(folder, name)
    if _ENDLESS.search(data):
        raise FolderError(f"{name}: 大きすぎる数があります。作り直してください")
    return documents.from_bytes(data, model, name)
