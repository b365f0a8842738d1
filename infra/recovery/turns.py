"""Whose turn is it? One deployment at a time on a state, and the end of what a dead one left running.

Every program of an engine run carries two variables: whose state it works on, and which process started it. A process
without a living owner is an orphan: the engine goes on when `kumiai` is killed, and its Python host stays for ever
when the engine is killed. They are ended by number, never by name.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

STATE_OF, OWNER_OF = "KUMIAI_RUN_OF", "KUMIAI_RUN_OWNER"
ENGINE = "pulumi"
GRACE_S = 20.0  # how long an orphan engine may take to end its operations and write its state
GONE_S = 10.0
PROC = Path("/proc")


class BusyError(Exception):
    """Somebody else works on this state. The message is Japanese and says who, where and since when."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock."""

    who: str
    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"{self.who}（{self.host}、プロセス {self.pid}、{self.since} から）"


@dataclass(frozen=True)
class Process:
    """A process by number and start (clock ticks since boot): the pair never means another process."""

    pid: int
    started: int
    name: str

    @property
    def owner_mark(self) -> str:
        """How a process says that this one started it."""
        return f"{self.pid}:{self.started}"


def marks(state: Path) -> dict[str, str]:
    """Variables for every program that this process starts to work on that state."""
    own = identify(os.getpid())
    return {STATE_OF: str(state.resolve()), OWNER_OF: own.owner_mark if own else f"{os.getpid()}:"}


def identify(pid: int) -> Process | None:
    """The process with this number; None when there is none, for a zombie, and where the system has no /proc."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    before, _, after = text.rpartition(")")
    fields = after.split()
    if fields[0] in {"Z", "X"}:
        return None
    return Process(pid, int(fields[19]), before.partition("(")[2])


@contextmanager
def only_one(state: Path, operator: str = "", progress: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Holds the state for this process; first ends what dead deployments of it left. Raises BusyError, OSError."""
    state.mkdir(parents=True, exist_ok=True)
    path = state / "deploy.lock"
    # Not removed afterwards: somebody may hold the file that we would remove, while a third makes a new one.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"この状態（{state}）では別の kumiai deploy が実行中です：{_told(path)}。終わってから実行してください"
            ) from None
        own = Holder(operator or getpass.getuser(), os.getpid(), socket.gethostname(), _now())
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(own), ensure_ascii=False).encode(), 0)
        ended = end_orphans(state)
        if ended:
            names = "、".join(f"{each.name}（{each.pid}）" for each in ended)
            progress(f"前の構築が残したプロセスを終了しました：{names}")
        yield
    finally:
        os.close(descriptor)


def orphans(state: Path) -> tuple[Process, ...]:
    """Processes that work on this state for a deployment that does not run any more."""
    wanted = os.fsencode(f"{STATE_OF}={state.resolve()}")
    found = []
    for entry in PROC.iterdir() if PROC.is_dir() else ():
        if not entry.name.isdigit():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile, or belongs to somebody else: then it is not ours to end
            continue
        process = identify(int(entry.name))
        if wanted in variables and process is not None and not _owned(variables):
            found.append(process)
    return tuple(sorted(found, key=lambda each: (each.name != ENGINE, each.pid)))


def end_orphans(state: Path) -> tuple[Process, ...]:
    """Ends them and answers which: the engine by an interrupt first, so that it may write down what it has made."""
    found = orphans(state)
    engines = [each for each in found if each.name == ENGINE]
    for each in engines:
        _signal(each, signal.SIGINT)
    _wait(engines, GRACE_S)
    for each in found:
        _signal(each, signal.SIGKILL)
    _wait(found, GONE_S)
    return found


def process_of_engine(pid: int) -> Process | None:
    """The process with this number if it is a Pulumi engine, else None."""
    process = identify(pid)
    return process if process is not None and process.name == ENGINE else None


def _owned(variables: list[bytes]) -> bool:
    mark = next((each for each in variables if each.startswith(os.fsencode(OWNER_OF + "="))), b"")
    pid = os.fsdecode(mark).partition("=")[2].partition(":")[0]
    owner = identify(int(pid)) if pid.isdigit() else None
    return owner is not None and os.fsdecode(mark).partition("=")[2] == owner.owner_mark


def _signal(process: Process, number: int) -> None:
    if identify(process.pid) == process:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:  # it ended between the look and the signal, as wished
            return


def _wait(processes: list[Process] | tuple[Process, ...], limit_s: float) -> None:
    until = time.monotonic() + limit_s
    while any(identify(each.pid) == each for each in processes) and time.monotonic() < until:
        time.sleep(0.05)


def _told(path: Path) -> str:
    try:
        return str(Holder(**json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError):
        return "相手は不明"


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
