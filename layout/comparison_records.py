"""`kumiai license compare`: the same workload on several layouts, product by product, with hosts and yen.

Money is whole yen over the contract, tax-exclusive. What has no price is listed and in no sum.
"""

from __future__ import annotations

from pydantic import Field

from .bill_records import PriceListReference
from .licence_records import CONTRACT_PREVAILS, CurvePoint, Number
from .records import FORMAT_VERSION, LayoutRecord


class ComparedLayout(LayoutRecord):
    """One layout of the comparison."""

    letter: str
    """A, B, …: how tables and charts name it; the first one is what the others are compared with."""
    source: str
    """As it was named to the command."""
    name: str
    """The estate's name."""
    layout_digest: str
    hosts_in_use: int
    """Hosts on which a VM runs at some time, or on which a product sits."""
    hosts_spare: int
    """Reserve hosts on which nothing runs; they are bought too."""
    violations: int | None
    """Null for a bare layout, whose entitlements are unknown."""
    licences_jpy: int | None
    """Of all products that have a price; null where none has one."""
    hosts_jpy: int | None
    """Of hosts in use and spare ones; null where a model has no price."""
    total_jpy: int | None
    """Hosts and licences; null where either is."""
    unpriced: tuple[str, ...]
    """Rules of products that are in no sum, and models of hosts without a price."""
    because: str
    """How the hosts' yen came to be."""


class ComparedCount(LayoutRecord):
    """One product on one layout."""

    letter: str
    quantity: Number
    packs: int | None
    cost_jpy: int | None
    """Null where there is no price."""
    difference: Number
    """Quantity against the first layout's."""
    difference_jpy: int | None


class ComparedProduct(LayoutRecord):
    """One product on every layout."""

    rule: str
    name: str
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)
    unit: str
    pack: str | None
    evidence: str
    source: str
    unverified: tuple[str, ...]
    counts: tuple[ComparedCount, ...]
    """In the order of the layouts; 0 where the layout has no such product."""
    because: str
    """Why it has no price; empty where it has one."""


class FeeCurve(LayoutRecord):
    """More servers, more fees: what a product counts when its VMs may use so many hosts of a layout."""

    letter: str
    rule: str
    name: str
    unit: str
    evidence: str
    points: tuple[CurvePoint, ...]


class ComparisonResult(LayoutRecord):
    """The whole comparison."""

    format_version: str = FORMAT_VERSION
    verdict: str
    fiscal_year: int
    years: int
    """Length of the contract."""
    notice: str = CONTRACT_PREVAILS
    equal: bool
    """No product, no number of hosts and no number of violations differs."""
    layouts: tuple[ComparedLayout, ...]
    products: tuple[ComparedProduct, ...]
    curves: tuple[FeeCurve, ...]
    price_lists: tuple[PriceListReference, ...]
    notes: tuple[str, ...]

    def to_json(self) -> str:
        """Answers the document of `--json`."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"
