"""Files of Debian packages that are not installed, and the folder of the user's cache where they stay.

The laboratory boots another kernel and runs an sshd of its own; to install their packages would change this machine
(a kernel to boot from, a service that listens), so they are only unpacked.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.unavailable import LabUnavailable

UNFINISHED = ("fetch-", "image-")  # folders that somebody makes while he holds the lock


def cache_folder() -> Path:
    """The folder of the user's cache in which kernels, images and programs stay between laboratories."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kumiai" / "lab"


@contextmanager
def opened_cache() -> Iterator[Path]:
    """The cache, for one process at a time; what a killed one left unfinished is removed."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for prefix in UNFINISHED:
            for left in cache.glob(f"{prefix}*"):
                shutil.rmtree(left)
        yield cache


def unpacked(cache: Path, kind: str, package: Callable[[], str], choose: Callable[[Path, Path], None]) -> Path:
    """The folder `KIND-…` of the cache; the newest, else made from a package of Debian.

    `package` names it (asked only when it must be fetched); `choose(tree, folder)` copies what is kept of its files.
    Raises LabUnavailable when the package cannot be fetched.
    """
    known = sorted(cache.glob(f"{kind}-*"), key=lambda folder: folder.stat().st_mtime)
    if known:
        return known[-1]
    with tempfile.TemporaryDirectory(dir=cache, prefix="fetch-") as name:
        work = Path(name)
        run("apt-get", "download", package(), folder=work, purpose=f"{package()} の取得")
        archive = next(work.glob("*.deb"))
        run("dpkg-deb", "-x", archive.name, "tree", folder=work, purpose=f"{archive.name} の展開")
        (work / "kept").mkdir()
        choose(work / "tree", work / "kept")
        target = cache / f"{kind}-{archive.stem}"
        (work / "kept").rename(target)
    return target


def run(*command: str, purpose: str, folder: Path | None = None, **variables: str) -> str:
    """What the command prints. Raises LabUnavailable, which names the purpose, when it fails."""
    environment = os.environ | {"LC_ALL": "C", "TZ": "UTC", "PATH": search_path()} | variables
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        reason = (done.stderr.strip() or done.stdout.strip() or f"終了コード {done.returncode}").splitlines()[-1]
        raise LabUnavailable(f"{purpose}に失敗しました（{command[0]}）：{reason}")
    return done.stdout


def search_path() -> str:
    """Where programs are looked for: also those of the administrator."""
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
