"""What a run asks of a machine, and what it gets back; how a command is wrapped so that it ends by itself."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Protocol

LOCAL = "local"
KILL_AFTER_S = 5
GRACE_S = 20.0
"""Beyond its deadline a command gets this long to be ended over there, before the connection is given up."""
MOST_OUTPUT = 4 * 2**20
"""Bytes kept of each of stdout and stderr; the rest is read and counted."""
DEADLINE_CODES = (124, 137)
LOST = -1
"""Exit code of a command that was killed by a signal, or whose connection was lost: nobody knows what it did."""


@dataclass(frozen=True)
class Completed:
    """What a command did. `code` LOST where it gave none."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    truncated: bool = False
    digest: str = ""
    """sha256 of everything that came out, kept or not: stdout, then stderr."""

    @property
    def timed_out(self) -> bool:
        """Whether `timeout` ended it."""
        return self.code in DEADLINE_CODES


@dataclass(frozen=True)
class Order:
    """A command for a machine. `stdin` is data or a secret; it is never shown."""

    command: str
    deadline_s: float
    stdin: bytes = b""
    sudo: bool = False
    lock: str = ""
    """A file on that machine, held while the command runs, so that nothing is changed beside an orphan of it."""
    lock_wait_s: int = 30


class Transport(Protocol):
    """Machines by name: `local`, hosts of the plan, gateways."""

    def run(self, machine: str, order: Order) -> Completed:
        """Runs one command to its end. Raises UnreachableError."""
        ...

    def hold(self, machine: str, name: str, holder: str, seconds: float) -> None:
        """Takes the lock `name` on that machine until `close`. Raises ConflictError, UnreachableError."""
        ...

    def close(self) -> None:
        """Lets go of every lock and connection."""
        ...


def wrapped(order: Order, *, root: bool) -> str:
    """The shell text that carries out an order: deadline, lock and privileges outside of the command itself.

    The deadline is enforced over there: a command outlives the connection that began it. `sh -eu`: of several lines
    the first that fails is the last.
    """
    seconds = max(1, round(order.deadline_s))
    words = ["timeout", "-k", str(KILL_AFTER_S), str(seconds), "sh", "-euc", order.command]
    if order.lock:
        # -o: what the command leaves running does not keep the lock; -E: its own code is told from "not got".
        words = ["flock", "-o", "-E", "75", "-w", str(order.lock_wait_s), order.lock, *words]
    words = ["env", "LC_ALL=C.UTF-8", "LIBVIRT_DEFAULT_URI=qemu:///system", *words]
    if order.sudo and not root:
        words = ["sudo", "-n", *words]
    # No exec: `timeout` kills itself with its command, and only a shell above it lives to say 137.
    return 'PATH="$PATH:/usr/sbin:/sbin" ' + shlex.join(words) + "; exit $?"
