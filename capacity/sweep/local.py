"""A sweep on this machine: worker processes that get one task at a time, so that it is known which one killed them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from .records import Failed, Outcome, PlanBytes, Task, Work

MOST_ATTEMPTS = 3
"""A task whose worker was lost so often is named and left out."""

_SPAWN = multiprocessing.get_context("spawn")


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    plan: str | None = None
    """Digest of the plan that the worker has."""
    task: Task | None = None


def run(
    wanted: Sequence[Task],
    plans: Mapping[str, PlanBytes],
    *,
    workers: int,
    work: Work,
    attempts: int = MOST_ATTEMPTS,
) -> Generator[tuple[Task, Outcome], None, None]:
    """Each task with its outcome of `work` (a function of a module), as they end. `plans` are by digest.

    A worker that is lost (killed, out of memory) is replaced and its task tried again, `attempts` times at most.
    Closing the iterator ends the workers.
    """
    waiting = deque(wanted)
    lost: dict[str, int] = {}
    pool: list[_Worker] = []
    try:
        while waiting or any(worker.task for worker in pool):
            while len(pool) < min(workers, len(waiting) + sum(worker.task is not None for worker in pool)):
                pool.append(_start(work))
            for worker in pool:
                if worker.task is None and waiting:
                    _give(worker, waiting.popleft(), plans)
            ready = wait([worker.pipe for worker in pool if worker.task is not None])
            for worker in [worker for worker in pool if worker.pipe in ready]:
                task = worker.task
                if task is None:
                    continue
                try:
                    outcome: Outcome = worker.pipe.recv()
                except (EOFError, OSError):
                    pool.remove(worker)
                    how = _end(worker)
                    lost[task.key] = lost.get(task.key, 0) + 1
                    if lost[task.key] < attempts:
                        waiting.appendleft(task)
                    else:
                        yield task, Failed(f"実行するプロセスが {attempts} 回続けて落ちました（{how}）")
                else:
                    worker.task = None
                    yield task, outcome
    finally:
        for worker in pool:
            _end(worker)


def _start(work: Work) -> _Worker:
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve, args=(theirs, work), daemon=True)
    with _without_ctrl_c():
        process.start()
    theirs.close()
    return _Worker(process, ours)


def _give(worker: _Worker, task: Task, plans: Mapping[str, PlanBytes]) -> None:
    """Hand over a task, with its plan where the worker has another one. A worker that is gone is noticed on `recv`."""
    worker.task = task
    plan = None if worker.plan == task.plan_digest else plans[task.plan_digest]
    worker.plan = task.plan_digest
    try:
        worker.pipe.send((plan, task))
    except OSError:
        return


def _end(worker: _Worker) -> str:
    """End the worker's process; how it ended, in words."""
    worker.process.kill()
    worker.process.join()
    code = worker.process.exitcode
    worker.pipe.close()
    worker.process.close()
    return f"シグナル {-code}" if code is not None and code < 0 else f"終了コード {code}"


def _serve(pipe: Connection, work: Work) -> None:
    """A worker's life: a task, its outcome, the next one, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    plan: PlanBytes
    while True:
        try:
            other, task = pipe.recv()
        except EOFError:
            return
        if other is not None:
            plan = other
        pipe.send(work(plan, task))


def _end_with_parent() -> None:
    """A worker in the middle of a long simulation does not outlive a killed parent."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """A process that starts here never sees Ctrl-C, not even while it begins: it is the caller's to handle."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
