"""Results that other commands saved in the plan folder, as far as the report shows them."""

from __future__ import annotations

from datetime import date, datetime
from typing import TypeVar

from pydantic import Field

from layout import documents, results
from layout.folder import PlanFolder
from layout.records import LayoutRecord

LICENCES = "licences.json"
LATENESS = "simulation/lateness.json"

Number = int | float


class LicenceDetail(LayoutRecord):
    """What one host or one VM adds."""

    quantity: Number
    because: str


class LicenceProduct(LayoutRecord):
    """One product and the number it needs on `[at, until)`."""

    rule: str
    name: str
    quantity: Number
    unit: str
    packs: int | None
    pack: str | None
    at: datetime
    until: datetime
    details: tuple[LicenceDetail, ...]
    because: str
    evidence: str
    source: str
    unverified: tuple[str, ...]
    notes: tuple[str, ...]


class LicenceViolation(LayoutRecord):
    """On `[from, until)` more is needed than held."""

    rule: str
    vm: str | None
    from_: datetime = Field(alias="from")
    until: datetime
    held: Number
    needed: Number
    unit: str
    hosts: tuple[str, ...] = ()
    busy_season: bool


class LicenceMovement(LayoutRecord):
    """A VM that may move needs licences on source and destination."""

    rule: str
    unit: str
    planned: Number
    pinned: Number
    whole_site: Number
    hosts_planned: int
    hosts_pinned: int
    hosts_whole_site: int


class LicencePoint(LayoutRecord):
    """Count with so many hosts."""

    hosts: int
    quantity: Number


class LicenceCurve(LayoutRecord):
    """More hosts, more licences."""

    rule: str
    unit: str
    points: tuple[LicencePoint, ...]


class LicenceFindings(LayoutRecord):
    """The ministry's three findings on this layout."""

    movement: tuple[LicenceMovement, ...] = ()
    busy_season: tuple[LicenceViolation, ...] = ()
    host_curve: tuple[LicenceCurve, ...] = ()


class SavedLicences(LayoutRecord):
    """`licences.json`."""

    layout_digest: str
    verdict: str
    entitlements_known: bool
    notice: str
    products: tuple[LicenceProduct, ...]
    violations: tuple[LicenceViolation, ...]
    findings: LicenceFindings


class Spread(LayoutRecord):
    """A quantity over the replications, seconds."""

    mean: float
    half_width_95: float | None
    p95: float


class SimulatedJob(LayoutRecord):
    """One job of one tenant in the simulated week."""

    tenant: str
    system: str
    job: str
    runs: int
    lateness_s: Spread
    overrun_s: Spread
    delay_s: Spread
    late_share: float
    overrun_share: float


class SavedSimulation(LayoutRecord):
    """`simulation/lateness.json`."""

    layout_digest: str
    verdict: str
    week: date
    replications: int
    seed: int
    runs: int
    jobs: tuple[SimulatedJob, ...]


_Saved = TypeVar("_Saved", SavedLicences, SavedSimulation)


def licences(folder: PlanFolder) -> SavedLicences | None:
    """The saved licence count, None when there is none. Raises FolderError for another layout's or a damaged one."""
    return _saved(folder, LICENCES, SavedLicences)


def simulation(folder: PlanFolder) -> SavedSimulation | None:
    """The saved simulation, None when there is none. Raises FolderError for another layout's or a damaged one."""
    return _saved(folder, LATENESS, SavedSimulation)


def _saved(folder: PlanFolder, name: str, model: type[_Saved]) -> _Saved | None:
    if not folder.path.joinpath(name).exists():
        return None
    return documents.from_bytes(results.read_result(folder, name), model, name)
