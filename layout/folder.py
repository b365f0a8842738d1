"""The plan folder: written as a whole or not at all, and read with doubt."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from estate.resolved import ResolvedEstate

from . import consistency, documents, exchange, layout_file, parquet, run_checks
from .errors import FolderError
from .layout_file import LAYOUT_FILE, layout_bytes, layout_digest
from .records import Layout, RunRecord
from .tables import ONLINE, PROFILE, RUNS

ESTATE_FILE = "estate.json"
RUN_FILE = "run.json"
TABLES = {"runs.parquet": RUNS, "online.parquet": ONLINE, "profile.parquet": PROFILE}


@dataclass(frozen=True)
class FolderContents:
    """What a plan folder holds. `run.layout_digest` is set when it is written."""

    estate: ResolvedEstate
    layout: Layout
    runs: pa.Table
    online: pa.Table
    profile: pa.Table
    run: RunRecord


@dataclass(frozen=True)
class PlanFolder(FolderContents):
    """A plan folder as read, or as it would be written."""

    path: Path
    layout_digest: str
    """sha256 of layout.json's bytes."""
    estate_json_digest: str
    """sha256 of estate.json's bytes."""


def assemble(path: Path, contents: FolderContents) -> PlanFolder:
    """The folder that `write(path, contents)` would leave, without writing it: for the checkers before writing."""
    own_digest = layout_digest(contents.layout)
    estate_digest = hashlib.sha256(documents.to_bytes(contents.estate)).hexdigest()
    return PlanFolder(
        estate=contents.estate,
        layout=contents.layout,
        runs=parquet.conform(contents.runs, RUNS, "runs.parquet"),
        online=parquet.conform(contents.online, ONLINE, "online.parquet"),
        profile=parquet.conform(contents.profile, PROFILE, "profile.parquet"),
        run=contents.run.model_copy(update={"layout_digest": own_digest, "estate_json_digest": estate_digest}),
        path=path,
        layout_digest=own_digest,
        estate_json_digest=estate_digest,
    )


def refuse_destination(destination: Path) -> None:
    """Raises FolderError when a plan cannot be written to `destination`: it exists and is no plan folder.

    Commands call it before they start long work. An absent or empty folder is fine.
    """
    try:
        if destination.is_symlink() and not destination.exists():
            raise FolderError(f"{destination}: 行き先のないシンボリックリンクです")
        if not destination.exists():
            _refuse_place(destination)
            return
        if not destination.is_dir():
            raise FolderError(f"{destination}: 同じ名前のファイルがあります。フォルダーの名前を指定してください")
        if not (destination / RUN_FILE).is_file() and any(destination.iterdir()):
            raise FolderError(
                f"{destination}: 計画フォルダーではない（{RUN_FILE} なし）ので置き換えません。"
                "別の名前を指定してください"
            )
    except OSError as error:
        raise FolderError(f"{destination}: 調べられません（{error.strerror}）") from None


def _refuse_place(destination: Path) -> None:
    """Raises FolderError where no folder can be made: the nearest folder above is a file, or not writable."""
    above = next(parent for parent in destination.resolve().parents if parent.exists())
    if not above.is_dir():
        raise FolderError(f"{destination}: {above} はフォルダではありません")
    if not os.access(above, os.W_OK | os.X_OK):
        raise FolderError(f"{destination}: {above} に書き込めません")


def write(destination: Path, contents: FolderContents) -> PlanFolder:
    """Write the folder as a whole: beside the destination first, synced, then exchanged.

    Same contents give the same bytes. An existing plan folder is replaced with everything in it. Returns the folder
    as written. Raises FolderError for a destination that is no plan folder, contents that do not agree with
    themselves, and what the file system refuses (`destination` is then as it was).
    """
    destination = Path(destination).resolve()
    refuse_destination(destination)
    folder = assemble(destination, contents)
    consistency.require_estate(folder.estate, ESTATE_FILE)
    consistency.require(folder.layout, LAYOUT_FILE)
    files = {
        ESTATE_FILE: documents.to_bytes(folder.estate),
        LAYOUT_FILE: layout_bytes(folder.layout),
        "runs.parquet": parquet.to_bytes(folder.runs, RUNS, "runs.parquet"),
        "online.parquet": parquet.to_bytes(folder.online, ONLINE, "online.parquet"),
        "profile.parquet": parquet.to_bytes(folder.profile, PROFILE, "profile.parquet"),
        RUN_FILE: documents.to_bytes(folder.run),
    }

    def fill(path: Path) -> None:
        for name, data in files.items():
            exchange.write_file(path / name, data)

    try:
        exchange.replace_folder(destination, fill)
    except OSError as error:
        raise FolderError(f"{destination}: 書き込めません（{error.strerror or error}）") from None
    return folder


def read(path: Path) -> PlanFolder:
    """The plan folder at `path`. Raises FolderError: one Japanese line with file, line and column where known."""
    path = Path(path)
    try:
        is_there = path.exists()
    except OSError as error:
        raise FolderError(f"{str(path)[:200]}: 計画フォルダーとして開けません（{error.strerror}）") from None
    if not is_there:
        raise FolderError(f"{path}: 計画フォルダーがありません")
    if not path.is_dir():
        raise FolderError(f"{path}: 計画フォルダーではありません（ファイルです）")
    run = documents.from_bytes(layout_file.read_bytes(path, RUN_FILE), RunRecord, RUN_FILE)
    estate_data = layout_file.read_bytes(path, ESTATE_FILE)
    estate = documents.from_bytes(estate_data, ResolvedEstate, ESTATE_FILE)
    consistency.require_estate(estate, ESTATE_FILE)
    data = layout_file.read_bytes(path, LAYOUT_FILE)
    layout = layout_file.parse(data)
    tables = {
        name: parquet.from_bytes(layout_file.read_bytes(path, name), schema, name) for name, schema in TABLES.items()
    }
    return PlanFolder(
        estate=estate,
        layout=layout,
        runs=tables["runs.parquet"],
        online=tables["online.parquet"],
        profile=tables["profile.parquet"],
        run=run,
        path=path,
        layout_digest=hashlib.sha256(data).hexdigest(),
        estate_json_digest=hashlib.sha256(estate_data).hexdigest(),
    )


def read_planned(path: Path) -> PlanFolder:
    """The plan folder at `path`, for those who build on the plan: raises FolderError where `layout.json` or
    `estate.json` was changed after planning too, so that no result speaks of a plan that nobody made, and where runs or
    online loads are none that a planner writes.
    """
    folder = read(path)
    for name, recorded, found in (
        (LAYOUT_FILE, folder.run.layout_digest, folder.layout_digest),
        (ESTATE_FILE, folder.run.estate_json_digest, folder.estate_json_digest),
    ):
        if recorded != found:
            raise FolderError(
                f"{name}: 計画の後で書き換えられています（{RUN_FILE} の記録 {recorded[:12]}…、実際 {found[:12]}…）。"
                "計画し直してください"
            )
    run_checks.require_runs(folder.runs, "runs.parquet")
    run_checks.require_online(folder.online, "online.parquet")
    return folder
