"""Small plan folders that are valid by construction, made without any planner.

Every tenant has the same systems; per system a VM `ap` in two replicas (the replicas apart) and a VM `db`. Every
night at 20:00 + a stagger: `nightly` on ap, then `backup` on db (30 minutes of lag after it); on the last business
day of a month an exclusive `closing` on ap at 01:00. All of it is laid out by plain arithmetic, so that nothing here
can share a mistake with a planner or a checker.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa

from estate.resolved import ResolvedEstate
from layout import folder
from layout.records import Layout, RunRecord
from layout.tables import ONLINE, PROFILE, RUNS

JST = timezone(timedelta(hours=9), "JST")
SEGMENTS = ("mynumber", "lgwan")
BASIS = {"basis": "assumed", "source": "試験用"}
WINDOW = {"business_day": "20:00-06:00", "closed_day": "18:00-08:00", "exceptions": [], **BASIS}
HOLIDAYS = {  # of the years that the tests use, by hand
    date(2027, 1, 1),
    date(2027, 1, 11),
    date(2027, 2, 11),
    date(2027, 2, 23),
    date(2027, 3, 22),
    date(2027, 4, 29),
    date(2027, 5, 3),
    date(2027, 5, 4),
    date(2027, 5, 5),
    date(2027, 7, 19),
    date(2027, 8, 11),
    date(2027, 9, 20),
    date(2027, 9, 23),
    date(2027, 10, 11),
    date(2027, 11, 3),
    date(2027, 11, 23),
    date(2028, 1, 10),
    date(2028, 2, 11),
    date(2028, 2, 23),
    date(2028, 3, 20),
}


def closed(day: date) -> bool:
    return (
        day.weekday() >= 5
        or day in HOLIDAYS
        or (day.month, day.day) in {(12, 29), (12, 30), (12, 31), (1, 1), (1, 2), (1, 3)}
    )


def at(day: date, hours: float) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=JST) + timedelta(hours=hours)


def window_of(day: date) -> tuple[datetime, datetime]:
    return (at(day, 18), at(day, 32)) if closed(day) else (at(day, 20), at(day, 30))


def month_end(day: date) -> bool:
    following = day + timedelta(days=1)
    while closed(following):
        following += timedelta(days=1)
    return not closed(day) and following.month != day.month


class Builder:
    """Parts of a folder as plain data; `contents()` makes records and tables of them."""

    def __init__(
        self,
        tenants: int = 2,
        systems: int = 2,
        start: date = date(2027, 5, 10),
        days: int = 28,
        hosts: int = 6,
        host_cores: int = 32,
        host_memory_gib: float = 512.0,
        fits: bool = True,
    ) -> None:
        self.tenants = [f"t{i:02d}" for i in range(tenants)]
        self.systems = [f"s{i:02d}" for i in range(systems)]
        self.start, self.end = start, start + timedelta(days=days)
        self.hosts = [f"kvm{i + 1:02d}" for i in range(hosts)]
        self.host_cores, self.host_memory_gib = host_cores, host_memory_gib
        self.fits = fits

    def segment(self, system: str) -> str:
        return SEGMENTS[int(system[1:]) % 2]

    def vms(self) -> list[dict]:
        busy = [{"from": at(self.start, 0), "until": at(self.start, 24 * 14), "vcpu": 8}]
        return [
            {
                "id": f"{tenant}-{system}-{role}-{replica:02d}",
                "tenant": tenant,
                "system": system,
                "role": role,
                "replica": replica,
                "segment": self.segment(system),
                "vcpu_changes": busy if (tenant, system, role) == ("t00", "s00", "ap") else [],
            }
            for tenant in self.tenants
            for system in self.systems
            for role, replica in (("ap", 1), ("ap", 2), ("db", 1))
        ]

    def host_of(self, vm: dict) -> str:
        """Round robin over all hosts but the last, which is the reserve; replicas fall on neighbours."""
        used = len(self.hosts) - 1
        index = self.tenants.index(vm["tenant"]) + self.systems.index(vm["system"])
        return self.hosts[(index + {"ap": vm["replica"] - 1, "db": 2}[vm["role"]]) % used]

    def estate(self) -> ResolvedEstate:
        rule = {"rrule": "FREQ=DAILY", "shift": "none", **BASIS}
        common = {
            "latest": None,
            "window": WINDOW,
            "nights": 1,
            "io_mib": 10.0,
            "work_cv": 0.2,
            "basis": "assumed",
            "source": "試験用",
            "rerun_room": True,
            "from": None,
            "until": None,
        }
        jobs, systems = [], []
        for tenant in self.tenants:
            for system in self.systems:
                who = {"tenant": tenant, "system": system}
                jobs += [
                    {
                        **common,
                        **who,
                        "job": "nightly",
                        "name": "夜間",
                        "kind": "nightly",
                        "vm": f"{tenant}-{system}-ap-01",
                        "when": rule,
                        "after": [],
                        "fixed_s": 300.0,
                        "cpu_s": 3600.0,
                        "max_cores": 2.0,
                        "exclusive": False,
                    },
                    {
                        **common,
                        **who,
                        "job": "backup",
                        "name": "退避",
                        "kind": "backup",
                        "vm": f"{tenant}-{system}-db-01",
                        "when": rule,
                        "after": [{**who, "job": "nightly", "lag_s": 1800.0, "lag_business_h": 0.0, "within_days": 2}],
                        "fixed_s": 600.0,
                        "cpu_s": 1000.0,
                        "max_cores": 1.0,
                        "exclusive": False,
                    },
                    {
                        **common,
                        **who,
                        "job": "closing",
                        "name": "月締",
                        "kind": "month-end",
                        "vm": f"{tenant}-{system}-ap-01",
                        "when": {"rrule": "FREQ=MONTHLY;BYMONTHDAY=-1", "shift": "previous", **BASIS},
                        "after": [],
                        "fixed_s": 0.0,
                        "cpu_s": 7200.0,
                        "max_cores": 3.0,
                        "exclusive": True,
                    },
                ]
                systems.append(
                    {
                        "tenant": tenant,
                        "id": system,
                        "name": system,
                        "group": "税",
                        "segment": self.segment(system),
                        "site": "dc",
                        "service_hours": WINDOW,
                        "restore_priority": 1,
                        "confidence": None,
                        "vms": [vm["id"] for vm in self.vms() if (vm["tenant"], vm["system"]) == (tenant, system)],
                    }
                )
        model = {
            "name": "試験機",
            "sockets": 2,
            "socket_capacity": 2,
            "cores_per_socket": self.host_cores // 2,
            "threads_per_core": 2,
            "core_factors": {"oracle": 0.5},
            "io_mib_s": 2000.0,
            **BASIS,
        }
        data = {
            "name": "試験の組合",
            "digest": "e" * 64,
            "fiscal_year": 2027,
            "start": at(self.start, 0),
            "end": at(self.end, 0),
            "sites": [{"id": "dc", "role": "primary", "latitude": 33.0, "longitude": 131.0}],
            "hosts": [
                {
                    "id": host,
                    "site": "dc",
                    "model_id": "m",
                    "model": model,
                    "memory_gib": self.host_memory_gib,
                    "disk_gib": 8000.0,
                    "uri": f"qemu+ssh://{host}/system",
                    "spare": False,
                    "pools": [{"name": "default", "path": "/images"}],
                    "products": [],
                }
                for host in self.hosts
            ],
            "tenants": [
                {
                    "id": tenant,
                    "code": None,
                    "name": tenant,
                    "population": 1000,
                    "population_basis": None,
                    "site": "dc",
                    "from": None,
                    "until": None,
                    "contact": None,
                }
                for tenant in self.tenants
            ],
            "systems": systems,
            "vms": [
                {
                    "id": vm["id"],
                    "tenant": vm["tenant"],
                    "system": vm["system"],
                    "role": vm["role"],
                    "replica": vm["replica"],
                    "site": "dc",
                    "segment": vm["segment"],
                    "vcpu": 4,
                    "vcpu_changes": [
                        {"from": c["from"], "until": c["until"], "vcpu": c["vcpu"]} for c in vm["vcpu_changes"]
                    ],
                    "memory_gib": 8.0,
                    "disks": [{"name": f"{vm['id']}-data", "size_gib": 50.0, "protect": True}],
                    "image": "base",
                    "slots": 1,
                    "products": self.products(vm),
                    "anti_affinity": [self.group(vm)] if vm["role"] == "ap" else [],
                    "online_cores": 1.0,
                    "online_profile": "day",
                    "restore_priority": 1,
                    "from": None,
                    "until": None,
                }
                for vm in self.vms()
            ],
            "jobs": jobs,
            "online_profiles": {"day": {"name": "昼", "business_day": {"08:00-18:00": 1.0}, **BASIS}},
            "events": {},
            "entitlements": [],
            "costs": [],
            "flows": [],
            "policy": {"spare_hosts": 1},
            "assumptions": [],
        }
        return ResolvedEstate.model_validate_json(json.dumps(data, default=datetime.isoformat))

    def products(self, vm: dict) -> list[dict]:
        return [{"rule": "sraoss.powergres", "options": {"edition": "plus"}}] if vm["role"] == "db" else []

    def group(self, vm: dict) -> str:
        return f"{vm['tenant']}/{vm['system']}/ap"

    def layout(self) -> Layout:
        networks = []
        for t, tenant in enumerate(self.tenants):
            for s, segment in enumerate(SEGMENTS):
                number = 2 * t + s
                networks.append(
                    {
                        "id": f"{tenant}-{segment}",
                        "tenant": tenant,
                        "segment": segment,
                        "site": "dc",
                        "bridge": f"br{number}",
                        "vlan": 100 + number,
                        "vni": 1000 + number,
                        "subnet": f"10.{number // 250}.{number % 250}.0/24",
                        "gateway": f"10.{number // 250}.{number % 250}.1",
                    }
                )
        subnet = {n["id"]: n["subnet"].removesuffix("0/24") for n in networks}
        taken = dict.fromkeys(subnet, 10)
        vms = []
        for i, vm in enumerate(self.vms()):
            network = f"{vm['tenant']}-{vm['segment']}"
            taken[network] += 1
            vms.append(
                {
                    **{key: vm[key] for key in ("id", "tenant", "system", "role", "segment", "vcpu_changes")},
                    "site": "dc",
                    "host": self.host_of(vm),
                    "may_run_on": "dc",
                    "pinned": False,
                    "vcpu": 4,
                    "vcpu_max": 8 if vm["vcpu_changes"] else 4,
                    "memory_mib": 8192,
                    "disks": [{"name": f"{vm['id']}-data", "size_gib": 50.0, "pool": "default", "protect": True}],
                    "image": "base",
                    "network": network,
                    "mac": f"52:54:00:00:{i // 256:02x}:{i % 256:02x}",
                    "address": f"{subnet[network]}{taken[network]}",
                    "slots": 1,
                    "products": self.products(vm),
                    "anti_affinity": [self.group(vm)] if vm["role"] == "ap" else [],
                    "restore_priority": 1,
                }
            )
        data = {
            "format_version": "1.0",
            "estate": {"name": "試験の組合", "digest": "e" * 64, "fiscal_year": 2027},
            "generation": 1,
            "hosts": [
                {
                    "id": host,
                    "site": "dc",
                    "model": "m",
                    "sockets": 2,
                    "socket_capacity": 2,
                    "cores_per_socket": self.host_cores // 2,
                    "threads_per_core": 2,
                    "core_factors": {"oracle": 0.5},
                    "memory_mib": int(self.host_memory_gib * 1024),
                    "disk_gib": 8000.0,
                    "io_mib_s": 2000.0,
                    "uri": f"qemu+ssh://{host}/system",
                    "spare": host == self.hosts[-1],
                    "pools": [{"name": "default", "path": "/images", "kind": "dir"}],
                }
                for host in self.hosts
            ],
            "host_sets": [{"id": "dc", "hosts": self.hosts}],
            "vms": vms,
            "images": [{"id": "base"}],
            "networks": networks,
        }
        return Layout.model_validate_json(json.dumps(data, default=datetime.isoformat))

    def stagger(self, tenant: str, system: str) -> int:
        """Minutes after the earliest start: one of nine steps of 10 minutes."""
        return 10 * ((self.tenants.index(tenant) + self.systems.index(system)) % 9)

    def runs(self) -> pa.Table:
        columns: dict[str, list] = {name: [] for name in RUNS.names}
        minute = timedelta(minutes=1)
        days = [self.start + timedelta(days=i) for i in range((self.end - self.start).days)]
        for day in days:
            opening, closing = window_of(day)
            first = at(day, 20)  # both kinds of day are open at 20:00
            for tenant in self.tenants:
                for system in self.systems:
                    who, shift = f"{tenant}/{system}", self.stagger(tenant, system) * minute
                    ap, db = f"{tenant}-{system}-ap-01", f"{tenant}-{system}-db-01"
                    rows = [
                        # nightly: 300 s + 3600/2 s = 35 min; backup 30 min after its end, on the grid: + 70 min
                        ("nightly", ap, opening, first + shift, 35 * minute, [], 300.0, 3600.0, 2.0, False),
                        (
                            "backup",
                            db,
                            opening + 70 * minute,
                            first + shift + 70 * minute,
                            timedelta(seconds=1600),
                            [{"run": f"{who}/nightly/{day}", "lag_s": 1800.0, "lag_business_h": 0.0}],
                            600.0,
                            1000.0,
                            1.0,
                            False,
                        ),
                    ]
                    if month_end(day):
                        # closing: exclusive, so after both others: opening + 70 min + 27 min -> + 100 min
                        rows.append(
                            (
                                "closing",
                                ap,
                                opening + 100 * minute,
                                at(day, 25),
                                40 * minute,
                                [],
                                0.0,
                                7200.0,
                                3.0,
                                True,
                            )
                        )
                    for job, vm, earliest, start, length, after, fixed, cpu, cores, exclusive in rows:
                        row = (
                            f"{who}/{job}/{day}",
                            tenant,
                            system,
                            job,
                            vm,
                            opening,
                            earliest,
                            start,
                            start + length,
                            closing,
                            opening,
                            closing,
                            after,
                            fixed,
                            cpu,
                            10.0,
                            cores,
                            exclusive,
                            True,
                            0.2,
                        )
                        for name, value in zip(RUNS.names, row, strict=True):
                            columns[name].append(value)
        return pa.table(columns, schema=RUNS)

    def online(self) -> pa.Table:
        days = [self.start + timedelta(days=i) for i in range((self.end - self.start).days)]
        rows = [(vm["id"], at(day, 8), at(day, 18), 1.0) for day in days if not closed(day) for vm in self.vms()]
        names = ("vm", "from", "until", "cores")
        return pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)}, schema=ONLINE)

    def contents(self) -> folder.FolderContents:
        """A folder's contents: the profile, the peaks and the bound are counted here, second by second."""
        from tests.layout import accounts  # the tests' own arithmetic

        estate, layout, runs, online = self.estate(), self.layout(), self.runs(), self.online()
        record = RunRecord(
            kumiai_version="0",
            versions={},
            estate_digest="e" * 64,
            layout_digest="",
            seed=0,
            timings_s={},
            fits=self.fits,
            verdict="判定：適合",
            runs=runs.num_rows,
        )
        plain = folder.FolderContents(estate, layout, runs, online, PROFILE.empty_table(), record)
        return accounts.settle(plain)


def write(path: Path, **options) -> folder.PlanFolder:
    return folder.write(path, Builder(**options).contents())
