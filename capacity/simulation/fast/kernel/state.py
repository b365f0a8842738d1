"""What the compiled engine keeps while it runs: one record per host, VM and active run, and a few counters.

Records lie side by side in memory, so that an event touches few cache lines; runs that are not active have none.
Fields are written for the reader of the compiled code, `docs/simulation-model.md` says what they mean.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from capacity.records import Bools, Floats, Ints

from .compiled import Records

SAME_INSTANT_S = 1e-7
"""Events so close to the first of an instant belong to it."""
ROUNDING = 1e-12
"""Relative: wants that exceed a capacity by less do not exceed it."""
NO_LIMIT = 2**31 - 2
"""Free slots of a VM without a limit."""

HOST = np.dtype(
    [
        ("cores", "f8"),
        ("online", "f8"),  # online load of the VMs that are not watched one by one
        ("extra", "f8"),  # what its VMs want beside that
        ("used", "f8"),  # cores served since `since`
        ("since", "f8"),
        ("core_s", "f8"),
        ("io_mib_s", "f8"),
        ("line", "i4"),
        ("first_vm", "i4"),
        ("first_busy", "i4"),  # of the VMs with CPU work
        ("extras", "i4"),  # VMs whose `extra` is not 0
        ("marked", "i1"),
        ("stepped", "i1"),  # its online load has changed
        ("full", "i1"),
        ("io_marked", "i1"),
    ],
    align=True,
)

VM = np.dtype(
    [
        # what every run touches comes first, so that it lies close together
        ("limits", "f8"),  # of its runs with CPU work, together
        ("cap", "f8"),  # the lesser of vCPU and its host's cores
        ("scale", "f8"),  # cores per level of its online class
        ("extra", "f8"),  # its part of the host's
        ("want", "f8"),
        ("host", "i4"),
        ("online_class", "i4"),
        ("free", "i4"),
        ("queue_first", "i4"),
        ("queue_last", "i4"),
        ("first_run", "i4"),
        ("runs", "i4"),  # with CPU work
        ("next_busy", "i4"),
        ("previous_busy", "i4"),
        ("up", "i1"),
        ("watched", "i1"),  # its online load is looked at one by one, not as a part of its host's
        ("marked", "i1"),
        ("scarce", "i1"),  # it is given less than it wants, or its runs less than their limits
        ("calling", "i1"),  # its queue is to be looked at
        ("failed", "i1"),
        ("vcpu", "f8"),
        ("weight", "f8"),
        ("grant", "f8"),  # what it was given when it was last short
        ("online", "f8"),  # online load served and not served since `since`, of VMs that are watched or short
        ("short", "f8"),
        ("since", "f8"),
        ("short_s", "f8"),
        ("first_io", "i4"),
        ("ios", "i4"),
        ("next_vm", "i4"),
        ("previous_vm", "i4"),
    ],
    align=True,
)

ACTIVE = np.dtype(
    [
        ("left", "f8"),  # core-seconds at `since`
        ("since", "f8"),
        ("since_rest", "f8"),
        ("due_rest", "f8"),  # of the time at which its next event is scheduled
        ("rate", "f8"),
        ("limit", "f8"),
        ("most", "f8"),  # its limit whatever the VM's vCPU
        ("base", "f8"),  # when its demand steps count from
        ("base_rest", "f8"),
        ("run", "i4"),
        ("vm", "i4"),
        ("next", "i4"),
        ("previous", "i4"),
        ("step", "i4"),
        ("phase", "i1"),
        ("parts", "i1"),  # of its work that are not through: CPU, storage, line
        ("joined", "i1"),  # it is among its VM's runs with CPU work
        ("fresh", "i1"),  # it is among the runs that have joined at this instant
    ],
    align=True,
)

TRANSFER = np.dtype(
    [
        ("left", "f8"),
        ("since", "f8"),
        ("rate", "f8"),
        ("next", "i4"),
        ("previous", "i4"),
        ("line", "i4"),  # -1: none (any more)
        ("joined", "i1"),
    ],
    align=True,
)

PIECE = np.dtype(
    [("from_s", "f8"), ("until_s", "f8"), ("cores", "f8"), ("host", "i4"), ("vm", "i4"), ("run", "i4")], align=True
)
"""A piece of service; run -1 is online load."""

ENTRY = np.dtype([("at", "f8"), ("who", "i4")], align=True)
"""An entry of a heap."""

CHANGE = np.dtype([("at", "f8"), ("value", "f8"), ("row", "i4"), ("kind", "i4")], align=True)
"""A line of the timetable. `row` is a VM, online class, relocation or calendar; `value` a vCPU or a level."""

PART = np.dtype([("scale", "f8"), ("host", "i4")], align=True)
"""What a host's VMs of one online class want per level."""

VCPU, LEVEL, LEAVES, IS_UP, OPENS = range(5)
"""Kinds of change."""

FIXED, FAILING, DELAYED, WORKING, GAP, STEP, PRINTING = range(7)
"""Phases of an active run."""

(
    HEAP,
    FREE_FIRST,
    HIGHEST,
    MARKED_VMS,
    MARKED_HOSTS,
    FRESH,
    CALLING,
    IO_HOSTS,
    LINES,
    LATER,
    PIECES,
    NEXT_RELEASE,
    NEXT_CHANGE,
    ENDED,
    POOLS,
    COUNTERS,
) = range(16)
"""Counters: lengths of the lists, the first free record, the highest ever used, and how far the inputs are read."""

RUNNING, NEEDS_ROOM, OVER = range(3)
"""Answers of the compiled loop."""


class Given(NamedTuple):
    """What is given: columns of the runs, who follows whom, and the timetable. An unused column has no rows."""

    vm: Ints
    release_s: Floats
    cpu_s: Floats
    max_cores: Floats
    fixed_s: Floats
    order: Ints
    """Runs without predecessors by release; no rows: as they are."""
    follower_ptr: Ints
    follower: Ints
    follower_lag_s: Floats
    demand_ptr: Ints
    demand_from_s: Floats
    demand_until_s: Floats
    demand_cores: Floats
    io_mib: Floats
    line_mib: Floats
    calendar: Ints
    pool: Ints
    pool_s: Floats
    failed_cpu_s: Floats
    rerun_delay_s: Floats
    timetable: Records
    part_ptr: Ints
    part: Records
    """By online class: what hosts want per level."""
    watched_ptr: Ints
    watched: Ints
    """By online class: VMs watched one by one."""
    move_vm: Ints
    move_to_host: Ints
    move_keeps_work: Bools
    line_mib_s: Floats
    window_ptr: Ints
    window_open_s: Floats
    window_close_s: Floats
    caller_ptr: Ints
    caller: Ints
    """By calendar: VMs whose runs wait for its windows."""
    online_first: bool


class Kept(NamedTuple):
    """What changes while the simulation goes on."""

    counts: Ints
    clock: Floats
    """Now, the last end of a run, and what now lacks to the exact time (see `clock.py`)."""
    host: Records
    vm: Records
    act: Records
    io: Records
    wire: Records
    heap: Records
    place: Ints
    """Where in the heap each active run's next event (and those of its transfers) is; -1: nowhere."""
    later: Records
    due: Ints
    levels: Floats
    queue_next: Ints
    waits: Ints
    """Per run: predecessors that have not ended."""
    earliest_s: Floats
    """Per run: when it is ready as far as is known; no rows where no run has predecessors."""
    struck: Ints
    marked_vms: Ints
    marked_hosts: Ints
    fresh: Ints
    calling: Ints
    io_hosts: Ints
    line_first: Ints
    line_runs: Ints
    line_marked: Ints
    lines: Ints
    window: Ints
    """Per calendar: its window that is or comes next."""
    pool_free: Ints
    pool_first: Ints
    pool_last: Ints


class Found(NamedTuple):
    """What is found out, run by run."""

    ready_s: Floats
    start_s: Floats
    work_end_s: Floats
    end_s: Floats
    attempts: Ints
    """No rows where no run can need a second attempt."""
    pieces: Records
    """No rows where service is not recorded."""
