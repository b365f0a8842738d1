"""One preparation for many simulations, in any number of threads; systems with nothing in them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import numpy as np
import pytest

from capacity.simulation import fast
from capacity.simulation.columns import HostColumns, OnlineClasses, SimulationInput, VmColumns, plain_runs
from capacity.simulation.engines import engine
from capacity.simulation.records import OnlineLoad, SimulatedHost, SimulatedRun, SimulatedVm


def busy_system(runs=400, seed=0):
    rng = np.random.default_rng(seed)
    vms = 12
    return SimulationInput(
        hosts=HostColumns(("a", "b"), np.full(2, 4.0), np.full(2, np.inf), np.full(2, -1)),
        vms=VmColumns(
            ids=tuple(f"v{k}" for k in range(vms)),
            host=np.arange(vms) % 2,
            vcpu=np.full(vms, 2.0),
            slots=rng.integers(0, 3, vms),
            weight=rng.uniform(0.5, 2.0, vms),
            online_class=np.arange(vms) % 2,
            online_cores=rng.uniform(0.1, 0.5, vms),
        ),
        runs=plain_runs(
            tuple(f"r{k}" for k in range(runs)),
            rng.integers(0, vms, runs),
            rng.uniform(0, 1000, runs),
            rng.exponential(10, runs),
            max_cores=np.full(runs, 1.0),
        ),
        online=OnlineClasses(np.array([0, 20, 40]), np.tile(np.arange(20) * 60.0, 2), rng.uniform(0, 2, 40)),
    )


def assert_same(one, other):
    for column in fields(one):
        if column.name != "served":
            np.testing.assert_array_equal(getattr(one, column.name), getattr(other, column.name))


def test_prepared_answers_like_simulate():
    system = busy_system()
    prepared = fast.prepare(system)
    assert_same(prepared.run(), fast.simulate(system))
    work, release = system.runs.cpu_s * 1.5, system.runs.release_s[::-1].copy()
    changed = system.with_runs(cpu_s=work, release_s=release)
    assert_same(prepared.run(cpu_s=work, release_s=release), fast.simulate(changed))
    failing = np.where(np.arange(len(system.runs)) % 7 == 0, 1.0, np.inf)
    delays = np.full(len(system.runs), 5.0)
    changed = system.with_runs(failed_cpu_s=failing, rerun_delay_s=delays)
    assert_same(prepared.run(failed_cpu_s=failing, rerun_delay_s=delays), fast.simulate(changed))
    assert_same(prepared.run(), fast.simulate(system))


def test_threads_give_the_same_bytes():
    system = busy_system()
    prepared = fast.prepare(system)
    work = system.runs.cpu_s * np.random.default_rng(1).uniform(0.5, 2, (16, len(system.runs)))
    one, four = prepared.run_many(work), prepared.run_many(work, threads=4)
    assert one.tobytes() == four.tobytes()
    np.testing.assert_array_equal(one[3], prepared.run(cpu_s=work[3]).end_s)


def test_independent_systems_run_side_by_side():
    prepared = [fast.prepare(busy_system(seed=seed)) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda ready: ready.run(), prepared))
    for ready, found in zip(prepared, together, strict=True):
        assert_same(ready.run(), found)


def test_a_column_of_another_length_is_refused():
    with pytest.raises(ValueError, match="cpu_s"):
        fast.prepare(busy_system()).run(cpu_s=np.ones(3))


def test_read_only_and_broadcast_columns_are_taken():
    system = busy_system()
    cores = np.broadcast_to(np.float64(1.0), len(system.runs))
    assert_same(fast.simulate(system.with_runs(max_cores=cores)), fast.simulate(system))


@pytest.mark.parametrize(
    ("hosts", "vms", "runs"),
    [
        ((), (), ()),
        ((SimulatedHost("h", 1.0),), (), ()),
        ((SimulatedHost("h", 1.0),), (SimulatedVm("v", 0),), ()),
        ((SimulatedHost("h", 1.0),), (SimulatedVm("v", 0),), (SimulatedRun("r", 0, 5.0, 0.0),)),
    ],
)
def test_systems_with_hardly_anything(hosts, vms, runs):
    found = fast.simulate(SimulationInput.of(hosts, vms, runs), record_served=True)
    assert found.end_s.tolist() == [5.0] * len(runs)
    assert found.host_core_s.tolist() == [0.0] * len(hosts)
    assert len(found.served) == 0


def test_online_load_without_runs_counts_nothing():
    system = SimulationInput.of(
        (SimulatedHost("h", 1.0),), (SimulatedVm("v", 0),), (), online=(OnlineLoad(0, 0.0, 9.0, 1.0),)
    )
    assert fast.simulate(system).online_wanted_core_s.tolist() == [0.0]


def test_a_system_that_contradicts_itself_is_refused():
    system = SimulationInput.of((SimulatedHost("h", 0.0),), (), ())
    with pytest.raises(ValueError, match="cores must be above 0"):
        fast.simulate(system)


def test_the_engine_answers_to_its_name():
    assert engine("fast") is fast.simulate


def test_service_is_recorded_however_much_there_is():
    found = fast.simulate(busy_system(), record_served=True)
    served = found.served
    amounts = (served.until_s - served.from_s) * served.cores
    of_runs = served.run >= 0
    np.testing.assert_allclose(
        np.bincount(served.run[of_runs], amounts[of_runs]), busy_system().runs.cpu_s, rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(np.bincount(served.host, amounts), found.host_core_s)
