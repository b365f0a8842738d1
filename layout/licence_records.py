"""`licences.json`: what a layout needs, where it violates, what the ministry's findings mean for it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

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

    @model_serializer(mode="wrap")
    def _one_owner(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


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

    @property
    def exit_code(self) -> int:
        """3 with violations, else 0."""
        return 3 if self.violations else 0

    def to_json(self) -> str:
        """Answers the document of `licences.json` and of `--json`."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"
