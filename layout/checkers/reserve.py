"""Do the reserve hosts stay empty, and could one of them take over from any host in use?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from layout.records import HostRecord, VmRecord

from .findings import Findings
from .view import View


def check(view: View) -> Findings:
    """Violations, per site that carries VMs: too few spare hosts, VMs on them, a host in use that fits on none.

    How many there must be says the policy, or `run.json` of a plan with `--keep` that was asked to use some of them.
    """
    found = Findings()
    layout = view.folder.layout
    kept_empty = {host.id for host in view.folder.estate.hosts if host.spare}
    on_host: dict[str, list[VmRecord]] = defaultdict(list)
    for vm in layout.vms:
        on_host[vm.host].append(vm)
    for host in layout.hosts:
        if host.spare and on_host[host.id]:
            found.add(f"ホスト {host.id}: 予備なのに VM {on_host[host.id][0].id} などがあります")
    for site in sorted({vm.site for vm in layout.vms}):
        needed = _needed(view, site, found)
        reserve = [host for host in layout.hosts if host.site == site and host.spare and host.id not in kept_empty]
        if len(reserve) < needed:
            found.add(f"拠点 {site}: 予備のホストが {len(reserve)} 台です（{needed} 台が必要）")
        if needed:
            used = [host for host in layout.hosts if host.site == site and on_host[host.id]]
            found.add_all(
                _no_room(view, used, on_host, [host for host in layout.hosts if host.site == site and host.spare])
            )
    return found


def _needed(view: View, site: str, found: Findings) -> int:
    """How many hosts of the site must be empty. A lower number than the policy's holds only where it can be meant."""
    wanted = view.folder.estate.policy.spare_hosts
    lowered = [each for each in view.folder.run.lowered_reserve if each.site == site]
    if not lowered:
        return wanted
    (record, *more) = lowered
    if more or record.wanted != wanted or not 0 <= record.kept < wanted or not view.folder.layout.lineage:
        found.add(f"拠点 {site}: 予備を減らした記録（{record.wanted} → {record.kept} 台）が、構成や計画と合いません")
        return wanted
    return record.kept


def _no_room(
    view: View, used: list[HostRecord], on_host: dict[str, list[VmRecord]], reserve: list[HostRecord]
) -> Iterator[str]:
    policy = view.folder.estate.policy
    room = [(h.memory_mib * policy.memory_overcommit, h.disk_gib, h.cores * policy.vcpu_overcommit) for h in reserve]
    for host in used:
        vms = on_host[host.id]
        need = (
            sum(vm.memory_mib for vm in vms),
            sum(disk.size_gib for vm in vms for disk in vm.disks),
            sum(vm.vcpu_max for vm in vms),
        )
        if not any(all(n <= r + 1e-6 for n, r in zip(need, have, strict=True)) for have in room):
            yield (
                f"ホスト {host.id}: 故障時に VM（メモリー {need[0]} MiB、ディスク {need[1]:g} GiB、vCPU {need[2]}）を"
                "引き受けられる予備がありません"
            )
