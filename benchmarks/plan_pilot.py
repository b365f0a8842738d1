"""How long `kumiai plan` takes, and how much memory: the pilot with 3, 6 and 10 of its municipalities, 3 runs each.

Whole processes, measured by the operating system's accounting (wall seconds, peak resident memory). The three sizes
show the growth. The goal for the whole pilot is 60 s and 2 GiB on 2 cores.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from estate import EstateFile, read_document
from estate.records import SharedSystem

from .processes import measure

PILOT = Path(__file__).parents[1] / "examples" / "pilot" / "estate.yaml"
RUNS = 3
GOAL_S, GOAL_GIB = 60.0, 2.0


def first_tenants(count: int) -> str:
    """The pilot's estate file with its first `count` municipalities only, as JSON (which is YAML)."""
    pilot = read_document(PILOT, EstateFile)
    kept = tuple(tenant.id for tenant in pilot.tenants[:count])
    smaller = pilot.model_copy(
        update={
            "tenants": pilot.tenants[:count],
            "shared": tuple(shared for each in pilot.shared if (shared := _narrowed(each, kept)) is not None),
            "licences": (),
            "flows": (),
            "costs": (),
        }
    )
    return smaller.model_dump_json(exclude_none=True, exclude_defaults=False)


def _narrowed(shared: SharedSystem, kept: tuple[str, ...]) -> SharedSystem | None:
    if shared.tenants == "all":
        return shared
    users = tuple(tenant for tenant in shared.tenants if tenant in kept)
    return shared.model_copy(update={"tenants": users}) if users else None


def main() -> None:
    """Prints a row per size with medians over the runs."""
    table = Table(title=f"kumiai plan: pilot, median of {RUNS}, goal {GOAL_S:.0f} s and {GOAL_GIB:.0f} GiB for 10")
    for column in ("tenants", "wall s", "cpu s", "peak GiB", "exit"):
        table.add_column(column, justify="right")
    for tenants in (3, 6, 10):
        with tempfile.TemporaryDirectory() as folder:
            smaller = Path(folder) / "estate.yaml"
            smaller.write_text(first_tenants(tenants), encoding="utf-8")
            command = [sys.executable, "-m", "kumiai", "plan", str(smaller), "-o", str(Path(folder) / "out")]
            results = [measure(command) for _ in range(RUNS)]
        table.add_row(
            str(tenants),
            f"{statistics.median(r.wall_s for r in results):.1f}",
            f"{statistics.median(r.cpu_s for r in results):.1f}",
            f"{statistics.median(r.peak_gib for r in results):.2f}",
            "/".join(sorted({str(r.exit_code) for r in results})),
        )
    Console().print(table)
