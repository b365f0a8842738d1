"""What changes over time in a trace: online.csv, vcpu_changes.csv, moves.csv."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from capacity.records import Bools, Floats, Ints
from capacity.simulation.columns import OnlineClasses, SimulationInput, VmChanges
from capacity.simulation.records import OnlineLoad

from .cells import ANY, NOT_NEGATIVE, POSITIVE, Names, numbers, references, texts
from .files import Table, TableFormat
from .mistakes import Mistakes

ONLINE = TableFormat("online", ("vm", "from_s", "until_s", "cores"))
VCPU_CHANGES = TableFormat("vcpu_changes", ("vm", "at_s", "vcpu"))
MOVES = TableFormat("moves", ("vm", "at_s", "to_host"), ("until_s", "keeps_work"))

_YES, _NO = ("true", "1"), ("", "false", "0")


@dataclass(frozen=True)
class Online:
    """Online load as step functions, and which VM has which (-1: none)."""

    classes: OnlineClasses
    class_of_vm: Ints


def read_online(table: Table, vms: Names, mistakes: Mistakes) -> Online:
    """The online load of every VM. Loads of one VM add up where they overlap."""
    vm = references(table, "vm", vms, mistakes)
    from_s = numbers(table, "from_s", ANY, mistakes)
    until_s = numbers(table, "until_s", ANY, mistakes)
    cores = numbers(table, "cores", NOT_NEGATIVE, mistakes)
    mistakes.rows(
        table,
        until_s <= from_s,
        lambda row: f"時刻が順に並んでいません（{from_s[row]} から {until_s[row]}）",
    )
    class_of_vm = np.full(len(vms), -1, dtype=np.int64)
    if mistakes or not len(table):
        return Online(OnlineClasses(), class_of_vm)
    loaded, first = np.unique(vm, return_index=True)
    # Classes come in the order in which the loads name their VMs.
    class_of_vm[loaded[np.argsort(first)]] = np.arange(len(loaded))
    loads = [
        OnlineLoad(*load) for load in zip(vm.tolist(), from_s.tolist(), until_s.tolist(), cores.tolist(), strict=True)
    ]
    return Online(SimulationInput.of((), (), (), loads).online, class_of_vm)


def read_changes(tables: Mapping[str, Table], vms: Names, hosts: Names, mistakes: Mistakes) -> VmChanges:
    """vCPU changes and moves, each in order of time."""
    vcpu_table, moves = tables[VCPU_CHANGES.stem], tables[MOVES.stem]
    vcpu_at_s = numbers(vcpu_table, "at_s", ANY, mistakes)
    by_time = np.argsort(vcpu_at_s, kind="stable")
    at_s = numbers(moves, "at_s", ANY, mistakes)
    until_s = numbers(moves, "until_s", ANY, mistakes, empty=math.nan)
    until_s = np.where(np.isnan(until_s), at_s, until_s)
    move_vm = references(moves, "vm", vms, mistakes)
    keeps_work = _yes_or_no(moves, "keeps_work", mistakes)
    _check_moves(moves, move_vm, at_s, until_s, keeps_work, mistakes)
    in_order = np.argsort(at_s, kind="stable")
    return VmChanges(
        vcpu_vm=references(vcpu_table, "vm", vms, mistakes)[by_time],
        vcpu_at_s=vcpu_at_s[by_time],
        vcpu=numbers(vcpu_table, "vcpu", POSITIVE, mistakes, empty=math.inf)[by_time],
        move_vm=move_vm[in_order],
        move_at_s=at_s[in_order],
        move_until_s=until_s[in_order],
        move_to_host=references(moves, "to_host", hosts, mistakes)[in_order],
        move_keeps_work=keeps_work[in_order],
    )


def _check_moves(moves: Table, vm: Ints, at_s: Floats, until_s: Floats, keeps_work: Bools, mistakes: Mistakes) -> None:
    backwards = until_s < at_s
    mistakes.rows(moves, backwards, lambda row: f"時刻が順に並んでいません（{at_s[row]} から {until_s[row]}）")
    mistakes.rows(
        moves,
        keeps_work & (until_s > at_s),
        lambda row: f"keeps_work の移動は時間を取りません（until_s が at_s より {until_s[row] - at_s[row]} 秒後です）",
    )
    order = np.lexsort((at_s, vm))
    overlaps = np.zeros(len(order), dtype=np.bool_)
    overlaps[order[1:]] = (vm[order][1:] == vm[order][:-1]) & (at_s[order][1:] < until_s[order][:-1])
    mistakes.rows(moves, overlaps, lambda row: f"同じ VM の移動が重なっています（{at_s[row]} 秒）")


def _yes_or_no(table: Table, column: str, mistakes: Mistakes) -> Bools:
    words = pc.utf8_lower(texts(table, column))
    found = words.to_pylist()
    wrong = np.array([word not in _YES + _NO for word in found], dtype=np.bool_)
    mistakes.rows(table, wrong, lambda row: f"{column} は true か false です（{table.text(column, row)}）")
    return np.array([word in _YES for word in found], dtype=np.bool_)
