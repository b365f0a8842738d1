"""Small systems whose times are computed by hand, one feature each."""

import math

import numpy as np
import pytest

from capacity.simulation import fast
from capacity.simulation.columns import SimulationInput
from capacity.simulation.records import (
    DemandStep,
    Line,
    OnlineLoad,
    Relocation,
    SimulatedHost,
    SimulatedRun,
    SimulatedVm,
    SlotPool,
    VcpuStep,
    WindowCalendar,
)

HOST = SimulatedHost("h", 4.0)
TWO_HOSTS = (HOST, SimulatedHost("g", 2.0))


def simulated(vms, runs, hosts=(HOST,), online=(), steps=(), **more):
    """The answer, checked to be the same whether service is recorded or not."""
    system = SimulationInput.of(hosts, vms, runs, online, steps, **more)
    plain, recorded = fast.simulate(system), fast.simulate(system, record_served=True)
    for name in ("ready_s", "start_s", "work_end_s", "end_s", "attempts"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(recorded, name))
    np.testing.assert_allclose(plain.host_core_s, recorded.host_core_s)
    served = recorded.served
    amounts = (served.until_s - served.from_s) * served.cores
    np.testing.assert_allclose(np.bincount(served.host, amounts, len(hosts)), plain.host_core_s)
    loads = served.run < 0
    np.testing.assert_allclose(
        np.bincount(served.vm[loads], amounts[loads], len(vms)), plain.online_served_core_s, atol=1e-9
    )
    return plain


def test_runs_of_a_full_vm_share_it_max_min_fairly():
    found = simulated(
        [SimulatedVm("v", 0, 3.0)],
        [SimulatedRun("a", 0, 0.0, 4.0, 0.5), SimulatedRun("b", 0, 0.0, 10.0), SimulatedRun("c", 0, 0.0, 5.0)],
    )
    # 0.5 + 1.25 + 1.25 until c ends at 4, then b has 2.5 cores for the 5 core-seconds left
    assert found.end_s.tolist() == pytest.approx([8.0, 6.0, 4.0])


def test_vms_of_a_full_host_share_it_by_weight():
    found = simulated(
        [SimulatedVm("v", 0, 4.0, weight=3.0), SimulatedVm("w", 0, 4.0)],
        [SimulatedRun("a", 0, 0.0, 6.0), SimulatedRun("b", 1, 0.0, 6.0)],
    )
    assert found.end_s.tolist() == pytest.approx([2.0, 3.0])
    assert found.host_core_s.tolist() == pytest.approx([12.0])


def test_slots_are_given_by_ready_time_then_row():
    runs = [SimulatedRun(name, 0, release, 2.0) for name, release in (("a", 0.0), ("b", 1.0), ("c", 0.5), ("d", 0.5))]
    found = simulated([SimulatedVm("v", 0, 1.0, 1)], runs)
    assert found.start_s.tolist() == [0.0, 6.0, 2.0, 4.0]
    assert found.ready_s.tolist() == [0.0, 1.0, 0.5, 0.5]


def test_a_run_waits_for_the_last_of_its_predecessors_and_their_lags():
    runs = [
        SimulatedRun("a", 0, 0.0, 1.0),
        SimulatedRun("b", 0, 0.0, 3.0),
        SimulatedRun("c", 0, 2.0, 1.0, after=(0, 1), lag_s=(7.0, 0.0)),
        SimulatedRun("d", 0, 0.0, 0.0, after=(2,)),
    ]
    found = simulated([SimulatedVm("v", 0, 1.0)], runs)
    assert found.end_s.tolist() == pytest.approx([2.0, 4.0, 10.0, 10.0])


def test_idle_time_holds_the_slot():
    runs = [SimulatedRun("a", 0, 0.0, 1.0, fixed_s=5.0), SimulatedRun("b", 0, 0.0, 1.0)]
    assert simulated([SimulatedVm("v", 0, 1.0, 1)], runs).end_s.tolist() == pytest.approx([6.0, 7.0])


def test_work_not_served_in_time_moves_later_demand_steps():
    steps = (DemandStep(0.0, 2.0, 2.0), DemandStep(3.0, 4.0, 1.0))
    runs = [SimulatedRun("a", 0, 0.0, 5.0, demand=steps)]
    assert simulated([SimulatedVm("v", 0, 4.0)], runs).end_s.tolist() == pytest.approx([4.0])
    assert simulated([SimulatedVm("v", 0, 1.0)], runs).end_s.tolist() == pytest.approx([6.0])


def test_online_load_is_served_first():
    load = [OnlineLoad(0, 0.0, 10.0, 1.5)]
    found = simulated([SimulatedVm("v", 0, 2.0)], [SimulatedRun("a", 0, 2.0, 4.0)], online=load)
    assert found.end_s.tolist() == pytest.approx([10.0])
    assert found.online_wanted_core_s.tolist() == pytest.approx([15.0])
    assert found.online_served_core_s.tolist() == pytest.approx([15.0])


def test_online_load_that_shares_is_one_more_taker():
    load = [OnlineLoad(0, 0.0, 10.0, 1.5)]
    found = simulated([SimulatedVm("v", 0, 2.0)], [SimulatedRun("a", 0, 2.0, 4.0)], online=load, online_first=False)
    assert found.end_s.tolist() == pytest.approx([6.0])
    assert found.online_served_core_s.tolist() == pytest.approx([3.0 + 4.0])


def test_online_load_of_an_idle_vm_takes_part_in_a_full_host():
    vms = [SimulatedVm("v", 0), SimulatedVm("w", 0, 3.0)]
    found = simulated(vms, [SimulatedRun("a", 0, 0.0, 4.0)], online=[OnlineLoad(1, 0.0, 9.0, 3.0)])
    assert found.end_s.tolist() == pytest.approx([2.0])
    assert found.online_wanted_core_s.tolist() == pytest.approx([0.0, 6.0])
    assert found.online_served_core_s.tolist() == pytest.approx([0.0, 4.0])


def test_vcpu_changes_from_its_time_on():
    found = simulated([SimulatedVm("v", 0, 1.0)], [SimulatedRun("a", 0, 0.0, 5.0)], steps=[VcpuStep(0, 1.0, 4.0)])
    assert found.end_s.tolist() == pytest.approx([2.0])


def test_a_live_move_keeps_the_work():
    move = Relocation(0, 1.0, 1.0, 1, keeps_work=True)
    found = simulated([SimulatedVm("v", 0)], [SimulatedRun("a", 0, 0.0, 8.0)], TWO_HOSTS, relocations=[move])
    assert found.end_s.tolist() == pytest.approx([3.0])
    assert found.host_core_s.tolist() == pytest.approx([4.0, 4.0])
    assert found.attempts.tolist() == [1]


def test_a_failure_loses_the_work_and_the_run_starts_again():
    fails = Relocation(0, 1.0, 5.0, 1, keeps_work=False)
    runs = [SimulatedRun("a", 0, 0.0, 8.0), SimulatedRun("b", 0, 2.0, 2.0)]
    found = simulated([SimulatedVm("v", 0, slots=1)], runs, TWO_HOSTS, relocations=[fails])
    assert found.start_s.tolist() == [0.0, 9.0]
    assert found.end_s.tolist() == pytest.approx([9.0, 10.0])
    assert found.attempts.tolist() == [2, 1]
    assert found.host_core_s.tolist() == pytest.approx([4.0, 10.0])


def test_storage_is_shared_by_weight_and_then_equally():
    host = SimulatedHost("h", 8.0, io_mib_s=30.0)
    vms = [SimulatedVm("v", 0, weight=2.0), SimulatedVm("w", 0)]
    runs = [
        SimulatedRun("a", 0, 0.0, 0.0, io_mib=100.0),
        SimulatedRun("b", 0, 0.0, 0.0, io_mib=50.0),
        SimulatedRun("c", 1, 0.0, 1.0, io_mib=100.0),
    ]
    # 10 each until b ends at 5; then a has 20 and ends at 7.5; c has had 75 and gets 30
    assert simulated(vms, runs, (host,)).end_s.tolist() == pytest.approx([7.5, 5.0, 7.5 + 25.0 / 30.0])


def test_a_line_is_shared_equally_by_all_its_hosts():
    hosts = (SimulatedHost("h", 8.0, line=0), SimulatedHost("g", 8.0, line=0))
    vms = [SimulatedVm("v", 0), SimulatedVm("w", 1)]
    runs = [SimulatedRun("a", 0, 0.0, 0.0, line_mib=10.0), SimulatedRun("b", 1, 0.0, 0.0, line_mib=30.0)]
    assert simulated(vms, runs, hosts, lines=[Line("l", 10.0)]).end_s.tolist() == pytest.approx([2.0, 4.0])


def test_a_run_waits_for_its_window_and_lets_others_pass():
    calendar = WindowCalendar("c", ((10.0, 11.0), (20.0, 30.0)))
    runs = [
        SimulatedRun("a", 0, 0.0, 5.0, calendar=0),
        SimulatedRun("b", 0, 1.0, 9.0),
        SimulatedRun("c", 0, 0.0, 1.0, calendar=0),
        SimulatedRun("d", 0, 40.0, 1.0, calendar=0),
        SimulatedRun("e", 0, 0.0, 1.0, after=(3,)),
    ]
    found = simulated([SimulatedVm("v", 0, 1.0, 1)], runs, calendars=[calendar])
    assert found.start_s.tolist() == [10.0, 1.0, 20.0, math.inf, math.inf]
    assert found.end_s.tolist() == [15.0, 10.0, 21.0, math.inf, math.inf]
    assert found.ready_s.tolist() == [0.0, 1.0, 0.0, 40.0, math.inf]
    assert found.attempts.tolist() == [1, 1, 1, 0, 0]


def test_printing_gives_the_slot_back_and_queues_for_the_pool():
    runs = [SimulatedRun(name, 0, 0.0, 1.0, pool=0, pool_s=10.0) for name in "ab"]
    found = simulated([SimulatedVm("v", 0, 1.0, 1)], runs, pools=[SlotPool("p", 1)])
    assert found.work_end_s.tolist() == [1.0, 2.0]
    assert found.end_s.tolist() == [11.0, 21.0]


def test_a_failed_run_does_everything_again():
    runs = [SimulatedRun("a", 0, 0.0, 8.0, fixed_s=1.0, failed_cpu_s=4.0, rerun_delay_s=3.0)]
    found = simulated([SimulatedVm("v", 0, 4.0)], runs)
    assert found.end_s.tolist() == pytest.approx([1.0 + 1.0 + 3.0 + 1.0 + 2.0])
    assert found.attempts.tolist() == [2]


def test_nothing_is_counted_after_the_last_end():
    load = [OnlineLoad(0, 0.0, 100.0, 1.0)]
    calendar = WindowCalendar("c", ((0.0, 5.0),))
    runs = [SimulatedRun("a", 0, 0.0, 2.0), SimulatedRun("late", 0, 50.0, 2.0, calendar=0)]
    found = simulated([SimulatedVm("v", 0, 2.0)], runs, online=load, calendars=[calendar])
    assert found.end_s.tolist() == [2.0, math.inf]
    assert found.online_wanted_core_s.tolist() == pytest.approx([2.0])
    assert found.host_core_s.tolist() == pytest.approx([4.0])


@pytest.mark.parametrize("at_s", [0.0, 3.1e7])
def test_times_do_not_drift_over_many_steps(at_s):
    steps = tuple(DemandStep(0.1 * k, 0.1 * (k + 1), 1.0 + k % 2) for k in range(2000))
    work = math.fsum((step.until_s - step.from_s) * step.cores for step in steps)
    runs = [SimulatedRun("a", 0, at_s, work, demand=steps), SimulatedRun("b", 0, at_s, 2000.0, 1.0)]
    found = simulated([SimulatedVm("v", 0, 4.0)], runs)
    assert found.end_s.tolist() == pytest.approx([at_s + 200.0, at_s + 2000.0], abs=1e-6)


def test_a_year_of_runs_one_after_the_other_ends_to_the_microsecond():
    count = 100_000
    runs = [SimulatedRun("a", 0, 0.0, 315.36 / 3, 1 / 3, after=(row - 1,) if row else ()) for row in range(count)]
    found = simulated([SimulatedVm("v", 0, 2.0)], runs, online=[OnlineLoad(0, 0.0, 4e7, 1.0)])
    assert found.end_s[-1] == pytest.approx(31_536_000.0, abs=1e-6)
