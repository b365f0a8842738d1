"""QEMU's guest agent as Debian ships it, with the libraries that it loads, for guests that are to have one."""

import re
import shutil
from pathlib import Path

from lab.packages import run, unpacked

PACKAGE = "qemu-guest-agent"
PROGRAM = "qemu-ga"
LIBRARY = re.compile(r"(?:=>\s*)?(/\S+) \(0x")  # of a line of ldd


def files(cache: Path) -> dict[str, Path]:
    """Where each file goes in the guest -> where it lies here: the program and, of this machine, its libraries.

    Raises LabUnavailable when the package cannot be fetched, or this machine lacks a library.
    """
    program = unpacked(cache, "agent", lambda: PACKAGE, _keep_program) / PROGRAM
    found = run("ldd", str(program), purpose=f"{PROGRAM} のライブラリーの検索")
    libraries = [Path(path) for path in LIBRARY.findall(found)]
    return {f"bin/{PROGRAM}": program} | {str(path).lstrip("/"): path for path in libraries}


def _keep_program(tree: Path, kept: Path) -> None:
    shutil.copyfile(next(tree.rglob(f"sbin/{PROGRAM}")), kept / PROGRAM)
    (kept / PROGRAM).chmod(0o755)
