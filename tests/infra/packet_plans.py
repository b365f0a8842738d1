"""Layouts for packets: small ones made by hand, and the networks of a planned folder on fewer hosts."""

from __future__ import annotations

from pathlib import Path

import estate
from layout.records import (
    EstateReference,
    FlowEnd,
    FlowRecord,
    HostRecord,
    HostSet,
    Layout,
    NetworkRecord,
    VmRecord,
)
from planning import networks

PILOT = Path(__file__).parents[2] / "examples" / "pilot" / "estate.yaml"

SEGMENTS = {"mynumber": "my", "lgwan": "lg", "internet": "in"}


def host(name, site):
    return HostRecord(id=name, site=site, model="m", sockets=1, socket_capacity=1, cores_per_socket=8, uri="qemu:///")


def network(tenant, segment, site, number, subnet):
    short = SEGMENTS.get(segment, segment)
    base = subnet.partition("/")[0].rpartition(".")[0]
    return NetworkRecord(
        id=f"{tenant}-{segment}-{site}", tenant=tenant, segment=segment, site=site, bridge=f"br-{tenant}-{short}"[:15],
        vlan=100 + number, vni=10001 + number, subnet=subnet, gateway=f"{base}.1",
    )  # fmt: skip


class Numbers:
    """MACs and addresses in order."""

    def __init__(self):
        self.mac = 0
        self.address = {}

    def vm(self, name, net, host_id, system):
        self.mac += 1
        last = self.address[net.id] = self.address.get(net.id, 9) + 1
        base = net.subnet.partition("/")[0].rpartition(".")[0]
        return VmRecord(
            id=name, tenant=net.tenant, system=system, role="ap", site=net.site, segment=net.segment, host=host_id,
            may_run_on="all", vcpu=1, vcpu_max=1, memory_mib=128, image="guest", network=net.id,
            mac=f"52:54:00:00:01:{self.mac:02x}", address=f"{base}.{last}",
        )  # fmt: skip


def made(hosts, networks, vms, flows):
    return Layout(
        estate=EstateReference(name="試験", digest="0" * 64, fiscal_year=2027), generation=1, hosts=tuple(hosts),
        host_sets=(HostSet(id="all", hosts=tuple(each.id for each in hosts)),), vms=tuple(vms),
        networks=tuple(networks), flows=tuple(flows),
    )  # fmt: skip


def flow(source, destination, protocol="tcp", port=None):
    return FlowRecord(source=FlowEnd(**source), destination=FlowEnd(**destination), protocol=protocol, port=port)


def three_by_three():
    """Tenants a, b, c with three segments each, two VMs per network on two hosts; common services; a backup site.

    The two VMs of c's mynumber network share a host. Flows of every kind: by system, by segment, by tenant, by
    address, with and without a port, pings, across sites.
    """
    numbers = Numbers()
    hosts = [host("h1", "main"), host("h2", "main"), host("bk1", "backup")]
    networks, vms = [], []
    for t, tenant in enumerate("abc", 1):
        for s, segment in enumerate(SEGMENTS):
            net = network(tenant, segment, "main", len(networks), f"10.{t}.{s}.0/24")
            networks.append(net)
            same = tenant == "c" and segment == "mynumber"
            vms.append(numbers.vm(f"{tenant}-{segment}-1", net, "h1", "registry"))
            vms.append(numbers.vm(f"{tenant}-{segment}-2", net, "h1" if same else "h2", "tax"))
    shared = network("common", "lgwan", "main", 20, "10.9.0.0/24")
    management = network("common", "management", "main", 21, "10.9.1.0/24").model_copy(update={"bridge": "br-mgmt"})
    backup = network("common", "backup", "backup", 22, "10.9.2.0/24").model_copy(update={"bridge": "br-backup"})
    networks += [shared, management, backup]
    vms += [
        numbers.vm("common-certificate", shared, "h2", "certificate"),
        numbers.vm("common-watch", management, "h1", "watch"),
        numbers.vm("common-copy", backup, "bk1", "copy"),
    ]
    certificate = {"tenant": "common", "segment": "lgwan", "system": "certificate"}
    copy = {"tenant": "common", "segment": "backup", "system": "copy"}
    flows = [
        flow({"tenant": "a", "segment": "mynumber", "system": "registry"}, certificate, port=443),
        flow({"tenant": "b", "segment": "mynumber"}, certificate, port=443),
        flow({"tenant": "a", "segment": "internet"}, {"tenant": "a", "segment": "lgwan"}, port=80),
        flow({"tenant": "b", "segment": "lgwan"}, {"tenant": "b", "segment": "internet", "system": "tax"}),
        flow({"tenant": "c"}, {"tenant": "c", "segment": "lgwan"}, "icmp"),
        flow({"address": "10.1.1.10"}, {"address": "10.2.1.10"}, port=22),
        flow(copy, {"tenant": "a", "segment": "mynumber"}, port=22),
        flow(copy, {"tenant": "a", "segment": "mynumber"}, "icmp"),
        flow({"tenant": "common", "segment": "management"}, {"tenant": "b"}, port=22),
        flow({"tenant": "common", "segment": "management"}, copy, "icmp"),
    ]
    return made(hosts, networks, vms, flows)


def networks_of_the_pilot():
    """All networks of examples/pilot as the planner numbers them, a few VMs each, on two hosts and one backup host.

    Of every network: a VM of each system that a flow names (two of them where the plan has two), and one of no flow.
    """
    pilot = estate.load(PILOT)
    numbering = networks.allot(pilot)
    flows = tuple(
        FlowRecord(
            source=FlowEnd.model_validate(flow.source.model_dump()),
            destination=FlowEnd.model_validate(flow.destination.model_dump()),
            protocol=flow.protocol,
            port=flow.port,
        )
        for flow in pilot.flows
    )
    named = {end.system for flow in flows for end in (flow.source, flow.destination)} - {None}
    main = pilot.hosts[0].site
    chosen, seen = [], {}
    for vm in pilot.vms:
        attachment = numbering.attachments[vm.id]
        kind = vm.system if vm.system in named else None
        seen[attachment.network, kind] = count = seen.get((attachment.network, kind), 0) + 1
        if count > 1:
            continue
        number = len(chosen)
        chosen.append(
            VmRecord(
                id=vm.id, tenant=vm.tenant, system=vm.system, role=vm.role, site=vm.site, segment=vm.segment,
                host=("h1", "h2")[number % 2] if vm.site == main else "bk1", may_run_on="all", vcpu=1, vcpu_max=1,
                memory_mib=128, image="guest", network=attachment.network, mac=attachment.mac,
                address=attachment.address,
            )
        )  # fmt: skip
    sites = list(dict.fromkeys(network.site for network in numbering.networks))
    hosts = [host("h1", main), host("h2", main), *(host("bk1", site) for site in sites if site != main)]
    return made(hosts, numbering.networks, chosen, flows)


def with_overlap():
    """Two tenants with the same subnet on one site, each with two VMs on two hosts, and a third with its own."""
    numbers = Numbers()
    hosts = [host("h1", "main"), host("h2", "main")]
    nets = [
        network("a", "lgwan", "main", 1, "10.1.0.0/24"),
        network("b", "lgwan", "main", 2, "10.1.0.0/24"),
        network("c", "lgwan", "main", 3, "10.3.0.0/24"),
        network("c", "internet", "main", 4, "10.3.1.0/24"),
    ]
    vms = [
        numbers.vm(f"{net.tenant}-{net.segment}-{number}", net, f"h{number}", "s") for net in nets for number in (1, 2)
    ]
    flows = [flow({"tenant": "c", "segment": "lgwan"}, {"tenant": "c", "segment": "internet"}, port=80)]
    return made(hosts, nets, vms, flows)
