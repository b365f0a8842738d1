"""Weighted sharing between VMs against discriminatory processor sharing, where every run has its class's weight.

Weights belong to VMs, so each run gets a VM for itself, out of a ring that is long enough for the one before to be
gone. The stationary state of this queue has no closed form: each replication starts empty and its first runs are left
out, as many as arrive in WARM_UP relaxation times of the queue's work (which any order of service shares), when a
factor e^-30 of the start is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from capacity.records import Floats
from capacity.simulation.columns import SimulationInput, plain_runs
from capacity.simulation.engines import Engine
from capacity.simulation.records import SimulatedHost, SimulatedVm

from . import theory
from .queues import TAIL_RELAXATIONS, Numbered

WARM_UP = 30
RING = 400
"""VMs per class and replication."""


@dataclass(frozen=True)
class WeightedQueue:
    """Two classes of Poisson arrivals with exponential work on one core."""

    arrivals: tuple[float, float]
    services: tuple[float, float]
    weights: tuple[float, float]


def response_means(
    queue: WeightedQueue, engine: Engine, *, replications: int, runs: int, seed: int
) -> tuple[Floats, Floats]:
    """Mean responses of both classes, per replication of so many measured arrivals of both together.

    Raises RuntimeError where two runs were in one VM at once, or arrivals ended too early.
    """
    total = sum(queue.arrivals)
    slowest = min(queue.services)
    relaxation_runs = total * theory.relaxation_time(slowest * _load(queue), slowest, 1)
    warm_up, tail = int(WARM_UP * relaxation_runs), int(TAIL_RELAXATIONS * relaxation_runs)
    count = warm_up + runs + tail
    release_s, work, kind = (np.empty((replications, count)) for _ in range(3))
    for replication in range(replications):
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(replication,)))
        release_s[replication] = np.cumsum(random.exponential(1 / total, count))
        second = random.random(count) < queue.arrivals[1] / total
        kind[replication] = second
        work[replication] = random.exponential(1.0, count) / np.where(second, queue.services[1], queue.services[0])
    is_second = kind.astype(np.int64)
    place = np.where(is_second == 1, np.cumsum(is_second, axis=1), np.cumsum(1 - is_second, axis=1)) % RING
    vm = (np.arange(replications)[:, np.newaxis] * 2 + is_second) * RING + place
    result = engine(_system(queue, replications, vm.ravel(), release_s.ravel(), work.ravel()))
    end_s = result.end_s.reshape(replications, count)
    _check_alone(vm.ravel(), release_s.ravel(), result.end_s)
    measured = slice(warm_up, warm_up + runs)
    if (end_s[:, measured].max(axis=1) > release_s[:, -1]).any():
        raise RuntimeError("a measured run ended after the last arrival")
    response = (end_s - release_s)[:, measured]
    first, second_class = (
        np.array([row[of_kind == number].mean() for row, of_kind in zip(response, is_second[:, measured], strict=True)])
        for number in (0, 1)
    )
    return first, second_class


def _load(queue: WeightedQueue) -> float:
    return sum(arrivals / services for arrivals, services in zip(queue.arrivals, queue.services, strict=True))


def _system(
    queue: WeightedQueue, replications: int, vm: np.ndarray, release_s: Floats, work: Floats
) -> SimulationInput:
    hosts = tuple(SimulatedHost(f"h{row}", 1.0) for row in range(replications))
    vms = tuple(
        SimulatedVm(f"v{row}-{kind}-{place}", row, weight=queue.weights[kind])
        for row in range(replications)
        for kind in (0, 1)
        for place in range(RING)
    )
    rows = plain_runs(ids=Numbered(len(vm)), vm=vm, release_s=release_s, cpu_s=work)
    return replace(SimulationInput.of(hosts, vms, ()), runs=rows)


def _check_alone(vm: np.ndarray, release_s: Floats, end_s: Floats) -> None:
    order = np.lexsort((release_s, vm))
    same = vm[order][1:] == vm[order][:-1]
    if (end_s[order][:-1][same] > release_s[order][1:][same]).any():
        raise RuntimeError("two runs were in one VM at once")
