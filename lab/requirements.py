"""What the laboratory needs of this machine, and the lock by which one command at a time changes a laboratory."""

import fcntl
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.packages import search_path
from lab.state import Places, State, load
from lab.unavailable import LabUnavailable

PROGRAMS = (
    "libvirtd", "virsh", "qemu-system-x86_64", "qemu-img", "qemu-io", "ip", "unshare", "nsenter", "setsid", "socat",
    "ssh-keygen",
)  # fmt: skip
PACKAGES = Path(__file__).parent / "debian-packages.txt"


def require_root() -> None:
    """Raises LabUnavailable where we are not root on Linux."""
    if sys.platform != "linux":
        raise LabUnavailable("検証環境は Linux でのみ使えます")
    if os.geteuid() != 0:
        raise LabUnavailable("検証環境には root 権限が必要です（sudo を付けて実行してください）")


def require() -> None:
    """Raises LabUnavailable where a laboratory cannot be started: rights, processor, programs, name spaces."""
    require_root()
    if platform.machine() != "x86_64":
        raise LabUnavailable(f"検証環境は x86_64 でのみ使えます（この計算機：{platform.machine()}）")
    missing = [program for program in PROGRAMS if shutil.which(program, path=search_path()) is None]
    if missing:
        raise LabUnavailable(
            f"検証環境に必要なプログラムがありません：{'、'.join(missing)}（必要なパッケージ：{PACKAGES}）"
        )
    refused = subprocess.run(
        ["unshare", "--mount", "--net", "--uts", "--pid", "--fork", "true"], capture_output=True, text=True, check=False
    )
    if refused.returncode != 0:
        raise LabUnavailable(f"この環境では名前空間を作成できません：{' '.join(refused.stderr.split())}")


def running(where: Places) -> State:
    """The record of the laboratory. Raises LabUnavailable where there is none."""
    state = load(where)
    if state is None:
        raise LabUnavailable("検証環境は動いていません（kumiai lab up で起動してください）")
    return state


@contextmanager
def locked(where: Places) -> Iterator[None]:
    """One command at a time changes a laboratory; the lock lies on its folder below /run and goes with it."""
    where.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(where.run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabUnavailable("別の kumiai lab コマンドが実行中です") from None
        yield
    finally:
        os.close(handle)
        if where.run.is_dir() and not any(where.run.iterdir()):
            where.run.rmdir()
