"""How many cores the daytime load of each VM takes, and when."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from capacity.calendar import Calendar, clock_span, is_closed
from capacity.machines import vm_table
from capacity.records import Floats, OnlineTable
from estate.catalogue_records import OnlineProfile
from estate.resolved import ResolvedEstate


def shape(profile: OnlineProfile, calendar: Calendar) -> tuple[Floats, Floats, Floats]:
    """Start, end and share of the daily peak of every span of a profile in the horizon."""
    kinds = [
        [(*clock_span(span), share) for span, share in spans.items() if share > 0]
        for spans in (profile.business_day, profile.closed_day)
    ]
    rows: list[tuple[float, float, float]] = []
    first = calendar.start.date() - timedelta(days=1)  # a span over midnight may reach into the first day
    for day in (first, *calendar.days()):
        midnight = calendar.seconds(day)
        rows.extend((midnight + opens, midnight + closes, share) for opens, closes, share in kinds[is_closed(day)])
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def table(estate: ResolvedEstate) -> OnlineTable:
    """Online load of every VM over the horizon, in cores, ordered by VM and time.

    A VM's load is `online_cores` times its profile's share of the moment, never more than its vCPU, and only while
    the VM exists. Raises KeyError when a VM names a profile that the estate lacks.
    """
    calendar = Calendar(estate.start, estate.end)
    machines = vm_table(estate, calendar)
    shapes = {name: shape(profile, calendar) for name, profile in estate.online_profiles.items()}
    parts: list[tuple[Floats, Floats, Floats, Floats]] = []
    for index, vm in enumerate(estate.vms):
        if vm.online_profile is None or vm.online_cores <= 0:
            continue
        opens, closes, share = shapes[vm.online_profile]
        from_s = np.maximum(opens, max(0.0, float(machines.from_s[index])))
        until_s = np.minimum(closes, min(calendar.end_s, float(machines.until_s[index])))
        keep = until_s > from_s
        from_s, until_s = from_s[keep], until_s[keep]
        cores = np.minimum(vm.online_cores * share[keep], machines.least_vcpu(index, from_s, until_s))
        parts.append((np.full(len(from_s), float(index)), from_s, until_s, cores))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [np.zeros(0)] * 4
    return OnlineTable(
        vm_names=machines.names,
        vm=columns[0].astype(np.int64),
        from_s=columns[1],
        until_s=columns[2],
        cores=columns[3],
    )
