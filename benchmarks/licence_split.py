"""How long the exact Shapley values of all products of a layout take, and how that grows.

The layout is made up: a busy season for every fourth VM, and 12 products. A run prepares the layout, counts all 2^n
groups of municipalities for every product, and divides the count as if a licence cost 100,000 yen. First 10
municipalities with once, four times and sixteen times the VMs and hosts; then 6 to 12 municipalities with 40 VMs each.
The goal for 10 municipalities is 10 s.
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

SIZES = ((10, 40, 12), (10, 160, 48), (10, 640, 192))
MEMBERS = ((6, 40, 12), (8, 40, 12), (10, 40, 12), (12, 40, 12))
"""Municipalities, VMs of each, hosts."""
RUNS = 3
GOAL_TENANTS, GOAL_S = 10, 10.0
LICENCE_JPY = 100_000


def shared_layout(tenants: int, vms_per_tenant: int, hosts: int) -> Layout:
    """A layout that so many municipalities share."""
    vms = tenants * vms_per_tenant
    layout = national_layout(vms, hosts, vms // 4)
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


def measured(title: str, sizes: tuple[tuple[int, int, int], ...]) -> Table:
    """A row per size with medians over the runs, and the growth against the size before; a missed goal is said."""
    table = Table(
        title=f"exact Shapley value, {title}: median of {RUNS}, goal {GOAL_S:.0f} s for {GOAL_TENANTS} tenants"
    )
    for column in ("tenants", "VMs", "hosts", "changes", "products", "groups", "seconds", "goal", "growth"):
        table.add_column(column, justify="right")
    before = None
    for tenants, vms_per_tenant, hosts in sizes:
        layout = shared_layout(tenants, vms_per_tenant, hosts)
        products = licensing.count(layout, fiscal_year=FISCAL_YEAR, entitlements=None).products
        seconds = statistics.median(divide(layout, products) for _ in range(RUNS))
        verdict = "" if tenants != GOAL_TENANTS else "met" if seconds <= GOAL_S else "MISSED"
        changes = sum(len(vm.vcpu_changes) for vm in layout.vms)
        row = (tenants, len(layout.vms), hosts, changes, len(products), 2**tenants)
        growth = "" if before is None else f"x {seconds / before:.1f}"
        table.add_row(*(f"{number:,}" for number in row), f"{seconds:.2f}", verdict, growth)
        before = seconds
    return table


def main() -> None:
    """Prints both tables."""
    console = Console(width=max(100, Console().width))  # a pipe has no width
    console.print(measured("1x, 4x, 16x the VMs and hosts", SIZES))
    console.print(measured("more municipalities", MEMBERS))


if __name__ == "__main__":
    main()
