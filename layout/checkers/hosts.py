"""Is every VM on a host where it may be, and is every host as the estate has it?"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator

from layout.records import HostRecord, MoveRecord

from .findings import Findings
from .view import View


def check(view: View) -> Findings:
    """Violations of placement (a host, its site, the host set) and of host sizes."""
    found = Findings()
    found.add_all(_placed(view))
    found.add_all(_as_in_estate(view))
    found.add_all(_moves(view))
    return found


def _placed(view: View) -> Iterator[str]:
    layout = view.folder.layout
    hosts = {host.id: host for host in layout.hosts}
    sets = {hosts.id: set(hosts.hosts) for hosts in layout.host_sets}
    only_own = view.folder.estate.policy.may_run_on == "host"
    for vm in layout.vms:
        host = hosts.get(vm.host)
        if host is None:
            yield f"VM {vm.id}: ホストが決まっていません"
            continue
        allowed = sets.get(vm.may_run_on, set())
        if host.site != vm.site:
            yield f"VM {vm.id}: ホスト {host.id} の拠点 {host.site} が VM の拠点 {vm.site} と違います"
        if host.id not in allowed:
            yield f"VM {vm.id}: ホスト {host.id} が動いてよいホスト集合 {vm.may_run_on} にありません"
        if any(name in hosts and hosts[name].site != vm.site for name in allowed):
            yield f"VM {vm.id}: ホスト集合 {vm.may_run_on} に別の拠点のホストがあります"
        if (vm.pinned or only_own) and allowed != {host.id}:
            yield f"VM {vm.id}: 固定の VM なのに、動いてよいホストが {host.id} だけではありません"


def _moves(view: View) -> Iterator[str]:
    """The moves of a VM lead from host to host of its site, one after the other, to where the plan has it."""
    layout = view.folder.layout
    sites = {host.id: host.site for host in layout.hosts}
    vms = {vm.id: vm for vm in layout.vms}
    chains: dict[str, list[MoveRecord]] = defaultdict(list)
    for move in layout.moves:
        chains[move.vm].append(move)
    for name, chain in chains.items():
        vm = vms.get(name)
        if vm is None:
            yield f"VM {name}: 移動がありますが、計画にありません"
            continue
        if chain[-1].to_host != vm.host:
            yield f"VM {name}: 最後の移動先 {chain[-1].to_host} が、置き場所 {vm.host} と違います"
        for earlier, later in itertools.pairwise(chain):
            if earlier.to_host != later.from_host or earlier.at >= later.at:
                yield f"VM {name}: {later.at:%Y-%m-%d %H:%M} の移動が、その前の移動の続きではありません"
        for move in chain:
            if move.from_host == move.to_host:
                yield f"VM {name}: ホスト {move.to_host} から同じホストへの移動があります"
            if sites.get(move.to_host) != sites.get(move.from_host):
                yield f"VM {name}: 拠点をまたぐ移動があります（{move.from_host} から {move.to_host}）"


def _as_in_estate(view: View) -> Iterator[str]:
    estate = {host.id: host for host in view.folder.estate.hosts}
    for host in view.folder.layout.hosts:
        want = estate.get(host.id)
        if want is None:
            yield f"ホスト {host.id}: 対象データ（estate.json）にありません"
            continue
        model = want.model
        expected = {
            "site": want.site, "sockets": model.sockets, "socket_capacity": model.socket_capacity,
            "cores_per_socket": model.cores_per_socket, "threads_per_core": model.threads_per_core,
            "disk_gib": want.disk_gib, "io_mib_s": model.io_mib_s, "core_factors": model.core_factors, "uri": want.uri,
        }  # fmt: skip
        yield from _differences(host, expected)
        if abs(host.memory_mib - want.memory_gib * 1024) > 1:
            yield f"ホスト {host.id}: memory_mib が {host.memory_mib} です（対象データでは {want.memory_gib * 1024:g}）"
        if want.spare and not host.spare:
            yield f"ホスト {host.id}: 対象データでは予備（spare）です"


def _differences(host: HostRecord, expected: dict[str, object]) -> Iterator[str]:
    for name, value in expected.items():
        if getattr(host, name) != value:
            yield f"ホスト {host.id}: {name} が {getattr(host, name)} です（対象データでは {value}）"
