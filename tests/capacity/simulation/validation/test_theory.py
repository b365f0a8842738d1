"""The formulas against tables, against each other, and against a chain solved by hand."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse import linalg

from capacity.simulation.validation import theory


@pytest.mark.parametrize(
    ("arrivals", "services", "servers", "waits", "wait", "response"),
    [
        (0.8, 1, 1, 0.8, 4.0, 5.0),
        (0.9, 1, 1, 0.9, 9.0, 10.0),
        (1.6, 1, 2, 0.711111, 1.777778, 2.777778),
        (3.2, 1, 4, 0.596432, 0.745541, 1.745541),
        (30.4, 1, 32, 0.695710, 0.434819, 1.434819),
    ],
)
def test_erlang_c_has_its_tabulated_values(arrivals, services, servers, waits, wait, response):
    given = (arrivals, services, servers)
    assert theory.erlang_c(*given) == pytest.approx(waits, abs=5e-7)
    assert theory.mmc_wait(*given) == pytest.approx(wait, abs=5e-7)
    assert theory.mmc_response(*given) == pytest.approx(response, abs=5e-7)


@pytest.mark.parametrize(
    ("arrivals", "services", "servers", "wait", "response", "queue"),
    [
        (4, 1, 5, 0.5541, 1.5541, 2.2165),
        (4, 1, 6, 0.1424, 1.1424, 0.5695),
        (4, 1, 10, 0.0015, 1.0015, 0.0059),
        (28, 3, 10, 0.3857, 0.7190, 10.7986),
        (16, 0.75, 22, 1.6792, 3.0125, 26.8665),
    ],
)
def test_published_queues_of_radice(arrivals, services, servers, wait, response, queue):
    given = (arrivals, services, servers)
    assert theory.mmc_wait(*given) == pytest.approx(wait, abs=6e-5)
    assert theory.mmc_response(*given) == pytest.approx(response, abs=6e-5)
    assert theory.mmc_queue(*given) == pytest.approx(queue, abs=6e-5)


def test_other_tabulated_values():
    assert theory.erlang_b(8, 10) == pytest.approx(0.121661, abs=5e-7)
    assert theory.erlang_b(40, 50) == pytest.approx(0.018691, abs=5e-7)
    assert [theory.md1_wait(load, 1.0) for load in (0.5, 0.8, 0.9)] == pytest.approx([0.5, 2.0, 4.5])
    # Ciw's guide to processor sharing
    assert [theory.mmc_number(10, 12, 3, number) for number in range(5)] == pytest.approx(
        [0.4321, 0.3601, 0.1500, 0.0417, 0.0116], abs=6e-5
    )
    # Ciw's tests of processor sharing
    assert [theory.ps_response(a, 1 / s) for a, s in ((3, 5), (4, 5), (3, 6))] == pytest.approx([0.5, 1.0, 1 / 3])


def test_numbers_present_add_up_and_have_littles_mean():
    shares = np.array([theory.mmc_number(28.0, 3.0, 10, number) for number in range(1000)])
    assert shares.sum() == pytest.approx(1.0, abs=1e-12)
    assert shares @ np.arange(1000) == pytest.approx(28.0 * theory.mmc_response(28.0, 3.0, 10), rel=1e-9)
    assert shares[10:].sum() == pytest.approx(theory.erlang_c(28.0, 3.0, 10), rel=1e-12)


def test_weighted_sharing_solves_its_markov_chain():
    arrivals, services, weights, size = (0.3, 0.3), (1.0, 0.6), (3.0, 1.0), 60
    rows, columns, rates = [], [], []

    def move(state, target, rate):
        rows.extend((state, state))
        columns.extend((target, state))
        rates.extend((rate, -rate))

    for first in range(size):
        for second in range(size):
            state = first * size + second
            total = first * weights[0] + second * weights[1]
            if first + 1 < size:
                move(state, state + size, arrivals[0])
            if second + 1 < size:
                move(state, state + 1, arrivals[1])
            if first:
                move(state, state - size, services[0] * first * weights[0] / total)
            if second:
                move(state, state - 1, services[1] * second * weights[1] / total)
    balance = sparse.csr_matrix((rates, (rows, columns)), shape=(size**2, size**2)).T.tolil()
    balance[0] = 1.0
    share = linalg.spsolve(balance.tocsc(), np.eye(size**2)[0]).reshape(size, size)
    number = np.arange(size)
    solved = (share.sum(axis=1) @ number / arrivals[0], share.sum(axis=0) @ number / arrivals[1])
    assert theory.weighted_responses(arrivals, services, weights) == pytest.approx(solved, rel=1e-6)


def test_equal_weights_are_processor_sharing():
    assert theory.weighted_responses((0.3, 0.5), (1.0, 1.0), (2.0, 2.0)) == pytest.approx((5.0, 5.0))


@pytest.mark.parametrize(
    "call",
    [
        lambda: theory.erlang_c(1.0, 1.0, 1),
        lambda: theory.mmc_wait(5.0, 1.0, 4),
        lambda: theory.md1_wait(1.5, 1.0),
        lambda: theory.weighted_responses((0.5, 0.5), (1.0, 1.0), (1.0, 2.0)),
        lambda: theory.relaxation_time(-1.0, 1.0, 1),
    ],
)
def test_a_queue_that_grows_for_ever_has_no_answer(call):
    with pytest.raises(ValueError, match="the load must be"):
        call()
