"""Ctrl-C and kill -9 at random moments of `kumiai plan`: the old folder, none, or a complete checked one."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from layout import checkers, folder
from tests.kumiai.conftest import LAB, ROOT, all_files

KUMIAI = [sys.executable, "-m", "kumiai"]
LONGEST_S = 120


def start(destination, seed):
    """A plan in its own process group, as a shell starts it."""
    return subprocess.Popen(
        [*KUMIAI, "plan", str(LAB), "-o", str(destination), "--seed", str(seed)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def stopped_after(destination, seed, seconds, number):
    """Exit code, stdout and stderr of a plan whose group gets the signal `number` after so many seconds."""
    process = start(destination, seed)
    time.sleep(seconds)
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        assert process.poll() is not None
    out, err = process.communicate(timeout=LONGEST_S)
    return process.returncode, out.decode(), err.decode()


def typical_seconds(destination):
    """How long a plan takes; the shorter of two, for the first one also reads programs from the disk."""
    taken = []
    for _ in range(2):
        began = time.monotonic()
        process = start(destination, 0)
        process.communicate(timeout=LONGEST_S)
        assert process.returncode == 0
        taken.append(time.monotonic() - began)
    return min(taken)


def complete(destination):
    """The folder's seed, after its files were found to be one whole, checked plan."""
    plan = folder.read_planned(destination)
    assert plan.run.fits
    assert all(verdict.passed for verdict in checkers.check(plan))
    return plan.run.seed


def test_ctrl_c_at_random_moments(tmp_path):
    rng = random.Random(3)  # noqa: S311  (moments, not secrets)
    destination = tmp_path / "plan"
    usual = typical_seconds(destination)
    codes = []
    for seed in range(1, 11):
        before = all_files(destination)
        code, out, err = stopped_after(destination, seed, rng.uniform(0.2, 1.0) * usual, signal.SIGINT)
        assert "Traceback" not in err
        assert code in {130, 0}
        codes.append(code)
        if code == 0:
            assert out.startswith("判定：適合")
            assert complete(destination) == seed
        else:
            assert err.splitlines()[-1].startswith("中断しました")
            assert all_files(destination) == before or complete(destination) == seed
    assert codes.count(130) >= 5, "hardly any Ctrl-C hit the work: the test shows little"
    assert complete_after_success(destination)


IN_A_CALLBACK = """
import os, signal, sys, time, weakref
from kumiai import main
sys.unraisablehook = main._again_later
signal.signal(signal.SIGINT, main._interrupt)
class Thing: pass
thing = Thing()
watch = weakref.ref(thing, lambda _: (os.kill(os.getpid(), signal.SIGINT), time.sleep(0.01)))
try:
    del thing
    time.sleep(20)
    print("lost")
except main._Interrupted:
    print("interrupted")
"""


def test_ctrl_c_in_a_callback_is_neither_lost_nor_shown():
    done = subprocess.run(
        [sys.executable, "-c", IN_A_CALLBACK], capture_output=True, text=True, check=False, cwd=ROOT, timeout=LONGEST_S
    )
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def test_ctrl_c_before_anything_was_written(tmp_path):
    process = start(tmp_path / "plan", 1)
    assert process.stderr.readline()  # the estate's warning: from here on it plans
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=LONGEST_S)
    assert (process.returncode, out.decode(), err.decode()) == (130, "", "中断しました。書きかけの結果はありません。\n")
    assert list(tmp_path.iterdir()) == []


def test_kill_9_at_random_moments(tmp_path):
    rng = random.Random(4)  # noqa: S311  (moments, not secrets)
    destination = tmp_path / "plan"
    usual = typical_seconds(destination)
    for seed in range(1, 11):
        before = all_files(destination)
        stopped_after(destination, seed, rng.uniform(0.5, 1.0) * usual, signal.SIGKILL)
        assert all_files(destination) == before or complete(destination) == seed
    assert complete_after_success(destination)


def complete_after_success(destination):
    """Whether the next run succeeds and leaves nothing beside its folder."""
    process = start(destination, 99)
    process.communicate(timeout=LONGEST_S)
    assert process.returncode == 0
    assert [path.name for path in destination.parent.iterdir()] == ["plan"]
    return complete(destination) == 99


@pytest.mark.parametrize("engine", ["simpy", "fast"])
def test_ctrl_c_while_workers_simulate(lab_plan, engine):
    """Before the first replication has ended nothing is written; afterwards what has ended stays, marked."""
    before = all_files(lab_plan)
    for seconds in (2.0, 4.0):
        process = subprocess.Popen(
            [*KUMIAI, "simulate", str(lab_plan), "--replications", "100000", "--engine", engine],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
        after = all_files(lab_plan)
        result = after.pop("simulation/lateness.json", None)
        after.pop("results.json", None)
        assert after == before
        if process.returncode == 130:
            assert result is None or seconds > 2
            assert (out.decode(), err.decode()) == ("", "中断しました。書きかけの結果はありません。\n")
            continue
        assert (process.returncode, json.loads(result)["interrupted"]) == (0, True)
        assert "（中断）" in out.decode()
        assert "回の結果を残しました" in err.decode()


def test_ctrl_c_inside_an_import_is_no_bug(ask, monkeypatch):
    """Compiled modules that are interrupted while they begin raise ImportError instead."""

    def interrupted_import(_):
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException as reason:
            raise ImportError("initialization failed") from reason

    monkeypatch.setattr("estate.check", interrupted_import)
    answer = ask("check", LAB)
    assert (answer.code, answer.out, answer.err) == (130, "", "中断しました。書きかけの結果はありません。\n")


def test_an_exception_without_ctrl_c_is_a_bug_and_shows(ask, monkeypatch):
    def broken(_):
        raise ImportError("a bug")

    monkeypatch.setattr("estate.check", broken)
    with pytest.raises(ImportError, match="a bug"):
        ask("check", LAB)
