"""Slot loads: partial slots by hand, and the integral of the profile against all the work."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.online import table
from capacity.profile import deliver, online_site_load, slot_load
from capacity.runs import generate
from estate.catalogue_records import OnlineProfile
from tests.capacity.small_estates import ASSUMED, estate, job, rule

OFFICE = OnlineProfile(name="office", business_day={"08:30-17:15": 1.0}, **ASSUMED)


def test_partial_slots_by_hand():
    # 2 cores from 900 s to 2,100 s: half of slot 1, all of slot 2, half of slot 3.
    load = deliver(np.array([0]), np.array([900.0]), np.array([2100.0]), np.array([2.0]), (1, 5))
    assert load[0] == pytest.approx([0, 1, 2, 1, 0])


def test_an_interval_inside_one_slot():
    load = deliver(np.array([1]), np.array([650.0]), np.array([710.0]), np.array([5.0]), (2, 3))
    assert load == pytest.approx(np.array([[0, 0, 0], [0, 0.5, 0]]))


def test_a_run_delivers_after_its_fixed_time():
    made = estate(
        [job("tax/x", when=rule(date=date(2027, 6, 1)), fixed_s=300.0, cpu_s=3600.0, max_cores=3.0)],
        days=1,
        vms={"a-tax": {"online_cores": 1.0, "online_profile": "office"}},
        profiles={"office": OFFICE},
    )
    runs, online = generate(made), table(made)
    load = slot_load(runs, np.array([20 * 3600.0]), online)
    assert load.cores[0, 0, 119:124] == pytest.approx([0, 1.5, 3, 1.5, 0])
    assert load.cores[0, 0, 51] == pytest.approx(1.0)  # 08:30
    assert load.cores[0, 0, 103] == pytest.approx(0.5)  # 17:10, open until 17:15
    assert load.peaks()["main"] == (pytest.approx(3.0), 121)


def test_the_profile_grows_beyond_the_horizon_for_its_last_night():
    made = estate([job("tax/x", cpu_s=6000.0)], days=1)
    runs, online = generate(made), table(made)
    load = slot_load(runs, np.array([86_400.0 + 3600.0]), online)
    assert load.cores.shape[2] == 144 + 6 + 10
    assert load.cores.sum() * 600 == pytest.approx(6000.0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 50_000), st.floats(0, 9_000), st.floats(0.1, 16.0)), max_size=30)
)
def test_the_integral_is_all_the_work(pieces):
    rows, start, length, cores = (np.array([piece[i] for piece in pieces], dtype=float) for i in range(4))
    load = deliver(rows.astype(np.int64), start, start + length, cores, (4, 100))
    for row in range(4):
        assert load[row].sum() * 600 == pytest.approx((length * cores)[rows == row].sum(), abs=1e-5)
    assert (load > -1e-9).all()


def test_online_load_alone_is_the_profile_without_runs():
    made = estate(
        [job("tax/x")], days=2, vms={"a-tax": {"online_cores": 1.5, "online_profile": "office"}},
        profiles={"office": OFFICE},
    )  # fmt: skip
    runs, online = generate(made), table(made)
    idle = replace(runs, cpu_s=np.zeros(len(runs)))
    load = slot_load(idle, idle.release_s, online).site_cores
    assert online_site_load(runs, online, load.shape[1]) == pytest.approx(load)
