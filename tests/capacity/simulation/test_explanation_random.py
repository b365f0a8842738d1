"""Causes of delay on random systems of every feature: they add up, and they say what was really so."""

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings

from capacity.simulation.attempts import Attempts, windows_of
from capacity.simulation.engines import engine
from capacity.simulation.explanation import explain
from tests.capacity.simulation.random_systems import system_of_seed, systems

simulate = engine("simpy")


def check_causes(system):
    result = simulate(system, record_served=True)
    planned_start = system.runs.release_s - 0.25
    planned_end = planned_start + system.runs.fixed_s + 0.7 * system.runs.cpu_s
    every = range(len(system.runs))
    for found in explain(system, result, planned_start_s=planned_start, planned_end_s=planned_end, rows=every):
        if math.isinf(found.delay_s):
            assert found.causes.total_s == math.inf
            continue
        assert found.causes.total_s == pytest.approx(found.delay_s, abs=1e-6)
        made_up = {"work_s", "cpu_s"}
        less = [f.name for f in fields(found.causes) if f.name not in made_up and getattr(found.causes, f.name) < -1e-6]
        assert less == []
        run = found.run
        if system.runs.io_mib[run] == 0:
            assert found.causes.storage_s == pytest.approx(0.0, abs=1e-6)
        if system.runs.line_mib[run] == 0:
            assert found.causes.line_s == pytest.approx(0.0, abs=1e-6)
        if not np.isfinite(system.runs.failed_cpu_s[run]):
            assert found.causes.own_failure_s == 0.0
        if windows_of(system, run) is None:
            assert found.causes.window_s == 0.0
        if not any(not keeps for keeps in system.changes.move_keeps_work):
            assert found.causes.host_failure_s == 0.0
    check_attempts(system, result)


def check_attempts(system, result):
    """Slots are never held by more runs than there are, and what was served lies in an attempt; none is missing."""
    attempts = Attempts(system, result)
    table = result.served
    for vm in range(len(system.vms)):
        of_vm = attempts.of_vm(vm)
        for run, own in of_vm.items():
            assert own[0].from_s == result.start_s[run]
            assert own[-1].lost or own[-1].until_s == result.work_end_s[run]
            assert own[-1].lost == np.isinf(result.work_end_s[run])
            assert all(attempt.lost for attempt in own[:-1])
            own_failure = int(result.attempts[run]) - len(own)
            assert own_failure in ((0, 1) if np.isfinite(system.runs.failed_cpu_s[run]) else (0,))
            for row in np.flatnonzero(table.run == run):
                inside = [a.from_s - 1e-6 <= table.from_s[row] and table.until_s[row] <= a.until_s + 1e-6 for a in own]
                assert any(inside), (run, row)
        slots = int(system.vms.slots[vm])
        held = [attempt for own in of_vm.values() for attempt in own if attempt.until_s - attempt.from_s > 1e-6]
        for attempt in held if slots else []:
            middle = (attempt.from_s + attempt.until_s) / 2
            assert sum(other.from_s <= middle < other.until_s for other in held) <= slots


@given(systems())
@settings(max_examples=150, deadline=None)
def test_causes_add_up_on_any_system(drawn):
    check_causes(drawn.columns())


@pytest.mark.parametrize("block", range(4))
def test_causes_add_up_on_many_systems(block):
    for seed in range(100 * block, 100 * (block + 1)):
        check_causes(system_of_seed(seed).columns())
