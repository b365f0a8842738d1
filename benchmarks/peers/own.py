"""Our side of the comparison as a process of its own: `python -m benchmarks.peers.own ENGINE TRACE OUT`.

Simulates the trace folder twice, so that the second time shows the warm engine and the first what loading compiled
code (or compiling it) costs. Writes the end of every run to OUT (one per line, in row order) and prints the seconds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from capacity.simulation.engines import engine
from capacity.simulation.records import SimulationResult
from capacity.simulation.traces import read_trace


def main(name: str, trace: Path, out: Path) -> None:
    """Measures the engine `name`; `fast-prepared` repeats a system that was checked and laid out before."""
    begun = time.perf_counter()
    system = read_trace(trace)
    read = time.perf_counter()
    simulate: Callable[[], SimulationResult]
    if name == "fast-prepared":
        from capacity.simulation import fast

        simulate = fast.prepare(system).run
    else:
        simulate = partial(engine("simpy" if name == "simpy" else "fast"), system)
    simulate()
    first = time.perf_counter()
    result = simulate()
    warm = time.perf_counter()
    out.write_text("".join(f"{end_s!r}\n" for end_s in result.end_s.tolist()), encoding="utf-8")
    seconds = {
        "read_s": read - begun,
        "first_s": first - read,
        "run_s": warm - first,
        "inside_s": time.perf_counter() - begun,
    }
    sys.stdout.write(json.dumps(seconds) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
