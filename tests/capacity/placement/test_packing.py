"""Packing and its bound, against published optima and against every packing of small problems."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.placement.bound import needed_bins
from capacity.placement.packing import pack
from capacity.placement.problem import PackingProblem, violations

INSTANCES = Path(__file__).parents[2] / "cases/capacity/vector-packing"
OPTIMA = {
    "new_class1_60_3_0": (25, 26),
    "new_class1_120_3_0": (43, 48),
    "new_class3_120_5_0": (42, 46),
    "panigrahy_class1_120_3_0": (30, 32),
    "panigrahy_class8_120_3_0": (60, 60),
    "triplet_classC_60_3_0": (20, 23),
}
"""The proven optimum, and the best of 702 published heuristics."""


def instance(name):
    lines = [
        line.split() for line in (INSTANCES / f"{name}.vbp").read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    dimensions = int(lines[0][0])
    items = []
    for numbers in lines[3:]:
        size = [float(number) for number in numbers[:dimensions]]
        items += [size] * (int(numbers[dimensions]) if len(numbers) > dimensions else 1)
    assert len(items) >= int(lines[2][0])
    room = np.tile(np.array(lines[1], dtype=float), (len(items), 1))
    return problem_of(np.array(items), room)


def problem_of(need, room, *, load=None, cores=None, apart=(), kind=None):
    return PackingProblem(
        item_names=tuple(f"i{k}" for k in range(len(need))),
        bin_names=tuple(f"b{k}" for k in range(len(room))),
        need=need,
        room=room,
        load=np.zeros((len(need), 0)) if load is None else load,
        cores=np.ones(len(room)) if cores is None else cores,
        apart=apart,
        kind=kind,
    )


@pytest.mark.parametrize("name", OPTIMA)
def test_published_optimum_lies_between_bound_and_result(name):
    problem = instance(name)
    bound, _ = needed_bins(problem, tuple(f"size {k}" for k in range(problem.need.shape[1])))
    bin_of = pack(problem, bound=bound, rng=np.random.default_rng(0))
    assert violations(problem, bin_of) == []
    assert (bin_of >= 0).all()
    used = len(set(bin_of.tolist()))
    optimum, best_heuristic = OPTIMA[name]
    assert bound <= optimum <= used <= best_heuristic


@st.composite
def small_problems(draw):
    items, bins = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    sizes = st.integers(0, 6).map(float)
    need = np.array(draw(st.lists(st.tuples(sizes, sizes), min_size=items, max_size=items)))
    room = np.array(draw(st.lists(st.tuples(*[st.integers(6, 12).map(float)] * 2), min_size=bins, max_size=bins)))
    load = np.array(draw(st.lists(st.tuples(sizes, sizes), min_size=items, max_size=items)))
    cores = np.array(draw(st.lists(st.integers(6, 10).map(float), min_size=bins, max_size=bins)))
    apart = tuple(
        tuple(sorted(draw(st.sets(st.integers(0, items - 1), min_size=2, max_size=3))))
        for _ in range(draw(st.integers(0, 1)) if items > 1 else 0)
    )
    kind = np.array(draw(st.lists(st.integers(0, 1), min_size=items, max_size=items))) if draw(st.booleans()) else None
    return problem_of(need, room, load=load, cores=cores, apart=apart, kind=kind)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(small_problems())
def test_bound_and_packing_against_every_packing(problem):
    items, bins = len(problem.item_names), len(problem.bin_names)
    valid = (
        np.array(choice)
        for choice in itertools.product(range(bins), repeat=items)
        if not violations(problem, np.array(choice))
    )
    best = min((len(set(choice.tolist())) for choice in valid), default=None)
    bound, proof = needed_bins(problem, ("memory", "disk"))
    bin_of = pack(problem, bound=bound, rng=np.random.default_rng(0))
    assert proof
    assert violations(problem, bin_of) == []
    if best is None:
        assert (bin_of < 0).any()
    else:
        assert bound <= best
        assert (bin_of >= 0).all()
        assert len(set(bin_of.tolist())) == best


def test_dropped_blocks_decide_nothing():
    rng = np.random.default_rng(1)
    load = rng.uniform(0, 1, (20, 50)) * rng.uniform(0, 1, 50)
    problem = problem_of(np.ones((20, 1)), np.full((4, 1), 20.0), load=load, cores=np.array([4.0, 5.0, 6.0, 7.0]))
    reduced = problem.binding_blocks()
    assert 0 < reduced.load.shape[1] < 50
    for _ in range(200):
        choice = rng.integers(0, 4, 20)
        assert violations(problem, choice) == violations(reduced, choice)
