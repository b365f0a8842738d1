"""What queueing theory says exactly about queues that the simulation can express.

Rates and times are in any one unit of time: `arrivals` lambda and `services` mu per unit and server, `servers` c,
load rho = lambda / (c mu) < 1. Formulas: Kleinrock, Queueing Systems I (1975), unless said otherwise.
"""

from __future__ import annotations

import math


def erlang_b(offered: float, servers: int) -> float:
    """Probability that all `servers` are busy when nobody waits (Erlang 1917), `offered` = lambda / mu.

    By the recursion B(c) = a B(c-1) / (c + a B(c-1)), which never leaves [0, 1].
    """
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = offered * blocked / (count + offered * blocked)
    return blocked


def erlang_c(arrivals: float, services: float, servers: int) -> float:
    """Probability that an arrival at M/M/c must wait (Erlang 1917). Raises ValueError unless rho < 1."""
    load = _load(arrivals, services, servers)
    blocked = erlang_b(arrivals / services, servers)
    return blocked / (1 - load * (1 - blocked))


def mmc_wait(arrivals: float, services: float, servers: int) -> float:
    """Mean wait for a slot at M/M/c, first come first served, over all arrivals."""
    return erlang_c(arrivals, services, servers) / (servers * services - arrivals)


def mmc_response(arrivals: float, services: float, servers: int) -> float:
    """Mean time from arrival to end at M/M/c; first come first served and processor sharing agree.

    With exponential work both move through the same numbers of runs at the same rates (and Little's law).
    """
    return mmc_wait(arrivals, services, servers) + 1 / services


def mmc_queue(arrivals: float, services: float, servers: int) -> float:
    """Mean number that wait for a slot at M/M/c (Little 1961: lambda x mean wait)."""
    return arrivals * mmc_wait(arrivals, services, servers)


def mmc_number(arrivals: float, services: float, servers: int, number: int) -> float:
    """Probability that `number` runs are present at M/M/c, waiting or not."""
    load, offered = _load(arrivals, services, servers), arrivals / services
    # p_c = B (1 - rho) / (1 - rho (1 - B)): Erlang C is the sum of p_c rho^k.
    full = erlang_c(arrivals, services, servers) * (1 - load)
    if number >= servers:
        return full * load ** (number - servers)
    return full * math.exp(math.lgamma(servers + 1) - math.lgamma(number + 1) - (servers - number) * math.log(offered))


def mg1_wait(arrivals: float, mean: float, second_moment: float) -> float:
    """Mean wait at M/G/1, first come first served, from the work's moments (Pollaczek 1930, Khinchine 1932)."""
    return arrivals * second_moment / (2 * (1 - _load(arrivals, 1 / mean, 1)))


def md1_wait(arrivals: float, work: float) -> float:
    """Mean wait at M/D/1: every run has the same `work`."""
    return mg1_wait(arrivals, work, work * work)


def ps_response(arrivals: float, mean: float) -> float:
    """Mean response at M/G/1 with processor sharing: only the mean of the work counts.

    Sakata, Noguchi, Oizumi: An analysis of the M/G/1 queue under round-robin scheduling, Operations Research 19 (1971).
    """
    return mean / (1 - _load(arrivals, 1 / mean, 1))


def weighted_responses(
    arrivals: tuple[float, float], services: tuple[float, float], weights: tuple[float, float]
) -> tuple[float, float]:
    """Mean responses of two classes of exponential work that share one core by weight per run.

    Discriminatory processor sharing: Fayolle, Mitrani, Iasnogorodski, Sharing a processor among many job classes,
    Journal of the ACM 27 (1980), solved for two classes.
    """
    loads = (arrivals[0] / services[0], arrivals[1] / services[1])
    if not sum(loads) < 1:
        raise ValueError(f"the load must be below 1, got {sum(loads)}")
    scale = sum(weights[k] * services[k] * (1 - loads[k]) for k in (0, 1))
    first, second = (
        (1 + services[k] * loads[1 - k] * (weights[1 - k] - weights[k]) / scale) / (services[k] * (1 - sum(loads)))
        for k in (0, 1)
    )
    return first, second


def relaxation_time(arrivals: float, services: float, servers: int) -> float:
    """Time in which M/M/c forgets its start by a factor e in heavy traffic: 1 / (sqrt(c mu) - sqrt(lambda))^2.

    Morse, Queues, Inventories and Maintenance (1958); exact for M/M/1.
    """
    _load(arrivals, services, servers)
    return 1 / (math.sqrt(servers * services) - math.sqrt(arrivals)) ** 2


def _load(arrivals: float, services: float, servers: int) -> float:
    load = arrivals / (services * servers)
    if not 0 < load < 1:
        raise ValueError(f"the load must be above 0 and below 1, got {load}")
    return load
