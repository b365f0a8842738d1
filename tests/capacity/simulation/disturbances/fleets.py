"""Small fleets for the tests of restarts: a test states hosts and VMs as rows."""

import numpy as np

from capacity.simulation.disturbances.fleet import Fleet


def host(name, memory=100.0, site="a", spare=False, vcpu=100.0):
    return {"id": name, "site": site, "spare": spare, "room": (memory, 1000.0, vcpu)}


def vm(name, on, memory=10.0, priority=5, groups=(), service=("t", "s"), role="ap", only=None, data_mib=0.0, vcpu=1.0):
    return {
        "id": name,
        "on": on,
        "needs": (memory, 1.0, vcpu),
        "priority": priority,
        "groups": tuple(groups),
        "service": service,
        "role": role,
        "only": only,
        "data_mib": data_mib,
    }


def fleet(hosts, vms, backup=()):
    """A VM may run on every host of its site, or on the hosts `only`."""
    rows = {entry["id"]: row for row, entry in enumerate(hosts)}
    site_of = {entry["id"]: entry["site"] for entry in hosts}
    sets = []
    for entry in vms:
        names = entry["only"] or [h["id"] for h in hosts if h["site"] == site_of[entry["on"]]]
        sets.append([h["id"] in names for h in hosts])
    return Fleet(
        host_ids=tuple(h["id"] for h in hosts),
        host_site=tuple(h["site"] for h in hosts),
        backup_sites=frozenset(backup),
        room=np.array([h["room"] for h in hosts]),
        spare=np.array([h["spare"] for h in hosts]),
        vm_ids=tuple(v["id"] for v in vms),
        vm_host=np.array([rows[v["on"]] for v in vms]),
        needs=np.array([v["needs"] for v in vms]),
        data_mib=np.array([v["data_mib"] for v in vms]),
        priority=np.array([v["priority"] for v in vms]),
        host_set=np.arange(len(vms)),
        allowed=np.array(sets),
        groups=tuple(v["groups"] for v in vms),
        service=tuple(v["service"] for v in vms),
        role=tuple(v["role"] for v in vms),
    )
