"""The queues of theory that are simulated, each with the figures that are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from capacity.records import Floats
from capacity.simulation.engines import Engine

from . import theory
from .checks import Figure
from .queues import Observed, Queue, observe
from .weighted import WeightedQueue, response_means
from .works import Constant, Exponential, Hyperexponential

REPLICATIONS = 40
ROWS_AT_ONCE = 1_000_000
"""Measured runs in one simulated system: memory, not answers, depends on it."""


@dataclass(frozen=True)
class Measure:
    """A figure of a queue: its Japanese name, the exact value, and how replications measure it."""

    name: str
    exact: float
    means: Callable[[Observed], Floats]


@dataclass(frozen=True)
class Study:
    """A queue, what is measured, and in how many measured runs per replication."""

    name: str
    queue: Queue
    measures: tuple[Measure, ...]
    runs: int

    def figures(self, engine: Engine, *, replications: int = REPLICATIONS, share: float = 1.0) -> list[Figure]:
        """What the engine says, with its seed fixed; `share` of the runs shortens it."""
        seed = crc32(self.name.encode())  # queues share no random numbers, or their errors would agree
        runs = max(1, round(self.runs * share))
        at_once = max(1, ROWS_AT_ONCE // runs)
        means: list[list[Floats]] = [[] for _ in self.measures]
        for begin in range(0, replications, at_once):
            some = range(begin, min(begin + at_once, replications))
            observed = observe(self.queue, engine, replications=some, runs=runs, seed=seed)
            for found, measure in zip(means, self.measures, strict=True):
                found.append(measure.means(observed))
        return [
            Figure(f"{self.name} {measure.name}", measure.exact, np.concatenate(found))
            for found, measure in zip(means, self.measures, strict=True)
        ]


def _exponential(arrivals: float, services: float, servers: int, *, shared: bool, runs: int) -> Study:
    name = f"M/M/{servers} λ={arrivals:g} μ={services:g} {'PS' if shared else 'FCFS'}"
    queue = Queue(arrivals, Exponential(1 / services), servers, shared)
    given = (arrivals, services, servers)
    measures = [Measure("平均応答", theory.mmc_response(*given), Observed.response_means)]
    if not shared:
        measures += [
            Measure("平均待ち", theory.mmc_wait(*given), Observed.wait_means),
            Measure("待つ確率（アーランC）", theory.erlang_c(*given), Observed.waiting_shares),
            Measure("待ち行列の長さ", theory.mmc_queue(*given), Observed.queue_means),
        ]
    return Study(name, queue, tuple(measures), runs)


def studies() -> Iterator[Study]:
    """The table of queues, lightest first within each kind."""
    yield _exponential(0.8, 1.0, 1, shared=False, runs=50_000)
    yield _exponential(0.9, 1.0, 1, shared=False, runs=100_000)
    yield _exponential(1.6, 1.0, 2, shared=False, runs=50_000)
    yield _exponential(3.2, 1.0, 4, shared=False, runs=50_000)
    yield _exponential(30.4, 1.0, 32, shared=False, runs=100_000)
    yield _exponential(4.0, 1.0, 5, shared=False, runs=50_000)
    yield _exponential(4.0, 1.0, 6, shared=False, runs=50_000)
    yield _exponential(4.0, 1.0, 10, shared=False, runs=100_000)
    yield _exponential(28.0, 3.0, 10, shared=False, runs=50_000)
    yield _exponential(16.0, 0.75, 22, shared=False, runs=150_000)
    for arrivals, services in ((3.0, 5.0), (4.0, 5.0), (3.0, 6.0)):
        yield _exponential(arrivals, services, 1, shared=True, runs=50_000)
    yield _exponential(3.2, 1.0, 4, shared=True, runs=50_000)
    yield _exponential(30.4, 1.0, 32, shared=True, runs=40_000)
    for load in (0.5, 0.8, 0.9):
        measure = Measure("平均待ち", theory.md1_wait(load, 1.0), Observed.wait_means)
        yield Study(f"M/D/1 {load:g} FCFS", Queue(load, Constant(1.0)), (measure,), 50_000)
    for name, work in (
        ("D", Constant(1.0)),
        ("M", Exponential(1.0)),
        ("H2（変動係数² 4）", Hyperexponential(1.0, 4.0)),
    ):
        measure = Measure("平均応答（仕事の分布によらない）", theory.ps_response(0.8, 1.0), Observed.response_means)
        yield Study(f"M/{name}/1 0.8 PS", Queue(0.8, work, shared=True), (measure,), 50_000)
    yield _present(10.0, 12.0, 3)
    yield _little(3.2, 1.0, 4)


def _present(arrivals: float, services: float, servers: int) -> Study:
    """The state probabilities of Ciw's guide to processor sharing."""

    def share(number: int) -> Measure:
        exact = theory.mmc_number(arrivals, services, servers, number)
        return Measure(f"{number} 件いる確率", exact, lambda observed: observed.number_shares(number))

    name = f"M/M/{servers} λ={arrivals:g} μ={services:g} PS"
    queue = Queue(arrivals, Exponential(1 / services), servers, shared=True)
    return Study(name, queue, tuple(share(number) for number in range(5)), 100_000)


def _little(arrivals: float, services: float, servers: int) -> Study:
    """Little's law: the time average of the number present is lambda times the mean response."""
    exact = arrivals * theory.mmc_response(arrivals, services, servers)
    queue = Queue(arrivals, Exponential(1 / services), servers, shared=True)
    measure = Measure("平均在庫（リトルの法則）", exact, Observed.number_means)
    return Study(f"M/M/{servers} λ={arrivals:g} PS", queue, (measure,), 50_000)


WEIGHTED = (
    WeightedQueue((0.3, 0.3), (1.0, 0.6), (3.0, 1.0)),
    WeightedQueue((0.4, 0.4), (1.0, 1.0), (1.0, 4.0)),
)

WEIGHTED_RUNS = 50_000


def weighted_figures(
    queue: WeightedQueue, engine: Engine, *, replications: int = REPLICATIONS, share: float = 1.0
) -> list[Figure]:
    """Mean responses of both classes, as `Study.figures`."""
    runs = max(1, round(WEIGHTED_RUNS * share))
    exact = theory.weighted_responses(queue.arrivals, queue.services, queue.weights)
    name = f"M/M/1 重み {queue.weights[0]:g}:{queue.weights[1]:g}"
    measured = response_means(queue, engine, replications=replications, runs=runs, seed=crc32(name.encode()))
    return [
        Figure(f"{name} 種別 {number} 平均応答", value, means)
        for number, value, means in zip((1, 2), exact, measured, strict=True)
    ]
