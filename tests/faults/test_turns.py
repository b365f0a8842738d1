"""One deployment at a time, and the end of what a dead one left: with real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from infra.recovery import turns
from infra.recovery.turns import BusyError

HOLD = """
import sys, time
from pathlib import Path
from infra.recovery import turns
with turns.only_one(Path(sys.argv[1]), "tanaka"):
    print("held", flush=True)
    time.sleep(60)
"""
START = """
import os, subprocess, sys
from pathlib import Path
from infra.recovery import turns
variables = {**os.environ, **turns.marks(Path(sys.argv[1]))}
child = subprocess.Popen(sys.argv[2:], env=variables, start_new_session=True)
print(child.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def started():
    """Starts programs; ends them all afterwards."""
    running = []

    def start(*command, **options):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
        running.append(process)
        return process

    start.children = []
    yield start
    for pid in start.children:  # those that a deployment started, and left
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for process in running:
        process.kill()
        process.communicate()


def engine_of(started, tmp_path, state, ignore=False):
    """A deployment and its engine: the process that owns, and the number of a program named `pulumi`."""
    program = tmp_path / turns.ENGINE
    if not program.exists():
        shutil.copy("/bin/sleep", program)
    words = ["sh", "-c", f"trap '' INT; exec {program} 60"] if ignore else [str(program), "60"]
    owner = started(sys.executable, "-c", START, str(state), *words)
    pid = int(owner.stdout.readline())
    started.children.append(pid)
    until = time.monotonic() + 5
    while (found := turns.identify(pid)) is None or found.name != turns.ENGINE:
        assert time.monotonic() < until
        time.sleep(0.02)
    return owner, pid


def gone(pid):
    until = time.monotonic() + 5
    while turns.identify(pid) is not None and time.monotonic() < until:
        time.sleep(0.02)
    return turns.identify(pid) is None


def test_a_second_deployment_is_refused_and_told_who_holds_the_state(tmp_path, started):
    holder = started(sys.executable, "-c", HOLD, str(tmp_path / "state"))
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(BusyError, match=rf"tanaka.*{holder.pid}"), turns.only_one(tmp_path / "state"):
        pytest.fail("two at once")


def test_a_killed_deployment_holds_nothing(tmp_path, started):
    holder = started(sys.executable, "-c", HOLD, str(tmp_path / "state"))
    assert holder.stdout.readline() == "held\n"
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with turns.only_one(tmp_path / "state"):
        pass


def test_other_states_are_free(tmp_path):
    with turns.only_one(tmp_path / "one"), turns.only_one(tmp_path / "two"):
        pass


def test_the_engine_of_a_living_deployment_is_left_alone(tmp_path, started):
    _, pid = engine_of(started, tmp_path, tmp_path / "state")
    assert turns.orphans(tmp_path / "state") == ()
    assert turns.end_orphans(tmp_path / "state") == ()
    assert turns.identify(pid) is not None


def test_the_engine_of_a_killed_deployment_is_ended_before_anything_else(tmp_path, started):
    owner, pid = engine_of(started, tmp_path, tmp_path / "state")
    _, elsewhere = engine_of(started, tmp_path, tmp_path / "other")
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    told = []
    with turns.only_one(tmp_path / "state", progress=told.append):
        assert gone(pid)
    assert str(pid) in told[0]
    assert turns.identify(elsewhere) is not None


def test_an_engine_that_ignores_the_interrupt_is_killed(tmp_path, started, monkeypatch):
    monkeypatch.setattr(turns, "GRACE_S", 0.3)
    owner, pid = engine_of(started, tmp_path, tmp_path / "state", ignore=True)
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    assert [each.pid for each in turns.end_orphans(tmp_path / "state")] == [pid]
    assert gone(pid)


def test_an_owner_s_number_that_another_process_has_now_owns_nothing(tmp_path, started):
    variables = {**os.environ, turns.STATE_OF: str(tmp_path), turns.OWNER_OF: f"{os.getpid()}:1"}
    orphan = started("/bin/sleep", "60", env=variables)
    assert [each.pid for each in turns.orphans(tmp_path)] == [orphan.pid]


def test_a_program_by_hand_without_marks_is_nobody_s_orphan(tmp_path, started):
    by_hand = started("/bin/sleep", "60", env={**os.environ, "PULUMI_BACKEND_URL": f"file://{tmp_path}"})
    assert turns.end_orphans(tmp_path) == ()
    assert by_hand.poll() is None
