"""The Shapley value: what each player adds to the cost, averaged over every order in which they may join."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import factorial, sqrt
from statistics import fmean, stdev

import numpy as np

EXACT_PLAYERS = 15
"""Up to so many players every coalition is counted (2^15 = 32,768), above them joining orders are drawn."""
LEAST_PAIRS = 100
ADDED_PER_WAY = 6400
"""Joining orders are drawn until so many joinings were seen each way, at least 100 orders: 400 for 16 players."""

Cost = Callable[[frozenset[str]], int]


@dataclass(frozen=True)
class Value:
    """A player's Shapley value."""

    value: Fraction
    interval: tuple[float, float] | None = None
    """95 % interval where orders were drawn."""


def exact(players: Sequence[str], cost: Cost) -> dict[str, Fraction]:
    """Answers the Shapley value of each player; the values add up to `cost` of all.

    `cost` is asked once per coalition, 2^n times in all; that of nobody is 0. L. S. Shapley, "A value for n-person
    games", Contributions to the Theory of Games II, 1953: the sum over coalitions S without i of
    |S|! (n - |S| - 1)! / n! x (v(S + i) - v(S)).
    """
    n = len(players)
    if n == 0:
        return {}
    costs = [0] * (1 << n)
    for mask in range(1, 1 << n):
        costs[mask] = cost(frozenset(player for i, player in enumerate(players) if mask >> i & 1))
    weights = [factorial(size) * factorial(n - size - 1) for size in range(n)]
    values = {}
    for i, player in enumerate(players):
        bit = 1 << i
        added = sum(
            weights[mask.bit_count()] * (costs[mask | bit] - costs[mask]) for mask in range(1 << n) if not mask & bit
        )
        values[player] = Fraction(added, factorial(n))
    return values


def sampled(players: Sequence[str], cost: Cost, generator: np.random.Generator, pairs: int) -> dict[str, Value]:
    """Answers estimated Shapley values, each with a 95 % interval; they still add up to `cost` of all.

    Draws `pairs` joining orders, each followed by its reverse (antithetic), so that a player who comes early comes late
    as often. The interval is Student's over the means of the pairs. J. Castro, D. Gómez, J. Tejada, "Polynomial
    calculation of the Shapley value based on sampling", Computers & Operations Research 36 (2009).
    """
    if pairs < 2:
        raise ValueError(f"an interval needs at least 2 pairs (found {pairs})")
    known: dict[frozenset[str], int] = {frozenset(): 0}

    def asked(coalition: frozenset[str]) -> int:
        if coalition not in known:
            known[coalition] = cost(coalition)
        return known[coalition]

    added: dict[str, list[int]] = {player: [] for player in players}
    for _ in range(pairs):
        order = [players[i] for i in generator.permutation(len(players))]
        both = dict.fromkeys(players, 0)
        for way in (order, order[::-1]):
            before: frozenset[str] = frozenset()
            for player in way:
                after = before | {player}
                both[player] += asked(after) - asked(before)
                before = after
        for player, twice in both.items():
            added[player].append(twice)
    from scipy.special import stdtrit  # type: ignore[import-untyped]  # scipy ships no type information

    wide = float(stdtrit(pairs - 1, 0.975)) / sqrt(pairs)
    values = {}
    for player, sums in added.items():
        halves = [total / 2 for total in sums]
        middle, half = fmean(halves), wide * stdev(halves)
        values[player] = Value(Fraction(sum(sums), 2 * pairs), (middle - half, middle + half))
    return values


def values(players: Sequence[str], cost: Cost, generator: np.random.Generator) -> Mapping[str, Value]:
    """Answers the Shapley values: exact up to 15 players, above them from joining orders drawn by `generator`."""
    if len(players) <= EXACT_PLAYERS:
        return {player: Value(value) for player, value in exact(players, cost).items()}
    return sampled(players, cost, generator, max(LEAST_PAIRS, ADDED_PER_WAY // len(players)))
