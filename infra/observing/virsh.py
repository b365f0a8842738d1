"""Asks one thing of libvirtd of a host, through `virsh`, for no longer than a deadline."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from layout import connections

COMMAND_S = 60.0
DOWNLOAD_S = 1800.0
TOGETHER = 200  # commands on one command line, which the kernel limits to 128 KiB
_MARK = "@@kumiai"


class SilentHostError(Exception):
    """libvirtd of a host does not answer."""


@dataclass(frozen=True)
class Hosts:
    """How libvirtd of each host is asked: host to the provider's URI."""

    uris: Mapping[str, str]

    def virsh(self, host: str, *arguments: str, deadline_s: float = COMMAND_S) -> str:
        """The output of a command. Raises SilentHostError with the error's last line when it fails."""
        try:
            done = subprocess.run(
                [*self._virsh(host), *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=deadline_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SilentHostError(f"{host}：libvirtd が {deadline_s:.0f} 秒たっても答えません") from None
        if done.returncode != 0:
            lines = [line.strip().removeprefix("error: ") for line in done.stderr.splitlines() if line.strip()]
            raise SilentHostError(f"{host}：{lines[-1] if lines else f'virsh の終了コード {done.returncode}'}")
        return done.stdout

    def ask(self, host: str, commands: Iterable[str]) -> dict[str, str]:
        """The output of several commands on one connection, by command; failed ones answer nothing."""
        answers: dict[str, str] = {}
        listed = list(commands)
        for first in range(0, len(listed), TOGETHER):
            part = listed[first : first + TOGETHER]
            script = "; ".join(f"echo {_MARK}{number}:; {command}" for number, command in enumerate(part))
            answers |= dict.fromkeys(part, "")
            # The last command always succeeds: virsh answers with the exit code of its last.
            for piece in self.virsh(host, f"{script}; echo {_MARK}").split(_MARK)[1:-1]:
                number, _, text = piece.partition(":")
                answers[part[int(number)]] = text
        return answers

    def digest(self, host: str, pool: str, volume: str) -> str:
        """SHA-256 of a volume's bytes. Raises SilentHostError."""
        command = [*self._virsh(host), "vol-download", volume, "/dev/stdout", "--pool", pool]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as run:
            limit = threading.Timer(DOWNLOAD_S, run.kill)
            limit.start()
            found = hashlib.file_digest(run.stdout, "sha256").hexdigest()  # type: ignore[arg-type]
            limit.cancel()
        if run.returncode != 0:
            raise SilentHostError(f"{host}：ボリューム {volume} を読めません")
        return found

    def _virsh(self, host: str) -> list[str]:
        return ["virsh", "--quiet", "--connect", connections.parse(host, self.uris[host]).virsh_uri]
