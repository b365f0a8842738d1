"""Commands on the engineer's own machine."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from runbooks.errors import ConflictError
from runbooks.reaching.transport import GRACE_S, LOST, MOST_OUTPUT, Completed, Order, wrapped

HOUSE = Path(__file__).resolve().parents[2]


class Local:
    """Runs orders here, with `kumiai` and `python` on the path as the very program that runs."""

    def __init__(self) -> None:
        self._programs = tempfile.TemporaryDirectory(prefix="kumiai-run-")
        # -P: a folder of the user's that is called like one of our rooms must not be taken for it.
        for name, words in (("kumiai", "-P -m kumiai "), ("python", "-P ")):
            shim = Path(self._programs.name) / name
            shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words}"$@"\n')
            shim.chmod(0o700)
        self._held: list[int] = []

    def __enter__(self) -> Local:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, order: Order) -> Completed:
        """Runs one command to its end; what does not end is killed with everything it started."""
        begun = time.monotonic()
        # Files, not pipes: a runner that is killed must not take its command with it, which would die half-way at
        # the next word that it says.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                ["sh", "-c", wrapped(order, root=os.geteuid() == 0)],
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                # Ctrl-C is for us: the command ends as the runner decides.
                start_new_session=True,
            )
            try:
                process.communicate(order.stdin, timeout=order.deadline_s + order.lock_wait_s + GRACE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
            (said, more), (complained, worse) = _read(out), _read(err)
            whole = hashlib.sha256()
            for stream in (out, err):
                stream.seek(0)
                while block := stream.read(MOST_OUTPUT):
                    whole.update(block)
        code = process.returncode
        return Completed(
            code if code >= 0 else LOST,
            said,
            complained,
            time.monotonic() - begun,
            truncated=more or worse,
            digest=whole.hexdigest(),
        )

    def hold(self, path: Path, holder: str) -> None:
        """Locks a file here until `close`. Raises ConflictError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.read(handle, 400).decode("utf-8", "replace").strip()
            os.close(handle)
            raise ConflictError(f"別の実行が進行中です（{other or path}）") from None
        os.ftruncate(handle, 0)
        os.write(handle, holder.encode())
        self._held.append(handle)

    def close(self) -> None:
        """Lets go of the locks."""
        while self._held:
            os.close(self._held.pop())
        self._programs.cleanup()

    def _environment(self) -> dict[str, str]:
        path = os.environ.get("PATH", "/usr/bin:/bin")
        modules = [str(HOUSE), *filter(None, [os.environ.get("PYTHONPATH", "")])]
        return {
            **os.environ,
            "PATH": f"{self._programs.name}{os.pathsep}{path}",
            "PYTHONPATH": os.pathsep.join(modules),
        }


def _read(stream: IO[bytes]) -> tuple[str, bool]:
    """What is kept of an output, and whether there was more of it."""
    stream.seek(0)
    kept = stream.read(MOST_OUTPUT + 1)
    return kept[:MOST_OUTPUT].decode("utf-8", "replace"), len(kept) > MOST_OUTPUT
