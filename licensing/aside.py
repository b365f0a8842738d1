"""One piece of work on the machine's second core, while the first goes on.

A child process is forked, so it has all that is there without a copy being sent; only its small answer comes back.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Self

Work = Callable[[], bytes]


class Aside:
    """Work that goes on in a child process inside a `with`, until its answer is asked for."""

    def __init__(self, work: Work, *, worth: bool) -> None:
        """No child is made where the work is not `worth` it, where there is one core, or where other threads run."""
        self._child: tuple[int, int] | None = None
        if worth and len(os.sched_getaffinity(0)) > 1 and threading.active_count() == 1:
            self._child = _fork(work)

    def __enter__(self) -> Self:
        """Answers itself."""
        return self

    def __exit__(self, *_failure: object) -> None:
        """Ends a child whose answer nobody wants any more."""
        if self._child is not None:
            os.kill(self._child[0], signal.SIGKILL)
            self._read(*self._child)

    def answer(self) -> bytes | None:
        """Answers what the child found.

        None where there is no child or it failed: then do the work here, where its errors are told.
        """
        return None if self._child is None else self._read(*self._child)

    def _read(self, pid: int, end: int) -> bytes | None:
        self._child = None
        with os.fdopen(end, "rb") as pipe:
            data = pipe.read()
        _, status = os.waitpid(pid, 0)
        return data if status == 0 else None


def _fork(work: Work) -> tuple[int, int]:
    """Starts the child; answers its id and the end of the pipe to read from."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    code = 1
    try:
        # A Ctrl-C reaches both; the parent tells of it, and the child just ends.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.close(reading)
        data = work()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(data)
        code = 0
    finally:
        # Never back into the program, whatever happened: two of it would write the same files.
        os._exit(code)
