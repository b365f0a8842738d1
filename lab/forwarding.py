"""Ports of this machine's loopback address that lead to the sshd of a host or gateway, one process each.

The process survives its host: while the host is down its port accepts a connection and closes it.
"""

import os
import socket
import subprocess
import time
import zlib

from lab.namespaces import environment
from lab.processes import Process, identify
from lab.state import Forwarder, Namespaces, Places
from lab.unavailable import LabUnavailable

PORTS = range(20_000, 32_000)  # below those from which the kernel takes the ports of outgoing connections
START_DEADLINE_S = 10.0
TRIES = 20
BUFFER = 65_536  # bytes


def forward(where: Places, member: Namespaces, address: str, taken: frozenset[int]) -> Forwarder:
    """Starts to forward a free port, none of `taken`, to port 22 of `address` inside the member's network.

    Raises LabUnavailable when no port can be had.
    """
    connect_to(where, member, address)
    first = zlib.crc32(os.fsencode(where.run / member.name)) % len(PORTS)
    free = (port for port in (PORTS[(first + each) % len(PORTS)] for each in range(len(PORTS))) if port not in taken)
    for _, port in zip(range(TRIES), (port for port in free if _is_free(port)), strict=False):
        process = listen(where, member.name, port)
        if process is not None:  # else somebody was quicker
            return Forwarder(member.name, port, process)
    raise LabUnavailable(f"SSH の転送を始められません（{member.name}）：{_log(where, member.name)}")


def connect_to(where: Places, member: Namespaces, address: str) -> None:
    """Says where connections lead from now on. It is read for each connection, so the host may come back."""
    network = f"/proc/{member.holder.pid}/ns/net"
    line = f"exec nsenter --net={network} socat -t 5 -b {BUFFER} STDIO TCP:{address}:22\n"
    (where.run / f"{member.name}.connect").write_text(line)


def connect_nowhere(where: Places, name: str) -> None:
    """From now on connections are closed: the number of a process that has ended may soon mean another."""
    (where.run / f"{name}.connect").write_text("exit 1\n")


def listen(where: Places, name: str, port: int) -> Process | None:
    """Starts the process that listens; None when it cannot have the port."""
    number = where.run / f"{name}.forwarder"
    number.unlink(missing_ok=True)
    # setsid --fork: it outlives this command, and is no child of it that it would have to wait for.
    script = 'echo $$ >"$1"; shift; exec socat "$@"'
    command = [
        "setsid",
        "--fork",
        "sh",
        "-c",
        script,
        "socat",
        str(number),
        "-d",
        "-lf",
        str(where.run / f"{name}.socat"),
    ]
    command += [f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=128"]
    command += [f"EXEC:sh {where.run / f'{name}.connect'},nofork"]
    subprocess.run(
        command, env=environment(where), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, cwd="/", check=True,
    )  # fmt: skip
    limit = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < limit:
        text = number.read_text().strip() if number.exists() else ""
        process = identify(int(text)) if text else None
        if text and process is None:
            return None
        if process is not None and listens(port):
            time.sleep(0.02)  # if it was another's port, ours ends now
            return process if process.alive() else None
        time.sleep(0.01)
    return None


def listens(port: int) -> bool:
    """Whether somebody listens on this loopback port, without asking him."""
    wanted = f"0100007F:{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as table:  # noqa: PTH123 - a table of the kernel
        return any(fields[1] == wanted and fields[3] == "0A" for fields in map(str.split, table))


def answers(port: int, deadline_s: float = 3.0) -> bool:
    """Whether an sshd greets on this loopback port in time."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=deadline_s) as connection:
            return connection.recv(8).startswith(b"SSH-")
    except OSError:
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _log(where: Places, name: str) -> str:
    log = where.run / f"{name}.socat"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "空いているポートがありません"
