"""A plan folder as bytes that can travel to another process or machine, and back to a folder there."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from pathlib import Path

from layout import exchange, folder, layout_file
from layout.errors import FolderError
from layout.folder import ESTATE_FILE, RUN_FILE, TABLES, PlanFolder
from layout.layout_file import LAYOUT_FILE

from .records import PlanBytes

_FILES = (ESTATE_FILE, LAYOUT_FILE, *sorted(TABLES), RUN_FILE)
_KEPT = 2
"""Plans that a process keeps open: tasks come plan by plan."""

_open: dict[str, PlanFolder] = {}
_opening = threading.Lock()


def pack(path: Path, written: str) -> PlanBytes:
    """The plan folder at `path`, checked. Raises FolderError."""
    plan = folder.read_planned(path)
    files = tuple((name, layout_file.read_bytes(path, name)) for name in _FILES)
    return PlanBytes(written, digest(files, plan), files)


def digest(files: tuple[tuple[str, bytes], ...], plan: PlanFolder) -> str:
    """sha256 over what a simulation reads: every file, but of `run.json` only the peaks.

    The rest of `run.json` says when and how fast the plan was made; the same plan made again is the same.
    """
    found = hashlib.sha256()
    for name, data in files:
        if name != RUN_FILE:
            found.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode())
    for peak in plan.run.peaks:
        found.update(peak.model_dump_json().encode() + b"\n")
    return found.hexdigest()


def unpack(plan: PlanBytes) -> PlanFolder:
    """The plan folder of these bytes; the same one while this process keeps it. Raises FolderError.

    Bytes that are not those of the digest are refused: they came over a network.
    """
    with _opening:
        if plan.digest not in _open:
            with tempfile.TemporaryDirectory(prefix="kumiai-plan-") as place:
                for name, data in plan.files:
                    exchange.write_file(Path(place) / name, data)
                opened = folder.read_planned(Path(place))
            if digest(plan.files, opened) != plan.digest:
                raise FolderError(f"{plan.written}: 計画が送られる途中で変わりました（ダイジェストが違います）")
            while len(_open) >= _KEPT:
                del _open[next(iter(_open))]
            _open[plan.digest] = opened
        return _open[plan.digest]
