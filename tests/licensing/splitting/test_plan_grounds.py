"""A plan folder -> what its costs are divided by, counted by hand on a plan of two towns and what they share."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate import load
from estate.base_records import Window
from estate.clock import JST
from estate.records import Policy, Site
from estate.resolved import ResolvedEstate, ResolvedSystem, ResolvedTenant
from layout.folder import FolderContents
from layout.records import RunRecord
from layout.tables import ONLINE, PROFILE, RUNS
from licensing import splitting
from licensing.splitting import Party
from tests.licensing.small_layouts import host, layout, vm

PILOT = Path(__file__).parents[3] / "examples" / "pilot" / "estate.yaml"
HOURS = 366 * 24  # of the fiscal year 2027, which holds 29 February 2028


def at(month: int, day: int, hour: int = 0, minute: int = 0, year: int = 2027) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=JST)


LAST = (at(3, 31, year=2028), at(4, 3, year=2028), 7)


def tenant(name: str, population: int, members=(), from_=None, until=None) -> ResolvedTenant:
    return ResolvedTenant(
        id=name,
        code=None,
        name=f"{name}町",
        population=population,
        population_basis=None,
        site="main",
        **{"from": from_},
        until=until,
        contact=None,
        members=members,
    )


def shared_system(name: str, members: tuple[str, ...]) -> ResolvedSystem:
    return ResolvedSystem(
        tenant="common",
        id=name,
        name=name,
        group="共通",
        segment="mynumber",
        site="main",
        service_hours=Window(business_day="00:00-24:00", closed_day=None, basis="assumed", source="試験"),
        restore_priority=1,
        confidence=None,
        vms=(),
        members=members,
    )


def run(tenant: str, system: str, vm: str, start: datetime, cpu_s: float, max_cores: float, release=None) -> dict:
    end = start + timedelta(seconds=cpu_s / max_cores)
    plain = {"run_id": f"{vm}{start}", "job": "night", "after": [], "fixed_s": 0.0, "io_mib": 0.0, "work_cv": 0.0}
    plain |= dict.fromkeys(("earliest_start", "window_start"), start) | {"deadline": end, "window_end": end}
    return {
        **plain,
        **{"tenant": tenant, "system": system, "vm": vm, "release": release or start, "start": start, "end": end},
        **{"cpu_s": cpu_s, "max_cores": max_cores, "exclusive": False, "rerun_room": True},
    }


def plan(members: tuple[str, ...], *, joined: date | None = None) -> FolderContents:
    estate = ResolvedEstate(
        name="小さな計画",
        digest="0" * 64,
        fiscal_year=2027,
        start=at(1, 1),
        end=at(4, 1, year=2028),
        sites=tuple(
            Site(id=name, role=role, latitude=32.0, longitude=131.0)
            for name, role in (("main", "primary"), ("backup", "backup"))
        ),
        hosts=(),
        tenants=(
            tenant("kou", 30_000),
            tenant("otsu", 10_000, from_=joined),
            tenant("hei", 5_000),
            tenant("common", 45_000, ("kou", "otsu", "hei")),
        ),
        systems=(shared_system("certificate", members), shared_system("copy", ())),
        vms=(),
        jobs=(),
        online_profiles={},
        events={},
        entitlements=(),
        costs=(),
        flows=(),
        policy=Policy(),
        assumptions=(),
    )
    vms = [
        vm("k", "h0", [], vcpu=4, tenant="kou", changes=[(at(3, 1), at(4, 2), 10), (at(6, 1), at(6, 2), 5), LAST]),
        vm("o", "h0", [], vcpu=2, tenant="otsu", from_=at(10, 1), until=at(10, 11)),
        vm("gone", "h0", [], vcpu=9, tenant="hei", until=at(4, 1)),
        vm("c1", "h1", [], vcpu=1, tenant="common", system="certificate"),
        vm("c2", "h1", [], vcpu=3, tenant="common", system="copy"),
    ]
    runs = [
        run("kou", "tax", "k", at(5, 1, 1), 7200.0, 2.0),
        run("kou", "tax", "k", at(4, 1, 1), 3600.0, 2.0, release=at(3, 31, 20)),  # of the year before
        run("common", "certificate", "c1", at(5, 1, 2), 600.0, 1.0),
        run("common", "copy", "c2", at(5, 1, 2), 1800.0, 3.0),
    ]
    profile = [
        ("main", at(5, 1, 1), "kou", 9.0, 2.0),
        ("main", at(5, 1, 2), "kou", 0.0, 1.0),
        ("main", at(5, 1, 2), "common", 0.0, 4.0),
        ("main", at(5, 1, 3), "otsu", 0.0, 5.0),
        ("backup", at(5, 1, 1), "hei", 0.0, 0.5),
    ]
    rows = [dict(zip(PROFILE.names, row, strict=True)) for row in profile]
    record = RunRecord(
        kumiai_version="0", versions={}, estate_digest="", layout_digest="", seed=0, timings_s={}, fits=True,
        verdict="", runs=4,
    )  # fmt: skip
    return FolderContents(
        estate=estate,
        layout=layout([host("h0"), host("h1"), host("b0", site="backup")], vms),
        runs=pa.Table.from_pylist(runs, schema=RUNS),
        online=ONLINE.empty_table(),
        profile=pa.Table.from_pylist(rows, schema=PROFILE),
        run=record,
    )


def test_vcpu_hours_respect_dates_and_changes():
    """kou: 4 all year, 6 more on 1 April, 1 more on 1 June, 3 more on the year's last day. otsu: 2 on ten days.

    The shared 1 and 3 go to their users by population.
    """
    use = splitting.grounds(plan(("kou", "otsu"))).use["vcpu-hours"]
    certificate, copy = HOURS, 3 * HOURS
    assert use == {
        "kou": 4 * HOURS + 6 * 24 + 24 + 3 * 24 + Fraction(3, 4) * certificate + Fraction(30, 45) * copy,
        "otsu": 2 * 240 + Fraction(1, 4) * certificate + Fraction(10, 45) * copy,
        "hei": Fraction(5, 45) * copy,
    }


def test_cpu_hours_are_those_of_runs_released_in_the_year():
    use = splitting.grounds(plan(("kou", "otsu"))).use["cpu-hours"]
    certificate, copy = Fraction(1, 6), Fraction(1, 2)
    assert use == {
        "kou": 2 + Fraction(3, 4) * certificate + Fraction(30, 45) * copy,
        "otsu": Fraction(1, 4) * certificate + Fraction(10, 45) * copy,
        "hei": Fraction(5, 45) * copy,
    }


def test_vms_are_those_that_exist_in_the_year():
    use = splitting.grounds(plan(("kou", "otsu"))).use["vms"]
    assert use == {
        "kou": 1 + Fraction(3, 4) + Fraction(30, 45),
        "otsu": 1 + Fraction(1, 4) + Fraction(10, 45),
        "hei": Fraction(5, 45),
    }


def test_users_of_shared_systems_count_by_months():
    """otsu joins in October: 10,000 x 6 months beside 30,000 x 12."""
    use = splitting.grounds(plan(("kou", "otsu"), joined=date(2027, 10, 1))).use["vms"]
    assert use["kou"] - 1 == Fraction(36, 42) + Fraction(36, 48)


def test_the_peak_slot_is_the_first_of_the_greatest_planned_load():
    """At 02:00 and 03:00 five cores: the first. The shared four are the certificate's 1 and the copy's 3."""
    main, backup = splitting.grounds(plan(("kou", "otsu"))).peaks
    assert (main.site, main.hosts, backup.site, backup.hosts) == ("main", 2, "backup", 1)
    assert main.cores == {
        "kou": 1 + Fraction(3, 4) + Fraction(30, 45) * 3,
        "otsu": Fraction(1, 4) + Fraction(10, 45) * 3,
        "hei": Fraction(5, 45) * 3,
    }
    assert backup.cores == {"kou": 0, "otsu": 0, "hei": Fraction(1, 2)}


def test_everybody_shares_a_system_whose_users_are_not_named():
    assert splitting.members_of(plan(()).estate) == dict.fromkeys(
        ("certificate", "copy"), frozenset(("kou", "otsu", "hei"))
    )


def test_common_pays_nothing_itself_and_the_notes_explain():
    grounds = splitting.grounds(plan(()))
    assert [party.id for party in grounds.parties] == ["kou", "otsu", "hei"]
    assert any("v(S)" in note for note in grounds.notes)
    assert any("月割り" in note for note in grounds.notes)


MONTHS = [
    (None, None, 12),
    (date(2027, 4, 1), date(2028, 4, 1), 12),
    (date(2027, 4, 30), None, 12),
    (date(2027, 5, 1), None, 11),
    (date(2028, 3, 31), None, 1),
    (date(2028, 4, 1), None, 0),
    (None, date(2027, 4, 1), 0),
    (None, date(2027, 4, 2), 1),
    (None, date(2027, 5, 1), 1),
    (date(2027, 7, 31), date(2027, 8, 2), 2),
    (date(2027, 7, 15), date(2027, 7, 15), 0),
    (date(2020, 1, 1), date(2026, 1, 1), 0),
]


@pytest.mark.parametrize(("joined", "left", "months"), MONTHS)
def test_months_of_membership(joined, left, months):
    assert Party("kou", "甲町", 1, joined, left).months(2027) == months


@given(st.dates(date(2026, 1, 1), date(2030, 1, 1)), st.dates(date(2026, 1, 1), date(2030, 1, 1)))
def test_months_are_those_with_a_day_of_membership(one, two):
    joined, left = sorted((one, two))
    days = (date(2027, 4, 1) + timedelta(days=number) for number in range(366))
    begun = {(day.year, day.month) for day in days if joined <= day < left}
    assert Party("kou", "甲町", 1, joined, left).months(2027) == len(begun)


def test_the_pilot_names_the_users_of_each_shared_system():
    members = splitting.members_of(load(PILOT))
    assert members["certificate-server"] == {"nobeoka", "hyuga", "aya", "kadogawa"}
    assert len(members["offsite-copy"]) == 10
