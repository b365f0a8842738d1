"""Small plans for the tests of bills: three municipalities, six hosts of 2 x 16 cores, chosen products and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import licensing
from estate.records import CostItem, CurrentCost
from layout import folder
from layout.bill_records import BillResult
from layout.records import Product, RunRecord
from layout.tables import PROFILE
from licensing import billing, pricing, splitting
from tests.layout.builder import Builder

RECORD = RunRecord(
    kumiai_version="0", versions={}, estate_digest="e" * 64, layout_digest="", seed=0, timings_s={}, fits=True,
    verdict="判定：適合", runs=0,
)  # fmt: skip
PEOPLE = {"t00": 1000, "t01": 3000, "t02": 6000}


def cost(cost_id: str, amount: int, **fields: object) -> CostItem:
    plain = {"name": cost_id, "phase": "運用", "kind": "running", "basis": "assumed", "source": "試験"}
    return CostItem(**{"id": cost_id, "amount_jpy": amount, **plain, **fields})


def current(tenant: str, amount: int, **fields: object) -> CurrentCost:
    plain = {"id": f"{tenant}-{amount}", "name": "現行", "kind": "running", "basis": "assumed", "source": "試験"}
    return CurrentCost(**{"tenant": tenant, "amount_jpy": amount, **plain, **fields})


def plan(
    products: Mapping[str, Sequence[Product]] | None = None,
    costs: Sequence[CostItem] = (),
    currents: Sequence[CurrentCost] = (),
    dates: Mapping[str, Mapping[str, object]] | None = None,
) -> folder.PlanFolder:
    """A plan folder that is on no disk. `products` are by role (ap, db), or by VM; `dates` by tenant."""
    builder = Builder(tenants=3, systems=1)
    estate, layout = builder.estate(), builder.layout()
    tenants = tuple(
        tenant.model_copy(update={"population": PEOPLE[tenant.id], **(dates or {}).get(tenant.id, {})})
        for tenant in estate.tenants
    )
    chosen = products or {}
    vms = tuple(
        vm.model_copy(update={"products": tuple(chosen.get(vm.id, chosen.get(vm.role, ())))}) for vm in layout.vms
    )
    return folder.assemble(
        Path("plan"),
        folder.FolderContents(
            estate=estate.model_copy(
                update={"tenants": tenants, "costs": tuple(costs), "current_costs": tuple(currents)}
            ),
            layout=layout.model_copy(update={"vms": vms}),
            runs=builder.runs(),
            online=builder.online(),
            profile=PROFILE.empty_table(),
            run=RECORD,
        ),
    )


def bill(of: folder.PlanFolder, book: pricing.PriceBook, **options: object) -> BillResult:
    """The bill as the command makes it."""
    licences = licensing.count(
        of.layout,
        fiscal_year=of.layout.estate.fiscal_year,
        entitlements=None,
        layout_digest=of.layout_digest,
        residents=billing.residents(of.estate),
    )
    methods = splitting.load(None, billing.payers(of.estate))
    return billing.bill(of, licences, book, **{"methods": methods, **options})


def by_year(result: BillResult) -> dict[str, tuple[int, ...]]:
    return {item.id: tuple(year.amount_jpy for year in item.years) for item in result.items}
