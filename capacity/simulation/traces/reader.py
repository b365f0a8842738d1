"""Reads a trace directory into columns, with every mistake found named by file and line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from capacity.simulation.columns import HostColumns, SimulationInput, VmColumns
from capacity.simulation.validity import check

from . import centre, changes, runs
from .cells import NOT_NEGATIVE, POSITIVE, Range, identifiers, numbers, references
from .files import Table, TableFormat, read_table
from .mistakes import Mistakes, TraceError
from .power import HostPower

HOSTS = TableFormat("hosts", ("id", "cores"), ("io_mib_s", "line", "idle_w", "full_w"))
VMS = TableFormat("vms", ("id", "host", "vcpu", "slots"), ("weight",))
FORMATS = (HOSTS, VMS, runs.RUNS)
OPTIONAL_FORMATS = (
    runs.DEMAND,
    centre.POOLS,
    centre.LINES,
    centre.WINDOWS,
    changes.ONLINE,
    changes.VCPU_CHANGES,
    changes.MOVES,
)

_SLOTS = Range(" 1 以上の整数か空", 1.0, whole=True)
_MANY = 2.0**40
"""More slots than any trace has runs."""


@dataclass(frozen=True)
class Trace:
    """A trace directory: the system to simulate, and what its hosts draw."""

    system: SimulationInput
    power: HostPower


def read_trace(directory: Path) -> SimulationInput:
    """The system that a trace directory describes. Raises TraceError with every mistake found."""
    return read(directory).system


def read(directory: Path) -> Trace:
    """What a trace directory describes (DESIGN 3 and docs/traces.md). Raises TraceError with every mistake found."""
    mistakes = Mistakes()
    tables = _tables(directory, mistakes)
    hosts, vms = tables[HOSTS.stem], tables[VMS.stem]
    host_names, vm_names = identifiers(hosts, mistakes), identifiers(vms, mistakes)
    places = centre.read_centre(tables, mistakes)
    host_columns = HostColumns(
        ids=host_names,
        cores=numbers(hosts, "cores", POSITIVE, mistakes),
        io_mib_s=numbers(hosts, "io_mib_s", POSITIVE, mistakes, empty=math.inf),
        line=references(hosts, "line", places.lines, mistakes, may_be_empty=True),
    )
    power = _power(hosts, mistakes)
    online = changes.read_online(tables[changes.ONLINE.stem], vm_names, mistakes)
    vm_columns = VmColumns(
        ids=vm_names,
        host=references(vms, "host", host_names, mistakes),
        vcpu=numbers(vms, "vcpu", POSITIVE, mistakes, empty=math.inf),
        slots=np.minimum(numbers(vms, "slots", _SLOTS, mistakes, empty=0.0), _MANY).astype(np.int64),
        weight=numbers(vms, "weight", POSITIVE, mistakes, empty=1.0),
        online_class=online.class_of_vm,
        online_cores=(online.class_of_vm >= 0).astype(np.float64),
    )
    run_table = tables[runs.RUNS.stem]
    run_columns = runs.read_runs(run_table, tables[runs.DEMAND.stem], vm_names, places, mistakes)
    vm_changes = changes.read_changes(tables, vm_names, host_names, mistakes)
    if not mistakes:
        runs.check_together(run_table, run_columns, places.centre, mistakes)
    mistakes.check()
    system = SimulationInput(host_columns, vm_columns, run_columns, online.classes, vm_changes, places.centre)
    try:
        check(system)
    except ValueError as error:
        raise TraceError((f"{directory}: 内容が矛盾しています（{error}）",)) from None
    return Trace(system, power)


def _tables(directory: Path, mistakes: Mistakes) -> dict[str, Table]:
    if not directory.is_dir():
        what = "フォルダーではありません" if directory.exists() else "フォルダーがありません"
        raise TraceError((f"{directory}: {what}。hosts.csv、vms.csv、runs.csv のあるフォルダーを指定してください",))
    tables = {wanted.stem: read_table(directory, wanted, mistakes) for wanted in FORMATS}
    for wanted in OPTIONAL_FORMATS:
        tables[wanted.stem] = read_table(directory, wanted, mistakes, optional=True)
    mistakes.check()
    return tables


def _power(hosts: Table, mistakes: Mistakes) -> HostPower:
    idle_w = numbers(hosts, "idle_w", NOT_NEGATIVE, mistakes, empty=math.nan)
    full_w = numbers(hosts, "full_w", NOT_NEGATIVE, mistakes, empty=math.nan)
    alone = np.isnan(idle_w) != np.isnan(full_w)
    mistakes.rows(hosts, alone, lambda row: "idle_w と full_w は両方書くか、両方空にしてください")
    mistakes.rows(
        hosts, full_w < idle_w, lambda row: f"full_w（{full_w[row]:g}）が idle_w（{idle_w[row]:g}）より小さい値です"
    )
    return HostPower(idle_w, full_w)
