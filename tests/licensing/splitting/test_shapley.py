"""The Shapley value: games whose values are published, the four axioms that define it, and the drawn estimate."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licensing.splitting import shapley


def airport(**runways):
    """The cost of a runway is that of the longest one wanted. S. C. Littlechild and G. Owen, "A simple expression
    for the Shapley value in a special case", Management Science 20 (1973)."""
    return lambda coalition: max((runways[player] for player in coalition), default=0)


def gloves(coalition):
    """One left glove (a), two right ones: a pair is worth 6. Example of the Shapley value in text books."""
    return 6 if "a" in coalition and len(coalition) > 1 else 0


def test_airport_game():
    found = shapley.exact("abcd", airport(a=8, b=11, c=13, d=18))
    assert found == {"a": 2, "b": 3, "c": 4, "d": 9}


def test_glove_game():
    assert shapley.exact("abc", gloves) == {"a": 4, "b": 1, "c": 1}


def test_security_council_fifteen_players():
    """9 of 15 votes with all 5 permanent members: 421/2145 and 4/2145, as published on the Shapley-Shubik index."""
    permanent = [f"p{i}" for i in range(5)]
    others = [f"o{i}" for i in range(10)]

    def passes(coalition):
        return int(len(coalition) >= 9 and all(member in coalition for member in permanent))

    found = shapley.exact([*permanent, *others], passes)
    assert {found[player] for player in permanent} == {Fraction(421, 2145)}
    assert {found[player] for player in others} == {Fraction(4, 2145)}


def test_nobody_and_one():
    assert shapley.exact([], lambda _: 0) == {}
    assert shapley.exact(["a"], lambda _: 7) == {"a": 7}


def test_each_coalition_is_asked_once():
    asked = []

    def cost(coalition):
        asked.append(coalition)
        return len(coalition)

    shapley.exact("abcdef", cost)
    assert len(asked) == len(set(asked)) == 2**6 - 1


@st.composite
def games(draw, least=1, most=5):
    """A game with any costs, rising or not."""
    number = draw(st.integers(least, most))
    values = draw(st.lists(st.integers(-1000, 1000), min_size=2**number, max_size=2**number))
    players = "abcde"[:number]

    def cost(coalition):
        return values[sum(1 << players.index(player) for player in coalition)] if coalition else 0

    return players, cost


@given(games())
def test_it_is_the_mean_over_all_joining_orders(game):
    players, cost = game
    added = dict.fromkeys(players, 0)
    orders = list(permutations(players))
    for order in orders:
        for place, player in enumerate(order):
            added[player] += cost(frozenset(order[: place + 1])) - cost(frozenset(order[:place]))
    assert shapley.exact(players, cost) == {player: Fraction(sum_, len(orders)) for player, sum_ in added.items()}


@given(games())
def test_efficiency(game):
    players, cost = game
    assert sum(shapley.exact(players, cost).values()) == cost(frozenset(players))


@given(games(), games(least=5))
def test_additivity(one, other):
    players = one[0]

    def both(coalition):
        return one[1](coalition) + other[1](coalition)

    first, second = shapley.exact(players, one[1]), shapley.exact(players, other[1])
    assert shapley.exact(players, both) == {player: first[player] + second[player] for player in players}


@given(games(most=4), st.integers(-50, 50))
def test_dummy_pays_what_it_costs_alone(game, alone):
    players, cost = game

    def with_dummy(coalition):
        return cost(coalition - {"z"}) + (alone if "z" in coalition else 0)

    found = shapley.exact([*players, "z"], with_dummy)
    assert found["z"] == alone
    assert {player: found[player] for player in players} == shapley.exact(players, cost)


@given(games(least=2))
def test_symmetric_players_pay_the_same(game):
    players, cost = game
    swap = {players[0]: players[1], players[1]: players[0]}

    def same(coalition):
        return cost(coalition) + cost(frozenset(swap.get(player, player) for player in coalition))

    found = shapley.exact(players, same)
    assert found[players[0]] == found[players[1]]


@given(games(), st.randoms(use_true_random=False))
def test_order_of_players_does_not_matter(game, random):
    players, cost = game
    mixed = random.sample(players, len(players))
    assert shapley.exact(mixed, cost) == shapley.exact(players, cost)


@settings(max_examples=20, deadline=None)  # the first example loads scipy
@given(games(least=2), st.integers(0, 2**32 - 1))
def test_drawn_values_add_up_exactly(game, seed):
    players, cost = game
    found = shapley.sampled(players, cost, np.random.default_rng(seed), pairs=5)
    assert sum(value.value for value in found.values()) == cost(frozenset(players))


def test_drawn_values_are_the_same_with_the_same_seed():
    runways = {f"town-{i:02}": 100 + 37 * i % 91 for i in range(20)}
    one, two = (shapley.sampled(list(runways), airport(**runways), np.random.default_rng(7), 50) for _ in range(2))
    assert one == two


def test_intervals_cover_the_exact_value_about_as_often_as_they_say():
    """95 % each: over 60 seeds x 8 players, 480 intervals, between 91 % and 98.5 % hold the value."""
    runways = dict(zip("abcdefgh", (3, 8, 11, 13, 18, 30, 31, 60), strict=True))
    exact = shapley.exact("abcdefgh", airport(**runways))
    held = 0
    for seed in range(60):
        found = shapley.sampled("abcdefgh", airport(**runways), np.random.default_rng(seed), pairs=100)
        held += sum(value.interval[0] <= exact[player] <= value.interval[1] for player, value in found.items())
    assert 0.91 <= held / 480 <= 0.985


def test_many_players_are_drawn_few_are_not():
    def cost(coalition):
        return 100 * len(coalition) + 1000

    few = shapley.values([f"t{i}" for i in range(15)], cost, np.random.default_rng(0))
    many = shapley.values([f"t{i}" for i in range(16)], cost, np.random.default_rng(0))
    assert all(value.interval is None and value.value == 100 + Fraction(1000, 15) for value in few.values())
    assert all(value.interval[0] <= 162.5 <= value.interval[1] for value in many.values())


def test_one_pair_has_no_interval():
    with pytest.raises(ValueError, match="at least 2 pairs"):
        shapley.sampled("ab", gloves, np.random.default_rng(0), pairs=1)
