"""The night that all programs simulate, written once as a trace folder.

250 hosts of 32 cores; 1,720 VMs of 4 vCPU, host after host filled (8 each, so the hosts are never short); 17,200 runs
of one core released in 8 hours, 10 per VM. A VM's runs are released within 20 minutes and ask for 200 to 1,000
core-seconds, so that often more than four share the VM: what is compared is processor sharing, not a sleep.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

SEED = 20270401
HOSTS, HOST_CORES = 250, 32
VMS, VCPU, RUNS_PER_VM = 1720, 4, 10
NIGHT_S, BURST_S = 8 * 3600.0, 1200.0
LEAST_WORK_S, MOST_WORK_S = 200.0, 1000.0


@dataclass(frozen=True)
class Size:
    """What the measurement says about its workload."""

    hosts: int
    vms: int
    runs: int


def write_trace(folder: Path, *, vms: int = VMS, hosts: int = HOSTS) -> Size:
    """Write `hosts.csv`, `vms.csv` and `runs.csv` (rows in order of release) into the existing folder.

    Work is rounded to a thousandth of a core-second: CloudSim Plus counts whole millions of instructions.
    """
    random = np.random.default_rng(SEED)
    begin_s = random.uniform(0.0, NIGHT_S - BURST_S, vms)
    release_s = np.round(np.repeat(begin_s, RUNS_PER_VM) + random.uniform(0.0, BURST_S, vms * RUNS_PER_VM), 3)
    cpu_s = np.round(random.uniform(LEAST_WORK_S, MOST_WORK_S, vms * RUNS_PER_VM), 3)
    vm = np.repeat(np.arange(vms), RUNS_PER_VM)
    order = np.argsort(release_s, kind="stable")
    per_host = HOST_CORES // VCPU
    tables = {
        "hosts.csv": ["id,cores", *(f"h{row},{HOST_CORES}" for row in range(hosts))],
        "vms.csv": ["id,host,vcpu,slots", *(f"v{row},h{row // per_host},{VCPU}," for row in range(vms))],
        "runs.csv": [
            "id,vm,release_s,cpu_s,max_cores,after",
            *(f"r{row},v{vm[row]},{release_s[row]:.3f},{cpu_s[row]:.3f},1," for row in order.tolist()),
        ],
    }
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Size(hosts, vms, vms * RUNS_PER_VM)
