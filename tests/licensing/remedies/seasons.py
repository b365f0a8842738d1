"""A busy season with its runs: one VM that grows from 4 to 8, every night one run on it and a backup on another VM."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from estate.records import Entitlement
from layout import folder
from layout.folder import FolderContents, PlanFolder
from layout.records import Product
from layout.tables import RUNS
from tests.layout.builder import Builder
from tests.licensing.remedies.plans import held

SQL = "microsoft-sql-server.core-per-vm"
GROWING, OTHER = "t00-s00-ap-01", "t00-s00-ap-02"
FIRST, LAST = date(2027, 5, 10), date(2027, 5, 24)
"""The season of the builder."""


@dataclass(frozen=True)
class Season:
    """The nightly run wants 8 cores; times are minutes after 20:00."""

    cpu_s: float = 8000.0
    """At 8 cores cpu_s / 8 + 300 s, at 4 cores cpu_s / 4 + 300 s."""
    nightly_at: int = 0
    backup_at: int = 70
    """On the database's VM; it waits 30 minutes after the nightly run."""
    second: bool = False
    """A second run on the growing VM, at the same time as the backup."""
    slots: int = 1
    start: date = FIRST
    days: int = 21

    def plan(self) -> PlanFolder:
        """The plan folder, never written. It passes the checkers of runs as it is."""
        return folder.assemble(Path("season"), self.contents())

    def contents(self) -> FolderContents:
        """What the plan folder holds."""
        builder = Builder(tenants=1, systems=1, start=self.start, days=self.days)
        estate, layout, table = builder.estate(), builder.layout(), builder.runs()
        rows = []
        for row in table.to_pylist():
            night = row["window_start"].replace(hour=20)
            if row["job"] == "nightly":
                cores = 8.0 if FIRST <= night.date() < LAST else 4.0
                row |= {"cpu_s": self.cpu_s, "max_cores": cores, "start": night + timedelta(minutes=self.nightly_at)}
                row["end"] = row["start"] + timedelta(seconds=300 + self.cpu_s / cores)
            elif row["job"] == "backup":
                row["start"] = night + timedelta(minutes=self.backup_at)
                row["end"] = row["start"] + timedelta(seconds=1600)
            rows.append(row)
            if row["job"] == "backup" and self.second:
                copy = {"run_id": row["run_id"].replace("backup", "check"), "job": "check", "vm": GROWING, "after": []}
                rows.append(row | copy | {"max_cores": 1.0})
        runs = RUNS.empty_table().from_pylist(rows, schema=RUNS)
        jobs = tuple(
            job.model_copy(update={"cpu_s": self.cpu_s, "max_cores": 8.0}) if job.job == "nightly" else job
            for job in estate.jobs
        )
        if self.second:
            backup = next(job for job in jobs if job.job == "backup")
            jobs += (backup.model_copy(update={"job": "check", "vm": GROWING, "after": ()}),)
        product = Product(rule=SQL)
        vms = tuple(
            vm.model_copy(
                update={
                    "products": (product,) if vm.id in (GROWING, OTHER) else (),
                    "slots": self.slots if vm.id == GROWING else vm.slots,
                    "vcpu_changes": vm.vcpu_changes if vm.id == GROWING else (),
                }
            )
            for vm in layout.vms
        )
        entitlements: tuple[Entitlement, ...] = (held(SQL, 8),)
        contents = builder.contents()
        return replace(
            contents,
            estate=estate.model_copy(update={"jobs": jobs, "entitlements": entitlements}),
            layout=layout.model_copy(update={"vms": vms}),
            runs=runs,
        )
