"""The auditor passes good results and names every way in which one can be wrong."""

import math
from dataclasses import replace

import numpy as np
import pytest

from capacity.simulation.audit import audit
from capacity.simulation.columns import SimulationInput
from capacity.simulation.records import (
    DemandStep,
    OnlineLoad,
    Relocation,
    ServedTable,
    SimulatedHost,
    SimulatedRun,
    SimulatedVm,
    SlotPool,
    VcpuStep,
    WindowCalendar,
)
from capacity.simulation.reference import simulate

A, B, C, D, LATE, PRINT, QUEUED, SHAPED, RERUN, LOST, HEAVY, LIGHT = range(12)


def run(name, vm, release_s, cpu_s, **more):
    return SimulatedRun(name, vm, release_s, cpu_s, **more)


def centre(*, online_first=True):
    """Two hosts with everything that can go wrong: queues, windows, printing, online load, a failure, weights."""
    return SimulationInput.of(
        hosts=(SimulatedHost("h", 4.0), SimulatedHost("g", 6.0)),
        vms=(
            SimulatedVm("queue", 0, 2.0, 1),
            SimulatedVm("online", 0, 2.0),
            SimulatedVm("fails", 0, 2.0, 2),
            SimulatedVm("heavy", 1, weight=3.0),
            SimulatedVm("light", 1, weight=1.0),
        ),
        runs=(
            run("a", 0, 0.0, 4.0),
            run("b", 0, 0.5, 4.0, max_cores=1.0),
            run("c", 0, 0.5, 2.0, fixed_s=1.0, after=(A,), lag_s=(1.0,)),
            run("d", 1, 0.0, 8.0),
            run("late", 1, 1.0, 2.0, calendar=0),
            run("print", 1, 0.0, 1.0, pool=0, pool_s=5.0),
            run("queued", 1, 0.0, 1.25, max_cores=0.5, pool=0, pool_s=5.0),
            run("shaped", 2, 0.0, 4.0, demand=(DemandStep(0, 2, 1.0), DemandStep(4, 6, 1.0))),
            run("rerun", 4, 30.0, 3.0, failed_cpu_s=2.0, rerun_delay_s=1.0, fixed_s=0.5),
            run("lost", 2, 9.0, 8.0),
            run("heavy", 3, 0.0, 45.0),
            run("light", 4, 0.0, 15.0),
        ),
        online=(OnlineLoad(1, 2.0, 20.0, 1.0),),
        vcpu_steps=(VcpuStep(1, 12.0, 1.5),),
        relocations=(Relocation(2, 10.0, 15.0, 1, keeps_work=False),),
        pools=(SlotPool("printer", 1),),
        calendars=(WindowCalendar("night", ((5.0, 10.0), (40.0, 50.0))),),
        online_first=online_first,
    )


def columns(**changes):
    """Damage to columns of runs: name -> {row: value}."""

    def damage(result):
        arrays = {name: getattr(result, name).copy() for name in changes}
        for name, values in changes.items():
            for row, value in values.items():
                arrays[name][row] = value
        return replace(result, **arrays)

    return damage


def moved(row, shift_s):
    """All times of a run after its ready time."""

    def damage(result):
        names = ("start_s", "work_end_s", "end_s")
        return columns(**{name: {row: getattr(result, name)[row] + shift_s} for name in names})(result)

    return damage


def served(of_run, **changes):
    """Damage to the pieces of service of a run (-1: online load): column -> factor or value."""

    def damage(result):
        table, arrays = result.served, {}
        for name, change in changes.items():
            arrays[name] = getattr(table, name).copy()
            mine = table.run == of_run
            arrays[name][mine] = change(arrays[name][mine]) if callable(change) else change
        return replace(result, served=replace(table, **arrays))

    return damage


def with_piece(host, vm, of_run, from_s, until_s, cores):
    """One more piece of service."""

    def damage(result):
        table = result.served
        piece = {"host": host, "vm": vm, "run": of_run, "from_s": from_s, "until_s": until_s, "cores": cores}
        return replace(
            result,
            served=ServedTable(**{name: np.append(getattr(table, name), value) for name, value in piece.items()}),
        )

    return damage


def both(*damages):
    def damage(result):
        for each in damages:
            result = each(result)
        return result

    return damage


def swapped_service(one, other, from_s, until_s):
    """From one run to another, a tenth of a core between these times."""
    return both(
        with_piece(*one, from_s, until_s, 0.1),
        lambda result: replace(
            result,
            served=replace(
                result.served,
                cores=np.where(
                    (result.served.run == other)
                    & (result.served.from_s <= from_s)
                    & (result.served.until_s >= until_s),
                    result.served.cores - 0.1,
                    result.served.cores,
                ),
            ),
        ),
    )


def without_served_of(of_run):
    def damage(result):
        table = result.served
        kept = table.run != of_run
        names = ("host", "vm", "run", "from_s", "until_s", "cores")
        return replace(result, served=ServedTable(**{name: getattr(table, name)[kept] for name in names}))

    return damage


def account(name, row):
    return lambda result: columns(**{name: {row: getattr(result, name)[row] + 0.01}})(result)


def swapped_ends(one, other):
    def damage(result):
        return columns(end_s={one: result.end_s[other], other: result.end_s[one]})(result)

    return damage


DAMAGES = {
    "one row per run": lambda result: replace(result, end_s=result.end_s[:-1]),
    "times must be numbers": columns(start_s={A: math.nan}),
    "ready, start, work end, end follow each other": columns(start_s={A: 100.0}),
    "ready no later than release": columns(ready_s={B: 0.6}),
    "ready no earlier than release": columns(ready_s={C: 2.5}),
    "starts inside a window": moved(LATE, -2.0),
    "takes at least the time": columns(work_end_s={B: 5.0}, end_s={B: 5.0}),
    "a run that does not print ends with its work": columns(end_s={A: 3.0}),
    "a run whose work has ended is printed": columns(end_s={PRINT: math.inf}),
    "prints after its work": lambda result: columns(end_s={PRINT: result.work_end_s[PRINT] + 1.0})(result),
    "a pool prints no more runs": lambda result: columns(end_s={QUEUED: result.end_s[QUEUED] - 1.0})(result),
    "no pool slot is free": lambda result: columns(end_s={QUEUED: result.end_s[QUEUED] + 1.0})(result),
    "prints in the order of queueing": swapped_ends(PRINT, QUEUED),
    "no slot is taken on a VM that is down": columns(start_s={LOST: 11.0}),
    "a VM runs no more runs at once": moved(B, -1.0),
    "no slot is free while a run waits": moved(B, 0.5),
    "slots are taken by ready time": both(
        columns(start_s={C: 2.0}, work_end_s={C: 5.0}, end_s={C: 5.0}, ready_s={C: 1.5}), moved(B, 3.0)
    ),
    "attempts are slots taken": columns(attempts={LOST: 1}),
    "served table: columns of different length": lambda result: replace(
        result, served=replace(result.served, cores=result.served.cores[:-1])
    ),
    "served rows name": served(A, vm=9),
    "service takes time and cores": served(A, cores=0.0),
    "nothing is served after the last end": with_piece(0, 0, A, 1000.0, 1001.0, 1.0),
    "a VM is served on the host it is on": served(A, host=1),
    "a VM that is down is not served": with_piece(0, 2, LOST, 11.0, 12.0, 1.0),
    "a run is served on its VM": served(A, vm=1),
    "a run is served between its start and its work's end": served(A, until_s=lambda until_s: until_s + 1),
    "a run has no more than its max_cores": served(B, cores=1.5),
    "no host above its cores": served(A, cores=3.5),
    "no VM above its vCPU": served(A, cores=2.5),
    "no online load above its level": served(-1, cores=1.1),
    "host_core_s is what was served": account("host_core_s", 0),
    "online_served_core_s is what was served": account("online_served_core_s", 1),
    "online_wanted_core_s is the load": account("online_wanted_core_s", 1),
    "core-seconds in are core-seconds out": served(A, cores=1.9),
    "no work before the idle time is over": served(C, from_s=lambda from_s: from_s - 0.5),
    "the slot is given back when the work is through": columns(work_end_s={D: 21.0}, end_s={D: 21.0}),
    "work served is the work given, at its time: shaped": served(SHAPED, cores=0.9),
    "work served is the work given, at its time: rerun": served(RERUN, until_s=lambda until_s: until_s - 0.1),
    "work served is the work given, at its time: lost": without_served_of(LOST),
    "a VM has no more than it wants": served(B, cores=1.5),
    "online load is served first": both(served(-1, cores=0.5), with_piece(0, 1, D, 2.0, 6.0, 0.5)),
    "a VM's share is fair between its runs": swapped_service((0, 1, PRINT), D, 0.1, 0.2),
    "no core is idle": without_served_of(LIGHT),
    "a host's cores are fair between its VMs by weight": swapped_service((1, 4, LIGHT), HEAVY, 1.0, 2.0),
}


@pytest.fixture(scope="module")
def good():
    system = centre()
    return system, simulate(system, record_served=True)


@pytest.mark.parametrize("online_first", [True, False])
def test_good_results_pass(online_first):
    system = centre(online_first=online_first)
    assert audit(system, simulate(system, record_served=True)) == []
    assert audit(system, simulate(system)) == []


@pytest.mark.parametrize("rule", DAMAGES)
def test_damage_is_found(rule, good):
    system, result = good
    findings = audit(system, DAMAGES[rule](result))
    assert any(finding.startswith(rule) for finding in findings), findings


def test_online_load_that_shares_is_no_first_taker():
    system = centre(online_first=False)
    result = simulate(centre(online_first=True), record_served=True)
    assert any(finding.startswith("a VM's share is fair") for finding in audit(system, result))


def test_every_run_moved_a_little_is_found(good):
    """Whatever run ends or starts 10 microseconds off, something no longer adds up."""
    system, result = good
    for row in range(len(result.end_s)):
        for shift_s in (-1e-5, 1e-5):
            later = columns(**{name: {row: getattr(result, name)[row] + shift_s} for name in ("work_end_s", "end_s")})
            assert audit(system, later(result)), (row, shift_s)
            assert audit(system, columns(start_s={row: result.start_s[row] + shift_s})(result)), (row, shift_s)


@pytest.mark.parametrize("column", ["from_s", "until_s", "cores"])
def test_every_piece_of_service_changed_a_little_is_found(good, column):
    system, result = good
    for row in range(len(result.served)):
        values = getattr(result.served, column).copy()
        values[row] += 2e-5
        assert audit(system, replace(result, served=replace(result.served, **{column: values}))), row
