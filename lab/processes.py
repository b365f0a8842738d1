"""Processes of the laboratory, told apart from others that got the same number later."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process by number and start time (clock ticks since boot): the pair never means another process."""

    pid: int
    started: int

    def alive(self) -> bool:
        """Whether exactly this process runs (a zombie does not)."""
        return identify(self.pid) == self


def identify(pid: int) -> Process | None:
    """The running process with this number, or None (also for a zombie)."""
    fields = _stat(pid)
    if fields is None or fields[0] in {"Z", "X"}:
        return None
    return Process(pid, int(fields[19]))


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on (the third); the name before it may hold blanks and brackets."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def name_of(pid: int) -> str | None:
    """The short name of a process (at most 15 characters), or None when it has ended or is a zombie."""
    if identify(pid) is None:
        return None
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


def running() -> list[int]:
    """Numbers of all processes, those of other users and namespaces below included."""
    return sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def children(pid: int) -> list[int]:
    """Numbers of the processes whose parent is `pid`."""
    found = []
    for each in running():
        fields = _stat(each)
        if fields is not None and int(fields[1]) == pid:
            found.append(each)
    return found


def marked(variable: str, value: str) -> list[Process]:
    """Running processes that were started with `variable=value` in their environment."""
    wanted = f"{variable}={value}".encode()
    found = []
    for pid in running():
        try:
            environment = (PROC / str(pid) / "environ").read_bytes()
        except OSError:  # it ended meanwhile, or is not ours to read: then it is not ours to end
            continue
        process = identify(pid)
        if wanted in environment.split(b"\0") and process is not None:
            found.append(process)
    return found


def end(processes: list[Process], deadline_s: float = 20.0) -> list[Process]:
    """Kills exactly these processes and waits until they are gone; answers those that outlive `deadline_s`.

    The death of a process 1 of a namespace takes everything in that namespace with it before it shows as gone.
    """
    for process in processes:
        if process.alive():
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:  # ended between the look and the kill, as wished
                continue
    limit = time.monotonic() + deadline_s
    left = [process for process in processes if process.alive()]
    while left and time.monotonic() < limit:
        time.sleep(0.02)
        left = [process for process in left if process.alive()]
    return left
