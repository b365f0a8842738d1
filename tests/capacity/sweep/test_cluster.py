"""A real dask.distributed scheduler with real worker processes on the loopback: same bytes, whoever is killed."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from capacity.sweep import cluster, task
from capacity.sweep.cluster import ClusterError
from capacity.sweep.records import Failed, Finished
from tests.capacity.sweep.conftest import all_files, here, swept
from tests.capacity.sweep.works import PLAN, obey
from tests.capacity.sweep.works import task as order

ROOT = Path(__file__).parents[3]
LONGEST_S = 120
LOOPBACK_ONLY = ("--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")


class Cluster:
    """A scheduler and its workers, each a process of its own."""

    def __init__(self, folder, allowed_failures):
        self.folder = folder
        self.processes = []
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder / "home"),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(allowed_failures),
        }
        (folder / "home").mkdir()
        line = self._start("distributed.cli.dask_scheduler", "--port", "0", until=r"Scheduler at:\s+(tcp://\S+)")
        self.address = line[1]
        self.scheduler = self.processes[0]

    def worker(self, *options):
        """Starts a worker with one thread; returns its process once it has registered."""
        place = ("--nworkers", "1", "--nthreads", "1", "--local-directory", str(self.folder))
        self._start("distributed.cli.dask_worker", self.address, *place, *options, until=r"Registered to:\s+(\S+)")
        return self.processes[-1]

    def _start(self, module, *arguments, until):
        log = self.folder / f"{len(self.processes)}.log"
        with log.open("w") as file:
            command = [sys.executable, "-m", module, *arguments, *LOOPBACK_ONLY]
            process = subprocess.Popen(
                command, env=self.environment, stderr=file, stdout=file, cwd=self.folder, start_new_session=True
            )
        self.processes.append(process)
        for _ in range(LONGEST_S * 10):
            found = re.search(until, log.read_text())
            if found:
                return found
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=0.1)
        raise AssertionError(log.read_text())

    def end(self):
        """Ends every process, those that a nanny started too."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=LONGEST_S)


@pytest.fixture
def start_cluster(tmp_path):
    """A function that starts a scheduler; it and its workers end with the test."""
    started = []

    def start(allowed_failures=3):
        (tmp_path / "cluster").mkdir()
        started.append(Cluster(tmp_path / "cluster", allowed_failures))
        return started[-1]

    yield start
    for one in started:
        one.end()


def listening(processes):
    """The addresses on which the processes listen, as the kernel has them (hexadecimal, byte by byte turned around)."""
    inodes = set()
    for process in processes:
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            inodes |= set(re.findall(r"^socket:\[(\d+)\]$", str(link.readlink())))
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes}


def test_a_worker_killed_midway_changes_nothing(write_scenarios, tmp_path, start_cluster):
    path = write_scenarios()
    swept(path, tmp_path / "here", here)
    running = start_cluster()
    victim, _ = running.worker(), running.worker()
    assert listening(running.processes) == {"0100007F"}
    done = []

    def killing(tasks, plans):
        for pair in cluster.run(tasks, plans, scheduler=running.address, work=task.run):
            done.append(pair[0].key)
            if len(done) == 3:
                os.kill(victim.pid, signal.SIGKILL)
            yield pair

    summary, _ = swept(path, tmp_path / "out", killing)
    assert victim.wait(timeout=LONGEST_S) == -signal.SIGKILL
    assert summary.failed == ()
    assert len(done) == len(set(done)) == 12
    assert all_files(tmp_path / "out") == all_files(tmp_path / "here")
    assert all_files(running.folder / "home") == {}


def test_a_deadly_task_is_named_and_its_neighbours_are_not(start_cluster):
    running = start_cluster(allowed_failures=0)
    running.worker("--nanny")
    tasks = [order(0), order(1, dies=True), order(2), order(3)]
    found = cluster.run(tasks, {PLAN.digest: PLAN}, scheduler=running.address, work=obey)
    assert {one.seed: outcome for one, outcome in found} == {
        0: Finished(b"0 content"),
        1: Failed("実行する計算機を落とし続けるので、クラスターが打ち切りました"),
        2: Finished(b"2 content"),
        3: Finished(b"3 content"),
    }


def test_a_cluster_without_workers_is_given_up(start_cluster):
    running = start_cluster()
    found = cluster.run([order(0)], {PLAN.digest: PLAN}, scheduler=running.address, work=obey, without_workers_s=0.5)
    with pytest.raises(ClusterError, match=r"実行する計算機（worker）が 0 秒間ありません"):
        list(found)


def test_a_lost_scheduler_is_told(start_cluster, tmp_path):
    running = start_cluster()
    running.worker()
    begun = tmp_path / "begun"

    def kill_the_scheduler():
        while not begun.exists():
            time.sleep(0.05)
        running.scheduler.kill()

    killer = threading.Thread(target=kill_the_scheduler, daemon=True)
    killer.start()
    tasks = [order(1, begins=str(begun), sleeps=LONGEST_S)]
    with pytest.raises(ClusterError, match=rf"^{running.address}: スケジューラー"):
        list(cluster.run(tasks, {PLAN.digest: PLAN}, scheduler=running.address, work=obey))
    killer.join()


def test_no_scheduler_is_told(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_S", 1.0)
    run = partial(cluster.run, [order(0)], {PLAN.digest: PLAN}, work=obey)
    with pytest.raises(ClusterError, match=r"^tcp://127.0.0.1:9: スケジューラーに接続できません"):
        list(run(scheduler="tcp://127.0.0.1:9"))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "dask.distributed のスケジューラーではありません"),
        (b"\x05\0\0\0\0\0\0\0" + b"\xff" * 100, "dask.distributed のスケジューラーではありません"),
        (b"", "スケジューラーに接続できません（1 秒待っても応答がありません）"),
    ],
    ids=["web server", "garbage", "silence"],
)
def test_another_program_at_the_address_is_told(monkeypatch, said, message):
    monkeypatch.setattr(cluster, "CONNECT_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.sendall(said)
                over.wait()

        threading.Thread(target=answer, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ClusterError) as refused:
            list(cluster.run([order(0)], {PLAN.digest: PLAN}, scheduler=address, work=obey))
        over.set()
    assert str(refused.value).startswith(f"{address}: {message}")
