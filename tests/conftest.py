"""For every test."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """A run that was started in the background ignores Ctrl-C, and so would every program that a test starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
