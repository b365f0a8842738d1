"""Online load per VM, on days counted by hand."""

from __future__ import annotations

from datetime import date

import pytest

from capacity.online import table
from estate.catalogue_records import OnlineProfile
from tests.capacity.small_estates import ASSUMED, change, estate, job

HOUR = 3600.0
OFFICE = OnlineProfile(name="office", business_day={"08:30-17:15": 1.0, "17:15-19:00": 0.25}, **ASSUMED)
ROUND = OnlineProfile(name="round", business_day={"22:00-04:00": 1.0}, closed_day={"00:00-24:00": 0.5}, **ASSUMED)
PROFILES = {"office": OFFICE, "round": ROUND}


def _rows(made):
    found = table(made)
    return [
        (found.vm_names[vm], begin / HOUR, until / HOUR, cores)
        for vm, begin, until, cores in zip(found.vm, found.from_s, found.until_s, found.cores, strict=True)
    ]


def _estate(days=2, start=date(2027, 6, 3), **values):
    vms = {"a-tax": {"online_cores": 2.0, "online_profile": "office"} | values}
    return estate([job("tax/nightly")], start=start, days=days, vms=vms, profiles=PROFILES)


def test_office_hours_on_business_days_only():
    assert _rows(_estate(days=4)) == [
        ("a-tax", 8.5, 17.25, 2.0),
        ("a-tax", 17.25, 19.0, 0.5),
        ("a-tax", 32.5, 41.25, 2.0),
        ("a-tax", 41.25, 43.0, 0.5),
    ]


def test_a_span_over_midnight_reaches_into_the_horizon_and_ends_with_it():
    # 3 June is a Thursday: the night before belongs to Wednesday, a business day.
    assert _rows(_estate(days=1, online_profile="round")) == [("a-tax", 0.0, 4.0, 2.0), ("a-tax", 22.0, 24.0, 2.0)]


def test_a_vm_has_load_only_while_it_exists_and_never_above_its_vcpu():
    rows = _rows(_estate(days=3, from_=date(2027, 6, 4), until=date(2027, 6, 5), online_cores=6.0))
    assert rows == [("a-tax", 32.5, 41.25, 4.0), ("a-tax", 41.25, 43.0, 1.5)]


def test_a_busy_season_lifts_the_ceiling_on_its_days():
    busy = (change(date(2027, 6, 4), date(2027, 6, 5), 8),)
    rows = _rows(_estate(online_cores=6.0, vcpu_changes=busy))
    assert [cores for *_, cores in rows] == [4.0, 1.5, 6.0, 1.5]


def test_a_vm_without_profile_has_no_rows():
    assert _rows(_estate(online_profile=None)) == []


def test_an_unknown_profile_is_an_error():
    with pytest.raises(KeyError, match="lunch"):
        table(_estate(online_profile="lunch"))
