"""Bounds: by hand, never above the optimum of instances so small that every schedule is tried, nor above a plan."""

from __future__ import annotations

import itertools
from datetime import date

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model

from capacity.bounds import peak_bound
from capacity.grid import build, demand
from capacity.levelling import earliest, level
from capacity.online import table
from capacity.profile import slot_load
from capacity.records import Schedule
from capacity.runs import generate
from estate.catalogue_records import OnlineProfile
from tests.capacity.random_estates import estates
from tests.capacity.schedule_rules import broken_rules, plain_peaks
from tests.capacity.small_estates import ASSUMED, after, estate, job, rule, window

HOUR = 3600.0
DAY = rule(date=date(2027, 6, 1))
EVENING = OnlineProfile(name="evening", business_day={"20:00-21:00": 1.0}, **ASSUMED)


def _bound(made):
    return peak_bound(generate(made), table(made))["main"]


def _level(runs, online):
    return level(runs, online, seed=0, progress=lambda _message, _share: None, time_limit_s=60.0)


def test_work_that_fills_its_window():
    jobs = [job(f"s{number}/a", when=DAY, cpu_s=5 * HOUR) for number in range(4)]
    value, proof = _bound(estate(jobs, days=1))
    assert value == pytest.approx(2.0)
    assert "令和9年6月1日 20:00 から 令和9年6月2日 06:00" in proof


def test_online_load_counts():
    made = estate(
        [job("tax/a", when=DAY, cpu_s=0.5 * HOUR, max_cores=0.5, window=window("20:00-21:00"))],
        days=1,
        vms={"b-web": {"online_cores": 3.0, "online_profile": "evening"}},
        profiles={"evening": EVENING},
    )
    assert _bound(made)[0] == pytest.approx(3.5)


def test_a_single_run_has_its_cores_in_some_slot():
    assert _bound(estate([job("tax/a", when=DAY, cpu_s=4000.0, max_cores=4.0)], days=1))[0] == pytest.approx(4.0)
    # 500 s at 4 cores after 300 s without: 300 s fall into the first slot, 200 s into the second.
    split = estate([job("tax/a", when=DAY, fixed_s=300.0, cpu_s=2000.0, max_cores=4.0)], days=1)
    assert _bound(split)[0] == pytest.approx(2.0)


def test_energy_inside_a_part_of_the_window():
    # Two runs of 8 hours in ten: both must be at work from 22:00 to 04:00.
    value, _ = _bound(estate([job(f"s{number}/a", when=DAY, cpu_s=8 * HOUR) for number in range(2)], days=1))
    assert value == pytest.approx(2.0)


def test_runs_that_choose_among_nights_count_over_all_of_them():
    jobs = [job(f"s{number}/a", when=DAY, nights=2, cpu_s=10 * HOUR) for number in range(5)]
    jobs.append(job("z/nightly", when=rule(rrule="FREQ=DAILY"), cpu_s=HOUR))
    value, proof = _bound(estate(jobs, days=2))
    assert value == pytest.approx((5 * 10 + 2) / 20)
    assert "令和9年6月1日 から 令和9年6月2日" in proof


def test_precedence_tightens_the_interval():
    # The notice needs five hours after the assessment's five: both are fixed, and so is the third run beside them.
    jobs = [
        job("tax/assess", when=DAY, cpu_s=10 * HOUR, max_cores=2.0),
        job("tax/notice", when=DAY, cpu_s=5 * HOUR, after=(after("tax/assess"),)),
        job("pay/a", when=DAY, cpu_s=1 * HOUR, window=window("20:00-01:00")),
    ]
    assert _bound(estate(jobs, days=1))[0] == pytest.approx(2.2)


def test_a_run_that_does_not_fit_is_left_out():
    assert _bound(estate([job("tax/a", when=DAY, cpu_s=50 * HOUR)], days=1))[0] == 0.0


def _choices(grid):
    ptr = grid.runs.window_ptr
    return [
        [(start, row) for row in range(ptr[run], ptr[run + 1]) for start in range(grid.low[row], grid.high[row] + 1)]
        for run in range(len(grid.runs))
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(estates(max_jobs=3, days=1))
def test_never_above_the_best_of_all_schedules(made):
    runs, online = generate(made), table(made)
    choices = _choices(build(runs))
    assume(0 < len(runs) <= 3 and 0 < np.prod([float(len(one)) for one in choices]) <= 2_000)
    best = np.inf
    for chosen in itertools.product(*choices):
        start = np.array([one for one, _ in chosen]) * 600.0
        schedule = Schedule(start, np.array([row for _, row in chosen]), ())
        if not broken_rules(runs, schedule, online):
            best = min(best, plain_peaks(runs, start, online)["main"])
    assume(np.isfinite(best))
    assert peak_bound(runs, online)["main"][0] <= best + 1e-9


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(estates(max_jobs=8))
def test_never_above_a_plan_that_fits(made):
    runs, online = generate(made), table(made)
    planned = _level(runs, online)
    assume(not planned.misfits)
    peak = plain_peaks(runs, planned.start_s, online)["main"]
    assert peak == pytest.approx(slot_load(runs, planned.start_s, online).peaks()["main"][0], abs=1e-9)
    assert peak_bound(runs, online)["main"][0] <= peak + 1e-9
    before = earliest(runs, online)
    assert peak_bound(runs, online)["main"][0] <= plain_peaks(runs, before.start_s, online)["main"] + 1e-9


def _optimum(grid):
    """The least peak by CP-SAT, for runs with one system each (no slots or exclusivity): a time-indexed model."""
    runs, model = grid.runs, cp_model.CpModel()
    peak = model.new_int_var(0, 10**9, "peak")
    starts, terms = [], {}
    for run in range(len(runs)):
        shape = demand(runs.fixed_s[run], runs.cpu_s[run], runs.max_cores[run], int(grid.length[run]))
        low, high = int(grid.low[runs.window_ptr[run]]), int(grid.high[runs.window_ptr[run]])
        chosen = {start: model.new_bool_var(f"{run}@{start}") for start in range(low, high + 1)}
        model.add_exactly_one(chosen.values())
        starts.append(sum(start * one for start, one in chosen.items()))
        for start, one in chosen.items():
            for offset, cores in enumerate(shape):
                terms.setdefault(start + offset, []).append(round(cores * 1000) * one)
    for run in range(len(runs)):
        for row in range(runs.after_ptr[run], runs.after_ptr[run + 1]):
            model.add(starts[run] >= starts[runs.after_run[row]] + int(grid.gap[row]))
    for load in terms.values():
        model.add(sum(load) <= peak)
    model.minimize(peak)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 2
    solver.parameters.max_deterministic_time = 10
    assert solver.solve(model) == cp_model.OPTIMAL
    return solver.objective_value / 1000


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 8), st.integers(1, 4), st.sampled_from((0, 300)), st.booleans()),
        min_size=4,
        max_size=9,
    )
)
def test_against_the_proven_optimum_of_small_investment_problems(sizes):
    jobs = []
    for number, (slots, cores, fixed, waits) in enumerate(sizes):
        before = (after(f"s{number - 1}/a"),) if waits and number and not jobs[-1].after else ()
        jobs.append(
            job(
                f"s{number}/a", when=DAY, window=window("22:00-01:00"), after=before,
                fixed_s=float(fixed), cpu_s=600.0 * slots * cores, max_cores=float(cores),
            )
        )  # fmt: skip
    made = estate(jobs, days=1)
    runs, online = generate(made), table(made)
    best = _optimum(build(runs))
    planned = _level(runs, online)
    assert planned.misfits == ()
    peak = slot_load(runs, planned.start_s, online).peaks()["main"][0]
    assert peak_bound(runs, online)["main"][0] <= best + 1e-9
    assert best - 1e-9 <= peak <= 1.1 * best + 1e-9
