"""Catalogue and estate file merged: sizes, work, precedence, shared systems, dates."""

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from estate.catalogue_records import Catalogue
from estate.records import EstateFile
from estate.resolve import horizon, resolve
from estate.resolved import ResolvedEstate, ResolvedJob

JST = timezone(timedelta(hours=9))
SOURCE = {"basis": "assumed", "source": "[A] test"}


def work(cpu: float = 0.5, unit: str = "residents") -> dict[str, Any]:
    return {"fixed_s": 60.0, "cpu_s_per_unit": cpu, "unit": unit, "io_mib_per_unit": 0.25, "max_cores": 2.0, **SOURCE}


def job(after: list[dict[str, Any]] | None = None, cpu: float = 0.5, unit: str = "residents") -> dict[str, Any]:
    when = {"rrule": "FREQ=DAILY", **SOURCE}
    return {
        "name": "job",
        "kind": "nightly",
        "role": "ap",
        "when": when,
        "work": work(cpu, unit),
        "after": after or [],
    }


def role(online: bool = False) -> dict[str, Any]:
    size = {
        "vcpu": {"small": 2, "large": 4},
        "memory_gib": {"small": 4.0, "large": 8.0},
        "disk_gib": {"small": 20.0, "large": 80.0},
        "replicas": {"large": 2},
    }
    entry: dict[str, Any] = {"name": "ap", "size": {**size, **SOURCE}, "products": [{"rule": "a.b"}]}
    if online:
        entry["online"] = {"profile": "office", "cores_per_1000_residents": 0.5, **SOURCE}
    return entry


def system(jobs: dict[str, Any], *, shared_only: bool = False) -> dict[str, Any]:
    return {
        "name": "system",
        "group": "group",
        "segment": "mynumber",
        "window": "night",
        "service_hours": "office-hours",
        "restore_priority": 2,
        "roles": {"ap": role(online=True), "db": role()},
        "jobs": jobs,
        "shared_only": shared_only,
    }


def catalogue() -> Catalogue:
    host = {"name": "host", "sockets": 2, "socket_capacity": 2, "cores_per_socket": 16, **SOURCE}
    return Catalogue.model_validate(
        {
            "format": 1,
            "host_models": {"model": host},
            "units": {
                "residents": {"name": "residents", "per_resident": 1.0, **SOURCE},
                "insured": {"name": "insured", "per_resident": 0.2, "basis": "published", "source": "[S] test"},
                "unused": {"name": "unused", "per_resident": 0.2, **SOURCE},
            },
            "classes": ({"id": "small", "max_population": 9999}, {"id": "large", "max_population": 99999}),
            "windows": {
                "night": {"business_day": "20:00-06:00", "closed_day": "18:30-07:00", **SOURCE},
                "certificate": {"business_day": "23:00-06:30", "closed_day": "23:00-06:30", **SOURCE},
                "office-hours": {"business_day": "08:30-17:15", "closed_day": None, **SOURCE},
            },
            "online_profiles": {"office": {"name": "office", "business_day": {"08:30-17:15": 1.0}, **SOURCE}},
            "events": {"due": {"name": "due", "rrule": "FREQ=MONTHLY;BYMONTHDAY=-1", **SOURCE}},
            "systems": {
                "registry": system({"nightly": job(), "backup": job([{"job": "nightly", "lag_h": 1.5}])}),
                "tax": system({"nightly": job([{"job": "nightly", "system": "registry"}], unit="insured")}),
                "server": system({"refresh": job([{"job": "nightly", "system": "registry"}])}, shared_only=True),
            },
        },
        strict=False,
    )


def estate_file(**changes: Any) -> EstateFile:
    base: dict[str, Any] = {
        "format": 1,
        "name": "test",
        "fiscal_year": 2027,
        "sites": [
            {"id": "b", "role": "backup", "latitude": 33.0, "longitude": 130.0},
            {"id": "a", "role": "primary", "latitude": 32.0, "longitude": 131.0},
        ],
        "hosts": [{"id": "h{08..11}", "site": "a", "model": "model", "memory_gib": 64, "disk_gib": 100, "uri": "x+y://{id}/s"}],
        "tenants": [
            {"id": "one", "code": "442046", "name": "one", "population": 9999},
            {"id": "two", "code": "442062", "name": "two", "population": 10000, "systems": {"only": ["tax"]}},
        ],
    }  # fmt: skip
    return EstateFile.model_validate({**base, **changes}, strict=False)


def resolved(**changes: Any) -> ResolvedEstate:
    return resolve(estate_file(**changes), catalogue(), "digest")


def tenant(**changes: Any) -> dict[str, Any]:
    return {"id": "one", "code": "442046", "name": "one", "population": 8000, **changes}


def find(estate: ResolvedEstate, name: str) -> ResolvedJob:
    wanted = tuple(name.split("/"))
    return next(entry for entry in estate.jobs if (entry.tenant, entry.system, entry.job) == wanted)


def test_a_tenant_without_selection_uses_every_system_that_is_not_shared_only():
    estate = resolved()
    assert [(entry.tenant, entry.id) for entry in estate.systems] == [
        ("one", "registry"),
        ("one", "tax"),
        ("two", "tax"),
    ]


def test_the_class_limit_belongs_to_the_smaller_class():
    estate = resolved()
    by_tenant = {name: [vm for vm in estate.vms if vm.tenant == name and vm.system == "tax"] for name in ("one", "two")}
    assert [vm.id for vm in by_tenant["one"]] == ["one-tax-ap-01", "one-tax-db-01"]
    assert [vm.id for vm in by_tenant["two"]] == ["two-tax-ap-01", "two-tax-ap-02", "two-tax-db-01", "two-tax-db-02"]
    assert {(vm.vcpu, vm.memory_gib) for vm in by_tenant["one"]} == {(2, 4.0)}
    assert {(vm.vcpu, vm.memory_gib) for vm in by_tenant["two"]} == {(4, 8.0)}


def test_above_the_largest_class_the_largest_holds_and_a_warning_says_so():
    estate = resolved(tenants=[tenant(population=200_000)])
    assert {vm.vcpu for vm in estate.vms} == {4}
    assert any("最大の人口区分 99,999" in warning for warning in estate.warnings)


def test_replicas_share_a_group_and_the_online_load():
    estate = resolved()
    first, second = (vm for vm in estate.vms if vm.tenant == "two" and vm.role == "ap")
    assert first.anti_affinity == second.anti_affinity == ("two:tax/ap",)
    assert first.online_cores + second.online_cores == pytest.approx(0.5 * 10)
    alone = next(vm for vm in estate.vms if vm.id == "one-tax-ap-01")
    assert alone.anti_affinity == ()


def test_policy_groups_hold_per_tenant():
    estate = resolved(policy={"anti_affinity": [["registry/db", "tax/db"]]})
    members = {vm.id: vm.anti_affinity for vm in estate.vms if vm.role == "db"}
    assert members["one-registry-db-01"] == members["one-tax-db-01"] == ("one:registry/db+tax/db",)
    assert members["two-tax-db-01"][0] == "two:registry/db+tax/db"


def test_only_the_data_volume_is_protected_and_volume_names_are_unique():
    estate = resolved()
    disks = [disk for vm in estate.vms for disk in vm.disks]
    assert len({disk.name for disk in disks}) == len(disks) == 2 * len(estate.vms)
    assert {disk.name.rsplit("-", 1)[1]: disk.protect for disk in disks} == {"system": False, "data": True}
    assert {disk.size_gib for disk in disks if not disk.protect} == {40.0}


def test_role_overrides_replace_the_class():
    override = {"roles": {"db": {"vcpu": 16, "memory_gib": 3.5, "disk_gib": 7, "replicas": 3, "products": []}}}
    estate = resolved(tenants=[tenant(overrides={"tax": override})])
    changed = [vm for vm in estate.vms if vm.system == "tax" and vm.role == "db"]
    assert len(changed) == 3
    assert {(vm.vcpu, vm.memory_gib, vm.disks[1].size_gib, vm.products) for vm in changed} == {(16, 3.5, 7.0, ())}
    assert all(vm.products for vm in estate.vms if vm not in changed)


def test_busy_vcpu_is_an_interval_of_the_vms_of_that_role_alone():
    busy = [{"from": "2027-05-01", "until": "2027-06-15", "role": "db", "vcpu": 8}]
    estate = resolved(tenants=[tenant(overrides={"tax": {"vcpu_busy": busy}})])
    changes = {vm.id: vm.vcpu_changes for vm in estate.vms}
    (change,) = changes.pop("one-tax-db-01")
    assert (change.from_, change.until, change.vcpu) == (
        datetime(2027, 5, 1, tzinfo=JST),
        datetime(2027, 6, 15, tzinfo=JST),
        8,
    )
    assert set(changes.values()) == {()}


def test_work_is_this_tenants_units():
    estate = resolved()
    assert find(estate, "one/registry/nightly").cpu_s == pytest.approx(0.5 * 9999)
    entry = find(estate, "two/tax/nightly")
    assert (entry.fixed_s, entry.vm) == (60.0, "two-tax-ap-01")
    assert entry.cpu_s == pytest.approx(0.5 * 0.2 * 10000)
    assert entry.io_mib == pytest.approx(0.25 * 0.2 * 10000)


def test_measurements_replace_assumptions_the_nearest_first():
    everybody = {"system": "tax", "job": "nightly", "fixed_s": 1, "cpu_s_per_unit": 0.1, "source": "log"}
    own = {**everybody, "tenant": "two", "fixed_s": 2, "cpu_s_per_unit": 0.2, "source": "own log"}
    estate = resolved(measured=[everybody, own])
    one, two = find(estate, "one/tax/nightly"), find(estate, "two/tax/nightly")
    assert (one.basis, one.source, one.fixed_s) == ("measured", "log", 1)
    assert (two.basis, two.source, two.fixed_s) == ("measured", "own log", 2)
    assert two.cpu_s == pytest.approx(0.2 * 0.2 * 10000)
    assert not any(entry.path == "systems.tax.jobs.nightly.work" for entry in estate.assumptions)


def test_a_tenants_own_number_beats_a_measurement_of_everybody_and_counts_as_assumed():
    everybody = {"system": "tax", "job": "nightly", "fixed_s": 1, "cpu_s_per_unit": 0.1, "source": "log"}
    override = {"jobs": {"nightly": {"cpu_s_per_unit": 0.9, "nights": 4, "max_cores": 7.0, "window": "certificate"}}}
    estate = resolved(measured=[everybody], tenants=[tenant(overrides={"tax": override})])
    entry = find(estate, "one/tax/nightly")
    assert (entry.basis, entry.fixed_s, entry.nights, entry.max_cores) == ("assumed", 1, 4, 7.0)
    assert entry.cpu_s == pytest.approx(0.9 * 0.2 * 8000)
    assert entry.window.business_day == "23:00-06:30"
    assert any(item.path == "tenants.one.overrides.tax.jobs.nightly" for item in estate.assumptions)


def test_dates_can_be_the_tenants_own():
    when = {"rrule": "FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=6", **SOURCE}
    latest = {"relative_to": "due", "offset": "-10 days", **SOURCE}
    override = {"jobs": {"nightly": {"when": when, "latest": latest}}}
    entry = find(resolved(tenants=[tenant(overrides={"tax": override})]), "one/tax/nightly")
    assert entry.when.rrule == when["rrule"]
    assert entry.latest is not None
    assert entry.latest.relative_to == "due"


def test_the_systems_window_can_be_the_tenants_own():
    estate = resolved(tenants=[tenant(overrides={"tax": {"window": "certificate"}})])
    assert find(estate, "one/tax/nightly").window.business_day == "23:00-06:30"
    assert find(estate, "one/registry/nightly").window.business_day == "20:00-06:00"


def test_predecessors_are_named_in_full_and_ignored_where_the_tenant_lacks_the_system():
    estate = resolved()
    (inside,) = find(estate, "one/registry/backup").after
    assert (inside.tenant, inside.system, inside.job, inside.lag_s) == ("one", "registry", "nightly", 5400.0)
    (across,) = find(estate, "one/tax/nightly").after
    assert (across.tenant, across.system) == ("one", "registry")
    assert find(estate, "two/tax/nightly").after == ()


def test_a_disabled_job_disappears_also_as_predecessor():
    estate = resolved(tenants=[tenant(overrides={"registry": {"jobs": {"nightly": {"enabled": False}}}})])
    assert [entry.job for entry in estate.jobs if entry.system == "registry"] == ["backup"]
    assert find(estate, "one/registry/backup").after == ()
    assert find(estate, "one/tax/nightly").after == ()


def test_a_shared_system_is_sized_for_the_sum_and_waits_for_every_member_that_has_the_other():
    estate = resolved(shared=[{"system": "server", "tenants": "all", "site": "b"}])
    common = estate.tenants[-1]
    assert (common.id, common.code, common.population, common.members) == ("common", None, 19999, ("one", "two"))
    servers = [vm for vm in estate.vms if vm.tenant == "common"]
    assert [vm.id for vm in servers if vm.role == "ap"] == ["common-server-ap-01", "common-server-ap-02"]
    assert {vm.site for vm in servers} == {"b"}
    entry = find(estate, "common/server/refresh")
    assert entry.cpu_s == pytest.approx(0.5 * 19999)
    assert [(item.tenant, item.system) for item in entry.after] == [("one", "registry")]


def test_members_of_a_shared_system_have_none_of_their_own_and_wait_for_the_shared_one():
    estate = resolved(shared=[{"system": "registry", "tenants": ["two", "one"]}])
    assert [(entry.tenant, entry.id) for entry in estate.systems] == [
        ("one", "tax"),
        ("two", "tax"),
        ("common", "registry"),
    ]
    for name in ("one", "two"):
        (before,) = find(estate, f"{name}/tax/nightly").after
        assert (before.tenant, before.system) == ("common", "registry")
    assert estate.tenants[-1].members == ("one", "two")


def test_the_policy_can_give_up_rerun_room():
    assert all(entry.rerun_room for entry in resolved().jobs)
    assert not any(entry.rerun_room for entry in resolved(policy={"rerun_room": False}).jobs)


@pytest.mark.parametrize(
    ("given", "start", "end"),
    [
        ({"lead_in_months": 3}, date(2027, 1, 1), date(2028, 4, 1)),
        ({"lead_in_months": 4}, date(2026, 12, 1), date(2028, 4, 1)),
        ({"lead_in_months": 12}, date(2026, 4, 1), date(2028, 4, 1)),
        ({"lead_in_months": 0}, date(2027, 4, 1), date(2028, 4, 1)),
        ({"from": "2027-05-03", "until": "2027-05-31"}, date(2027, 5, 3), date(2027, 5, 31)),
    ],
)
def test_horizon(given, start, end):
    found = horizon(estate_file(horizon=given))
    assert tuple(moment.date() for moment in found) == (start, end)
    assert {moment.utcoffset() for moment in found} == {timedelta(hours=9)}


def test_host_rows_are_expanded_and_uris_filled():
    estate = resolved()
    assert [host.id for host in estate.hosts] == ["h08", "h09", "h10", "h11"]
    assert estate.hosts[2].uri == "x+y://h10/s"
    assert estate.hosts[0].cores == 32


def test_a_tenant_sits_on_the_first_primary_site_unless_it_says_otherwise():
    estate = resolved(tenants=[tenant(), {**tenant(), "id": "other", "site": "b"}])
    assert {vm.tenant: vm.site for vm in estate.vms} == {"one": "a", "other": "b"}


def test_joining_and_leaving_narrow_down():
    override = {"tax": {"from": "2027-06-01", "until": "2027-12-01"}}
    whole = tenant(overrides=override, until="2027-10-01", **{"from": "2027-05-01"})
    estate = resolved(tenants=[whole])
    dates = {vm.system: (vm.from_, vm.until) for vm in estate.vms}
    assert dates == {
        "registry": (date(2027, 5, 1), date(2027, 10, 1)),
        "tax": (date(2027, 6, 1), date(2027, 10, 1)),
    }


def test_events_of_the_estate_win_over_those_of_the_catalogue():
    event = {"id": "due", "name": "own", "date": "2027-07-15", **SOURCE}
    estate = resolved(events=[event])
    assert estate.events["due"].day == date(2027, 7, 15)


def test_assumptions_are_used_ones_once_and_confidence_counts():
    selection = {"confidence": "low", "source": "reading R"}
    estate = resolved(tenants=[tenant(systems=selection)])
    paths = [entry.path for entry in estate.assumptions]
    assert len(paths) == len(set(paths))
    assert {"units.residents", "windows.night", "systems.tax.roles.ap.size", "tenants.one.systems"} <= set(paths)
    assert not {"units.insured", "units.unused", "windows.certificate", "events.due"} & set(paths)
    assert {entry.basis for entry in estate.assumptions} == {"assumed"}
    assert {entry.confidence for entry in estate.systems} == {"low"}


def test_the_same_input_gives_the_same_estate():
    shared = [{"system": "server", "tenants": "all"}]
    assert resolved(shared=shared) == resolved(shared=shared)
