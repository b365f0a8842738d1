"""Which runs stand in slots in which their host has too few cores, when VMs stay where they are."""

from __future__ import annotations

import numpy as np

from capacity.profile import deliver, slots_of_horizon
from capacity.records import SLOT_S, Bools, Floats, Ints, OnlineTable, RunTable

_HOSTS_AT_ONCE = 64
"""A year of one host is half a megabyte, a few times over."""
_SLACK = 1e-6


def overloaded_runs(runs: RunTable, start_s: Floats, online: OnlineTable, host: Ints, cores: Floats) -> Bools:
    """[run]: at work in a 600 s slot in which the load of its VM's host exceeds the host's cores.

    `host` is the index into `cores` per VM of `runs`, -1 for VMs without a host. Online load counts.
    """
    begin_s, end_s = start_s + runs.fixed_s, start_s + runs.duration_s
    slots = slots_of_horizon(max(runs.end_s, float(end_s.max(initial=0.0))))
    vm = np.concatenate((runs.vm, online.vm))
    from_s = np.concatenate((begin_s, online.from_s))
    until_s = np.concatenate((end_s, online.until_s))
    rate = np.concatenate((runs.max_cores, online.cores))
    found = np.zeros(len(runs), dtype=np.bool_)
    for first in range(0, len(cores), _HOSTS_AT_ONCE):
        limit = cores[first : first + _HOSTS_AT_ONCE]
        rows = np.flatnonzero((host[vm] >= first) & (host[vm] < first + len(limit)))
        load = deliver(host[vm[rows]] - first, from_s[rows], until_s[rows], rate[rows], (len(limit), slots))
        over: Ints = np.zeros((len(limit), slots + 1), dtype=np.int64)
        np.cumsum(load > limit[:, None] + _SLACK, axis=1, out=over[:, 1:])
        if not over[:, -1].any():
            continue
        here = rows[rows < len(runs)]
        on = host[runs.vm[here]] - first
        start = np.floor(begin_s[here] / SLOT_S + 1e-9).astype(np.int64)
        until = np.ceil(end_s[here] / SLOT_S - 1e-9).astype(np.int64)
        found[here] = over[on, until] > over[on, np.minimum(start, until)]
    return found
