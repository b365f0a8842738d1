"""Why runs are late: cases by hand."""

import math
from dataclasses import fields

import numpy as np
import pytest

from capacity.simulation.columns import SimulationInput
from capacity.simulation.engines import engine
from capacity.simulation.explanation import explain, late_rows
from capacity.simulation.explanation_text import Names, by_size, sentence
from capacity.simulation.records import (
    Line,
    OnlineLoad,
    Relocation,
    SimulatedHost,
    SimulatedRun,
    SimulatedVm,
    SlotPool,
    WindowCalendar,
)

simulate = engine("simpy")
NAMES = Names(run=lambda row: f"処理{row}", vm=lambda row: f"VM{row}")


def explained(hosts, vms, runs, planned_end, row, planned_start=None, **more):
    system = SimulationInput.of(hosts, vms, runs, **more)
    result = simulate(system, record_served=True)
    start = system.runs.release_s if planned_start is None else np.array(planned_start)
    (found,) = explain(system, result, planned_start_s=start, planned_end_s=np.array(planned_end), rows=[row])
    assert found.causes.total_s == pytest.approx(found.delay_s, abs=1e-6)
    return found


def told(found):
    """Causes above a microsecond."""
    values = {entry.name.removesuffix("_s"): getattr(found.causes, entry.name) for entry in fields(found.causes)}
    return {name: round(seconds, 6) for name, seconds in values.items() if abs(seconds) > 1e-6}


def test_a_full_host_is_cpu_and_names_who_took_it():
    hosts, vms = [SimulatedHost("h", 2.0)], [SimulatedVm("a", 0), SimulatedVm("b", 0)]
    runs = [SimulatedRun("late", 0, 0.0, 200.0, 2.0), SimulatedRun("other", 1, 0.0, 100.0, 2.0)]
    found = explained(hosts, vms, runs, [100.0, 50.0], 0)
    assert told(found) == {"cpu": 50.0}
    assert [(taker.run, taker.amount) for taker in found.cpu_takers] == [(1, pytest.approx(100.0))]
    assert sentence(found, NAMES) == (
        "処理0は計画より 0.8 分遅く終わりました。内訳はCPU の不足 0.8 分（使っていたのは処理1 1.7 コア分）です。"
    )
    assert by_size(found.causes) == [("cpu", pytest.approx(50.0))]


def test_where_the_vm_itself_is_the_limit_only_its_own_runs_count():
    hosts = [SimulatedHost("h", 8.0)]
    vms = [SimulatedVm("a", 0, vcpu=1.0), SimulatedVm("b", 0)]
    runs = [
        SimulatedRun("late", 0, 0.0, 60.0, 1.0),
        SimulatedRun("same", 0, 0.0, 60.0, 1.0),
        SimulatedRun("elsewhere", 1, 0.0, 800.0, 4.0),
    ]
    found = explained(hosts, vms, runs, [60.0, 60.0, 200.0], 0, online=[OnlineLoad(0, 0.0, 30.0, 0.5)])
    assert told(found) == {"cpu": pytest.approx(75.0)}
    assert [(taker.run, taker.vm, round(taker.amount, 6)) for taker in found.cpu_takers] == [
        (1, 0, 60.0),
        (-1, 0, 15.0),
    ]


def test_slots_name_their_holders():
    hosts, vms = [SimulatedHost("h", 4.0)], [SimulatedVm("a", 0, slots=1)]
    runs = [
        SimulatedRun("first", 0, 0.0, 30.0, 1.0),
        SimulatedRun("second", 0, 1.0, 50.0, 1.0),
        SimulatedRun("late", 0, 10.0, 5.0, 1.0),
    ]
    found = explained(hosts, vms, runs, [30.0, 51.0, 15.0], 2)
    assert told(found) == {"slot": 70.0}
    assert [(holder.run, holder.amount) for holder in found.slot_holders] == [(1, 50.0), (0, 20.0)]


def test_predecessors_late_starts_and_more_work():
    hosts, vms = [SimulatedHost("h", 4.0)], [SimulatedVm("a", 0)]
    runs = [
        SimulatedRun("before", 0, 0.0, 100.0, 1.0),
        SimulatedRun("early", 0, 0.0, 10.0, 1.0),
        SimulatedRun("late", 0, 60.0, 30.0, 1.0, after=(0, 1), lag_s=(5.0, 0.0)),
    ]
    found = explained(hosts, vms, runs, [50.0, 10.0, 60.0], 2, planned_start=[0.0, 0.0, 40.0])
    assert told(found) == {"late_start": 20.0, "predecessor": 45.0, "work": 10.0}
    assert found.predecessor == 0
    assert sentence(found, NAMES).startswith(
        "処理2は計画より 1.2 分遅く終わりました。内訳は先行する処理0の終了待ち 0.8 分"
    )


def test_a_closed_window_goes_before_the_slot():
    hosts, vms = [SimulatedHost("h", 4.0)], [SimulatedVm("a", 0, slots=1)]
    runs = [SimulatedRun("holder", 0, 0.0, 150.0, 1.0), SimulatedRun("late", 0, 50.0, 10.0, 1.0, calendar=0)]
    calendars = [WindowCalendar("night", ((100.0, 500.0),))]
    found = explained(hosts, vms, runs, [150.0, 60.0], 1, calendars=calendars)
    assert told(found) == {"window": 50.0, "slot": 50.0}


def test_printing_waits_for_printers():
    hosts, vms = [SimulatedHost("h", 4.0)], [SimulatedVm("a", 0)]
    runs = [
        SimulatedRun("first", 0, 0.0, 10.0, 1.0, pool=0, pool_s=100.0),
        SimulatedRun("late", 0, 0.0, 20.0, 1.0, pool=0, pool_s=40.0),
    ]
    found = explained(hosts, vms, runs, [10.0, 20.0], 1, pools=[SlotPool("printers", 1)])
    assert told(found) == {"printing": 130.0}
    assert [(holder.run, holder.amount) for holder in found.printer_holders] == [(0, 90.0)]


def test_storage_and_line_after_the_cpu_work():
    hosts = [SimulatedHost("h", 4.0, io_mib_s=10.0, line=0)]
    vms = [SimulatedVm("a", 0)]
    reads = [SimulatedRun("late", 0, 0.0, 10.0, 1.0, io_mib=300.0)]
    assert told(explained(hosts, vms, reads, [10.0], 0, lines=[Line("l", 1.0)])) == {"storage": 20.0}
    sends = [SimulatedRun("late", 0, 0.0, 10.0, 1.0, io_mib=300.0, line_mib=45.0)]
    assert told(explained(hosts, vms, sends, [10.0], 0, lines=[Line("l", 1.0)])) == {"line": 35.0}


def test_an_own_failure_is_the_work_until_it_and_the_delay():
    hosts, vms = [SimulatedHost("h", 4.0)], [SimulatedVm("a", 0)]
    runs = [SimulatedRun("late", 0, 0.0, 100.0, 2.0, fixed_s=7.0, failed_cpu_s=60.0, rerun_delay_s=15.0)]
    found = explained(hosts, vms, runs, [57.0], 0)
    assert told(found) == {"own_failure": 7.0 + 30.0 + 15.0}


def test_a_host_failure_is_the_lost_work_and_the_time_down_then_the_queue():
    hosts, vms = [SimulatedHost("h", 4.0), SimulatedHost("g", 4.0)], [SimulatedVm("a", 0, slots=1)]
    runs = [SimulatedRun("other", 0, 0.0, 50.0, 1.0), SimulatedRun("late", 0, 10.0, 100.0, 1.0)]
    found = explained(hosts, vms, runs, [50.0, 110.0], 1, relocations=[Relocation(0, 60.0, 90.0, 1, keeps_work=False)])
    assert told(found) == {"slot": 40.0, "host_failure": 40.0}
    # The first run is thrown out too, and comes back before the late one: both by their ready time.
    runs = [SimulatedRun("other", 0, 0.0, 80.0, 1.0), SimulatedRun("late", 0, 10.0, 100.0, 1.0)]
    found = explained(hosts, vms, runs, [80.0, 110.0], 1, relocations=[Relocation(0, 60.0, 90.0, 1, keeps_work=False)])
    assert told(found) == {"slot": 50.0 + 80.0, "host_failure": 30.0}
    assert [(holder.run, holder.amount) for holder in found.slot_holders] == [(0, 130.0)]


def test_a_run_without_any_window_left_never_ends_and_neither_do_those_after_it():
    hosts, vms = [SimulatedHost("h", 4.0)], [SimulatedVm("a", 0)]
    runs = [
        SimulatedRun("shut", 0, 50.0, 10.0, 1.0, calendar=0),
        SimulatedRun("after", 0, 0.0, 10.0, 1.0, after=(0,)),
    ]
    calendars = [WindowCalendar("night", ((0.0, 20.0),))]
    system = SimulationInput.of(hosts, vms, runs, calendars=calendars)
    result = simulate(system, record_served=True)
    found = explain(system, result, planned_start_s=system.runs.release_s, planned_end_s=np.array([60.0, 10.0]))
    assert [(entry.run, entry.delay_s) for entry in found] == [(0, math.inf), (1, math.inf)]
    assert (found[0].causes.window_s, found[1].causes.predecessor_s) == (math.inf, math.inf)
    assert sentence(found[0], NAMES) == "処理0は、使えるバッチ枠が残っていないため実行されません。"
    assert sentence(found[1], NAMES) == "処理1は、先行する処理0が終わらないため実行されません。"


def test_a_vm_that_never_comes_back_is_a_host_failure():
    hosts, vms = [SimulatedHost("h", 4.0)], [SimulatedVm("a", 0)]
    moves = [Relocation(0, 5.0, math.inf, 0, keeps_work=False)]
    system = SimulationInput.of(hosts, vms, [SimulatedRun("r", 0, 0.0, 10.0, 1.0)], relocations=moves)
    result = simulate(system, record_served=True)
    (found,) = explain(system, result, planned_start_s=np.zeros(1), planned_end_s=np.array([10.0]))
    assert found.causes.host_failure_s == math.inf
    assert sentence(found, NAMES) == "処理0は、仮想サーバが故障から復旧しないため終わりません。"


def test_late_rows_are_the_latest_first_and_no_more_than_asked_for():
    system = SimulationInput.of(
        [SimulatedHost("h", 4.0)],
        [SimulatedVm("a", 0)],
        [SimulatedRun(f"r{row}", 0, 0.0, 1.0 + row, 1.0) for row in range(4)],
    )
    result = simulate(system)
    assert late_rows(result, np.array([1.0, 1.5, 0.5, 4.0])) == [2, 1]
    assert late_rows(result, np.array([1.0, 1.5, 0.5, 4.0]), at_most=1) == [2]


def test_an_explanation_needs_the_table_of_what_was_served():
    system = SimulationInput.of([SimulatedHost("h", 4.0)], [SimulatedVm("a", 0)], [SimulatedRun("r", 0, 0.0, 1.0)])
    with pytest.raises(ValueError, match="what was served"):
        explain(system, simulate(system), planned_start_s=np.zeros(1), planned_end_s=np.zeros(1))
