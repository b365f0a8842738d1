"""Does every host have the memory, the disk, the vCPU and, in every slot, the cores for its VMs?"""

from __future__ import annotations

import numpy as np

from . import sweep
from .findings import Findings
from .load import host_load
from .view import FAR, SECOND, SLOT_S, View, microseconds

_TOLERANCE = 1e-6


def check(view: View) -> Findings:
    """Violations of a host's limits: sizes at any moment by the VMs' lifetimes, cores by the exact slot averages."""
    found = Findings()
    _sizes(view, found)
    _cores(view, found)
    return found


def _sizes(view: View, found: Findings) -> None:
    estate, layout, hosts = view.folder.estate, view.folder.layout, view.folder.layout.hosts
    placed = np.flatnonzero(view.vm_host >= 0)
    host = view.vm_host[placed]
    vms = [layout.vms[i] for i in placed]
    zero, late = estate.start, view.horizon_us + FAR
    born = np.array([microseconds(vm.from_, zero) if vm.from_ else -FAR for vm in vms], dtype=np.int64)
    gone = np.array([microseconds(vm.until, zero) if vm.until else late for vm in vms], dtype=np.int64)
    policy = estate.policy
    measures = {
        "メモリー（MiB）": ([vm.memory_mib for vm in vms], [h.memory_mib * policy.memory_overcommit for h in hosts]),
        "ディスク（GiB）": ([sum(disk.size_gib for disk in vm.disks) for vm in vms], [h.disk_gib for h in hosts]),
        "vCPU": ([vm.vcpu_max for vm in vms], [h.cores * policy.vcpu_overcommit for h in hosts]),
    }
    for name, (need, have) in measures.items():
        limit = np.array(have, dtype=np.float64)
        used = sweep.levels(host, born, gone, np.array(need, dtype=np.float64))
        over = used.level > limit[used.group] * (1 + 1e-12) + _TOLERANCE
        for index in np.unique(used.group[over]):
            most = used.level[used.group == index].max()
            found.add(f"ホスト {hosts[index].id}: {name} {most:g} が上限 {limit[index]:g} を超えます")


def _cores(view: View, found: Findings) -> None:
    hosts = view.folder.layout.hosts
    if not hosts:
        return
    load = host_load(view)
    cores = np.array([host.cores for host in hosts], dtype=np.float64)
    over = load > cores[:, None] + _TOLERANCE
    rows, columns = np.nonzero(over)
    found.add_where(
        np.ones(len(rows), dtype=np.bool_),
        lambda i: (
            f"ホスト {hosts[rows[i]].id}: {view.moment(columns[i] * SLOT_S * SECOND)} からの 10 分の負荷 "
            f"{load[rows[i], columns[i]]:.3f} コアが {cores[rows[i]]:g} コアを超えます"
        ),
    )
