"""How long `kumiai license count` takes on a layout as large as the nation, on a quarter and on a sixteenth of it.

Whole processes: start of Python, reading the file, counting the year, explanations of every host and VM, JSON out.
The goal at full size is 5 s and 2 GiB on 2 cores.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from layout import layout_file

from .national_layout import SHARE_OF_VMS, national_layout
from .processes import measure

RUNS = 3
GOAL_S, GOAL_GIB = 5.0, 2.0
VMS, HOSTS, CHANGES = 75_000, 4_800, 20_000


def main() -> None:
    """Prints a row per size with medians over the runs, and the growth against the size before."""
    table = Table(
        title=f"kumiai license count: {len(SHARE_OF_VMS)} products, the whole year, median of {RUNS}, "
        f"goal {GOAL_S:.0f} s and {GOAL_GIB:.0f} GiB for the last row"
    )
    for column in ("VMs", "hosts", "vCPU changes", "wall s", "cpu s", "peak GiB", "exit", "goal", "growth"):
        table.add_column(column, justify="right")
    before = None
    for part in (16, 4, 1):
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "layout.json"
            path.write_bytes(layout_file.layout_bytes(national_layout(VMS // part, HOSTS // part, CHANGES // part)))
            command = [sys.executable, "-m", "kumiai", "license", "count", str(path), "--json"]
            results = [measure(command) for _ in range(RUNS)]
        wall_s = statistics.median(result.wall_s for result in results)
        peak_gib = statistics.median(result.peak_gib for result in results)
        verdict = "" if part != 1 else "met" if wall_s <= GOAL_S and peak_gib <= GOAL_GIB else "MISSED"
        table.add_row(
            f"{VMS // part:,}",
            f"{HOSTS // part:,}",
            f"{CHANGES // part:,}",
            f"{wall_s:.2f}",
            f"{statistics.median(result.cpu_s for result in results):.2f}",
            f"{peak_gib:.2f}",
            "/".join(sorted({str(result.exit_code) for result in results})),
            verdict,
            "" if before is None else f"x {wall_s / before:.1f} for 4x",
        )
        before = wall_s
    Console().print(table)


if __name__ == "__main__":
    main()
