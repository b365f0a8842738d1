"""Kept start times: they stay where they can, give way where they must, and what is new is placed around them."""

from __future__ import annotations

from datetime import date

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capacity.levelling import earliest, keep, level
from capacity.online import table
from capacity.overload import overloaded_runs
from capacity.runs import generate
from tests.capacity.random_estates import estates
from tests.capacity.schedule_rules import broken_rules
from tests.capacity.small_estates import DAILY, after, estate, job, rule, window

HOUR = 3600.0
DAY = rule(date=date(2027, 6, 1))
NIGHT = window("20:00-06:00")


def _silent(_message, _share):
    pass


def _plan(made, kept=None, seed=0):
    runs, online = generate(made), table(made)
    before = earliest(runs, online)
    return runs, level(runs, online, seed=seed, progress=_silent, time_limit_s=60.0, before=before, kept=kept)


def _kept(runs, starts):
    """The kept starts of a run table, given in hours by job name."""
    return np.array([starts.get(name.split("/")[2], np.nan) * HOUR for name in runs.run_ids])


def _by_job(runs, schedule):
    return {name.split("/")[2]: start / HOUR for name, start in zip(runs.run_ids, schedule.start_s, strict=True)}


def _reasons(runs, schedule):
    return {runs.run_ids[moved.run].split("/")[2]: moved.reason for moved in schedule.displaced}


def _night(jobs, starts, **more):
    made = estate(jobs, days=1, **more)
    runs, schedule = _plan(made, _kept(generate(made), starts))
    assert broken_rules(runs, schedule, table(made)) == []
    return _by_job(runs, schedule), _reasons(runs, schedule)


def test_a_published_start_stays_although_another_is_quieter():
    jobs = [job("tax/old", when=DAY, cpu_s=7200.0), job("pay/other", when=DAY, cpu_s=7200.0)]
    starts, reasons = _night(jobs, {"old": 23.0, "other": 23.5})
    assert starts == {"old": 23.0, "other": 23.5}
    assert reasons == {}


def test_a_new_run_is_levelled_around_the_kept_ones():
    jobs = [job(f"{name}/old", when=DAY, cpu_s=3 * HOUR) for name in ("tax", "pay")] + [
        job("new/new", when=DAY, cpu_s=3 * HOUR, max_cores=1.0)
    ]
    made = estate(jobs, days=1)
    runs = generate(made)
    kept = np.array([20 * HOUR if "old" in name else np.nan for name in runs.run_ids])
    _, schedule = _plan(made, kept)
    starts = dict(zip(runs.run_ids, schedule.start_s / HOUR, strict=True))
    assert [starts[name] for name in runs.run_ids if "old" in name] == [20.0, 20.0]
    assert starts["a/new/new/2027-06-01"] >= 23.0


def test_a_start_outside_todays_window_moves():
    starts, reasons = _night([job("tax/old", when=DAY, window=window("22:00-06:00"))], {"old": 21.0})
    assert starts["old"] >= 22.0
    assert reasons == {"old": keep.WINDOW}


def test_a_start_that_leaves_no_room_for_the_longer_run_moves():
    starts, reasons = _night([job("tax/old", when=DAY, cpu_s=2 * HOUR)], {"old": 29.0})
    assert starts["old"] <= 28.0
    assert reasons == {"old": keep.WINDOW}


def test_a_start_without_room_for_the_rerun_moves():
    jobs = [job("tax/old", when=DAY, cpu_s=HOUR, rerun_room=True)]
    starts, reasons = _night(jobs, {"old": 28.5})
    assert starts["old"] <= 28.0
    assert reasons == {"old": keep.WINDOW}


def test_a_start_before_a_longer_predecessor_ends_moves():
    jobs = [
        job("tax/first", when=DAY, cpu_s=2 * HOUR),
        job("tax/second", when=DAY, after=(after("tax/first", lag_s=0.0),)),
    ]
    starts, reasons = _night(jobs, {"first": 20.0, "second": 21.0})
    assert starts["first"] == 20.0
    assert starts["second"] >= 22.0
    assert reasons == {"second": keep.ORDER}


def test_of_two_runs_that_may_not_meet_any_more_one_moves():
    jobs = [job("tax/large", when=DAY, cpu_s=2 * HOUR), job("tax/small", when=DAY, cpu_s=HOUR)]
    both = {"large": 20.0, "small": 21.0}
    assert _night(jobs, both, vms={"a-tax": {"slots": 2}}) == (both, {})
    starts, reasons = _night(jobs, both)
    assert starts["large"] == 20.0
    assert starts["small"] >= 22.0
    assert reasons == {"small": keep.HELD}


def test_an_exclusive_run_that_became_so_moves_what_stands_beside_it():
    jobs = [job("tax/large", when=DAY, cpu_s=2 * HOUR, exclusive=True), job("tax/small", when=DAY, cpu_s=HOUR)]
    starts, reasons = _night(jobs, {"large": 20.0, "small": 20.0}, vms={"a-tax": {"slots": 2}})
    assert starts["large"] == 20.0
    assert reasons == {"small": keep.HELD}


def test_a_new_run_with_one_place_displaces_the_run_there_and_no_other():
    jobs = [
        job("tax/old", when=DAY, cpu_s=HOUR),
        job("tax/bystander", when=DAY, cpu_s=HOUR),
        job("tax/new", when=DAY, cpu_s=HOUR, window=window("22:00-23:00")),
    ]
    starts, reasons = _night(jobs, {"old": 22.0, "bystander": 20.0})
    assert starts["new"] == 22.0
    assert starts["bystander"] == 20.0
    assert starts["old"] not in (20.0, 22.0)
    assert reasons == {"old": keep.ROOM}


def test_a_new_run_displaces_the_fewest():
    jobs = [
        job("tax/x", when=DAY, cpu_s=600.0),
        job("tax/y", when=DAY, cpu_s=600.0),
        job("tax/z", when=DAY, cpu_s=1200.0),
        job("tax/new", when=DAY, cpu_s=1200.0, window=window("22:00-22:40")),
    ]
    starts, reasons = _night(jobs, {"x": 22.0, "y": 22 + 1 / 6, "z": 22 + 1 / 3})
    assert starts["new"] == 22 + 1 / 3
    assert reasons == {"z": keep.ROOM}


def test_a_kept_start_of_a_run_that_fits_nowhere_is_a_misfit():
    made = estate([job("tax/old", when=DAY, cpu_s=11 * HOUR)], days=1)
    runs, schedule = _plan(made, _kept(generate(made), {"old": 21.0}))
    assert [misfit.run for misfit in schedule.misfits] == [0]
    assert _reasons(runs, schedule) == {"old": keep.MISFIT}


def test_a_time_off_the_grid_is_no_start():
    assert keep.slots_of(np.array([600.0, 601.0, -600.0, np.nan])).tolist() == [1, *[keep.UNPLACED] * 3]


def test_runs_of_a_job_that_wait_for_each_other_keep_their_distance():
    each = job("tax/chain", when=rule(rrule=DAILY), cpu_s=HOUR, after=(after("tax/chain", lag_s=24 * HOUR),))
    made = estate([each], days=3)
    runs = generate(made)
    late_first = np.array([27.0, 24 + 20.0, 48 + 28.0]) * HOUR
    _, schedule = _plan(made, late_first)
    assert broken_rules(runs, schedule, table(made)) == []


CALM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@CALM
@given(estates())
def test_the_same_estate_keeps_every_start(made):
    _, first = _plan(made)
    _, again = _plan(made, first.start_s)
    assert again.start_s.tolist() == first.start_s.tolist()
    assert again.window.tolist() == first.window.tolist()
    assert again.displaced == ()
    assert again.misfits == first.misfits


@CALM
@given(estates(), st.data())
def test_whatever_was_published_the_schedule_breaks_no_rule(made, data):
    runs, free = _plan(made)
    places = [st.sampled_from((start, start + 600.0, start + 7200.0, start - 3600.0, np.nan)) for start in free.start_s]
    kept = np.array([data.draw(place) for place in places]) if places else np.zeros(0)
    _, schedule = _plan(made, kept)
    assert broken_rules(runs, schedule, table(made)) == []
    assert {misfit.run for misfit in schedule.misfits} == {misfit.run for misfit in free.misfits}
    moved = np.isfinite(kept) & (kept >= 0) & (schedule.start_s != kept)
    assert [entry.run for entry in schedule.displaced] == np.flatnonzero(moved).tolist()


@CALM
@given(estates(), st.data())
def test_what_could_stay_beside_everything_else_stays(made, data):
    """A run is displaced only when its start would break a rule in the schedule that was found."""
    runs, free = _plan(made)
    shifted = free.start_s.copy()
    for run in range(len(runs)):
        if data.draw(st.booleans()):
            shifted[run] += data.draw(st.sampled_from((600.0, 3600.0, -1200.0)))
    _, schedule = _plan(made, shifted)
    windows = dict(zip(range(len(runs)), zip(runs.window_ptr[:-1], runs.window_ptr[1:], strict=True), strict=True))
    for entry in schedule.displaced:
        if entry.reason in (keep.WINDOW, keep.MISFIT):
            first, last = windows[entry.run]
            need = runs.duration_s[entry.run] * (2 if runs.rerun_room[entry.run] else 1)
            fits = (runs.window_start_s[first:last] <= entry.kept_s) & (
                np.minimum(runs.window_end_s[first:last], runs.deadline_s[entry.run]) >= entry.kept_s + need
            )
            assert not fits.any() or entry.reason == keep.MISFIT


def test_runs_on_an_overloaded_host_are_named():
    jobs = [job("tax/j", when=DAY, cpu_s=HOUR, max_cores=1.0), job("pay/j", when=DAY, cpu_s=HOUR, max_cores=1.0)]
    made = estate(jobs, days=1)
    runs, online = generate(made), table(made)
    start = np.array([20 * HOUR, 20.5 * HOUR])
    both = np.array([0, 0])
    assert overloaded_runs(runs, start, online, both, np.array([2.0])).tolist() == [False, False]
    assert overloaded_runs(runs, start, online, both, np.array([1.5])).tolist() == [True, True]
    assert overloaded_runs(runs, start + np.array([0.0, HOUR]), online, both, np.array([1.5])).tolist() == [
        False,
        False,
    ]
    apart = np.array([0, 1])  # the second VM alone has too small a host
    too_small = overloaded_runs(runs, start, online, apart, np.array([1.0, 0.5]))
    assert too_small.tolist() == [int(vm) == 1 for vm in runs.vm]
    assert overloaded_runs(runs, start, online, np.array([-1, -1]), np.array([0.5])).tolist() == [False, False]
