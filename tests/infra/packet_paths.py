"""What may be reached by whom, worked out by hand from the records of VMs and flows, and what endpoints did reach."""

from __future__ import annotations

PORTS = (22, 80, 443)


def orders(layout, kinds, **more):
    """Everybody tries everybody else."""
    found = {}
    for source in layout.vms:
        others = [vm for vm in layout.vms if vm.address != source.address]
        found[source.id] = {
            "arp": [vm.address for vm in others] if "arp" in kinds else [],
            "ping": [vm.address for vm in others] if "ping" in kinds else [],
            "tcp": [[vm.address, port] for vm in others for port in PORTS] if "tcp" in kinds else [],
            **more,
        }
    return found


def fits(end, vm):
    if end.address is not None:
        return end.address == vm.address
    wanted = ((end.tenant, vm.tenant), (end.segment, vm.segment), (end.system, vm.system))
    return all(each in (None, found) for each, found in wanted)


def allowed(layout):
    """(source, destination, port) of every connection that may be opened; the port is None for a ping."""
    found = set()
    for source in layout.vms:
        for destination in layout.vms:
            if source.id == destination.id:
                continue
            if source.network == destination.network:
                found |= {(source.id, destination.id, port) for port in (*PORTS, None)}
            for flow in layout.flows:
                if fits(flow.source, source) and fits(flow.destination, destination):
                    ports = [None] if flow.protocol == "icmp" else [flow.port] if flow.port else PORTS
                    found |= {(source.id, destination.id, port) for port in ports}
    return found


def everything(layout):
    pairs = ((a, b) for a in layout.vms for b in layout.vms if a.id != b.id)
    return {(a.id, b.id, port) for a, b in pairs for port in (*PORTS, None)}


def neighbours(layout):
    pairs = ((a, b) for a in layout.vms for b in layout.vms if a.id != b.id)
    return {(a.id, b.id) for a, b in pairs if a.network == b.network}


def reached(layout, answers):
    """What came back, in the words of `allowed`; ARP as a set of pairs of its own."""
    names = {vm.address: vm.id for vm in layout.vms}
    paths = {(source, names[a], None) for source, each in answers.items() for a in each["ping"]}
    paths |= {(source, names[a], port) for source, each in answers.items() for a, port in each["tcp"]}
    arps = {(source, names[a]) for source, each in answers.items() for a in each["arp"]}
    return paths, arps


def wanting(layout, tries, paths=frozenset(), arps=frozenset()):
    """The same tries; what must answer is waited for and asked again, as a slow machine may need."""
    address = {vm.id: vm.address for vm in layout.vms}
    for order in tries.values():
        order["wanted"] = {"ping": [], "tcp": [], "arp": []}
    for source, destination, port in paths:
        kind, what = ("ping", address[destination]) if port is None else ("tcp", [address[destination], port])
        tries[source]["wanted"][kind].append(what)
    for source, destination in arps:
        tries[source]["wanted"]["arp"].append(address[destination])
    return tries
