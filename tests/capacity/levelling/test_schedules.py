"""Levelling: small nights by hand, random estates against plain rules, and the same seed giving the same schedule."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from capacity.bounds import peak_bound
from capacity.levelling import earliest, level
from capacity.online import table
from capacity.profile import slot_load
from capacity.runs import generate
from estate.catalogue_records import OnlineProfile
from tests.capacity.random_estates import estates
from tests.capacity.schedule_rules import broken_rules
from tests.capacity.small_estates import ASSUMED, after, estate, job, rule, window

HOUR = 3600.0
DAY = rule(date=date(2027, 6, 1))


def _silent(_message, _share):
    pass


def _plan(made, seed=0):
    runs, online = generate(made), table(made)
    before = earliest(runs, online)
    return runs, online, before, level(runs, online, seed=seed, progress=_silent, time_limit_s=60.0, before=before)


def _hours(schedule):
    return (schedule.start_s / HOUR).tolist()


def test_earliest_starts_of_a_chain_keep_lags_and_the_grid():
    jobs = [
        job("tax/first", when=DAY, cpu_s=1500.0),
        job("tax/second", when=DAY, cpu_s=600.0, after=(after("tax/first", lag_s=700.0),)),
    ]
    _, _, before, _ = _plan(estate(jobs, days=1))
    # 20:00 + 1,500 s + 700 s = 20:36:40, so 20:40 on the grid.
    assert before.start_s.tolist() == [20 * HOUR, 20 * HOUR + 2400]


def test_slots_of_a_vm_queue_the_run_with_the_least_slack_first():
    jobs = [
        job("tax/loose", when=DAY, cpu_s=3600.0),
        job("tax/tight", when=DAY, cpu_s=3600.0, window=window("20:00-21:00")),
    ]
    one, _, before, _ = _plan(estate(jobs, days=1))
    by_name = dict(zip(one.run_ids, _hours(before), strict=True))
    assert by_name == {"a/tax/tight/2027-06-01": 20.0, "a/tax/loose/2027-06-01": 21.0}
    _, _, beside, _ = _plan(estate(jobs, days=1, vms={"a-tax": {"slots": 2}}))
    assert _hours(beside) == [20.0, 20.0]


def test_vcpu_and_online_load_limit_what_runs_at_once():
    profile = OnlineProfile(name="evening", business_day={"20:00-22:00": 1.0}, **ASSUMED)
    vms = {"a-tax": {"slots": 2, "vcpu": 4, "online_cores": 1.0, "online_profile": "evening"}}
    jobs = [job(f"tax/{name}", when=DAY, cpu_s=2.0 * 3600, max_cores=2.0) for name in ("a", "b")]
    jobs.append(job("tax/c", when=DAY, cpu_s=4.0 * 3600, max_cores=4.0))
    _, _, before, _ = _plan(estate(jobs, days=1, vms=vms, profiles={"x": profile, "evening": profile}))
    # 2 + 2 + 1 > 4 cores before 22:00; the run with 4 cores needs the VM for itself, without online load.
    assert sorted(_hours(before)) == [20.0, 21.0, 22.0]


def test_an_exclusive_run_has_its_system_to_itself_over_vms():
    jobs = [
        job("tax/a", when=DAY, cpu_s=3600.0, exclusive=True, window=window("20:00-22:00")),
        job("tax/b", when=DAY, cpu_s=3600.0, vm="a-other"),
    ]
    made = estate(jobs, days=1, vms={"a-other": {"system": "tax"}})
    _, _, before, after_ = _plan(made)
    assert _hours(before) == [20.0, 21.0]
    assert abs(after_.start_s[0] - after_.start_s[1]) >= HOUR


def test_room_for_a_rerun_is_part_of_the_window():
    jobs = [
        job("tax/a", when=DAY, cpu_s=5 * HOUR, rerun_room=True),
        job("pay/a", when=DAY, cpu_s=5.1 * HOUR, rerun_room=True),
    ]
    runs, _, before, planned = _plan(estate(jobs, days=1))
    for schedule in (before, planned):
        assert [runs.run_ids[misfit.run] for misfit in schedule.misfits] == ["a/pay/a/2027-06-01"]
        (misfit,) = schedule.misfits
        assert (misfit.kind, misfit.minutes) == ("window", pytest.approx(12.0))
        assert misfit.reason == (
            "a pay a（a/pay/a/2027-06-01）は 令和9年6月1日 20:00 から 令和9年6月2日 06:00 までのバッチ枠を "
            "12 分超過します（所要 306 分、開始 令和9年6月1日 20:00、再実行の余裕 306 分を含む）。"
        )
        assert schedule.start_s[misfit.run] == 20 * HOUR


def test_a_run_too_long_for_each_of_its_nights_starts_in_the_first():
    _, _, _, planned = _plan(estate([job("tax/a", when=DAY, nights=3, cpu_s=11 * HOUR)], days=3))
    assert _hours(planned) == [20.0]
    assert [misfit.minutes for misfit in planned.misfits] == [pytest.approx(60.0)]


def test_misfits_of_a_latest_date_and_of_no_window():
    jobs = [
        job("tax/late", when=DAY, latest=rule(relative_to="late")),
        job("tax/never", when=DAY, window=window(None)),
    ]
    _, _, _, planned = _plan(estate(jobs, days=2))
    assert [(misfit.kind, misfit.minutes) for misfit in planned.misfits] == [
        ("window", pytest.approx(10.0)),
        ("deadline", pytest.approx(20.0 * 60 + 10)),
    ]
    assert "バッチ枠が 令和9年6月1日 00:00 以降にありません" in planned.misfits[0].reason
    assert "期限 令和9年6月1日 00:00 より前に始まるバッチ枠がなく" in planned.misfits[1].reason


def test_a_successor_whose_predecessor_ends_too_late_is_the_misfit():
    jobs = [
        job("tax/long", when=DAY, cpu_s=8 * HOUR),
        job("pay/soon", when=DAY, window=window("20:00-23:00"), after=(after("tax/long"),)),
    ]
    runs, online, _, planned = _plan(estate(jobs, days=1))
    assert [runs.run_ids[misfit.run] for misfit in planned.misfits] == ["a/pay/soon/2027-06-01"]
    assert broken_rules(runs, planned, online) == []


def test_misfits_may_run_on_after_the_last_window():
    # Each of three runs in a row takes thirty hours of a ten-hour window on the last day.
    jobs = [job("tax/a", when=DAY, cpu_s=30 * HOUR)]
    jobs += [
        job(f"tax/{name}", when=DAY, cpu_s=30 * HOUR, after=(after(f"tax/{last}"),)) for last, name in ("ab", "bc")
    ]
    runs, online, _, planned = _plan(estate(jobs, days=1))
    assert _hours(planned) == [20.0, 50.0, 80.0]
    assert [round(misfit.minutes) for misfit in planned.misfits] == [20 * 60, 50 * 60, 80 * 60]
    assert broken_rules(runs, planned, online) == []


def _month():
    """Twelve tenants with eight systems over two weeks: nightly runs, backups, month ends, assessments."""
    draw = np.random.default_rng(3)
    jobs = []
    for tenant in (f"t{number}" for number in range(12)):
        size = float(draw.uniform(0.3, 2.0))
        for number in range(8):
            system, share = f"s{number}", size * float(draw.uniform(0.3, 2.0))
            own = {"tenant": tenant, "vm": f"{tenant}-{system}", "rerun_room": True}
            waits = (after(f"{system}/nightly", tenant=tenant),)
            jobs += [
                job(f"{system}/nightly", fixed_s=60.0, cpu_s=900 * share, **own),
                job(f"{system}/backup", fixed_s=300.0, cpu_s=300 * share, after=waits, **own),
                job(
                    f"{system}/monthly", when=rule(rrule="FREQ=MONTHLY;BYMONTHDAY=-1", shift="previous"), nights=3,
                    cpu_s=3000 * share, after=waits, **own,
                ),
            ]  # fmt: skip
            if number < 3:
                when = rule(date=date(2027, 6, 24))
                jobs.append(job(f"{system}/assess", when=when, nights=4, exclusive=True, cpu_s=4000 * share, **own))
    return estate(jobs, start=date(2027, 6, 21), days=14)


def test_a_month_comes_close_to_its_bound():
    runs, online, before, planned = _plan(_month())
    assert planned.misfits == ()
    peak = slot_load(runs, planned.start_s, online).peaks()["main"][0]
    assert peak <= 0.7 * slot_load(runs, before.start_s, online).peaks()["main"][0]
    assert peak <= 1.3 * peak_bound(runs, online)["main"][0]


def test_no_time_for_improvement_still_gives_a_whole_schedule():
    runs, online = generate(_month()), table(_month())
    told = []
    planned = level(runs, online, seed=0, progress=lambda text, share: told.append((text, share)), time_limit_s=0.0)
    assert planned.misfits == ()
    shares = [share for _, share in told]
    assert (shares[0], shares[-1], shares) == (0.0, 1.0, sorted(shares))


def test_levelling_spreads_a_night_evenly():
    # Ten runs of one hour at one core in ten hours: one at a time is possible, and nothing lower.
    jobs = [job(f"s{number}/a", when=DAY, cpu_s=HOUR) for number in range(10)]
    runs, online, before, planned = _plan(estate(jobs, days=1))
    assert slot_load(runs, before.start_s, online).peaks()["main"][0] == pytest.approx(10.0)
    assert slot_load(runs, planned.start_s, online).peaks()["main"][0] == pytest.approx(1.0)


def test_levelling_uses_other_nights():
    jobs = [job(f"s{number}/a", when=DAY, nights=3, cpu_s=10 * HOUR) for number in range(3)]
    runs, online, _, planned = _plan(estate(jobs, days=3))
    assert slot_load(runs, planned.start_s, online).peaks()["main"][0] == pytest.approx(1.0)
    assert sorted(_hours(planned)) == [20.0, 44.0, 68.0]


def test_levelling_avoids_online_load():
    profile = OnlineProfile(name="evening", business_day={"20:00-02:00": 1.0}, **ASSUMED)
    made = estate(
        [job("tax/a", when=DAY, cpu_s=4 * HOUR)],
        days=2,
        vms={"b-web": {"online_cores": 3.0, "online_profile": "evening"}},
        profiles={"evening": profile},
    )
    _, _, before, planned = _plan(made)
    assert (_hours(before), _hours(planned)) == ([20.0], [26.0])


def test_a_run_that_can_wait_is_turned_out_by_one_that_cannot():
    # Both wait for 20:00 or later; the long run is ready first, but only it can wait until the short one is done.
    jobs = [
        job("tax/wide", when=DAY, cpu_s=8 * HOUR),
        job("tax/after", when=DAY, cpu_s=600.0, after=(after("tax/wide"),)),
        job("tax/nightly", when=DAY, cpu_s=1 * HOUR, window=window("20:30-22:00")),
    ]
    runs, online, before, planned = _plan(estate(jobs, days=1))
    assert dict(zip(runs.run_ids, _hours(before), strict=True)) == {
        "a/tax/wide/2027-06-01": 21.5,
        "a/tax/after/2027-06-01": 29.5,
        "a/tax/nightly/2027-06-01": 20.5,
    }
    for schedule in (before, planned):
        assert schedule.misfits == ()
        assert broken_rules(runs, schedule, online) == []


def test_a_circle_of_runs_is_refused():
    jobs = [job("tax/a", when=DAY, after=(after("tax/b"),)), job("tax/b", when=DAY, after=(after("tax/a"),))]
    runs, online = generate(estate(jobs, days=1)), table(estate(jobs, days=1))
    with pytest.raises(ValueError, match="循環"):
        earliest(runs, online)


def test_an_estate_without_runs_has_an_empty_schedule():
    runs, _, before, planned = _plan(estate([], vms={"a-tax": {}}))
    assert len(runs) == len(before.start_s) == len(planned.start_s) == 0


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(estates())
def test_random_schedules_break_no_rule(made):
    runs, online, before, planned = _plan(made)
    assert broken_rules(runs, before, online) == []
    assert broken_rules(runs, planned, online) == []
    assert {misfit.run for misfit in planned.misfits} <= {misfit.run for misfit in before.misfits}
    peak = slot_load(runs, planned.start_s, online).peaks()["main"][0]
    assert peak <= slot_load(runs, before.start_s, online).peaks()["main"][0] + 1e-6


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(estates(max_jobs=8, days=2))
def test_the_same_seed_gives_the_same_schedule(made):
    *_, one = _plan(made, seed=7)
    *_, other = _plan(made, seed=7)
    assert np.array_equal(one.start_s, other.start_s)
    assert np.array_equal(one.window, other.window)
