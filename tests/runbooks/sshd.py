"""A real sshd on a loopback port, in a mount namespace of its own: this machine's /etc and /run stay as they are."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import ssh as lab_ssh
from runbooks.reaching.ssh import Login

SETTINGS = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
UseDNS no
MaxSessions {sessions}
PidFile {folder}/sshd.pid
"""
# /run and /etc/passwd are the namespace's own: sshd wants a user and a folder there, runbooks a folder for locks.
START = """\
cp /etc/passwd "$1/passwd"
grep -q '^sshd:' "$1/passwd" || echo 'sshd:x:64056:65534::/run/sshd:/usr/sbin/nologin' >> "$1/passwd"
mount --bind "$1/passwd" /etc/passwd
mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd
mkdir -m 1777 /run/lock
exec "$2" -D -e -f "$1/sshd_config"
"""


@dataclass(frozen=True)
class Server:
    """A running one."""

    folder: Path
    port: int
    process: subprocess.Popen

    def login(self, **more: object) -> Login:
        """How to log in to it."""
        known = {
            "machine": "host1", "address": "127.0.0.1", "port": self.port, "user": "root",
            "key_file": str(self.folder / "client"), "known_hosts": str(self.folder / "known_hosts"),
        }  # fmt: skip
        return Login(**{**known, **more})


@contextmanager
def running(folder: Path, sessions: int = 10) -> Iterator[Server]:
    """Starts one with keys in the folder."""
    folder.mkdir(exist_ok=True)
    program = folder / "sshd"
    shutil.copy(lab_ssh.program(), program)
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    port = _free_port()
    (folder / "sshd_config").write_text(SETTINGS.format(port=port, folder=folder, sessions=sessions))
    key = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {key}\n")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-euc", START, "sh", str(folder), str(program)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
    try:
        limit = time.monotonic() + 10
        while not _greets(port):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < limit
            time.sleep(0.05)
        yield Server(folder, port, process)
    finally:
        process.terminate()
        process.wait(10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
