"""The processes of this machine: what they answer, and what happens when they are lost."""

import multiprocessing
import os
import signal

from capacity.sweep import local
from capacity.sweep.records import Failed, Finished
from tests.capacity.sweep.works import PLAN, obey, task


def outcomes(tasks, workers=2, **options):
    found = local.run(tasks, {PLAN.digest: PLAN}, workers=workers, work=obey, **options)
    return {task.seed: outcome for task, outcome in found}


def test_a_lost_worker_costs_one_attempt_and_a_deadly_task_is_named(tmp_path):
    tasks = [task(0), task(1, dies_once=str(tmp_path / "mark")), task(2, dies=True), task(3, leaves=7), task(4)]
    assert outcomes(tasks, attempts=2) == {
        0: Finished(b"0 content"),
        1: Finished(b"second life"),
        2: Failed("実行するプロセスが 2 回続けて落ちました（シグナル 9）"),
        3: Failed("実行するプロセスが 2 回続けて落ちました（終了コード 7）"),
        4: Finished(b"4 content"),
    }


def test_closing_ends_the_workers():
    running = local.run([task(seed, sleeps=seed * 60) for seed in range(3)], {PLAN.digest: PLAN}, workers=2, work=obey)
    assert next(running)[0].seed == 0
    assert len(multiprocessing.active_children()) == 2
    running.close()
    assert multiprocessing.active_children() == []


def test_workers_do_not_hear_ctrl_c():
    running = local.run([task(0), task(1, sleeps=1)], {PLAN.digest: PLAN}, workers=1, work=obey)
    next(running)
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid, signal.SIGINT)
    assert next(running) == (task(1, sleeps=1), Finished(b"1 content"))
    running.close()
