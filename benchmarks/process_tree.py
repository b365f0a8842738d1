"""What a command and everything it starts take: CPU seconds as the system accounts for them, memory by sampling."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
SAMPLE_S = 0.5


@dataclass(frozen=True)
class TreeMeasured:
    """A command with all its children: wall and CPU seconds, the largest sum of their proportional memory, exit code.

    Proportional (PSS): a page that several processes share counts once.
    """

    wall_s: float
    cpu_s: float
    peak_gib: float
    exit_code: int
    output: str


def measure_tree(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> TreeMeasured:
    """Runs a command and measures it with its children; sampled twice a second, so a shorter peak may be missed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    peak = 0
    with subprocess.Popen(
        list(arguments),
        env=None if environment is None else dict(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="replace",
    ) as process:
        output = ""
        while True:
            try:
                output, _ = process.communicate(timeout=SAMPLE_S)
                break
            except subprocess.TimeoutExpired:
                peak = max(peak, sum(map(_pss_kib, _tree(process.pid))))
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return TreeMeasured(wall, cpu, peak / 1024**2, process.returncode, output)


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
            except OSError:  # it ended between the list and the look
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, open_ = [], [root]
    while open_:
        pid = open_.pop()
        found.append(pid)
        open_ += children.get(pid, [])
    return found


def _pss_kib(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:  # it ended meanwhile
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def idle_cores(seconds: float = 2.0) -> float:
    """How many cores were idle over some seconds: a wall time on a busy machine is no result."""

    def idle() -> int:
        return int(Path("/proc/stat").read_text().splitlines()[0].split()[4])

    before = idle()
    time.sleep(seconds)
    return (idle() - before) / os.sysconf("SC_CLK_TCK") / seconds
