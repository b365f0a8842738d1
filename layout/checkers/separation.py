"""Are VMs apart that must not share a host: replicas, anti-affinity groups, and segments where the policy says so?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

from .findings import Findings
from .view import View


def check_anti_affinity(view: View) -> Findings:
    """Violations: two replicas of a role, or two VMs of one group, on one host."""
    groups: dict[str, list[tuple[Hashable, str]]] = defaultdict(list)
    policy = view.folder.estate.policy.anti_affinity
    for vm in view.folder.layout.vms:
        if vm.host:
            for name in vm.anti_affinity:
                groups[vm.host].append((("グループ", name), vm.id))
            groups[vm.host].append((("複製", vm.tenant, vm.system, vm.role), vm.id))
            for number, roles in enumerate(policy):
                if f"{vm.system}/{vm.role}" in roles:
                    groups[vm.host].append((("方針", vm.tenant, number), vm.id))
    found = Findings()
    for host, members in groups.items():
        by_group: dict[Hashable, list[str]] = defaultdict(list)
        for group, vm_id in members:
            by_group[group].append(vm_id)
        for names in by_group.values():
            if len(names) > 1:
                found.add(f"ホスト {host}: 分けて置くべき VM が同居しています（{'、'.join(names[:4])}）")
    return found


def check_segments(view: View) -> Findings:
    """Violations: VMs of two segments on one host, where the policy separates segments."""
    found = Findings()
    if not view.folder.estate.policy.separate_segments:
        return found
    segments: dict[str, set[str]] = defaultdict(set)
    for vm in view.folder.layout.vms:
        segments[vm.host].add(vm.segment)
    for host, names in segments.items():
        if host and len(names) > 1:
            found.add(f"ホスト {host}: 区分の違う VM が同居しています（{'、'.join(sorted(names))}）")
    return found
