"""One night (`workload.py`) on CloudSim Plus, SimGrid, our SimPy reference and our fast engine, side by side.

Every program runs in a process of its own, one after the other, five rounds of all, so that a slow minute of the
machine meets all of them. Figures are medians over the rounds:

- start: from the process's start to its own code (interpreter or virtual machine, imports);
- read: the trace folder into plain rows;
- first: the first simulation in the process, from those rows to the ends of all runs. It includes loading compiled
  code from its cache (fast) or warming up (Java);
- warm: a later simulation in the process (fast: the median of five); for CloudSim Plus and SimGrid, which keep global
  state and are measured once per process, the same as first. CloudSim Plus runs so long that its just-in-time
  compiler's warm-up does not tell.

Building or compiling for the first time is timed apart, once. The ends are compared run by run with the reference's;
CloudSim Plus discards events closer than 0.1 s to each other and approximates sharing, which makes single runs end
minutes earlier or later while the mean stays within 1 %. Goals: fast at least 500 times CloudSim Plus and 400,000
runs/s warm, reference at least 10,000 runs/s.
"""

from __future__ import annotations

import csv
import platform
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .programs import BUILD, MissingProgramError, Program, Timing, cloudsim_plus, own, simgrid
from .workload import Size, write_trace

ROUNDS = 5
REFERENCE, FAST, CLOUDSIM = "reference (SimPy)", "fast", "CloudSim Plus 8.5.7"
GOAL_RATIO, GOAL_FAST, GOAL_REFERENCE = 500.0, 400_000.0, 10_000.0


@dataclass(frozen=True)
class Row:
    """Medians of one program, and what it answered."""

    start_s: float
    read_s: float
    first_s: float
    run_s: float
    makespan_s: float
    mean_response_s: float
    largest_difference_s: float
    """Between the end of a run here and in the reference."""


def programs(say: Callable[[str], None]) -> list[Program]:
    """What can be measured here, built; what cannot is said with the reason."""
    found = []
    for build in (cloudsim_plus, simgrid):
        try:
            found.append(build())
        except MissingProgramError as error:
            say(f"{build.__name__}: not measured, {error}")
    return [*found, own(REFERENCE, "simpy"), own(FAST, "fast"), own("fast, prepared", "fast-prepared")]


def compile_seconds(trace: Path) -> float:
    """What the fast engine's first simulation ever costs: it compiles, with an empty cache."""
    timing = own("fast, compiled", "fast-compiled").measure(trace)
    return timing.first_s - timing.run_s


def medians(timings: list[Timing], release_s: list[float], reference: tuple[float, ...]) -> Row:
    """One row from a program's rounds; every round must have answered the same."""
    end_s = timings[0].end_s
    if any(timing.end_s != end_s for timing in timings):
        raise RuntimeError("two rounds of one program differ")
    return Row(
        start_s=statistics.median(timing.start_s for timing in timings),
        read_s=statistics.median(timing.read_s for timing in timings),
        first_s=statistics.median(timing.first_s for timing in timings),
        run_s=statistics.median(timing.run_s for timing in timings),
        makespan_s=max(end_s) - min(release_s),
        mean_response_s=statistics.fmean(end - release for end, release in zip(end_s, release_s, strict=True)),
        largest_difference_s=max(abs(end - other) for end, other in zip(end_s, reference, strict=True)),
    )


def table_of(rows: dict[str, Row], size: Size) -> Table:
    """The comparison as a table."""
    slowest = rows.get(CLOUDSIM)
    table = Table(
        title=f"{size.hosts} hosts, {size.vms:,} VMs, {size.runs:,} runs: median of {ROUNDS} interleaved rounds"
    )
    headings = ("program", "start s", "read s", "first s", "warm s", "runs/s", "x CloudSim", "makespan s", "response s")
    for heading in (*headings, "largest difference s"):
        table.add_column(heading, justify="left" if heading == "program" else "right")
    for name, row in rows.items():
        table.add_row(
            name,
            f"{row.start_s:.2f}",
            f"{row.read_s:.3f}",
            f"{row.first_s:.3f}",
            f"{row.run_s:.4f}",
            f"{size.runs / row.run_s:,.0f}",
            f"{slowest.run_s / row.run_s:,.1f}" if slowest else "",
            f"{row.makespan_s:.3f}",
            f"{row.mean_response_s:.4f}",
            f"{row.largest_difference_s:.1e}",
        )
    return table


def goals(rows: dict[str, Row], size: Size) -> list[str]:
    """Each goal with its measurement and whether it was met."""
    fast, reference = size.runs / rows[FAST].run_s, size.runs / rows[REFERENCE].run_s
    said = [
        _goal("fast", fast, GOAL_FAST, "runs/s warm"),
        _goal("reference", reference, GOAL_REFERENCE, "runs/s"),
    ]
    if CLOUDSIM in rows:
        said.append(_goal("fast", rows[CLOUDSIM].run_s / rows[FAST].run_s, GOAL_RATIO, "times CloudSim Plus"))
    return said


def _goal(name: str, measured: float, goal: float, unit: str) -> str:
    return f"{name}: {measured:,.0f} {unit}, goal {goal:,.0f}: {'met' if measured >= goal else 'MISSED'}"


def main() -> None:
    """Prints the table, the seconds of building and compiling, and the goals."""
    console = Console(width=max(150, Console().width))  # a pipe has no width
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder)
        size = write_trace(trace)
        with (trace / "runs.csv").open(encoding="utf-8", newline="") as runs:
            release_s = [float(row["release_s"]) for row in csv.DictReader(runs)]
        compared = programs(console.print)
        compile_s = compile_seconds(trace)
        timings: dict[str, list[Timing]] = {program.name: [] for program in compared}
        for _ in range(ROUNDS):
            for program in compared:
                timings[program.name].append(program.measure(trace))
    reference = timings[REFERENCE][0].end_s
    rows = {name: medians(measured, release_s, reference) for name, measured in timings.items()}
    console.print(table_of(rows, size))
    for program in compared:
        if program.once_s is not None:
            console.print(f"{program.name}: built in {program.once_s:.1f} s")
    console.print(f"fast: compiling for the first time takes {compile_s:.1f} s, then cached")
    for line in goals(rows, size):
        console.print(line)
    console.print(f"Python {platform.python_version()}; {_version('java', '-version')}; {_version('g++', '--version')}")


def _version(*command: str) -> str:
    try:
        ran = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError:
        return f"no {command[0]}"
    return ran.stdout.partition("\n")[0]
