"""What is going on right now? One line per step on stderr, with its seconds."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(line: str) -> None:
    """Write one finished line for the person at the terminal; stdout stays free for data."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


@contextmanager
def step(what: str) -> Iterator[None]:
    """Announce a step at its start and complete the line with its seconds, or with the word for failure."""
    started = time.monotonic()
    sys.stderr.write(f"{what} … ")
    sys.stderr.flush()
    try:
        yield
    except BaseException:
        say("失敗")
        raise
    say(f"{time.monotonic() - started:.1f} 秒")
