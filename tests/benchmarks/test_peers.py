"""The comparison's workload and table; nothing here looks at the time."""

import numpy as np
import pytest

from benchmarks.peers import comparison
from benchmarks.peers.comparison import Row, medians
from benchmarks.peers.programs import Timing, own
from benchmarks.peers.workload import Size, write_trace
from capacity.simulation.traces import read_trace


def test_the_workload_is_a_trace_of_the_stated_size(tmp_path):
    assert write_trace(tmp_path) == Size(hosts=250, vms=1720, runs=17_200)
    system = read_trace(tmp_path)
    assert (len(system.hosts), len(system.vms), len(system.runs)) == (250, 1720, 17_200)
    assert set(system.hosts.cores) == {32.0}
    assert set(system.vms.vcpu) == {4.0}
    assert system.runs.release_s.max() <= 8 * 3600
    assert (np.bincount(system.vms.host) * 4 <= 32).all()
    # CloudSim Plus counts whole millions of instructions.
    assert np.allclose(system.runs.cpu_s * 1000, np.round(system.runs.cpu_s * 1000), atol=1e-6)


def test_the_same_trace_every_time(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_trace(tmp_path / name, vms=8, hosts=1)
    assert (tmp_path / "a" / "runs.csv").read_bytes() == (tmp_path / "b" / "runs.csv").read_bytes()


def test_our_programs_agree(tmp_path):
    write_trace(tmp_path, vms=16, hosts=2)
    ends = [own(engine, engine).measure(tmp_path).end_s for engine in ("simpy", "fast-prepared")]
    assert len(ends[0]) == 160
    assert ends[1] == pytest.approx(ends[0], abs=1e-6)


def timing(run_s, end_s=(2.0, 5.0)):
    return Timing(start_s=0.1, read_s=0.2, first_s=2 * run_s, run_s=run_s, end_s=end_s)


def test_a_row_is_the_median_and_the_largest_difference():
    row = medians([timing(1.0), timing(3.0), timing(2.0)], [0.0, 1.0], (2.0, 4.5))
    assert row == Row(0.1, 0.2, 4.0, 2.0, 5.0, 3.0, 0.5)


def test_rounds_that_differ_are_refused():
    with pytest.raises(RuntimeError, match="differ"):
        medians([timing(1.0), timing(1.0, (2.0, 5.1))], [0.0, 1.0], (2.0, 5.0))


def test_missed_goals_are_said():
    rows = {
        name: Row(0, 0, run_s, run_s, 0, 0, 0)
        for name, run_s in ((comparison.FAST, 0.1), (comparison.REFERENCE, 1.0), (comparison.CLOUDSIM, 30.0))
    }
    said = comparison.goals(rows, Size(250, 1720, 17_200))
    assert said == [
        "fast: 172,000 runs/s warm, goal 400,000: MISSED",
        "reference: 17,200 runs/s, goal 10,000: met",
        "fast: 300 times CloudSim Plus, goal 500: MISSED",
    ]
