"""The reference model against published and hand-made cases, queueing theory, and its own conservation laws."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from capacity.simulation.columns import SimulationInput
from capacity.simulation.engines import engine
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
from capacity.simulation.reference import simulate

CASES = sorted((Path(__file__).parents[2] / "cases/capacity/simulation").glob("*.json"))


def rows_by_id(case, kind):
    """Rows of a kind by their names; hosts, VMs and runs are objects, what the centre shares are lists."""
    return {
        record["id"] if isinstance(record, dict) else record[0]: row for row, record in enumerate(case.get(kind, ()))
    }


def system_of(case):
    rows = {kind: rows_by_id(case, kind) for kind in ("hosts", "vms", "runs", "lines", "pools", "calendars")}

    def named(record, **kinds):
        """The record with rows in place of names."""
        return {**record, **{key: rows[kind][record[key]] for key, kind in kinds.items() if key in record}}

    return SimulationInput.of(
        hosts=tuple(SimulatedHost(**named(host, line="lines")) for host in case["hosts"]),
        vms=tuple(SimulatedVm(**named(vm, host="hosts")) for vm in case["vms"]),
        runs=tuple(
            SimulatedRun(
                **{
                    **named(run, vm="vms", calendar="calendars", pool="pools"),
                    "after": tuple(rows["runs"][name] for name in run.get("after", ())),
                    "lag_s": tuple(run.get("lag_s", ())),
                    "demand": tuple(DemandStep(*step) for step in run.get("demand", ())),
                }
            )
            for run in case["runs"]
        ),
        online=tuple(OnlineLoad(rows["vms"][vm], *load) for vm, *load in case.get("online", ())),
        vcpu_steps=tuple(VcpuStep(rows["vms"][vm], *step) for vm, *step in case.get("vcpu_steps", ())),
        relocations=tuple(
            Relocation(rows["vms"][vm], at_s, infinite(until_s), rows["hosts"][host], keeps_work)
            for vm, at_s, until_s, host, keeps_work in case.get("relocations", ())
        ),
        pools=tuple(SlotPool(*pool) for pool in case.get("pools", ())),
        lines=tuple(Line(*line) for line in case.get("lines", ())),
        calendars=tuple(WindowCalendar(name, windows) for name, windows in case.get("calendars", ())),
        online_first=case.get("online_first", True),
    )


def infinite(time_s):
    """JSON has no infinity: null is what never happens."""
    return math.inf if time_s is None else time_s


@pytest.mark.parametrize("name", ["simpy", "fast"])
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path, name):
    case = json.loads(path.read_text(encoding="utf-8"))
    system = system_of(case)
    result = engine(name)(system)
    for row, run in enumerate(system.run_rows()):
        start_s, end_s = map(infinite, case["expect"][run.id])
        assert result.start_s[row] == pytest.approx(start_s, rel=0, abs=1e-9), run.id
        assert result.end_s[row] == pytest.approx(end_s, rel=0, abs=1e-9), run.id
        work_end_s = case.get("expect_work_end", {}).get(run.id, result.work_end_s[row])
        assert result.work_end_s[row] == pytest.approx(work_end_s, rel=0, abs=1e-9), run.id
        assert result.attempts[row] == case.get("expect_attempts", {}).get(run.id, result.attempts[row]), run.id


def test_a_thousand_fragments_end_exactly():
    """OpenDC FlowDistributorTest 12: 1,000 fragments of 10 min end at 1,000 x 10 min."""
    demand = tuple(DemandStep(600.0 * k, 600.0 * (k + 1), 1000.0 + k % 2 * 500.0) for k in range(1000))
    run = SimulatedRun("a", 0, 0.0, 600.0 * 1_250_000, demand=demand)
    system = SimulationInput.of((SimulatedHost("h", 2000.0),), (SimulatedVm("v", 0),), (run,))
    assert simulate(system).end_s.tolist() == [600_000.0]


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        (
            (SimulatedRun("a", 0, 0.0, 1.0, after=(1,)), SimulatedRun("b", 0, 0.0, 1.0, after=(0,))),
            "wait for each other",
        ),
        ((SimulatedRun("a", 1, 0.0, 1.0),), "no vm row, got 1"),
        ((SimulatedRun("a", 0, math.nan, 1.0),), "release_s"),
        ((SimulatedRun("a", 0, 0.0, -1.0),), "cpu_s"),
        ((SimulatedRun("a", 0, 0.0, 1.0, max_cores=0.0),), "max_cores"),
        ((SimulatedRun("a", 0, 0.0, 1.0, demand=(DemandStep(0, 1, 2),)),), "not the integral of its demand steps"),
        ((SimulatedRun("a", 0, 0.0, 1.0, after=(3,)),), "out of range"),
    ],
)
def test_contradictions_are_named(runs, message):
    with pytest.raises(ValueError, match=message):
        simulate(SimulationInput.of((SimulatedHost("h", 1.0),), (SimulatedVm("v", 0),), runs))


def queue(rng, *, jobs, arrival_rate, service_rate, slots):
    """Poisson arrivals and exponential work on one host of as many cores as slots (processor sharing: no slots)."""
    release_s = np.cumsum(rng.exponential(1 / arrival_rate, jobs))
    work = rng.exponential(1 / service_rate, jobs)
    cores = float(slots or 1)
    return SimulationInput.of(
        (SimulatedHost("h", cores),),
        (SimulatedVm("v", 0, cores, slots),),
        tuple(SimulatedRun(str(row), 0, release_s[row], work[row], 1.0) for row in range(jobs)),
    )


def mean_response(seed, **parameters):
    """Mean response of 20 replications without their first tenth, and the half width of its 99 % interval."""
    means = []
    for replication in range(20):
        rng = np.random.default_rng([seed, replication])
        system = queue(rng, jobs=2000, **parameters)
        result = simulate(system)
        means.append((result.end_s - result.ready_s)[200:].mean())
    return np.mean(means), stats.t.ppf(0.995, 19) * np.std(means, ddof=1) / math.sqrt(20)


def response_of_m_m_c(arrival_rate, servers):
    """Mean response of M/M/c with service rate 1: 1 + C / (c - lambda), C by Erlang's second formula."""
    top = arrival_rate**servers / math.factorial(servers) / (1 - arrival_rate / servers)
    waiting = top / (sum(arrival_rate**k / math.factorial(k) for k in range(servers)) + top)
    return 1 + waiting / (servers - arrival_rate)


@pytest.mark.parametrize(("servers", "expected"), [(1, 5.0), (2, 2.777778), (4, 1.745541)])
def test_formula_agrees_with_published_values(servers, expected):
    assert response_of_m_m_c(0.8 * servers, servers) == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize(
    ("arrival_rate", "service_rate", "slots", "expected"),
    [
        (3.0, 5.0, None, 0.5),  # M/M/1-PS: 1 / (mu - lambda), as Ciw's tests have it
        (2.8, 1.0, 4, response_of_m_m_c(2.8, 4)),
    ],
)
def test_mean_response_agrees_with_queueing_theory(arrival_rate, service_rate, slots, expected):
    mean, half_width = mean_response(11, arrival_rate=arrival_rate, service_rate=service_rate, slots=slots)
    assert half_width < 0.08 * expected
    assert abs(mean - expected) < half_width
