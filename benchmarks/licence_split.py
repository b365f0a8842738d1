"""How long the exact Shapley values of all products of a layout take: 6, 8, 10 and 12 municipalities, 3 runs each.

The layout is made up: 40 VMs per municipality on 12 hosts, 12 products, and a busy season for every fourth VM. A run
prepares the layout, counts all 2^n groups of municipalities for every product, and divides the count as if a licence
cost 100,000 yen. The goal for 10 municipalities is 10 s.
"""

from __future__ import annotations

import statistics
import time

from rich.console import Console
from rich.table import Table

import licensing
from layout.licence_records import ProductResult
from layout.records import Layout
from licensing.splitting import Coalitions, shapley

from .national_layout import FISCAL_YEAR, national_layout

TENANTS = (6, 8, 10, 12)
VMS_PER_TENANT = 40
HOSTS = 12
RUNS = 3
GOAL_TENANTS, GOAL_S = 10, 10.0
LICENCE_JPY = 100_000


def shared_layout(tenants: int) -> Layout:
    """A layout that so many municipalities share."""
    vms = tenants * VMS_PER_TENANT
    layout = national_layout(vms, HOSTS, vms // 4)
    owned = (vm.model_copy(update={"tenant": f"t{n % tenants:02}"}) for n, vm in enumerate(layout.vms))
    return layout.model_copy(update={"vms": tuple(owned)})


def price(product: ProductResult) -> int:
    """Yen of a count, exactly proportional to it."""
    return round(product.quantity * LICENCE_JPY)


def divide(layout: Layout, products: tuple[ProductResult, ...]) -> float:
    """Seconds to divide every product exactly."""
    started = time.perf_counter()
    tenants = sorted({vm.tenant for vm in layout.vms})
    coalitions = Coalitions(layout, fiscal_year=FISCAL_YEAR, shared={})
    for product in products:
        values = shapley.exact(tenants, coalitions.cost(product, price))
        if sum(values.values()) != price(product):
            raise RuntimeError(f"{product.rule}: {sum(values.values())} is not {price(product)}")
    return time.perf_counter() - started


def main() -> None:
    """Prints a row per size with medians over the runs; a missed goal is said."""
    table = Table(title=f"exact Shapley value: median of {RUNS}, goal {GOAL_S:.0f} s for {GOAL_TENANTS} tenants")
    for column in ("tenants", "VMs", "products", "groups", "seconds", "goal"):
        table.add_column(column, justify="right")
    for tenants in TENANTS:
        layout = shared_layout(tenants)
        products = licensing.count(layout, fiscal_year=FISCAL_YEAR, entitlements=None).products
        seconds = statistics.median(divide(layout, products) for _ in range(RUNS))
        verdict = "" if tenants != GOAL_TENANTS else "met" if seconds <= GOAL_S else "MISSED"
        row = (tenants, len(layout.vms), len(products), 2**tenants)
        table.add_row(*(f"{number:,}" for number in row), f"{seconds:.2f}", verdict)
    Console().print(table)


if __name__ == "__main__":
    main()
