"""Starts and enters the namespaces of a host or of the switch."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from lab.processes import Process, children, identify, marked
from lab.state import MARK, Namespaces, Places
from lab.unavailable import LabUnavailable

HOLDER = Path(__file__).parent / "holder.sh"
START_DEADLINE_S = 20.0


def start(where: Places, name: str, folders: Sequence[Path] = ()) -> Namespaces:
    """Starts process 1 in new mount, network, host-name and process namespaces and waits until it has set them up.

    `folders` are the own folder, the own /run and the shared folder of a host or gateway; the switch has none. Raises
    LabUnavailable when refused.
    """
    ready = where.run / f"{name}.ready"
    log = where.run / f"{name}.log"
    ready.unlink(missing_ok=True)  # of an earlier start
    known = {process.pid for process in marked(MARK, str(where.state_dir))}
    # setsid --fork: the holder must outlive this command, and be no child of it that it would have to wait for.
    command = ["setsid", "--fork", "unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child"]
    command += ["--mount-proc", "--", "/bin/sh", str(HOLDER), name, str(ready), *map(str, folders)]
    with log.open("wb") as output:
        subprocess.run(
            command,
            env=environment(where),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            check=True,
        )
    limit = time.monotonic() + START_DEADLINE_S
    launcher: Process | None = None
    while time.monotonic() < limit:
        launcher = launcher or _launcher(where, known, name)
        if launcher is not None and ready.exists() and ready.read_text() == "ready\n":
            inside = [identify(pid) for pid in children(launcher.pid)]
            if len(inside) == 1 and inside[0] is not None:
                return Namespaces(name, inside[0], launcher)
        if launcher is not None and not launcher.alive():
            break
        time.sleep(0.02)
    reason = (log.read_text(errors="replace").strip() or "時間内に準備が終わりません").splitlines()[-1]
    raise LabUnavailable(f"名前空間を作成できません（{name}）：{reason}")


def _launcher(where: Places, known: set[int], name: str) -> Process | None:
    for process in marked(MARK, str(where.state_dir)):
        if process.pid in known:
            continue
        try:
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"unshare") and name.encode() in words:
            return process
    return None


def environment(where: Places) -> dict[str, str]:
    """What processes of the laboratory are started with: the mark by which `down` finds them, and plain English."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "LC_ALL": "C.UTF-8", MARK: str(where.state_dir)}


def enter(namespaces: Namespaces, command: Sequence[str]) -> list[str]:
    """The command that runs `command` inside the namespaces. Raises LabUnavailable when they are gone."""
    if not namespaces.holder.alive():
        raise LabUnavailable(f"{namespaces.name} は動いていません（kumiai lab status で確認してください）")
    kinds = ["--mount", "--net", "--uts", "--pid"]
    return ["nsenter", "--target", str(namespaces.holder.pid), *kinds, f"--wd={os.sep}", "--", *command]
