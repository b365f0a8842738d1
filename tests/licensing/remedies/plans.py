"""Plan folders for remedies: a small layout with what is held, around an estate without any runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa

from estate.clock import JST
from estate.records import Entitlement
from layout import folder
from layout.folder import FolderContents, PlanFolder
from layout.records import Layout, RunRecord
from layout.tables import ONLINE, PROFILE, RUNS
from tests.layout.builder import Builder

CASES = Path(__file__).parents[2] / "cases" / "licensing" / "remedies"
PRICES = CASES / "prices.yaml"


def at(month: int, day: int, hour: float = 0, year: int = 2027) -> datetime:
    return datetime(year, month, day, int(hour), round(hour % 1 * 60), tzinfo=JST)


def held(
    rule: str,
    quantity: float,
    *,
    name: str = "e",
    tenants: tuple[str, ...] = (),
    from_: date | None = None,
    until: date | None = None,
) -> Entitlement:
    return Entitlement(
        id=name, rule=rule, quantity=quantity, tenants=tenants, **{"from": from_}, until=until, source="契約書"
    )


def plan(
    layout: Layout,
    entitlements: Sequence[Entitlement],
    online: Sequence[tuple[str, datetime, datetime, float]] = (),
) -> PlanFolder:
    """A plan folder that was never written: the layout, what is held, no runs, and this online load."""
    columns = {name: [row[i] for row in online] for i, name in enumerate(ONLINE.names)}
    estate = Builder(tenants=1, systems=1, start=date(2027, 4, 1), days=366).estate()
    record = RunRecord(
        kumiai_version="0",
        versions={},
        estate_digest="e" * 64,
        layout_digest="",
        seed=0,
        timings_s={},
        fits=True,
        verdict="判定：適合",
        runs=0,
    )
    contents = FolderContents(
        estate.model_copy(update={"entitlements": tuple(entitlements)}),
        layout,
        RUNS.empty_table(),
        pa.table(columns, schema=ONLINE),
        PROFILE.empty_table(),
        record,
    )
    return folder.assemble(Path("plan"), contents)
