"""Runs: dates, windows, predecessors and cores, on weeks that can be counted by hand."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pytest

from capacity.runs import generate
from estate.clock import JST
from tests.capacity.small_estates import after, change, estate, job, rule, window

HOUR = 3600.0
DAY = 86_400.0


def _of(table, name):
    number = table.job_names.index(name)
    return np.flatnonzero(table.job == number)


def _windows(table, run):
    rows = slice(table.window_ptr[run], table.window_ptr[run + 1])
    return list(zip(table.window_start_s[rows] / HOUR, table.window_end_s[rows] / HOUR, strict=True))


def _before(table, run):
    rows = slice(table.after_ptr[run], table.after_ptr[run + 1])
    return [table.run_ids[other] for other in table.after_run[rows]]


def test_a_week_of_nightly_runs():
    # 1 June 2027 is a Tuesday: four business days, then a weekend, then Monday.
    table = generate(estate([job("tax/nightly")]))
    assert table.epoch == datetime(2027, 6, 1, tzinfo=JST)
    assert table.run_ids == tuple(f"a/tax/nightly/2027-06-{day:02}" for day in (1, 2, 3, 4, 7))
    assert (table.release_s / HOUR).tolist() == [20, 44, 68, 92, 164]
    assert (table.deadline_s / HOUR).tolist() == [30, 54, 78, 102, 174]
    assert table.job_labels == ("a tax nightly",)


def test_several_nights_skip_days_without_a_window():
    table = generate(estate([job("tax/big", when=rule(date=date(2027, 6, 3)), nights=3)], days=14))
    assert _windows(table, 0) == [(68, 78), (92, 102), (164, 174)]  # Thursday, Friday, Monday
    assert (table.release_s[0] / HOUR, table.deadline_s[0] / HOUR) == (68, 174)


def test_a_date_without_a_window_waits_for_the_next_one():
    table = generate(estate([job("tax/big", when=rule(date=date(2027, 6, 5)))]))
    assert table.run_ids == ("a/tax/big/2027-06-05",)
    assert table.release_s[0] / HOUR == 164


def test_the_latest_date_cuts_windows_that_start_on_it_or_later():
    latest = rule(date=date(2027, 6, 4))
    table = generate(estate([job("tax/big", when=rule(date=date(2027, 6, 2)), nights=5, latest=latest)]))
    assert _windows(table, 0) == [(44, 54), (68, 78)]
    assert table.deadline_s[0] / HOUR == 78


def test_a_latest_date_that_leaves_no_window_becomes_the_deadline():
    latest = rule(relative_to="big", offset="0 days")
    table = generate(estate([job("tax/big", when=rule(date=date(2027, 6, 2)), nights=5, latest=latest)]))
    assert _windows(table, 0) == [(44, 54)]
    assert table.deadline_s[0] / HOUR == 24


def test_a_job_without_any_window_keeps_an_empty_one():
    table = generate(estate([job("tax/never", when=rule(date=date(2027, 6, 2)), window=window(None, None))]))
    assert _windows(table, 0) == [(24, 24)]


def test_the_horizon_keeps_runs_whose_first_window_starts_in_it():
    made = estate([job("tax/big", nights=2)], start=date(2027, 6, 3), days=2)
    table = generate(made)
    assert table.run_ids == ("a/tax/big/2027-06-03", "a/tax/big/2027-06-04")
    assert _windows(table, 1) == [(44, 54), (116, 126)]  # Friday, and Monday beyond the end
    saturday = generate(estate([job("tax/x", when=rule(date=date(2027, 6, 5)))], start=date(2027, 6, 7), days=1))
    assert saturday.run_ids == ("a/tax/x/2027-06-05",)  # its first window opens on Monday, inside


def test_tenants_jobs_and_vms_have_their_own_dates():
    jobs = [
        job("tax/nightly", from_=date(2027, 6, 2)),
        job("tax/weekly", tenant="b", vm="b-tax"),
        job("pay/nightly", tenant="b", vm="b-pay"),
    ]
    made = estate(
        jobs, tenants={"b": {"until": date(2027, 6, 4)}}, vms={"b-pay": {"from_": date(2027, 6, 2), "vcpu": 4}}
    )
    table = generate(made)
    days = {name: [table.run_ids[run][-2:] for run in _of(table, name)] for name in table.job_names}
    assert days == {
        "a/tax/nightly": ["02", "03", "04", "07"],
        "b/tax/weekly": ["01", "02", "03"],
        "b/pay/nightly": ["02", "03"],
    }


def test_a_predecessor_is_the_latest_run_released_no_later():
    jobs = [
        job("tax/nightly"),
        job("tax/backup", after=(after("tax/nightly"),)),
        job("kokuho/late", window=window("23:00-06:00"), after=(after("tax/nightly", lag_s=60.0),)),
        job("kokuho/early", window=window("19:00-06:00"), after=(after("tax/nightly"),)),
    ]
    table = generate(estate(jobs))
    first, second = _of(table, "a/tax/backup")[:2]
    assert _before(table, first) == ["a/tax/nightly/2027-06-01"]
    assert _before(table, second) == ["a/tax/nightly/2027-06-02"]
    assert _before(table, _of(table, "a/kokuho/late")[0]) == ["a/tax/nightly/2027-06-01"]
    early = _of(table, "a/kokuho/early")
    assert _before(table, early[0]) == []
    assert _before(table, early[1]) == ["a/tax/nightly/2027-06-01"]
    assert set(table.after_lag_s) == {0.0, 60.0}


def test_a_job_after_itself_waits_for_its_previous_run():
    table = generate(estate([job("tax/nightly", after=(after("tax/nightly"),))]))
    assert [_before(table, run) for run in range(len(table))] == [[], *[[name] for name in table.run_ids[:-1]]]


@pytest.mark.parametrize(("within", "expected"), [(0, []), (2, []), (3, ["a/tax/nightly/2027-06-04"])])
def test_within_days_counts_calendar_days(within, expected):
    # Friday's run and Monday 19:00, before Monday's nightly run at 20:00.
    jobs = [
        job("tax/nightly"),
        job(
            "tax/report",
            when=rule(date=date(2027, 6, 7)),
            window=window("19:00-06:00"),
            after=(after("tax/nightly", within_days=within),),
        ),
    ]
    table = generate(estate(jobs))
    assert _before(table, _of(table, "a/tax/report")[0]) == expected


def test_unknown_predecessors_are_left_out():
    table = generate(estate([job("tax/nightly", after=(after("gone/nightly"),))]))
    assert len(table.after_run) == 0


def test_cores_are_bounded_by_the_vm_of_the_date():
    busy = {"vcpu": 2, "vcpu_changes": (change(date(2027, 6, 2), date(2027, 6, 4), 8),)}
    table = generate(estate([job("tax/nightly", max_cores=6.0)], vms={"a-tax": busy}))
    # The window of the night of 3 June reaches into 4 June, when the VM has 2 vCPU again.
    assert table.max_cores.tolist() == [2, 6, 2, 2, 2]
    small = generate(estate([job("tax/nightly", max_cores=1.5)], vms={"a-tax": busy}))
    assert small.max_cores.tolist() == [1.5] * 5


def test_runs_are_in_order_and_columns_belong_to_their_run():
    jobs = [
        job("tax/b", tenant="b", vm="b-tax", cpu_s=1.0),
        job("tax/a", cpu_s=2.0, exclusive=True, nights=2),
        job("pay/early", cpu_s=3.0, window=window("18:00-22:00"), rerun_room=True),
    ]
    table = generate(estate(jobs))
    assert (np.diff(table.release_s) >= 0).all()
    work = {"b/tax/b": 1.0, "a/tax/a": 2.0, "a/pay/early": 3.0}
    for run, name in enumerate(table.run_ids):
        owner = name.rsplit("/", 1)[0]
        assert table.cpu_s[run] == work[owner]
        assert table.job_names[table.job[run]] == owner
        assert table.system_names[table.system[run]] == owner.rsplit("/", 1)[0]
        assert table.tenant_names[table.tenant[run]] == owner[0]
        assert table.exclusive[run] == (owner == "a/tax/a")
        assert table.rerun_room[run] == (owner == "a/pay/early")
        assert len(_windows(table, run)) == (2 if owner == "a/tax/a" else 1)
        assert table.release_s[run] == table.window_start_s[table.window_ptr[run]]


def test_an_estate_without_jobs_has_no_runs():
    assert len(generate(estate([], vms={"a-tax": {}}))) == 0
