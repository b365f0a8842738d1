"""Builders of small resolved estates for the tests of the schedule: a test states what differs from plain values."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

from estate.base_records import DateRule, Window
from estate.catalogue_records import OnlineProfile
from estate.records import Policy, Site
from estate.resolved import (
    Predecessor,
    ResolvedEstate,
    ResolvedJob,
    ResolvedSystem,
    ResolvedTenant,
    ResolvedVm,
    VcpuChange,
)

JST = timezone(timedelta(hours=9))
ASSUMED: dict[str, Any] = {"basis": "assumed", "source": "test"}


def window(business: str | None = "20:00-06:00", closed: str | None = None, **more: Any) -> Window:
    return Window(business_day=business, closed_day=closed, **more, **ASSUMED)


def rule(**values: Any) -> DateRule:
    return DateRule(**values, **ASSUMED)


DAILY = "FREQ=DAILY"


def after(name: str, *, lag_s: float = 0.0, within_days: int = 120, tenant: str = "a") -> Predecessor:
    system, job = name.split("/")
    return Predecessor(tenant=tenant, system=system, job=job, lag_s=lag_s, lag_business_h=0.0, within_days=within_days)


def job(name: str, **values: Any) -> ResolvedJob:
    """A job `system/job` of tenant `a`, on the VM `tenant-system`, every business day in 20:00-06:00."""
    system, job_id = name.split("/")
    tenant = values.pop("tenant", "a")
    plain: dict[str, Any] = {
        "tenant": tenant,
        "system": system,
        "job": job_id,
        "name": job_id,
        "kind": "nightly",
        "vm": f"{tenant}-{system}",
        "when": rule(rrule=DAILY, only="business_day"),
        "latest": None,
        "window": window(),
        "nights": 1,
        "after": (),
        "fixed_s": 0.0,
        "cpu_s": 600.0,
        "io_mib": 0.0,
        "max_cores": 1.0,
        "work_cv": 0.2,
        "exclusive": False,
        "rerun_room": False,
        "from_": None,
        "until": None,
        **ASSUMED,
    }
    return ResolvedJob(**(plain | values))


def vm(name: str, **values: Any) -> ResolvedVm:
    tenant, system = name.split("-", 1)
    plain: dict[str, Any] = {
        "id": name,
        "tenant": tenant,
        "system": system,
        "role": "ap",
        "replica": 1,
        "site": "main",
        "segment": "mynumber",
        "vcpu": 4,
        "vcpu_changes": (),
        "memory_gib": 8.0,
        "disks": (),
        "image": "base",
        "slots": 1,
        "products": (),
        "anti_affinity": (),
        "online_cores": 0.0,
        "online_profile": None,
        "restore_priority": 5,
        "from_": None,
        "until": None,
    }
    return ResolvedVm(**(plain | values))


def change(first: date, until: date, vcpu: int) -> VcpuChange:
    return VcpuChange(
        from_=datetime(first.year, first.month, first.day, tzinfo=JST),
        until=datetime(until.year, until.month, until.day, tzinfo=JST),
        vcpu=vcpu,
    )


def estate(
    jobs: list[ResolvedJob],
    *,
    start: date = date(2027, 6, 1),
    days: int = 7,
    vms: dict[str, dict[str, Any]] | None = None,
    profiles: dict[str, OnlineProfile] | None = None,
    events: dict[str, DateRule] | None = None,
    tenants: dict[str, dict[str, Any]] | None = None,
) -> ResolvedEstate:
    """An estate of one site that has exactly these jobs, and a VM and a system for each of them."""
    made = {one.vm: vm(one.vm, **(vms or {}).get(one.vm, {})) for one in jobs}
    made |= {name: vm(name, **values) for name, values in (vms or {}).items() if name not in made}
    names = sorted({one.tenant for one in made.values()})
    systems = {(one.tenant, one.system) for one in made.values()}
    begin = datetime(start.year, start.month, start.day, tzinfo=JST)
    person = {"population": 10_000, "population_basis": None, "site": "main", "contact": None}
    return ResolvedEstate(
        name="試験",
        digest="0" * 64,
        fiscal_year=2027,
        start=begin,
        end=begin + timedelta(days=days),
        sites=(Site(id="main", role="primary", latitude=33.0, longitude=131.0),),
        hosts=(),
        tenants=tuple(
            ResolvedTenant(
                **(person | {"id": name, "code": None, "name": name, "from_": None, "until": None})
                | (tenants or {}).get(name, {})
            )
            for name in names
        ),
        systems=tuple(
            ResolvedSystem(
                tenant=tenant,
                id=system,
                name=system,
                group="税",
                segment="mynumber",
                site="main",
                service_hours=window("08:30-17:15"),
                restore_priority=5,
                confidence=None,
                vms=tuple(one.id for one in made.values() if (one.tenant, one.system) == (tenant, system)),
            )
            for tenant, system in sorted(systems)
        ),
        vms=tuple(made.values()),
        jobs=tuple(jobs),
        online_profiles=profiles or {},
        events=events or {},
        entitlements=(),
        costs=(),
        flows=(),
        policy=Policy(),
        assumptions=(),
    )
