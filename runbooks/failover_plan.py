"""The plan by which the backup site carries on for a site that is lost: which VMs, where, and what must wait.

`python -m runbooks.failover_plan PLAN --lost SITE -o DIR [--up-to PRIORITY]` writes a plan folder that names only the
hosts that are left, with the networks of the lost site moved to them as they were (VLAN, VXLAN, subnet, gateway, MAC
and address): the VMs come back from their backups and nobody needs a new address. Make it before it is needed.
It is marked as not fitting, so that `kumiai deploy` never builds from it: what Pulumi knows stays the lost site, for
the way back.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from layout import FolderError, folder
from layout.folder import FolderContents, PlanFolder
from layout.records import HostRecord, HostSet, Layout, NetworkRecord, VmRecord

HOST_SET = "failover"
NOT_FOR_BUILDING = "判定：不適合 — 縮退運用の計画です（手順書 failover-to-backup-site だけが使います）"


class FailoverError(Exception):
    """The site cannot be carried on. One Japanese line."""


@dataclass(frozen=True)
class Failover:
    """The layout of the reduced operation, and the VMs for which there is no room, most urgent first."""

    layout: Layout
    waiting: tuple[VmRecord, ...]


def reduced(plan: PlanFolder, lost: str, up_to: int = 9) -> Failover:
    """VMs of the lost site with a restore priority of at most `up_to`, on the other sites' hosts in that order.

    Each takes the first host that still has memory, disk and vCPUs (times the estate's overcommit) for it; VMs that
    stay where they are count. What finds no room waits. Raises FailoverError.
    """
    layout = plan.layout
    hosts = tuple(host for host in layout.hosts if host.site != lost)
    if not any(host.site == lost for host in layout.hosts):
        raise FailoverError(f"拠点「{lost}」は計画にありません")
    if not hosts:
        raise FailoverError("残る拠点のホストがありません")
    policy = plan.estate.policy
    room = _Room(hosts, policy.memory_overcommit, policy.vcpu_overcommit)
    staying = [vm for vm in layout.vms if vm.site != lost]
    for vm in staying:
        room.take(vm, vm.host)
    placed: list[VmRecord] = []
    waiting: list[VmRecord] = []
    for vm in sorted((vm for vm in layout.vms if vm.site == lost), key=lambda vm: (vm.restore_priority, vm.id)):
        host = room.first(vm) if vm.restore_priority <= up_to else None
        if host is None:
            waiting.append(vm)
            continue
        room.take(vm, host.id)
        changes = {"host": host.id, "site": host.site, "may_run_on": HOST_SET, "pinned": False}
        placed.append(vm.model_copy(update=changes))
    if not placed:
        raise FailoverError("残る拠点のホストには、1 台も置けません")
    return Failover(_layout(layout, hosts, [*staying, *placed], lost), tuple(waiting))


def _layout(layout: Layout, hosts: tuple[HostRecord, ...], vms: list[VmRecord], lost: str) -> Layout:
    ids = {host.id for host in hosts}
    used = {vm.network: vm.site for vm in vms}
    networks = [
        network if network.site != lost else network.model_copy(update={"site": used[network.id]})
        for network in layout.networks
        if network.site != lost or network.id in used
    ]
    _require_free(networks)
    sets = [
        HostSet(id=each.id, hosts=kept)
        for each in layout.host_sets
        if (kept := tuple(host for host in each.hosts if host in ids))
    ]
    known = {vm.id for vm in vms}
    return layout.model_copy(
        update={
            "hosts": hosts,
            "host_sets": (*sets, HostSet(id=HOST_SET, hosts=tuple(sorted(ids)))),
            "vms": tuple(
                vm.model_copy(
                    update={
                        "anti_affinity": tuple(other for other in vm.anti_affinity if other in known),
                        "affinity": tuple(other for other in vm.affinity if other in known),
                    }
                )
                for vm in vms
            ),
            "networks": tuple(networks),
            "moves": (),
            "bounds": (),
        }
    )


def _require_free(networks: Sequence[NetworkRecord]) -> None:
    """Raises FailoverError where two networks would share a VLAN or a bridge of a site."""
    seen: dict[tuple[str, object], str] = {}
    for network in networks:
        for key in ((network.site, network.vlan), (network.site, network.bridge)):
            other = seen.setdefault(key, network.id)
            if key[1] is not None and other != network.id:
                raise FailoverError(f"拠点「{network.site}」で {key[1]} が重なります（{other} と {network.id}）")


class _Room:
    """What is left on each host: memory in MiB, disk in GiB, vCPUs."""

    def __init__(self, hosts: Sequence[HostRecord], memory_overcommit: float, vcpu_overcommit: float) -> None:
        self.hosts = hosts
        self.left = {
            host.id: [host.memory_mib * memory_overcommit, host.disk_gib, host.cores * vcpu_overcommit]
            for host in hosts
        }

    def first(self, vm: VmRecord) -> HostRecord | None:
        wanted = _wanted(vm)
        return next(
            (host for host in self.hosts if all(w <= has for w, has in zip(wanted, self.left[host.id], strict=True))),
            None,
        )

    def take(self, vm: VmRecord, host: str) -> None:
        self.left[host] = [has - w for has, w in zip(self.left[host], _wanted(vm), strict=True)]


def _wanted(vm: VmRecord) -> tuple[float, float, float]:
    return (vm.memory_mib, sum(disk.size_gib for disk in vm.disks), vm.vcpu)


def write(plan: PlanFolder, found: Failover, destination: Path) -> None:
    """Writes the folder: the timetable of the VMs that go on is that of the plan. Raises FolderError."""
    kept = pa.array([vm.id for vm in found.layout.vms])
    folder.write(
        destination,
        FolderContents(
            estate=plan.estate,
            layout=found.layout,
            runs=plan.runs.filter(pc.is_in(plan.runs["vm"], value_set=kept)),
            online=plan.online.filter(pc.is_in(plan.online["vm"], value_set=kept)),
            profile=plan.profile,
            run=plan.run.model_copy(update={"fits": False, "verdict": NOT_FOR_BUILDING, "changes": ()}),
        ),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Answers the exit code: 0; 1 where it cannot be; 2 for a bad folder; 3 where VMs have to wait (it is written)."""
    parser = argparse.ArgumentParser(prog="python -m runbooks.failover_plan", description="縮退運用の計画を作る")
    parser.add_argument("plan", type=Path)
    parser.add_argument("--lost", required=True, help="失った拠点")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--up-to", type=int, default=9, help="この復旧順位（小さいほど先）までを動かす")
    chosen = parser.parse_args(arguments)
    try:
        plan = folder.read(chosen.plan)
        found = reduced(plan, chosen.lost, chosen.up_to)
        write(plan, found, chosen.output)
    except (FolderError, FailoverError) as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, FolderError) else 1
    moved = sum(vm.may_run_on == HOST_SET for vm in found.layout.vms)
    sys.stdout.write(f"縮退運用：{moved} 台を動かし、{len(found.waiting)} 台は待ちます（{chosen.output}）\n")
    sys.stdout.write("".join(f"  待つ  {vm.restore_priority}  {vm.id}\n" for vm in found.waiting))
    return 3 if found.waiting else 0


if __name__ == "__main__":
    sys.exit(main())
