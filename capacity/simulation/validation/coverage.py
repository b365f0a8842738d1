"""Do 95 % intervals hold the exact value in about 95 % of cases? Tried with 200 fixed seeds per queue.

Each seed gives independent replications from the stationary state (`queues.py` says why there is no transient), and
Student's interval over their means: the product's own interval for every figure of a simulation. Of 200 right
intervals 183 to 196 hold the exact value with a probability of 98 % (binomial): the limits 91 % and 98.5 %.

What would spoil this: intervals over single runs instead of replications (runs of one replication are correlated; for
M/M/1 at load 0.8 such an interval is about six times too narrow), replications too short for their means to be near
normal, and a start in the empty state (too low means).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from capacity.simulation.engines import Engine

from . import theory
from .checks import Check, Figure
from .queues import Observed, Queue, observe
from .statistical import Measure
from .works import Constant, Exponential, Hyperexponential

SEEDS = 200
LOWEST, HIGHEST = 0.91, 0.985
REPLICATIONS = 10


@dataclass(frozen=True)
class Trial:
    """A queue and one figure of it, from so many measured runs per replication."""

    name: str
    queue: Queue
    measure: Measure
    runs: int

    def share(self, engine: Engine, *, seeds: int = SEEDS) -> float:
        """Share of the seeds whose 95 % interval holds the exact value."""
        covered = 0
        for seed in range(seeds):
            observed = observe(self.queue, engine, replications=range(REPLICATIONS), runs=self.runs, seed=seed)
            covered += Figure(self.name, self.measure.exact, self.measure.means(observed)).covered()
        return covered / seeds

    def check(self, engine: Engine, name: str, *, seeds: int = SEEDS) -> Check:
        """The line of the table."""
        share = self.share(engine, seeds=seeds)
        return Check(
            case=f"{self.name} 95 % 区間の被覆率（種 {seeds} 通り）",
            expected=f"{LOWEST:.1%}～{HIGHEST:.1%}",
            found=f"{share:.1%}",
            engine=name,
            passed=LOWEST <= share <= HIGHEST,
        )


def trials() -> Iterator[Trial]:
    """Every kind of queue whose stationary state is known, all at load 0.8."""
    response, wait = theory.mmc_response(3.2, 1.0, 4), theory.mmc_wait(3.2, 1.0, 4)
    shared = Measure("平均応答", theory.ps_response(0.8, 1.0), Observed.response_means)
    yield Trial("M/M/1 0.8 PS 平均応答", Queue(0.8, Exponential(1.0), shared=True), shared, 6_000)
    yield Trial("M/D/1 0.8 PS 平均応答", Queue(0.8, Constant(1.0), shared=True), shared, 3_000)
    yield Trial("M/H2/1 0.8 PS 平均応答", Queue(0.8, Hyperexponential(1.0, 4.0), shared=True), shared, 8_000)
    queue, shared_queue = Queue(3.2, Exponential(1.0), 4), Queue(3.2, Exponential(1.0), 4, shared=True)
    yield Trial("M/M/4 0.8 PS 平均応答", shared_queue, Measure("", response, Observed.response_means), 4_000)
    yield Trial("M/M/4 0.8 FCFS 平均待ち", queue, Measure("", wait, Observed.wait_means), 4_000)
    md1 = Measure("", theory.md1_wait(0.8, 1.0), Observed.wait_means)
    yield Trial("M/D/1 0.8 FCFS 平均待ち", Queue(0.8, Constant(1.0)), md1, 3_000)
