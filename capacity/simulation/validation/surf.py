"""A published week of a real machine room: the electricity that OpenDC's own test expects, to all its digits.

SURF's week (6,295 tasks of one 16-core node each, 2,323,475 fragments of 30 s) on 279 hosts, power linear from 32 to
180 W: 1.21125541e10 J (OpenDC, opendc-sdk-runner tests: DemoExperimentsTest, which allows 1e6 J; an independent replay
gives the same digits). The trace is read by the importer that users have.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from capacity.imports.surf import read_surf
from capacity.simulation.engines import Engine
from capacity.simulation.traces import read, summary, write_trace

from .checks import Check

HOSTS = 279
EXPECTED_J = 1.21125541e10
LAST_DIGIT_J = 100.0


def check(folder: Path, engine: Engine, name: str) -> Check:
    """The line of the table for the week in `folder`. Raises TraceError for a folder that is not the week."""
    imported = read_surf(folder, folder / f"hosts_{HOSTS}.json")
    with tempfile.TemporaryDirectory() as scratch:
        trace = Path(scratch) / "trace"
        write_trace(trace, imported.tables, imported.document())
        written = read(trace)
    found = summary(written.system, engine(written.system), written.power)["energy_j"]
    energy = float(found) if found is not None else 0.0
    return Check(
        case=f"SURF の 1 週間（OpenDC 公開トレース、{len(written.system.runs):,} 件、{HOSTS} 台）電力量",
        expected=f"{EXPECTED_J:.8e} J",
        found=f"{energy:.8e} J",
        engine=name,
        passed=abs(energy - EXPECTED_J) <= LAST_DIGIT_J / 2,
    )
