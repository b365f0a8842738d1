"""The fewest moves that make an earlier placement right, against every placement of small problems."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capacity.placement import fewest_moves
from capacity.placement.problem import violations
from tests.capacity.placement.test_packing import problem_of, small_problems

CALM = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def repack(problem, home, fixed):
    return fewest_moves.repack(problem, home, fixed).bin_of


def cost(bin_of, home):
    """Items without a place, then moves."""
    placed = bin_of >= 0
    return int((~placed).sum()), int((placed & (home >= 0) & (bin_of != home)).sum())


def best_by_looking_at_all(problem, home, fixed):
    choices = [[int(want)] if want >= 0 else range(-1, len(problem.bin_names)) for want in fixed]
    for pinned in np.flatnonzero(fixed >= 0):
        choices[pinned] = [-1, int(fixed[pinned])]
    every = (np.array(bins) for bins in itertools.product(*choices))
    return min(cost(bins, home) for bins in every if not violations(problem, bins))


def homes(data, problem):
    """Bins that items fit alone, or none."""
    fits = problem.fits_alone()
    choices = [[-1, *np.flatnonzero(row).tolist()] for row in fits]
    return np.array([data.draw(st.sampled_from(bins)) for bins in choices], dtype=np.int64)


@CALM
@given(small_problems(), st.data())
def test_nothing_has_fewer_moves(problem, data):
    problem = problem.only(np.flatnonzero(problem.fits_alone().any(axis=1)))
    home = homes(data, problem)
    fixed = np.where([data.draw(st.integers(0, 4)) == 0 for _ in home], homes(data, problem), -1)
    found = repack(problem, home, fixed)
    assert violations(problem, found) == []
    assert all(bins in (-1, want) for bins, want in zip(found, fixed, strict=True) if want >= 0)
    assert cost(found, home) == best_by_looking_at_all(problem, home, fixed)


def sizes(*memory):
    return np.array([[size, 0.0, 0.0] for size in memory])


def test_one_large_item_moves_rather_than_two_small_ones():
    problem = problem_of(sizes(2, 2, 5), sizes(8, 8))
    assert repack(problem, np.array([0, 0, 0]), np.full(3, -1)).tolist().count(1) == 1


def test_an_item_without_a_home_does_not_open_a_bin_while_there_is_room():
    problem = problem_of(sizes(4, 3), sizes(8, 8))
    assert repack(problem, np.array([1, -1]), np.full(2, -1)).tolist() == [1, 1]


def test_a_swap_makes_room_where_no_bin_has_any():
    # 6 and 4 fill one bin, 7 the other: 3 more of 3 need the 4 beside the 7 no longer, so the 6 and the 7 must part.
    problem = problem_of(sizes(6, 4, 4, 6), sizes(10, 10))
    found = repack(problem, np.array([0, 1, 1, -1]), np.full(4, -1))
    assert violations(problem, found) == []
    assert cost(found, np.array([0, 1, 1, -1])) == (0, 1)


def test_loads_that_meet_in_one_block_are_parted():
    load = np.array([[5.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    problem = problem_of(sizes(1, 1, 1), sizes(8, 8), load=load, cores=np.array([8.0, 8.0]))
    found = repack(problem, np.array([0, 0, 0]), np.full(3, -1))
    assert violations(problem, found) == []
    assert cost(found, np.zeros(3, dtype=np.int64)) == (0, 1)


def test_of_equal_repairs_the_one_that_copies_least_is_chosen():
    need = np.array([[4.0, 500.0, 1.0], [4.0, 100.0, 1.0], [4.0, 900.0, 1.0]])
    problem = problem_of(need, np.array([[8.0, 2000.0, 9.0], [8.0, 2000.0, 9.0]]))
    assert repack(problem, np.zeros(3, dtype=np.int64), np.full(3, -1)).tolist() == [0, 1, 0]


def test_sizes_with_decimals_fill_a_bin_exactly():
    problem = problem_of(sizes(33.3, 33.3, 33.3, 33.3), sizes(99.9, 99.9))
    found = repack(problem, np.zeros(4, dtype=np.int64), np.full(4, -1))
    assert sorted(found.tolist()) == [0, 0, 0, 1]


@pytest.mark.parametrize("seed", range(5))
def test_a_large_problem_moves_only_what_stands_on_bins_in_trouble(seed, monkeypatch):
    monkeypatch.setattr(fewest_moves, "_MOST_CHOICES", 10)
    rng = np.random.default_rng(seed)
    need = sizes(*rng.integers(1, 5, 40))
    home = np.arange(40) % 8
    problem = problem_of(need, sizes(*[30] * 8))
    crowded = np.flatnonzero(home == 0)
    problem.need[crowded, 0] = 9.0
    found = repack(problem, home, np.full(40, -1))
    assert violations(problem, found) == []
    assert cost(found, home) == (0, 2)  # five of nine in a bin of thirty: three stay
    assert (found[home > 0] == home[home > 0]).all()


def test_too_many_rounds_of_loads_still_give_a_valid_placement(monkeypatch):
    monkeypatch.setattr(fewest_moves, "_ROUNDS", 0)
    load = np.array([[5.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    problem = problem_of(sizes(1, 1, 1), sizes(8, 8), load=load, cores=np.array([8.0, 8.0]))
    found = repack(problem, np.zeros(3, dtype=np.int64), np.full(3, -1))
    assert violations(problem, found) == []
    assert (found >= 0).all()


def test_a_search_that_was_cut_short_proves_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    problem = problem_of(sizes(*rng.integers(20, 60, 60)), sizes(*[126] * 20))
    home = np.arange(60) % 20
    for effort in (1e-9, 0.1):  # nothing found; something found, and nothing known about it
        monkeypatch.setattr(fewest_moves, "_EFFORT", effort)
        assert not fewest_moves.repack(problem, home, np.full(60, -1)).fewest


def test_a_narrowed_search_proves_nothing(monkeypatch):
    monkeypatch.setattr(fewest_moves, "_MOST_CHOICES", 1)
    problem = problem_of(sizes(6, 6, 1), sizes(8, 8))
    found = fewest_moves.repack(problem, np.array([0, 0, 1]), np.full(3, -1))
    assert cost(found.bin_of, np.array([0, 0, 1])) == (0, 1)
    assert not found.fewest  # the third was not allowed to move


def test_a_proof_is_given_where_the_search_has_ended():
    problem = problem_of(sizes(2, 2, 5), sizes(8, 8))
    assert fewest_moves.repack(problem, np.array([0, 0, 0]), np.full(3, -1)).fewest
