"""The format of the case files: a small layout, a rule, the published or hand-computed answer or refusal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from estate import read_document
from layout.records import Layout, MoveRecord, Product
from licensing.records import OptionValue
from tests.licensing.small_layouts import host, layout, vm

CASES = Path(__file__).parents[1] / "cases" / "licensing"


class CaseRecord(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class CaseUse(CaseRecord):
    rule: str
    options: dict[str, OptionValue] = {}


Uses = tuple[str | CaseUse, ...]
"""Rules, or rules with options of their own."""


class CaseHost(CaseRecord):
    id: str
    copies: int = Field(default=1, ge=1)
    """So many hosts of this kind, named `id-1` and so on."""
    sockets: int
    cores: int
    """Per socket."""
    threads: int | None = 2
    """Per core; null where a bare layout does not say it."""
    factors: dict[str, float] = {}
    model: str = "xeon"
    socket_capacity: int | None = None
    memory_mib: int = 524288
    site: str = "main"
    products: Uses = ()
    options: dict[str, OptionValue] = {}


class CaseVm(CaseRecord):
    id: str
    host: str
    copies: int = Field(default=1, ge=1)
    vcpu: int = 4
    memory_mib: int = 8192
    may_run_on: str | None = None
    """`all`, a set of the case, or only its host when absent."""
    pinned: bool = False
    affinity: tuple[str, ...] = ()
    site: str = "main"
    tenant: str = "hita"
    system: str = "resident-tax"
    from_: datetime | None = Field(default=None, alias="from")
    until: datetime | None = None
    products: Uses = ()
    options: dict[str, OptionValue] = {}
    """Of the products that are written as rules only."""
    vcpu_changes: tuple[tuple[datetime, datetime, int], ...] = ()


class CaseMove(CaseRecord):
    vm: str
    at: datetime
    from_host: str
    to_host: str


class Expected(CaseRecord):
    """Either numbers or a refusal."""

    quantity: float | None = None
    packs: int | None = None
    grades: dict[str, float] | None = None
    unverified: bool | None = None
    """Whether the count must print 未確認."""
    unit_price: int | None = None
    cost: int | None = None
    """Quantity times `unit_price`, where a source publishes a sum of money."""
    quantities: dict[str, float] | None = None
    """By rule: the same layout under several of them."""
    refused: tuple[str, ...] = ()
    """Texts of the one line that refuses the layout."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if [self.quantity is not None, self.quantities is not None, bool(self.refused)].count(True) != 1:
            raise ValueError("expected: one of quantity, quantities, refused")
        return self


class Case(CaseRecord):
    id: str
    """Number of the vector, or the name of the trap."""
    what: str
    """With the arithmetic, where a number was computed by hand."""
    source: str
    rule: str | None = None
    line: dict[str, OptionValue] | None = None
    """Separate options of the line that is meant, where a rule has several."""
    as_of: date | None = None
    fiscal_year: int = 2027
    sets: dict[str, tuple[str, ...]] = {}
    residents: dict[str, int] | None = None
    hosts: tuple[CaseHost, ...]
    vms: tuple[CaseVm, ...] = ()
    moves: tuple[CaseMove, ...] = ()
    expected: Expected

    def layout(self) -> Layout:
        return layout(
            [
                host(
                    name,
                    h.sockets,
                    h.cores,
                    h.factors,
                    site=h.site,
                    model=h.model,
                    threads=h.threads,
                    memory_mib=h.memory_mib,
                    socket_capacity=h.socket_capacity,
                    products=_products(h.products, h.options),
                )
                for h in self.hosts
                for name in _names(h.id, h.copies)
            ],
            [
                vm(
                    name,
                    v.host,
                    _products(v.products, v.options),
                    vcpu=v.vcpu,
                    memory_mib=v.memory_mib,
                    may_run_on=v.may_run_on,
                    pinned=v.pinned,
                    affinity=v.affinity,
                    site=v.site,
                    tenant=v.tenant,
                    system=v.system,
                    from_=v.from_,
                    until=v.until,
                    changes=v.vcpu_changes,
                )
                for v in self.vms
                for name in _names(v.id, v.copies)
            ],
            sets=self.sets,
            moves=[MoveRecord(**move.model_dump()) for move in self.moves],
        )


class CaseFile(CaseRecord):
    format: int = Field(ge=1, le=1)
    cases: tuple[Case, ...]


def counting_cases() -> list[Case]:
    return [case for path in sorted(CASES.glob("*.yaml")) for case in read_document(path, CaseFile).cases]


def _names(name: str, copies: int) -> Sequence[str]:
    return [name] if copies == 1 else [f"{name}-{number}" for number in range(1, copies + 1)]


def _products(uses: Uses, options: dict[str, OptionValue]) -> list[Product]:
    return [
        Product(rule=use, options=options) if isinstance(use, str) else Product(rule=use.rule, options=use.options)
        for use in uses
    ]
