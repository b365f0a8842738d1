"""Our side of the comparison as a process of its own: `python -m benchmarks.peers.own ENGINE TRACE OUT`.

Simulates the trace folder once, which for the compiled engine includes loading its code, and then warm: the reference
once more, the compiled engine, whose hundredths of a second are easily disturbed, five times (their median). Writes
the end of every run to OUT (one per line, in row order) and prints the seconds.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from unittest import mock

from capacity.simulation.columns import SimulationInput
from capacity.simulation.engines import engine
from capacity.simulation.records import SimulationResult
from capacity.simulation.traces import read_trace

REPEATS = 5

Simulate = Callable[[], SimulationResult]


def main(name: str, trace: Path, out: Path) -> None:
    """Measures the engine `name` on the trace folder.

    `fast-prepared` repeats a system that was checked and laid out before; `fast-compiled` has an empty cache.
    """
    prepare = _reference if name == "simpy" else _fast(name)
    empty_cache: AbstractContextManager[object] = nullcontext()
    if name == "fast-compiled":
        roots = "capacity.simulation.fast.cache.cache_roots"
        empty_cache = mock.patch(roots, return_value=(out.parent,))
    begun = time.perf_counter()
    system = read_trace(trace)
    read = time.perf_counter()
    with empty_cache:
        simulate = prepare(system)
        simulate()
    first = time.perf_counter()
    result, run_s = _timed(simulate, 1 if name == "simpy" else REPEATS)
    out.write_text("".join(f"{end_s!r}\n" for end_s in result.end_s.tolist()), encoding="utf-8")
    seconds = {
        "read_s": read - begun,
        "first_s": first - read,
        "run_s": run_s,
        "inside_s": time.perf_counter() - begun,
    }
    sys.stdout.write(json.dumps(seconds) + "\n")


def _reference(system: SimulationInput) -> Simulate:
    return partial(engine("simpy"), system)


def _fast(name: str) -> Callable[[SimulationInput], Simulate]:
    from capacity.simulation import fast  # loads numba, which the reference does not need

    if name == "fast-prepared":
        return lambda system: fast.prepare(system).run
    return lambda system: partial(fast.simulate, system)


def _timed(simulate: Simulate, repeats: int) -> tuple[SimulationResult, float]:
    """The last result, and the median of the seconds."""
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        result = simulate()
        seconds.append(time.perf_counter() - begun)
    return result, statistics.median(seconds)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
