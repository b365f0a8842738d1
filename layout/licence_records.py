"""`licences.json`: what a layout needs, where it violates, what the ministry's findings mean for it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from .records import FORMAT_VERSION, LayoutRecord

CONTRACT_PREVAILS = (
    "この数は公開された規則の計算例です。契約書が優先します。発注の前に契約書と販売元で確かめてください。"
)

Number = int | float


class DetailResult(LayoutRecord):
    """What one host or one VM adds."""

    host: str | None = None
    vm: str | None = None
    quantity: Number
    because: str
    grade: str | None = None
    """Class of the licence, where size chooses one."""

    @model_serializer(mode="wrap")
    def _one_owner(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


class GradeCount(LayoutRecord):
    """So many licences of one class."""

    grade: str
    quantity: Number


class SeriesStep(LayoutRecord):
    """The count on `[from, until)`, as the rule's time law owes it."""

    from_: datetime = Field(alias="from")
    until: datetime
    quantity: Number


class ProductResult(LayoutRecord):
    """One product: the number its time law requires, and why."""

    rule: str
    name: str
    options: dict[str, bool | int | float | str]
    quantity: Number
    unit: str
    packs: int | None
    """Packs to buy; null where licences are sold one by one."""
    pack: str | None
    at: datetime
    """First instant of the count that decides."""
    until: datetime
    details: tuple[DetailResult, ...]
    because: str
    evidence: str
    """P, D, S, C or unverified."""
    source: str
    valid_from: date
    unverified: tuple[str, ...]
    notes: tuple[str, ...]
    law: str = "instant-maximum"
    """How the year becomes one number: instant-maximum, concurrent-peak, or hourly-meter (then `quantity` is the sum
    over the hours)."""
    grades: tuple[GradeCount, ...] = ()
    series: tuple[SeriesStep, ...] | None = None
    """The whole year, step by step; null unless it was asked for."""
    vendor: str | None = None
    """As the rule says."""


class ViolationResult(LayoutRecord):
    """On `[from, until)` `needed` exceeds `held`: of the VM, or of the product where hosts are counted."""

    rule: str
    vm: str | None
    host: str | None
    from_: datetime = Field(alias="from")
    until: datetime
    held: Number
    needed: Number
    unit: str
    hosts: tuple[str, ...] = ()
    """All hosts that the licences held do not cover."""
    busy_season: bool
    """The VM has a temporary number of vCPUs then."""
    because: str


class RetimedRun(LayoutRecord):
    """A job run that could run at another time with the VM's normal number of vCPUs."""

    run: str
    planned: datetime
    """Start as planned."""
    start: datetime
    end: datetime


class RemedyResult(LayoutRecord):
    """One way out of a violation. Costs are for the fiscal year's need, over the contract's years."""

    kind: Literal["buy-peak", "hourly", "physical", "pin", "retime"]
    feasible: bool
    quantity: Number | None
    """Licences (or metered units) to add; null where the remedy is not possible."""
    unit: str | None
    packs: int | None = None
    """Packs to buy; null where licences are sold one by one or nothing is bought."""
    hosts: tuple[str, ...] = ()
    """Of `pin`: the hosts that the product's VMs may use from then on."""
    runs: tuple[RetimedRun, ...] = ()
    """Of `retime`: the runs of the violation's VM that start at another time or take longer."""
    cost_jpy: int | None
    """Yen over the contract; null where a price is missing or the remedy is not possible."""
    because: str


class ViolationRemedies(LayoutRecord):
    """The ways out of one violation, side by side."""

    rule: str
    vm: str | None
    host: str | None
    from_: datetime = Field(alias="from")
    until: datetime
    options: tuple[RemedyResult, ...]
    cheapest: str | None
    """Kind of the cheapest one that is possible and priced."""
    because: str


class MovementResult(LayoutRecord):
    """Finding 1: a VM that may move needs licences on source and destination."""

    rule: str
    unit: str
    planned: Number
    pinned: Number
    whole_site: Number
    hosts_planned: int
    hosts_pinned: int
    hosts_whole_site: int
    because: str


class CurvePoint(LayoutRecord):
    """Count with so many hosts."""

    hosts: int
    quantity: Number


class CurveResult(LayoutRecord):
    """Finding 3: more hosts, more licences."""

    rule: str
    unit: str
    hosts: tuple[str, ...]
    points: tuple[CurvePoint, ...]
    because: str


class FindingsResult(LayoutRecord):
    """The ministry's three findings on this layout."""

    movement: tuple[MovementResult, ...] = ()
    busy_season: tuple[ViolationResult, ...] = ()
    """Finding 2: violations by a temporary number of vCPUs."""
    host_curve: tuple[CurveResult, ...] = ()


class LicenceResult(LayoutRecord):
    """The whole result."""

    format_version: str = FORMAT_VERSION
    layout_digest: str
    """sha256 of the bytes of layout.json."""
    verdict: str
    fiscal_year: int
    as_of: date | None
    entitlements_known: bool
    notice: str = CONTRACT_PREVAILS
    products: tuple[ProductResult, ...]
    violations: tuple[ViolationResult, ...]
    findings: FindingsResult
    remedies: tuple[ViolationRemedies, ...] = ()
    """In the order of `violations`; violations that one remedy mends together are named together in `because`."""

    @property
    def exit_code(self) -> int:
        """3 with violations, else 0."""
        return 3 if self.violations else 0

    def to_json(self) -> str:
        """Answers the document of `licences.json` and of `--json`."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"
