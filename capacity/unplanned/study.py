"""Simulates a whole estate without a plan, group by group, and writes every run.

Nothing is kept of a group but its figures: its runs go to their files as soon as they are known. Groups are
independent, so that two threads take one each; the compiled engine and numpy let the other go on meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from capacity.simulation import reference
from capacity.simulation.columns import SimulationInput
from capacity.simulation.engines import EngineName
from capacity.simulation.records import SimulationResult

from .figures import SiteFigures, figures
from .groups import SiteGroup, group_system
from .store import write_site
from .templates import Templates

_TICK_S = 0.2
Progress = Callable[[str, float], None]


STAGES = ("columns", "preparation", "event_loop", "figures", "writing")


@dataclass
class Stages:
    """Seconds that all threads together spent on each stage: by the clock, and of the processor."""

    clock_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    cpu_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add what happens inside to a stage."""
        clock_s, cpu_s = time.perf_counter(), time.thread_time()
        yield
        self.clock_s[stage] += time.perf_counter() - clock_s
        self.cpu_s[stage] += time.thread_time() - cpu_s

    def add(self, other: Stages) -> None:
        """Take another group's seconds in."""
        for stage in STAGES:
            self.clock_s[stage] += other.clock_s[stage]
            self.cpu_s[stage] += other.cpu_s[stage]


@dataclass
class Study:
    """What was simulated. `interrupted` when sites are missing because somebody stopped it."""

    runs: int
    """Runs of the sites that are there."""
    sites: list[SiteFigures] = field(default_factory=list)
    stages: Stages = field(default_factory=Stages)
    interrupted: bool = False


def simulate(
    templates: Templates,
    groups: tuple[SiteGroup, ...],
    folder: Path,
    *,
    engine: EngineName,
    workers: int,
    progress: Progress,
) -> Study:
    """Simulate every group and write `SITE.parquet` into `folder` for each of its sites.

    After a keyboard interrupt no further group begins; those that are under way are finished, and what is there is
    returned as interrupted. Raises NoRoomError where VMs find no hosts, OSError where a file cannot be written.
    """
    stop = threading.Event()
    study = Study(runs=0)
    total = sum(group.runs for group in groups)

    def one(group: SiteGroup) -> tuple[list[SiteFigures], Stages] | None:
        return None if stop.is_set() else _group(templates, group, folder, engine)

    with ThreadPoolExecutor(workers, thread_name_prefix="site") as pool:
        open_: set[Future[tuple[list[SiteFigures], Stages] | None]] = {pool.submit(one, group) for group in groups}
        while open_:
            try:
                done, open_ = wait(open_, timeout=_TICK_S, return_when=FIRST_COMPLETED)
                for future in done:
                    _take(study, future)
                    progress("拠点ごとに模擬", study.runs / max(total, 1))
            except KeyboardInterrupt:
                stop.set()
                study.interrupted = True
            except BaseException:
                stop.set()
                raise
    return study


def _take(study: Study, future: Future[tuple[list[SiteFigures], Stages] | None]) -> None:
    made = future.result()
    if made is None:
        return
    sites, stages = made
    study.sites += sites
    study.runs += sum(site.runs for site in sites)
    study.stages.add(stages)


def _group(
    templates: Templates, group: SiteGroup, folder: Path, engine: EngineName
) -> tuple[list[SiteFigures], Stages]:
    stages = Stages()
    with stages.timed("columns"):
        made = group_system(templates, group)
    result = _simulated(made.system, engine, stages)
    with stages.timed("figures"):
        found = figures(made, result, templates.calendar.end_s)
    with stages.timed("writing"):
        for number, site in enumerate(group.sites):
            write_site(folder / f"{site}.parquet", made, number, result, templates.calendar.start)
    return found, stages


def _simulated(system: SimulationInput, engine: EngineName, stages: Stages) -> SimulationResult:
    if engine == "simpy":
        with stages.timed("event_loop"):
            return reference.simulate(system)
    from capacity.simulation import fast

    with stages.timed("preparation"):
        # The columns were made from a checked estate: there is nothing to find in tens of millions of rows.
        prepared = fast.prepare(system, checked=False)
    with stages.timed("event_loop"):
        return prepared.run()
