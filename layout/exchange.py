"""How a folder appears or is replaced as a whole, whatever kills the writer.

A folder is filled beside its destination under a hidden name, every file is synced to disk, and then the two
names change places in one system call (renameat2 with RENAME_EXCHANGE). Where the kernel or the file system lacks
that call, the old folder steps aside, the new one takes its name, and `recover` puts the old one back if the
writer died between the two steps.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NEW = "kumiai-new"
_OLD = "kumiai-old"
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def replace_folder(destination: Path, fill: Callable[[Path], None]) -> None:
    """Fill a new folder with `fill(folder)` and put it at `destination`, in the place of a folder that is there.

    At any moment `destination` is the old folder, the complete new one, or (if there was none) absent. Raises
    OSError; whatever `fill` raises leaves `destination` as it was.
    """
    parent = destination.parent
    parent.mkdir(parents=True, exist_ok=True)
    recover(destination)
    with _temporary(destination) as folder:
        fill(folder)
        _sync_tree(folder)
        _put(folder, destination)
        sync_folder(parent)


def recover(destination: Path) -> None:
    """Undo what killed writers left: put an old folder back that stepped aside, remove unfinished new ones."""
    if not destination.parent.is_dir():
        return
    for stepped_aside in sorted(destination.parent.glob(f".{_literal(destination.name)}.{_OLD}-*")):
        if destination.exists():
            shutil.rmtree(stepped_aside, ignore_errors=True)
        else:
            stepped_aside.rename(destination)
    for unfinished in sorted(destination.parent.glob(f".{_literal(destination.name)}.{_NEW}-*")):
        _remove_if_orphan(unfinished)


def write_file(path: Path, data: bytes) -> None:
    """Write a new file and sync its content to disk."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, data: bytes) -> None:
    """Write a file in one step: readers see the old content or the new one, after a crash too."""
    temporary = path.with_name(f".{path.name}.{_NEW}-{secrets.token_hex(8)}")
    try:
        write_file(temporary, data)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Sync a folder's list of names to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def lock_folder(path: Path) -> Iterator[None]:
    """Hold the folder's advisory lock; waits while another process holds it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _temporary(destination: Path) -> Iterator[Path]:
    """A new hidden folder beside the destination, locked while its writer lives, removed afterwards."""
    while True:
        path = destination.with_name(f".{destination.name}.{_NEW}-{secrets.token_hex(8)}")
        path.mkdir(mode=0o755)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists():
            break
        # Another writer took the folder for an orphan between mkdir and flock.
        os.close(descriptor)
    try:
        yield path
    finally:
        # After an exchange this name holds the old folder; after a failure it holds the unfinished new one.
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def _remove_if_orphan(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        # Gone already, or not a folder of ours.
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    except BlockingIOError:
        # Its writer lives.
        return
    finally:
        os.close(descriptor)


def _put(folder: Path, destination: Path) -> None:
    """Give `folder` the name `destination`; `folder`'s name then holds what was there, if anything."""
    if destination.exists():
        if not _exchange(folder, destination):
            _step_aside(folder, destination)
        return
    folder.rename(destination)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names in one step; False where the system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(second))


def _step_aside(folder: Path, destination: Path) -> None:
    aside = destination.with_name(f".{destination.name}.{_OLD}-{secrets.token_hex(8)}")
    destination.rename(aside)
    try:
        folder.rename(destination)
    except OSError:
        aside.rename(destination)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    """Sync the folders; the files were synced when they were written."""
    for path, _, _ in os.walk(folder):
        sync_folder(Path(path))


def _literal(name: str) -> str:
    """A name as a glob pattern that matches only itself."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
