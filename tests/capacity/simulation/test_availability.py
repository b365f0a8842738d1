"""Service hours and outages: the figures of the standard, cases by hand, and minute by minute."""

from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.calendar import is_closed
from capacity.simulation.availability import Service, outages, services
from capacity.simulation.outage_years import host_draws, outage_years
from capacity.simulation.records import Relocation
from capacity.simulation.service_time import ServiceTime, service_time
from capacity.simulation.spans import common, length, union, without
from estate.catalogue_reader import STANDARD, read_catalogue
from estate.disturbance_records import Disturbances, Duration, HostFailure
from tests.layout.builder import Builder

JST = timezone(timedelta(hours=9))
SOURCE = {"basis": "assumed", "source": "[A] test"}
YEAR_S = 366 * 86400.0


def year_of(name, fiscal_year):
    catalogue = read_catalogue(STANDARD).record
    start, end = (datetime(year, 4, 1, tzinfo=JST) for year in (fiscal_year, fiscal_year + 1))
    return service_time(catalogue.windows[name], start, 0.0, (end - start).total_seconds())


@pytest.mark.parametrize(("fiscal_year", "days"), [(2026, 359), (2027, 360), (2028, 359)])
def test_certificates_are_served_sixteen_and_a_half_hours_a_day_but_on_the_six_days_of_new_year(fiscal_year, days):
    # 5,940 hours in a fiscal year with 29 February (2027, the pilot's), 5,923.5 in the others.
    assert year_of("certificate-hours", fiscal_year).total_s / 3600 == days * 16.5


def test_office_hours_are_eight_and_three_quarters_on_business_days():
    open_days = sum(not is_closed(date(2027, 4, 1) + timedelta(days=day)) for day in range(366))
    assert open_days == 243
    assert year_of("office-hours", 2027).total_s / 3600 == open_days * 8.75


def test_service_seconds_within_an_outage():
    day = ServiceTime(np.array([100.0, 300.0]), np.array([200.0, 400.0]))
    found = day.within(np.array([0.0, 150.0, 150.0, 210.0, 390.0]), np.array([500.0, 180.0, 350.0, 290.0, 9e9]))
    assert found.tolist() == [200.0, 30.0, 100.0, 0.0, 10.0]
    assert ServiceTime(np.zeros(0), np.zeros(0)).within(np.array([0.0]), np.array([9.0])).tolist() == [0.0]


def service(roles, opens=(0.0,), closes=(1000.0,)):
    return Service("t", "s", "system", roles, ServiceTime(np.array(opens), np.array(closes)))


def down(vm, at_s, until_s):
    return Relocation(vm, at_s, until_s, 0, keeps_work=False)


def test_a_system_is_down_while_all_vms_of_any_role_are():
    served = [service(((0, 1), (2,)))]
    found = outages(served, [down(0, 10, 50), down(1, 40, 90), down(2, 200, 260), Relocation(2, 300, 300, 1, True)])
    assert found.down_s.tolist() == [10.0 + 60.0]
    assert found.count.tolist() == [2]
    assert found.restore_s.tolist() == [70.0]
    assert found.longest_s.tolist() == [60.0]
    assert found.availability(np.array([1000.0])) == pytest.approx([0.93])


def test_outages_count_only_within_service_hours_but_are_restored_in_elapsed_time():
    found = outages([service(((0,),), opens=(0.0, 500.0), closes=(100.0, 600.0))], [down(0, 80.0, 520.0)])
    assert (found.down_s[0], found.restore_s[0], found.count[0]) == (40.0, 440.0, 1)


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)).map(lambda pair: (pair[0], sum(pair))), max_size=5)


@given(SPANS, SPANS)
def test_spans_are_sets_of_seconds(one, other):
    def seconds(spans):
        return {second for from_s, until_s in spans for second in range(from_s, until_s)}

    assert seconds(union(one)) == seconds(one)
    assert seconds(common(one, other)) == seconds(one) & seconds(other)
    assert seconds(without(one, other)) == seconds(one) - seconds(other)
    assert length(union(one)) == len(seconds(one))
    assert all(until_s < from_s for (_, until_s), (from_s, _) in zip(union(one), union(one)[1:], strict=False))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 80), st.integers(1, 30)), max_size=8),
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 40)), max_size=3),
)
@settings(max_examples=100, deadline=None)
def test_outages_second_by_second(failures, spans):
    roles = ((0, 1), (2,), (3,))
    opening = union([(float(at), float(at + more)) for at, more in spans])
    served = [service(roles, [a for a, _ in opening], [b for _, b in opening])]
    found = outages(served, [down(vm, float(at), float(at + more)) for vm, at, more in failures])
    lost, was_down, count, elapsed = 0, False, 0, 0
    for second in range(200):
        vms_down = {vm for vm, at, more in failures if at <= second < at + more}
        is_down = any(set(role) <= vms_down for role in roles)
        lost += is_down and any(a <= second < b for a, b in opening)
        count += is_down and not was_down
        elapsed += is_down
        was_down = is_down
    assert (found.down_s[0], found.count[0], found.restore_s[0]) == (lost, count, elapsed)


def failing(per_year, repair_min=60.0):
    return HostFailure(
        per_host_year=per_year,
        detection_min=2.0,
        restart_min=5.0,
        parallel_restarts=50,
        repair=Duration(median_min=repair_min, p95_min=repair_min),
        **SOURCE,
    )


@pytest.fixture(scope="module")
def contents():
    return Builder().contents()


def test_a_year_without_failures_is_available_all_the_time(contents):
    for record in (None, failing(0.0)):
        found = outage_years(contents, 3, record=record)
        assert (found.availability == 1.0).all()
        assert found.host_failures.tolist() == [0, 0, 0]
        assert np.isnan(found.restore_h()).all()


def test_years_are_the_same_whatever_their_number_and_differ_by_seed(contents):
    record = failing(3.0)
    few, many = outage_years(contents, 4, seed=7, record=record), outage_years(contents, 9, seed=7, record=record)
    assert np.array_equal(few.outages.down_s, many.outages.down_s[:4])
    assert not np.array_equal(few.outages.down_s, outage_years(contents, 4, seed=8, record=record).outages.down_s)


def test_hosts_have_streams_of_their_own():
    gaps, repairs = host_draws(["a", "b"], 3, seed=1, replication=2)
    other, _ = host_draws(["c", "b"], 3, seed=1, replication=2)
    assert np.array_equal(gaps[1], other[1])
    assert not np.array_equal(gaps[0], other[0])
    assert gaps.shape == repairs.shape == (2, 3)


def test_how_often_and_how_long_systems_are_down_is_as_expected(contents):
    """Replicas keep the ap role up; the one db VM is down 7 minutes at each of its host's failures."""
    rate, years = 4.0, 400
    found = outage_years(contents, years, record=failing(rate, repair_min=30.0))
    spare = {host.id for host in contents.layout.hosts if host.spare}
    assert spare
    counts = found.outages.count.mean(axis=0)
    assert counts == pytest.approx(np.full(len(counts), rate * 366 / 365.25), abs=4 * np.sqrt(rate / years))
    assert found.restore_h() == pytest.approx(np.full(len(counts), 7 / 60), rel=0.02)
    # Windows of the builder's systems: the chance that an outage falls into them is their share of the year.
    share = found.service_s / YEAR_S
    expected_s = rate * 366 / 365.25 * 7 * 60 * share
    assert found.outages.down_s.mean(axis=0) == pytest.approx(expected_s, rel=0.15)
    assert set(found.of_tenants()) == {"t00", "t01"}
    assert found.of_tenants()["t00"].shape == (years,)
    assert found.stranded.sum() == 0


def test_services_know_their_vms_by_role(contents):
    start = datetime(2027, 4, 1, tzinfo=JST)
    served = services(contents, start, 0.0, YEAR_S)
    assert [(entry.tenant, entry.system) for entry in served] == [
        (tenant, system) for tenant in ("t00", "t01") for system in ("s00", "s01")
    ]
    names = [vm.id for vm in contents.layout.vms]
    assert [[names[vm] for vm in role] for role in served[0].roles] == [
        ["t00-s00-ap-01", "t00-s00-ap-02"],
        ["t00-s00-db-01"],
    ]


def test_the_estates_own_rate_is_taken(contents):
    sizes = Disturbances(host_failure=failing(50.0))
    frail = contents.__class__(
        **{**vars(contents), "estate": contents.estate.model_copy(update={"disturbances": sizes})}
    )
    assert outage_years(frail, 2).host_failures.min() > 0
