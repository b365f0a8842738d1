"""The given changes of a system in the order in which they are made, and whom each online class concerns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from capacity.records import Bools, Floats, Ints
from capacity.simulation.columns import SimulationInput

from .kernel.compiled import Records
from .kernel.state import CHANGE, IS_UP, LEAVES, LEVEL, OPENS, PART, VCPU


def timetable(system: SimulationInput) -> Records:
    """All changes by time; those of one time by kind and row, a VM leaving before it is up again."""
    changes, online, centre = system.changes, system.online, system.centre
    steps = np.repeat(np.arange(len(online.ptr) - 1), np.diff(online.ptr))
    calendars = np.repeat(np.arange(len(centre.window_ptr) - 1), np.diff(centre.window_ptr))
    moves = np.arange(len(changes.move_vm))
    taking_time = moves[~changes.move_keeps_work]
    columns = [
        (changes.vcpu_at_s, changes.vcpu, changes.vcpu_vm, VCPU),
        (online.at_s, online.level, steps, LEVEL),
        (changes.move_at_s, np.zeros(len(moves)), moves, LEAVES),
        (changes.move_until_s[taking_time], np.zeros(len(taking_time)), taking_time, IS_UP),
        (centre.window_open_s, np.zeros(len(calendars)), calendars, OPENS),
    ]
    table = np.zeros(sum(len(column[0]) for column in columns), dtype=CHANGE)
    begin = 0
    for at_s, value, row, kind in columns:
        part = table[begin : begin + len(at_s)]
        part["at"], part["value"], part["row"], part["kind"] = at_s, value, row, kind
        begin += len(at_s)
    group = np.array([0, 1, 2, 2, 3])[table["kind"]]
    row_order = np.where(table["kind"] == VCPU, 0, table["row"])  # vCPU steps keep the order they are given in
    return table[np.lexsort((table["kind"], row_order, group, table["at"]))]


class OnlineParts(NamedTuple):
    """Whom each online class concerns: hosts as a whole, and VMs to be watched one by one."""

    part_ptr: Ints
    part: Records
    watched_ptr: Ints
    watched: Ints
    is_watched: Bools


def online_parts(system: SimulationInput, *, watch_all: bool) -> OnlineParts:
    """A VM is watched when it moves, or when its online load alone may exceed what it can have."""
    vms, online = system.vms, system.online
    classes = len(online.ptr) - 1
    highest = np.zeros(classes + 1)
    steps = np.repeat(np.arange(classes), np.diff(online.ptr))
    np.maximum.at(highest, steps, online.level)
    cap = np.minimum(vms.vcpu, system.hosts.cores[vms.host]) if len(vms) else np.zeros(0)
    np.minimum.at(cap, system.changes.vcpu_vm, system.changes.vcpu)
    loaded = (vms.online_class >= 0) & (vms.online_cores > 0)
    is_watched = loaded & (highest[vms.online_class] * vms.online_cores > cap)
    is_watched[system.changes.move_vm] = True
    if watch_all:
        is_watched[:] = True
    counted = np.flatnonzero(loaded & ~is_watched)
    hosts = max(len(system.hosts), 1)
    keys, places = np.unique(vms.online_class[counted] * hosts + vms.host[counted], return_inverse=True)
    part = np.zeros(len(keys), dtype=PART)
    part["host"] = keys % hosts
    part["scale"] = np.bincount(places, weights=vms.online_cores[counted], minlength=len(keys))
    listed = np.flatnonzero(loaded & is_watched)
    listed = listed[np.argsort(vms.online_class[listed], kind="stable")]
    return OnlineParts(
        part_ptr=np.searchsorted(keys // hosts, np.arange(classes + 1)),
        part=part,
        watched_ptr=np.searchsorted(vms.online_class[listed], np.arange(classes + 1)),
        watched=listed,
        is_watched=is_watched,
    )


def wanted_core_s(system: SimulationInput, until_s: float) -> Floats:
    """Per VM: its online load in core-seconds up to `until_s`."""
    vms, online = system.vms, system.online
    ends_s = np.append(online.at_s[1:], np.inf)
    classes = len(online.ptr) - 1
    last = online.ptr[1:][np.diff(online.ptr) > 0] - 1
    ends_s[last] = np.inf
    lengths_s = np.maximum(np.minimum(ends_s, until_s) - online.at_s, 0.0) if len(online.at_s) else np.zeros(0)
    steps = np.repeat(np.arange(classes), np.diff(online.ptr))
    by_class = np.bincount(steps, weights=online.level * lengths_s, minlength=classes + 1)
    return np.asarray(np.where(vms.online_class >= 0, by_class[vms.online_class] * vms.online_cores, 0.0))
