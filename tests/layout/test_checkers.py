"""Checkers on folders that are odd rather than damaged, and on rules that the hand-made folder does not meet."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from estate.base_records import DateRule, Window, WindowException
from layout import checkers, folder
from layout.checkers import calendar, recurrence, sweep
from layout.records import MisfitRecord
from tests.layout import accounts, builder


@pytest.fixture(scope="module")
def contents():
    return builder.Builder(days=7).contents()


def refused(contents):
    verdicts = checkers.check(folder.assemble(Path("x"), contents))
    return {verdict.checker: verdict for verdict in verdicts if not verdict.passed}


def with_layout(contents, **changes):
    return replace(contents, layout=contents.layout.model_copy(update=changes))


def with_policy(contents, **changes):
    policy = contents.estate.policy.model_copy(update=changes)
    return replace(contents, estate=contents.estate.model_copy(update={"policy": policy}))


def test_empty_tables_and_layout_are_refused_not_tripped_over(contents):
    empty = replace(
        with_layout(contents, vms=(), hosts=(), networks=(), host_sets=(), images=(), bounds=()),
        runs=contents.runs.slice(0, 0),
        online=contents.online.slice(0, 0),
        profile=contents.profile.slice(0, 0),
    )
    assert {"completeness", "dates", "online", "fits"} <= set(refused(empty))


def test_many_violations_are_counted_and_twenty_lines_kept(contents):
    verdict = refused(replace(contents, runs=contents.runs.slice(0, 1)))["dates"]
    assert verdict.count == 2 * 2 * 2 * 7 - 1
    assert len(verdict.violations) == 20
    assert all("\n" not in line for line in verdict.violations)


def test_plan_that_does_not_fit_and_says_so_passes_the_fits_checker(contents):
    vms = contents.layout.vms[1:]
    broken = accounts.settle(with_layout(contents, vms=vms))
    misfit = MisfitRecord(reason="VM のホストがありません", kind="host")
    unfit = {"fits": False, "misfits": (misfit,), "verdict": "判定：不適合 — VM のホストがありません"}
    said = replace(broken, run=broken.run.model_copy(update=unfit))
    # The profile still counts the load of the VM that found no host.
    assert set(refused(said)) == {"completeness"}
    silent = replace(contents, run=contents.run.model_copy(update={"fits": False}))
    assert set(refused(silent)) == {"fits"}


def test_segments_apart_where_the_policy_says_so(contents):
    assert set(refused(with_policy(contents, separate_segments=True))) == {"segments", "fits"}
    one = tuple(vm.model_copy(update={"segment": "lgwan"}) for vm in contents.layout.vms)
    assert "segments" not in refused(with_policy(with_layout(contents, vms=one), separate_segments=True))


def test_vms_pinned_to_their_host_by_policy(contents):
    assert set(refused(with_policy(contents, may_run_on="host"))) == {"hosts", "fits"}


def test_policy_groups_apart(contents):
    # t00-s01-ap-02 and t00-s00-db-01 share kvm03 by the builder's round robin.
    assert set(refused(with_policy(contents, anti_affinity=(("s01/ap", "s00/db"),)))) == {"anti_affinity", "fits"}


def test_larger_overcommit_and_more_reserve(contents):
    assert set(refused(with_policy(contents, spare_hosts=2))) == {"reserve", "fits"}
    assert refused(with_policy(contents, vcpu_overcommit=8.0)) == {}


def test_hosts_that_are_always_kept_empty_do_not_count_as_reserve(contents):
    hosts = tuple(h.model_copy(update={"spare": h.id == "kvm06"}) for h in contents.estate.hosts)
    kept = replace(contents, estate=contents.estate.model_copy(update={"hosts": hosts}))
    assert set(refused(kept)) == {"reserve", "fits"}


def test_addresses_with_prefix_length(contents):
    vms = tuple(vm.model_copy(update={"address": f"{vm.address}/24"}) for vm in contents.layout.vms)
    assert refused(with_layout(contents, vms=vms)) == {}
    vms = tuple(vm.model_copy(update={"address": f"{vm.address}/16"}) for vm in contents.layout.vms)
    assert set(refused(with_layout(contents, vms=vms))) == {"network", "fits"}


def test_windows_of_a_day_by_kind():
    window = Window(
        business_day="20:00-06:00",
        closed_day=None,
        month_end="18:00-24:00",
        year_end="00:00-12:00",
        exceptions=(
            WindowException.model_validate({"from": date(2027, 6, 7), "until": date(2027, 6, 9), "span": None}),
        ),
        basis="assumed",
        source="試験用",
    )
    cases = {
        date(2027, 6, 4): {(1200, 1800)},
        date(2027, 6, 5): set(),
        date(2027, 6, 7): set(),
        date(2027, 6, 9): {(1200, 1800)},
        date(2027, 6, 30): {(1080, 1440)},
        date(2027, 7, 30): {(1080, 1440)},  # 31 July 2027 is a Saturday
        date(2027, 12, 28): {(1080, 1440)},
        date(2027, 12, 31): {(0, 720)},
        date(2028, 1, 3): {(0, 720)},
        date(2028, 1, 10): set(),  # 成人の日
    }
    assert {day: calendar.spans_of(window, day) for day in cases} == cases


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ({"rrule": "FREQ=MONTHLY;BYMONTHDAY=-1", "shift": "next"}, {date(2027, 6, 30), date(2027, 8, 2)}),
        ({"rrule": "FREQ=MONTHLY;BYMONTHDAY=-1", "shift": "previous"}, {date(2027, 6, 30), date(2027, 7, 30)}),
        ({"date": date(2027, 7, 20), "offset": "-1 business_days"}, {date(2027, 7, 16)}),  # 19 July is 海の日
        ({"date": date(2027, 5, 31), "offset": "1 months"}, {date(2027, 6, 30)}),
        ({"rrule": "FREQ=WEEKLY;BYDAY=MO", "only": "closed_day"}, {date(2027, 7, 19)}),
        ({"relative_to": "due", "offset": "3 days", "shift": "next"}, {date(2027, 7, 5)}),
    ],
)
def test_days_of_a_rule(rule, days):
    record = DateRule.model_validate({**rule, "basis": "assumed", "source": "試験用"})
    named = {"due": frozenset([date(2027, 6, 30)])}
    found = recurrence.days_of(record, date(2027, 6, 1), date(2027, 8, 5), lambda name, *_: named[name])
    assert found == days


def test_recurrence_finer_than_a_day_is_refused_at_once(contents):
    jobs = list(contents.estate.jobs)
    when = jobs[0].when.model_copy(update={"rrule": "FREQ=SECONDLY"})
    jobs[0] = jobs[0].model_copy(update={"when": when})
    spoilt = replace(contents, estate=contents.estate.model_copy(update={"jobs": tuple(jobs)}))
    assert set(refused(spoilt)) == {"dates", "fits"}


def test_slot_averages_equal_second_by_second_sums():
    rng = np.random.default_rng(5)
    begin, length = rng.uniform(-500, 5000, 60), rng.uniform(0, 3000, 60)
    cores, group = rng.uniform(0.1, 4, 60), rng.integers(0, 3, 60)
    got = sweep.slot_averages(sweep.Loads(group, begin, length, cores), 3, 8)
    for row in range(3):
        for slot in range(8):
            low, high = slot * 600.0, slot * 600.0 + 600
            own = group == row
            overlap = np.maximum(np.minimum(begin + length, high)[own] - np.maximum(begin, low)[own], 0)
            assert got[row, slot] == pytest.approx((overlap * cores[own]).sum() / 600, abs=1e-9)


def test_load_at_one_instant_counts_together():
    group = np.zeros(2, dtype=np.int64)
    steps = sweep.levels(group, np.array([0, 10]), np.array([10, 20]), np.array([2.0, 3.0]))
    assert [(int(t), float(v)) for t, v in zip(steps.time, steps.level, strict=True)] == [
        (0, 2.0),
        (10, 3.0),
        (20, 0.0),
    ]


def test_last_day_of_the_horizon_reaches_past_its_end(contents):
    ends = contents.runs["end"].to_pylist()
    assert max(ends) > contents.estate.end - timedelta(hours=3)
    assert refused(contents) == {}
