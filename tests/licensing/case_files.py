"""Counting cases as data: a small layout, the rule, the expected count and where that answer is published."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from estate import read_document
from layout.records import Layout, MoveRecord, Product
from tests.licensing.small_layouts import host, layout, vm

CASES = Path(__file__).parents[1] / "cases" / "licensing"


class CaseRecord(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class CaseHost(CaseRecord):
    id: str
    sockets: int
    cores: int
    factors: dict[str, float] = {}
    model: str = "xeon"
    socket_capacity: int | None = None
    products: tuple[str, ...] = ()


class CaseVm(CaseRecord):
    id: str
    host: str
    vcpu: int = 4
    may_run_on: str | None = None
    """`all`, or only its host when absent."""
    pinned: bool = False
    until: datetime | None = None
    products: tuple[str, ...] = ()
    options: dict[str, bool | int | float | str] = {}
    vcpu_changes: tuple[tuple[datetime, datetime, int], ...] = ()


class CaseMove(CaseRecord):
    vm: str
    at: datetime
    from_host: str
    to_host: str


class Expected(CaseRecord):
    quantity: float
    packs: int | None = None


class Case(CaseRecord):
    id: str
    """Number of the vector, or the name of the trap."""
    what: str
    source: str
    rule: str
    as_of: date | None = None
    hosts: tuple[CaseHost, ...]
    vms: tuple[CaseVm, ...] = ()
    moves: tuple[CaseMove, ...] = ()
    expected: Expected

    def layout(self) -> Layout:
        return layout(
            [
                host(
                    h.id,
                    h.sockets,
                    h.cores,
                    h.factors,
                    model=h.model,
                    socket_capacity=h.socket_capacity,
                    products=[Product(rule=rule) for rule in h.products],
                )
                for h in self.hosts
            ],
            [
                vm(
                    v.id,
                    v.host,
                    [Product(rule=rule, options=v.options) for rule in v.products],
                    vcpu=v.vcpu,
                    may_run_on=v.may_run_on,
                    pinned=v.pinned,
                    until=v.until,
                    changes=v.vcpu_changes,
                )
                for v in self.vms
            ],
            moves=[MoveRecord(**move.model_dump()) for move in self.moves],
        )


class CaseFile(CaseRecord):
    format: int = Field(ge=1, le=1)
    cases: tuple[Case, ...]


def counting_cases() -> list[Case]:
    return [case for path in sorted(CASES.glob("*.yaml")) for case in read_document(path, CaseFile).cases]
