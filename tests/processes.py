"""What anybody on the machine can see of what runs."""

from __future__ import annotations

import threading
from pathlib import Path


def watched_argv(stop: threading.Event, seen: set[bytes]) -> None:
    """Collects the command lines of all processes, again and again, as `ps` would show them."""
    while not stop.wait(0.05):
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    seen.add((entry / "cmdline").read_bytes())
                except OSError:  # it ended between the list and the look
                    continue
