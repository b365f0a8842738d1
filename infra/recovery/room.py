"""Is there room for the records of an update? An engine that finds none destroys the record that it was to replace."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

MIB = 2**20
MARGIN = 32 * MIB
"""Measured on the first deployment of a state: 20 MiB of the program's compiled modules, 3 of the engine's logs."""
COPIES = 6
"""The record, its backup, the history's, the one that is being written, ours before the update, a damaged one."""
EACH = 8 * 1024
"""Bytes that one thing may take in a record; measured: 3.2 KiB for one of a tenant."""
NONE = MIB
"""A file system with less is full: nothing that an engine writes would fit."""


class FullDiskError(Exception):
    """A file system has no room for what is to be written. The message is Japanese and names it."""


def require(folders: Iterable[Path], record: Path | None, things: int) -> None:
    """Refuses an update that could not be recorded: of so many things, beside this record. Raises FullDiskError."""
    written = record.stat().st_size if record is not None and record.exists() else 0
    short = _short(folders, MARGIN + COPIES * (written + EACH * things))
    if short:
        raise FullDiskError("\n".join((*short, "ホストには触れていません")))


def full(folders: Iterable[Path]) -> tuple[str, ...]:
    """A line for each file system of these folders that is full."""
    return _short(folders, NONE)


def _short(folders: Iterable[Path], needed: int) -> tuple[str, ...]:
    lines: dict[Path, str] = {}
    for folder in folders:
        there = folder.resolve()
        while not there.exists():
            there = there.parent
        free = shutil.disk_usage(there).free
        while not os.path.ismount(there):
            there = there.parent
        if free < needed and there not in lines:
            lines[there] = (
                f"{folder} のあるディスク（マウント先 {there}）が一杯です：空き {free / MIB:.1f} MiB、"
                f"必要 {needed / MIB:.1f} MiB。空きを作ってから、同じ命令をもう一度実行してください"
            )
    return tuple(lines.values())
