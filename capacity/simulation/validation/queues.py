"""Theory's queues as simulated systems, many independent ones side by side, each started in its stationary state.

**The transient** is not cut off but never arises: every replication starts with what a random look at the queue in its
stationary state finds, and by PASTA (Wolff 1982) each later arrival finds the same law. That state is known for
- M/M/c: the number present is Erlang's, what is left of each work exponential;
- M/G/1 with processor sharing: a geometric number present, each with an independent residual work (Kelly,
  Reversibility and Stochastic Networks, 1979, section 3.3);
- M/G/1 first come first served: the work present is a geometric sum of residual works (Pollaczek-Khinchine), brought
  as one run.

**The end** is not cut off either: with processor sharing arrivals go on until every measured run has ended, since later
ones slow it down.

So the means of replications are independent, equally distributed and without bias, and Student's t over them is an
exact interval as far as they are normal; what correlates within a replication need not be known (Law, Simulation
Modeling and Analysis, 5th ed. 2015, chapter 9: replications instead of batches). A replication must be many
relaxation times long for that, which is why runs per replication grow with the load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np

from capacity.records import Floats, Ints
from capacity.simulation.columns import SimulationInput, plain_runs
from capacity.simulation.engines import Engine
from capacity.simulation.records import SimulatedHost, SimulatedVm

from . import theory
from .works import Exponential, Work

TAIL_RELAXATIONS = 15
"""With processor sharing, arrivals go on for so many relaxation times after the measured ones."""


@dataclass(frozen=True)
class Queue:
    """Poisson arrivals (a second) at `servers` cores: all runs share them, or each takes one, first come first served.

    A run uses one core at most.
    """

    arrivals: float
    work: Work
    servers: int = 1
    shared: bool = False

    @property
    def load(self) -> float:
        """Of the cores, between 0 and 1."""
        return self.arrivals * self.work.mean / self.servers


@dataclass(frozen=True)
class Observed:
    """Measured runs, replication x run in order of arrival; `span_s` is the time that time averages are taken over."""

    ready_s: Floats
    start_s: Floats
    end_s: Floats
    of_replication: tuple[tuple[Floats, Floats, Floats], ...]
    """The same three for all runs of each replication, those present at the beginning and the later ones too."""
    span_s: float

    def response_means(self) -> Floats:
        """Mean time from arrival to end, per replication."""
        means: Floats = (self.end_s - self.ready_s).mean(axis=1)
        return means

    def wait_means(self) -> Floats:
        """Mean wait for a slot, per replication."""
        means: Floats = (self.start_s - self.ready_s).mean(axis=1)
        return means

    def waiting_shares(self) -> Floats:
        """Share of runs that had to wait for a slot, per replication."""
        shares: Floats = (self.start_s > self.ready_s).mean(axis=1)
        return shares

    def queue_means(self) -> Floats:
        """Time average of the number waiting for a slot, per replication."""
        return np.array([self._time_average(ready, start) for ready, start, _ in self.of_replication])

    def number_means(self) -> Floats:
        """Time average of the number present, per replication."""
        return np.array([self._time_average(ready, end) for ready, _, end in self.of_replication])

    def number_shares(self, number: int) -> Floats:
        """Share of the time during which exactly `number` runs are present, per replication."""
        return np.array([self._share_with(ready, end, number) for ready, _, end in self.of_replication])

    def _time_average(self, from_s: Floats, until_s: Floats) -> float:
        inside = np.clip(until_s, 0.0, self.span_s) - np.clip(from_s, 0.0, self.span_s)
        return float(inside.sum()) / self.span_s

    def _share_with(self, from_s: Floats, until_s: Floats, number: int) -> float:
        at_s = np.clip(np.concatenate((from_s, until_s)), 0.0, self.span_s)
        step = np.repeat([1, -1], len(from_s))
        order = np.argsort(at_s, kind="stable")
        present = np.cumsum(step[order])
        lasted = np.diff(np.append(at_s[order], self.span_s))
        before_s = float(at_s[order[0]]) if number == 0 else 0.0
        return (before_s + float(lasted[present == number].sum())) / self.span_s


def observe(queue: Queue, engine: Engine, *, replications: Sequence[int], runs: int, seed: int) -> Observed:
    """Simulate an independent queue for each of these numbers and measure so many arrivals of each.

    A number and the seed settle a replication, whatever is simulated beside it. Raises ValueError for a queue whose
    stationary state is not known, RuntimeError where arrivals ended too early or work was lost.
    """
    system, first, last_arrival_s = replicated(queue, replications=replications, runs=runs, seed=seed)
    result = engine(system)
    measured = first[:-1, np.newaxis] + np.arange(runs)
    if queue.shared and (result.end_s[measured].max(axis=1) > last_arrival_s).any():
        raise RuntimeError("a measured run ended after the last arrival")
    hosts = np.arange(len(replications) + 1)
    bounds = np.searchsorted(system.runs.vm, hosts)
    asked = np.add.reduceat(system.runs.cpu_s, bounds[:-1])
    if not np.allclose(result.host_core_s, asked, rtol=1e-9, atol=0):
        raise RuntimeError("work in is not work out")
    parts = tuple(
        (result.ready_s[begin:end], result.start_s[begin:end], result.end_s[begin:end])
        for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    )
    return Observed(
        ready_s=result.ready_s[measured],
        start_s=result.start_s[measured],
        end_s=result.end_s[measured],
        of_replication=parts,
        span_s=runs / queue.arrivals,
    )


def replicated(
    queue: Queue, *, replications: Sequence[int], runs: int, seed: int
) -> tuple[SimulationInput, Ints, Floats]:
    """The system, the row of each replication's first arrival (and the number of rows), and its last arrival.

    One host and one VM per replication; a replication's rows: what is present at 0, then its arrivals.
    """
    later = _later_arrivals(queue, runs)
    release, work, present = [], [], []
    for replication in replications:
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(replication,)))
        found = _stationary(queue, random)
        present.append(len(found))
        release += [np.zeros(len(found)), np.cumsum(random.exponential(1 / queue.arrivals, runs + later))]
        work += [found, queue.work.draw(random, runs + later)]
    counts = np.array(present) + runs + later
    begins = np.concatenate(([0], np.cumsum(counts)))
    release_s = np.concatenate(release)
    hosts = tuple(SimulatedHost(f"h{row}", float(queue.servers)) for row in range(len(replications)))
    slots = None if queue.shared else queue.servers
    vms = tuple(SimulatedVm(f"v{row}", row, slots=slots) for row in range(len(replications)))
    system = SimulationInput.of(hosts, vms, ())
    rows = plain_runs(
        ids=Numbered(int(begins[-1])),
        vm=np.repeat(np.arange(len(replications)), counts),
        release_s=release_s,
        cpu_s=np.concatenate(work),
        max_cores=np.ones(int(begins[-1])),
    )
    first = np.append(begins[:-1] + np.array(present), begins[-1])
    return replace(system, runs=rows), first, release_s[begins[1:] - 1]


def _later_arrivals(queue: Queue, runs: int) -> int:
    """How many arrivals follow the measured ones: past the span of time averages, and past their ends if shared.

    First come first served, nothing that comes later matters.
    """
    past_the_span = int(5 * runs**0.5) + 100
    if not queue.shared:
        return past_the_span
    relaxation_s = theory.relaxation_time(queue.arrivals, 1 / queue.work.mean, queue.servers)
    spread = queue.work.second_moment / (2 * queue.work.mean**2)
    return past_the_span + int(TAIL_RELAXATIONS * max(1.0, spread) * relaxation_s * queue.arrivals)


def _stationary(queue: Queue, random: np.random.Generator) -> Floats:
    """Core-seconds left of each run present at a random moment."""
    if isinstance(queue.work, Exponential):
        return queue.work.draw(random, _number_present(queue, random))
    if queue.servers > 1:
        raise ValueError(f"the stationary state of {queue} is not known")
    residuals = queue.work.residual(random, int(random.geometric(1 - queue.load)) - 1)
    if queue.shared or not len(residuals):
        return residuals
    return np.array([residuals.sum()])


def _number_present(queue: Queue, random: np.random.Generator) -> int:
    services, chance = 1 / queue.work.mean, random.random()
    for number in range(queue.servers):
        chance -= theory.mmc_number(queue.arrivals, services, queue.servers, number)
        if chance < 0:
            return number
    return queue.servers + int(random.geometric(1 - queue.load)) - 1


class Numbered(Sequence[str]):
    """The names "0", "1", ... without keeping them."""

    def __init__(self, count: int) -> None:
        self._rows = range(count)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str]:
        if isinstance(row, slice):
            return [str(number) for number in self._rows[row]]
        return str(self._rows[row])
