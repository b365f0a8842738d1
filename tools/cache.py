"""Where do built things lie, and how does a folder appear there whole or not at all?"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools.progress import say


def cache_folder(env: Mapping[str, str]) -> Path:
    """Answer kumiai's folder in the user's cache; it need not exist.

    `XDG_CACHE_HOME` counts only when absolute, as the XDG Base Directory Specification demands.
    """
    chosen = Path(env.get("XDG_CACHE_HOME", ""))
    return (chosen if chosen.is_absolute() else Path(env.get("HOME") or Path.home()) / ".cache") / "kumiai"


@contextmanager
def appearing(target: Path) -> Iterator[Path | None]:
    """Yield an empty folder that becomes `target` when the block ends well, or None where `target` exists already.

    Only one process at a time is inside the block for folders of the same parent; the others wait. If the block fails
    or is interrupted its folder is removed. After kill -9 it stays under a temporary name; the next call removes it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent / ".lock"):
        if target.is_dir():
            yield None
            return
        # The lock is ours, so whatever carries a temporary name is left over from a dead process.
        for orphan in target.parent.glob(".partial-*"):
            shutil.rmtree(orphan)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
        try:
            yield partial
            partial.chmod(0o755)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; the kernel gives it back when the process dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"ほかのビルドが終わるのを待ちます（{path.parent}）")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
