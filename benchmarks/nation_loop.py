"""The event loop of the compiled engine on a year of the nation: hosts, VMs, runs and hourly online load made up.

`python -m benchmarks.nation_loop 16 4 1` (6 GiB) simulates a sixteenth, a quarter and the whole of it: 4,800 hosts,
70,000 VMs, 45 million runs at two sites, which two threads simulate side by side. Generating, preparing and the
loop are timed apart, as process time and as wall time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from capacity.simulation import fast
from capacity.simulation.columns import HostColumns, OnlineClasses, SimulationInput, VmColumns, plain_runs

HOSTS, VMS, RUNS, SITES = 4_800, 70_000, 45_000_000, 2
HOURS = 365 * 24
CLASSES = 6


def site(part: int, seed: int) -> SimulationInput:
    """One of two sites of a `part`-th of the nation, its runs by release: nightly batches, some by day."""
    rng = np.random.default_rng(seed)
    hosts, vms, runs = (size // SITES // part for size in (HOSTS, VMS, RUNS))
    day = rng.integers(0, 365, runs) * 86_400.0
    by_night = rng.random(runs) < 0.85
    release_s = np.sort(day + np.where(by_night, rng.uniform(20, 28, runs), rng.uniform(8, 18, runs)) * 3600.0)
    return SimulationInput(
        hosts=HostColumns(range(hosts), np.full(hosts, 32.0), np.full(hosts, np.inf), np.full(hosts, -1)),  # type: ignore[arg-type]  # names nobody reads
        vms=VmColumns(
            ids=range(vms),  # type: ignore[arg-type]
            host=np.arange(vms) % hosts,
            vcpu=rng.choice([2.0, 4.0, 8.0], vms),
            slots=rng.integers(1, 5, vms),
            weight=np.ones(vms),
            online_class=rng.integers(0, CLASSES, vms),
            online_cores=rng.uniform(0.2, 1.6, vms),
        ),
        runs=plain_runs(
            range(runs),  # type: ignore[arg-type]
            rng.integers(0, vms, runs),
            release_s,
            rng.lognormal(6.0, 1.0, runs),
            max_cores=rng.choice([1.0, 2.0], runs),
            fixed_s=np.full(runs, 30.0),
        ),
        online=_hourly(),
    )


def _hourly() -> OnlineClasses:
    hour = np.arange(HOURS)
    by_day = np.where((hour % 24 >= 8) & (hour % 24 < 18) & (hour // 24 % 7 < 5), 1.0, 0.1)
    levels = [by_day * (0.8 + 0.2 * np.sin(hour * (number + 1.0))) for number in range(CLASSES)]
    return OnlineClasses(np.arange(CLASSES + 1) * HOURS, np.tile(hour * 3600.0, CLASSES), np.concatenate(levels))


def measure(part: int) -> str:
    """One line: runs, and the seconds each of the three steps took."""
    clocks = []
    with ThreadPoolExecutor(SITES) as pool:
        clocks.append((time.perf_counter(), time.process_time()))
        systems = list(pool.map(lambda number: site(part, number), range(SITES)))
        clocks.append((time.perf_counter(), time.process_time()))
        prepared = list(pool.map(lambda system: fast.prepare(system, checked=False), systems))
        clocks.append((time.perf_counter(), time.process_time()))
        results = list(pool.map(lambda ready: ready.run(), prepared))
        clocks.append((time.perf_counter(), time.process_time()))
    runs = sum(len(result.end_s) for result in results)
    wall, cpu = np.diff(np.array(clocks), axis=0).T
    waited = np.mean(np.concatenate([result.start_s - result.ready_s for result in results]))
    steps = " ".join(
        f"{name} {one:.2f} s ({two:.2f} s CPU)"
        for name, one, two in zip(("generate", "prepare", "loop"), wall, cpu, strict=True)
    )
    return f"1/{part}: {runs:,} runs, {steps}, {runs / wall[2]:,.0f} runs/s, mean wait {waited:.1f} s"


def main(parts: Sequence[str] = ("16", "4", "1")) -> None:
    """Measure these parts of the nation."""
    fast.prepare(site(2400, 0)).run()  # loads (or compiles) the loop
    for part in parts:
        sys.stdout.write(measure(int(part)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:] or ("16",))
