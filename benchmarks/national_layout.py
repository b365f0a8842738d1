"""A made-up layout as large as the nation: municipalities of four sizes, 12 products, vCPU changes over the year."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta

from estate.clock import JST
from layout.records import EstateReference, HostRecord, HostSet, Layout, Product, VcpuInterval, VmRecord

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
    rng = random.Random(seed)
    clusters = [
        [f"kvm{number:05}" for number in range(first, min(first + HOSTS_PER_CLUSTER, hosts))]
        for first in range(0, hosts, HOSTS_PER_CLUSTER)
    ]
    cluster_of = [rng.randrange(len(clusters)) for _ in range(vms)]
    changing: dict[int, list[VcpuInterval]] = {}
    for _ in range(changes):
        number = rng.randrange(vms)
        at = len(changing.setdefault(number, []))
        start = datetime.combine(date(FISCAL_YEAR, 4, 1), time(), JST) + timedelta(days=30 * at, hours=rng.randrange(360))
        if at < 12:
            changing[number].append(VcpuInterval(**{"from": start}, until=start + timedelta(hours=24 * 14), vcpu=16))
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
                host=rng.choice(clusters[cluster]),
                may_run_on=f"cluster{cluster}",
                vcpu=rng.choice((2, 4, 8)),
                vcpu_max=16,
                vcpu_changes=tuple(changing.get(number, ())),
                memory_mib=8192,
                products=tuple(Product(rule=rule) for rule, share in SHARE_OF_VMS.items() if rng.random() < share),
            )
            for number, cluster in enumerate(cluster_of)
        ),
    )
