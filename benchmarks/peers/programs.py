"""The programs that are compared: how each is built, and how it is started on a trace folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
BUILD = PROJECT / "build" / "peers"
PACKAGES = PROJECT / "benchmarks" / "debian-packages.txt"


class MissingProgramError(Exception):
    """A program cannot be measured on this machine; the text says what it needs."""


@dataclass(frozen=True)
class Timing:
    """One process: seconds until its own code began, for reading, for its first and its last simulation; its answer."""

    start_s: float
    read_s: float
    first_s: float
    run_s: float
    end_s: tuple[float, ...]
    """End of every run, in row order."""


@dataclass(frozen=True)
class Program:
    """A simulator: `command` takes the trace folder and the file for the ends as further arguments."""

    name: str
    command: tuple[str, ...]
    once_s: float | None = None
    """Seconds that building it (or compiling it for the first time) took; None: nothing to build."""

    def measure(self, trace: Path) -> Timing:
        """Runs it once, in a process of its own. Raises CalledProcessError where it fails."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "ends"
            begun = time.perf_counter()
            ran = subprocess.run(
                [*self.command, str(trace), str(out)],
                check=True,
                cwd=PROJECT,
                stdout=subprocess.PIPE,
                text=True,
            )
            wall_s = time.perf_counter() - begun
            seconds = json.loads(ran.stdout.splitlines()[-1])
            return Timing(
                start_s=wall_s - seconds["inside_s"],
                read_s=seconds["read_s"],
                first_s=seconds.get("first_s", seconds["run_s"]),
                run_s=seconds["run_s"],
                end_s=tuple(float(line) for line in out.read_text().split()),
            )


def cloudsim_plus() -> Program:
    """CloudSim Plus 8.5.7 (GPLv3, fetched from Maven Central), a Java process. Raises MissingProgramError."""
    _need("java", "mvn")
    folder = BUILD / "cloudsimplus"
    pom = HERE / "cloudsimplus" / "pom.xml"
    once_s = _run(["mvn", "-q", "-B", "-f", str(pom), f"-Dfolder={folder}", "compile", "dependency:copy-dependencies"])
    classes = f"{folder / 'classes'}:{folder / 'dependency'}/*"
    return Program("CloudSim Plus 8.5.7", ("java", "-cp", classes, "kumiai.Peer"), once_s)


def simgrid() -> Program:
    """SimGrid as Debian packs it, a C++ process. Raises MissingProgramError."""
    _need("g++")
    BUILD.mkdir(parents=True, exist_ok=True)
    program = BUILD / "simgrid-peer"
    source = HERE / "simgrid" / "peer.cpp"
    once_s = _run(["g++", "-O2", "-std=c++17", "-o", str(program), str(source), "-lsimgrid"])
    return Program("SimGrid", (str(program),), once_s)


def own(name: str, engine: str) -> Program:
    """One of our engines, a Python process of its own."""
    return Program(name, (sys.executable, "-m", "benchmarks.peers.own", engine))


def _need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise MissingProgramError(f"needs {', '.join(missing)} (Debian packages: {PACKAGES.relative_to(PROJECT)})")


def _run(command: list[str]) -> float:
    begun = time.perf_counter()
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if ran.returncode:
        last = (ran.stdout + ran.stderr).strip().splitlines()[-1:]
        raise MissingProgramError(f"{command[0]} failed: {' '.join(last)}")
    return time.perf_counter() - begun
