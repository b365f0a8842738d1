"""The records of hosts and VMs before anything has happened."""

from __future__ import annotations

import numpy as np

from capacity.records import Bools
from capacity.simulation.columns import SimulationInput

from .kernel.compiled import Records
from .kernel.state import HOST, NO_LIMIT, VM


def initial_records(system: SimulationInput, is_watched: Bools) -> tuple[Records, Records]:
    """Hosts and VMs, each VM up and idle on its host."""
    hosts, vms = system.hosts, system.vms
    host = np.zeros(len(hosts), dtype=HOST)
    host["cores"], host["io_mib_s"], host["line"] = hosts.cores, hosts.io_mib_s, hosts.line
    host["first_vm"] = host["first_busy"] = -1
    vm = np.zeros(len(vms), dtype=VM)
    vm["vcpu"], vm["weight"], vm["scale"], vm["host"] = vms.vcpu, vms.weight, vms.online_cores, vms.host
    vm["cap"] = np.minimum(vms.vcpu, hosts.cores[vms.host]) if len(vms) else 0.0
    vm["online_class"] = np.where(vms.online_cores > 0, vms.online_class, -1)
    vm["free"] = np.where(vms.slots > 0, np.minimum(vms.slots, NO_LIMIT), NO_LIMIT)
    for name in ("queue_first", "queue_last", "first_run", "first_io", "next_vm", "previous_vm"):
        vm[name] = -1
    vm["next_busy"] = vm["previous_busy"] = -1
    vm["up"] = 1
    vm["watched"] = is_watched
    by_host = np.argsort(vms.host, kind="stable")
    same = vms.host[by_host][1:] == vms.host[by_host][:-1]
    vm["next_vm"][by_host[:-1][same]] = by_host[1:][same]
    vm["previous_vm"][by_host[1:][same]] = by_host[:-1][same]
    first = np.ones(len(vms), dtype=np.bool_)
    first[1:] = ~same
    host["first_vm"][vms.host[by_host[first]]] = by_host[first]
    return host, vm


def most_active(system: SimulationInput) -> int:
    """No more runs than this hold a slot of a VM or of a pool at once."""
    of_vm = np.bincount(system.runs.vm, minlength=len(system.vms))
    slots = system.vms.slots
    held = int(np.where(slots > 0, np.minimum(of_vm, slots), of_vm).sum())
    printing = int(np.minimum(system.centre.pool_slots, len(system.runs)).sum()) if len(system.centre.pool_slots) else 0
    return max(min(held + printing, len(system.runs)), 1)
