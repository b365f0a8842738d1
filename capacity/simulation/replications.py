"""One system many times over, each time disturbed by its own random numbers, on several processors."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import islice

import numpy as np

from capacity.records import Floats, Ints

from .columns import RunColumns, SimulationInput
from .disturbance import Disturbance
from .engines import EngineName, engine
from .measures import Measure, Quantity
from .records import SimulationResult
from .streams import RunStreams, StreamKey

CHUNK_RUNS = {"simpy": 1, "fast": 20_000}
"""So many simulated runs (at least one replication) are one task: worth its way to a worker, short for Ctrl-C."""
WORTH_WORKERS = {"simpy": 20_000, "fast": 1_000}
"""Simulated runs from which on a second process (or thread) pays for its start."""
VARIABLE = ("cpu_s", "release_s", "failed_cpu_s", "rerun_delay_s")
"""Columns that a prepared system of the fast engine takes anew in each replication."""


@dataclass(frozen=True)
class Trial:
    """What is replicated: a system, what disturbs it, and what is read off every replication."""

    system: SimulationInput
    keys: Sequence[StreamKey]
    seed: int
    engine: EngineName
    disturbances: tuple[Disturbance, ...]
    measures: tuple[Measure, ...]
    rows: Ints
    """Rows of the runs whose ends are kept."""

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The names of what `Replicated.values` holds."""
        return tuple(quantity for measure in self.measures for quantity in measure.quantities)

    @cached_property
    def _streams(self) -> RunStreams:
        return RunStreams(self.keys, self.seed)

    @cached_property
    def _simulate(self) -> Callable[[SimulationInput], SimulationResult]:
        if self.engine == "simpy":
            return engine("simpy")
        from . import fast

        prepared = fast.prepare(self.system)
        own = self.system

        def simulate(system: SimulationInput) -> SimulationResult:
            if not only_runs_differ(system, own):
                return fast.simulate(system, checked=False)
            columns = {name: getattr(system.runs, name) for name in VARIABLE}
            return prepared.run(
                **{name: column for name, column in columns.items() if column is not getattr(own.runs, name)}
            )

        return simulate

    def disturbed(self, replication: int) -> SimulationInput:
        """The system of one replication."""
        draws = self._streams.draws(replication)
        system = self.system
        for disturbance in self.disturbances:
            system = disturbance(system, draws, replication)
        return system

    def run(self, replications: range) -> Replicated:
        """These replications, one after another."""
        ends = np.empty((len(replications), len(self.rows)))
        values = np.empty((len(replications), len(self.quantities)))
        for row, replication in enumerate(replications):
            system = self.disturbed(replication)
            result = self._simulate(system)
            ends[row] = result.end_s[self.rows]
            values[row] = self._read(system, result, replication)
        return Replicated(ends, values)

    def _read(self, system: SimulationInput, result: SimulationResult, replication: int) -> Floats:
        parts = [np.asarray(measure(system, result, replication)) for measure in self.measures]
        return np.concatenate(parts) if parts else np.zeros(0)

    def __getstate__(self) -> dict[str, object]:
        """Only the fields travel to a worker; it makes its own streams and engine."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Replicated:
    """Replications in order of their number: `ends` (replication x kept run), `values` (replication x quantity)."""

    ends: Floats
    values: Floats

    def __len__(self) -> int:
        return len(self.ends)

    @classmethod
    def joined(cls, parts: Sequence[Replicated]) -> Replicated:
        """All of them, one after another."""
        return cls(np.concatenate([part.ends for part in parts]), np.concatenate([part.values for part in parts]))


def only_runs_differ(changed: SimulationInput, system: SimulationInput) -> bool:
    """Whether `changed` is `system` with other columns of those that a prepared system takes anew."""
    same_parts = all(
        getattr(changed, name) is getattr(system, name) for name in ("hosts", "vms", "online", "changes", "centre")
    )
    return (
        same_parts
        and changed.online_first == system.online_first
        and all(
            getattr(changed.runs, field.name) is getattr(system.runs, field.name)
            for field in fields(RunColumns)
            if field.name not in VARIABLE
        )
    )


def replicate(trial: Trial, most: int, workers: int) -> Generator[Replicated, None, None]:
    """Replications 0, 1, … `most` - 1, in order and in small portions; closing it early stops the rest.

    The numbers are the same for any number of workers: threads for the compiled engine, which lets go of the
    interpreter, and processes for the reference.
    """
    chunk = max(1, min(CHUNK_RUNS[trial.engine] // max(1, len(trial.keys)), -(-most // max(1, workers))))
    portions = iter([range(first, min(first + chunk, most)) for first in range(0, most, chunk)])
    if workers < 2 or most < 2 or most * len(trial.keys) < WORTH_WORKERS[trial.engine]:
        yield from map(trial.run, portions)
        return
    pool, run = _pool(trial, min(workers, most))
    ahead: deque[Future[Replicated]] = deque()
    try:
        with _without_ctrl_c():  # the first tasks start the workers
            ahead.extend(pool.submit(run, portion) for portion in islice(portions, 2 * workers))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(pool.submit(run, portion) for portion in islice(portions, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def _pool(trial: Trial, workers: int) -> tuple[Executor, Callable[[range], Replicated]]:
    if trial.engine == "fast":
        return ThreadPoolExecutor(workers), trial.run
    processes = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_Worker.set_up,
        initargs=(trial,),
    )
    return processes, _Worker.run


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Processes and threads started here never see Ctrl-C, not even while they begin: it is the caller's to handle."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """What a worker process keeps between replications, so that the system travels to it once."""

    trial: Trial

    @classmethod
    def set_up(cls, trial: Trial) -> None:
        cls.trial = trial

    @classmethod
    def run(cls, replications: range) -> Replicated:
        return cls.trial.run(replications)
