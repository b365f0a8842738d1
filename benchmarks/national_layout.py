"""A made-up layout as large as the nation: municipalities of four sizes, 12 products, vCPU changes over the year."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from layout.records import EstateReference, HostRecord, HostSet, Layout, Product, VcpuInterval, VmRecord
from licensing.timeline import fiscal_span

FISCAL_YEAR = 2027
HOSTS_PER_CLUSTER = 24
SHARE_OF_VMS = {
    "sraoss-powergres.os": 0.3,
    "redhat-rhel.guest-pair": 0.4,
    "redhat-rhel.virtual-datacenter": 0.1,
    "microsoft-windows-server.core-datacenter": 0.2,
    "microsoft-windows-server.core-standard": 0.1,
    "microsoft-sql-server.core-per-vm": 0.15,
    "microsoft-sql-server.core-physical": 0.05,
    "oracle-database-enterprise.processor": 0.05,
    "ibm.vpc": 0.05,
    "hitachi.processor": 0.1,
    "nec-webotx.core-pair": 0.15,
    "x-servlet.core-quad": 0.1,
}
"""How many of the VMs carry each product: 1.75 products per VM."""


def national_layout(vms: int, hosts: int, changes: int, *, seed: int = 0) -> Layout:
    """A layout of so many VMs and hosts, and so many temporary numbers of vCPUs over the fiscal year.

    Hosts stand in clusters of 24; a VM may run anywhere in its cluster.
    """
    rng = np.random.default_rng(seed)
    clusters = [
        [f"kvm{number:05}" for number in range(first, min(first + HOSTS_PER_CLUSTER, hosts))]
        for first in range(0, hosts, HOSTS_PER_CLUSTER)
    ]
    cluster_of = rng.integers(len(clusters), size=vms).tolist()
    begin, _ = fiscal_span(FISCAL_YEAR)
    changing: dict[int, list[VcpuInterval]] = {}
    # One change a month at most, so that those of one VM never overlap.
    slots = rng.choice(vms * 12, size=changes, replace=False)
    for slot, hour in zip(slots.tolist(), rng.integers(360, size=changes).tolist(), strict=True):
        start = begin + timedelta(days=30 * (slot % 12), hours=hour)
        change = VcpuInterval(**{"from": start}, until=start + timedelta(days=14), vcpu=16)
        changing.setdefault(slot // 12, []).append(change)
    carries = rng.random((vms, len(SHARE_OF_VMS))) < np.array(list(SHARE_OF_VMS.values()))
    sizes = rng.choice((2, 4, 8), size=vms).tolist()
    places = rng.integers(HOSTS_PER_CLUSTER, size=vms).tolist()
    products = [Product(rule=rule) for rule in SHARE_OF_VMS]
    return Layout(
        estate=EstateReference(name="全国", digest="0" * 64, fiscal_year=FISCAL_YEAR),
        generation=1,
        hosts=tuple(
            HostRecord(
                id=name,
                site=f"site{number // 10}",
                model="xeon-2x16",
                sockets=2,
                socket_capacity=2,
                cores_per_socket=16,
                core_factors={"oracle": 0.5},
                memory_mib=524288,
            )
            for number, cluster in enumerate(clusters)
            for name in cluster
        ),
        host_sets=tuple(HostSet(id=f"cluster{n}", hosts=tuple(members)) for n, members in enumerate(clusters)),
        vms=tuple(
            VmRecord(
                id=f"vm{number:06}",
                tenant=f"t{number % 1741:04}",
                system=f"s{number % 40:02}",
                site=f"site{cluster // 10}",
                host=clusters[cluster][places[number] % len(clusters[cluster])],
                may_run_on=f"cluster{cluster}",
                vcpu=sizes[number],
                vcpu_max=16,
                vcpu_changes=tuple(changing.get(number, ())),
                memory_mib=8192,
                products=tuple(products[column] for column in np.flatnonzero(carries[number])),
            )
            for number, cluster in enumerate(cluster_of)
        ),
    )
