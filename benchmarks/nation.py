"""How long the whole nation takes, and how its time and memory grow: 108, 435 and 1,741 municipalities.

Whole processes, measured by the operating system's accounting: `kumiai check` (goal 5 s) and `kumiai simulate ESTATE
-o OUT` (goal 120 s and 6 GiB on 2 cores, its event loop 20 s). The stages are those that the command itself writes to
summary.json, in seconds of the clock and of the processor, added up over its threads; Parquet is `writing`. The
first, smallest simulation is done twice and counted once, so that compilation is not in the figures.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from capacity.unplanned.study import STAGES
from estate.national import estate_text

from .processes import Measured, measure

TENANTS = (108, 435, 1741)
GOALS = "check 5 s; simulate 120 s and 6 GiB; event loop 20 s on 2 cores"


def main() -> None:
    """Prints a row per size, the stages of the largest, and the growth from size to size."""
    table = Table(title=f"nation, one run each; goals for 1,741: {GOALS}")
    for column in (
        "tenants", "runs", "check s", "check cpu s", "simulate s", "simulate cpu s", "event loop s", "event loop cpu s",
        "runs/s", "peak GiB", "Parquet MiB", "exit",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    stages = Table(title="stages, seconds of the processor over both threads (clock)")
    for column in ("tenants", *STAGES):
        stages.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _simulate(_written(folder, TENANTS[0]), folder / "warm")
        for tenants in TENANTS:
            estate = _written(folder, tenants)
            checked = measure([sys.executable, "-m", "kumiai", "check", str(estate)])
            simulated, summary = _simulate(estate, folder / f"out-{tenants}")
            size = sum(path.stat().st_size for path in (folder / f"out-{tenants}" / "runs").iterdir())
            loop = summary["stages"]["event_loop"]
            table.add_row(
                f"{tenants:,}",
                f"{summary['runs']:,}",
                f"{checked.wall_s:.1f}",
                f"{checked.cpu_s:.1f}",
                f"{simulated.wall_s:.1f}",
                f"{simulated.cpu_s:.1f}",
                f"{summary['event_loop_s']:.1f}",
                f"{loop['cpu_s']:.1f}",
                f"{summary['runs'] / max(loop['cpu_s'], 1e-3):,.0f}",
                f"{simulated.peak_gib:.2f}",
                f"{size / 1024**2:.0f}",
                f"{checked.exit_code}/{simulated.exit_code}",
            )
            seconds = (summary["stages"][stage] for stage in STAGES)
            stages.add_row(f"{tenants:,}", *(f"{each['cpu_s']:.1f} ({each['clock_s']:.1f})" for each in seconds))
    console = Console()
    console.print(table)
    console.print(stages)


def _written(folder: Path, tenants: int) -> Path:
    path = folder / f"estate-{tenants}.yaml"
    path.write_text(estate_text(tenants), encoding="utf-8")
    return path


def _simulate(estate: Path, output: Path) -> tuple[Measured, dict[str, Any]]:
    found = measure([sys.executable, "-m", "kumiai", "simulate", str(estate), "-o", str(output)])
    return found, json.loads((output / "summary.json").read_text(encoding="utf-8"))
