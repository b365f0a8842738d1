"""Which version of the program and its procedures is at work."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[2]


@cache
def commit() -> str:
    """The commit of the source tree, `-dirty` where it was changed since; the version where there is no tree."""
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return _version()
    return head + ("-dirty" if changed else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(HOUSE), *arguments], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"kumiai {version('kumiai')}"
    except PackageNotFoundError:
        return "不明"
