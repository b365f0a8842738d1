"""Small plan folders that the laboratory can hold: hand-made, valid for the checkers, no planner involved."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from estate.resolved import ResolvedEstate
from layout import folder
from layout.layout_file import layout_digest
from layout.records import Layout, VmRecord
from tests.layout import builder

MEMORY_MIB = 128
POOL = "/var/lib/libvirt/images"


class LabBuilder(builder.Builder):
    """Two hosts without a reserve; one system per tenant: `ap` twice, apart, and `db`. VMs of 128 MiB."""

    def __init__(self, tenants: int = 2, generation: int = 1, fits: bool = True) -> None:
        super().__init__(tenants=tenants, systems=1, start=date(2027, 5, 10), days=7, hosts=2, fits=fits)
        self.generation = generation

    def lineage(self) -> list[str]:
        """Digests of the plans of earlier generations, as this builder makes them."""
        earlier = [LabBuilder(len(self.tenants), each) for each in range(1, self.generation)]
        return [layout_digest(each.contents().layout) for each in earlier]

    def vms(self) -> list[dict]:
        found = super().vms()
        for vm in found:
            for change in vm["vcpu_changes"]:
                change["until"] = builder.at(self.start, 24 * 3)
        return found

    def host_of(self, vm: dict) -> str:
        index = self.tenants.index(vm["tenant"]) + {"ap": vm["replica"] - 1, "db": 1}[vm["role"]]
        return self.hosts[index % 2]

    def products(self, vm: dict) -> list[dict]:
        """A rule that exists: runbooks count the licences of what they change."""
        return [{"rule": "sraoss-powergres.os"}] if vm["role"] == "db" else []

    def estate(self) -> ResolvedEstate:
        data = super().estate().model_dump(mode="json", by_alias=True)
        data["policy"]["spare_hosts"] = 0
        for host in data["hosts"]:
            host["pools"] = [{"name": "default", "path": POOL, "kind": "dir"}]
        for vm in data["vms"]:
            vm["memory_gib"] = MEMORY_MIB / 1024
            vm["image"] = "guest"
            vm["disks"] = [
                {"name": "system", "size_gib": 1.0, "protect": False},
                {"name": "data", "size_gib": 0.5, "protect": True},
            ]
        return ResolvedEstate.model_validate_json(json.dumps(data))

    def layout(self) -> Layout:
        data = super().layout().model_dump(mode="json", by_alias=True)
        data["generation"] = self.generation
        data["lineage"] = self.lineage()
        data["images"] = [{"id": "guest", "digest": ""}]
        for host in data["hosts"]:
            host["spare"] = False
            host["pools"] = [{"name": "default", "path": POOL, "kind": "dir"}]
        for vm in data["vms"]:
            vm["memory_mib"] = MEMORY_MIB
            vm["image"] = "guest"
            vm["disks"] = [
                # data first: the program must find the disk to boot from by itself
                {"name": f"{vm['id']}-data", "size_gib": 0.5, "protect": True, "base_image": None},
                {"name": f"{vm['id']}-system", "size_gib": 1.0, "protect": False, "base_image": "guest"},
            ]
            for disk in vm["disks"]:
                disk["pool"] = "default"
        return Layout.model_validate_json(json.dumps(data))


def write(path: Path, change: Callable[[dict[str, Any]], None] = lambda _: None, **options) -> folder.PlanFolder:
    """A plan folder at `path`; `change` edits its layout's JSON before it is written."""
    contents = LabBuilder(**options).contents()
    data = contents.layout.model_dump(mode="json", by_alias=True)
    change(data)
    layout = Layout.model_validate_json(json.dumps(data))
    return folder.write(path, folder.FolderContents(**{**vars(contents), "layout": layout}))


def vm_named(plan: folder.PlanFolder, name: str) -> VmRecord:
    """A VM of the plan."""
    return next(vm for vm in plan.layout.vms if vm.id == name)


def public_key(tenant: str) -> str:
    """A public key that nobody has the private half of; another for every tenant."""
    return f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{tenant.encode().hex():0>43} kumiai-{tenant}"
