"""A sweep on a dask.distributed cluster: the same task, the plan sent along, finished ones kept here.

The only module that imports `distributed`, and only when it runs. The plan is the result of a small task of its own,
not scattered data: when the worker that holds it is lost, the scheduler makes it again.
"""

from __future__ import annotations

import logging
import queue
import socket
import struct
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

from .records import Failed, Outcome, PlanBytes, Task, Work

CONNECT_S = 10.0
WITHOUT_WORKERS_S = 60.0
"""A cluster without any worker for so long is given up; what is finished stays."""
_AHEAD = 3
"""Tasks in flight per thread of the cluster: enough that no worker waits for this machine."""
_LOOK_S = 1.0
_GREETING = struct.Struct("<QQ")
_LONGEST_GREETING = 1 << 20

_Client: TypeAlias = Any
_Future: TypeAlias = Any
"""Of a library without type information."""


class ClusterError(Exception):
    """The cluster cannot be reached, or is gone. The message is one Japanese line; exit code 1."""


def run(
    wanted: Sequence[Task],
    plans: Mapping[str, PlanBytes],
    *,
    scheduler: str,
    work: Work,
    without_workers_s: float = WITHOUT_WORKERS_S,
) -> Generator[tuple[Task, Outcome], None, None]:
    """Each task with its outcome of `work` (a function of a module), as they end. `plans` are by digest.

    Tasks of a lost worker are tried again by the scheduler, as often as it is set up for. A task that it gives up is
    tried once more when no other one runs beside it: then it was not a neighbour that killed the workers. Raises
    ClusterError where the cluster cannot be reached, is gone, or has no workers.
    """
    with _connected(scheduler) as client:
        ended: queue.SimpleQueue[tuple[Task, _Future]] = queue.SimpleQueue()
        waiting, suspects = deque(wanted), deque[Task]()
        sent: dict[str, _Future] = {}
        running: dict[str, _Future] = {}
        alone: set[str] = set()
        cluster = _Watch(client, scheduler, without_workers_s)

        def submit(task: Task, suffix: str = "") -> None:
            plan = sent.get(task.plan_digest)
            if plan is None:
                plan = client.submit(_carry, plans[task.plan_digest], key=f"kumiai-plan-{task.plan_digest}")
                sent[task.plan_digest] = plan
            future = client.submit(work, plan, task, key=f"kumiai-sweep-{task.key}{suffix}")
            future.add_done_callback(lambda done: ended.put((task, done)))
            running[task.key] = future

        while waiting or suspects or running:
            while waiting and len(running) < max(cluster.threads() * _AHEAD, 1):
                submit(waiting.popleft())
            if not running and suspects:
                task = suspects.popleft()
                alone.add(task.key)
                submit(task, "-alone")
            try:
                task, future = ended.get(timeout=_LOOK_S)
            except queue.Empty:
                cluster.look()
                continue
            del running[task.key]
            outcome = _outcome(future, scheduler)
            future.release()
            if outcome is None and task.key not in alone:
                suspects.append(task)
            else:
                yield task, outcome or Failed("実行する計算機を落とし続けるので、クラスターが打ち切りました")


def _carry(plan: PlanBytes) -> PlanBytes:
    """The task whose result is the plan: from then on workers fetch it from one another."""
    return plan


def _outcome(future: _Future, scheduler: str) -> Outcome | None:
    """What a future that is done says; None where the scheduler has given its task up."""
    from distributed import KilledWorker

    try:
        outcome = future.result(timeout=CONNECT_S)
    except KilledWorker:
        return None
    except CancelledError:
        raise ClusterError(f"{scheduler}: スケジューラーとの接続が切れました") from None
    except (OSError, TimeoutError) as error:
        raise ClusterError(f"{scheduler}: 結果を受け取れません（{error}）") from None
    except ModuleNotFoundError as error:
        return Failed(f"実行する計算機にモジュール {error.name} がありません。同じ版の kumiai を入れてください")
    except Exception as error:
        # Whatever else a worker's machine makes of the task, e.g. another version that cannot read it.
        return Failed(f"実行する計算機の誤りです（{type(error).__name__}: {error}）")
    if not isinstance(outcome, Outcome):
        return Failed(f"実行する計算機の答えが読めません（{type(outcome).__name__}）")
    return outcome


class _Watch:
    """How large the cluster is, and since when it has no workers."""

    def __init__(self, client: _Client, scheduler: str, without_workers_s: float) -> None:
        self._client = client
        self._scheduler = scheduler
        self._without_workers_s = without_workers_s
        self._alive = time.monotonic()
        self._looked = 0.0
        self._threads = 1

    def threads(self) -> int:
        """Threads of all workers, as of the last second."""
        if time.monotonic() - self._looked > _LOOK_S:
            self.look()
        return self._threads

    def look(self) -> None:
        """Ask the scheduler. Raises ClusterError when it is gone, or has been without workers for too long."""
        self._looked = time.monotonic()
        try:
            threads = self._client.nthreads()
        except (OSError, TimeoutError, CancelledError) as error:
            raise ClusterError(f"{self._scheduler}: スケジューラーが応答しません（{error}）") from None
        self._threads = sum(threads.values())
        if self._threads:
            self._alive = self._looked
        elif self._looked - self._alive > self._without_workers_s:
            raise ClusterError(
                f"{self._scheduler}: 実行する計算機（worker）が {self._without_workers_s:.0f} 秒間ありません。"
                "worker を起動してから、同じコマンドで続けてください"
            )


def _greeted(scheduler: str) -> None:
    """Raises ClusterError unless something at the address greets as a scheduler does.

    A scheduler speaks first: the length of a short message and the number of its parts, as two 64-bit numbers
    (`distributed.comm.tcp`). The library takes what any other program says for such lengths and asks for that much
    memory, or waits for minutes where nothing is said.
    """
    host, _, port = scheduler.removeprefix("tcp://").rpartition(":")
    said = b""
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S) as connection:
            until = time.monotonic() + CONNECT_S
            while len(said) < _GREETING.size and (left := until - time.monotonic()) > 0:
                connection.settimeout(left)
                piece = connection.recv(_GREETING.size - len(said))
                if not piece:
                    break
                said += piece
    except (OSError, OverflowError) as error:
        reason = f"{CONNECT_S:.0f} 秒待っても応答がありません" if isinstance(error, TimeoutError) else str(error)
        raise ClusterError(f"{scheduler}: スケジューラーに接続できません（{reason}）") from None
    length, parts = _GREETING.unpack(said) if len(said) == _GREETING.size else (0, 0)
    if not 0 < 8 * parts < length < _LONGEST_GREETING:
        raise ClusterError(
            f"{scheduler}: dask.distributed のスケジューラーではありません。アドレスとポートを確かめてください"
        )


@contextmanager
def _connected(scheduler: str) -> Iterator[_Client]:
    import dask
    from distributed import Client

    # The lines of a library in between would tear the progress bar; what matters comes as one of ours.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    settings = {
        # A plan is some ten MB, sent once: no reason to warn.
        "distributed.admin.large-graph-warning-threshold": "4 GiB",
        "distributed.comm.timeouts.connect": f"{CONNECT_S:.0f}s",
    }
    _greeted(scheduler)
    with dask.config.set(settings):
        try:
            client: _Client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(f"{scheduler}: スケジューラーに接続できません（{error}）") from None
        try:
            yield client
        finally:
            # A scheduler that does not answer any more forgets us by itself; the reason to close is what counts.
            with suppress(OSError, TimeoutError):
                client.close(timeout=CONNECT_S)
