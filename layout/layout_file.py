"""`layout.json` alone, of a plan folder or bare: its bytes, its digest, and a layout that nobody vouches for.

Apart from the folder, because a licence count of a bare layout needs no tables and should start at once.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from . import bare, consistency, documents
from .collector import paused_collector
from .errors import FolderError
from .records import Layout

LAYOUT_FILE = "layout.json"
_LARGEST_FILE = 1024 * 1024 * 1024
"""Bytes. A national layout (75,000 VMs) takes about a tenth of this."""


def layout_bytes(layout: Layout) -> bytes:
    """The bytes of `layout.json`."""
    return documents.to_bytes(layout)


def layout_digest(layout: Layout) -> str:
    """sha256 of the bytes of `layout.json`, in hexadecimal."""
    return hashlib.sha256(layout_bytes(layout)).hexdigest()


def read_layout(path: Path) -> Layout:
    """The layout of a plan folder, or of a bare `layout.json`. Raises FolderError."""
    return read_layout_and_digest(path)[0]


def read_layout_and_digest(path: Path) -> tuple[Layout, str]:
    """The layout of a plan folder, or of a bare `layout.json`, and the sha256 of its bytes. Raises FolderError."""
    path = Path(path)
    if path.is_dir():
        data = read_bytes(path, LAYOUT_FILE)
        return parse(data), hashlib.sha256(data).hexdigest()
    data = read_bytes(path.parent, path.name)
    with paused_collector():
        layout = bare.read(data, path.name)
        consistency.require_countable(layout, path.name)
    return layout, hashlib.sha256(data).hexdigest()


def parse(data: bytes) -> Layout:
    """The layout of a plan folder, from the bytes of its file. Raises FolderError."""
    layout = documents.from_bytes(data, Layout, LAYOUT_FILE)
    consistency.require(layout, LAYOUT_FILE)
    return layout


def read_bytes(folder: Path, name: str) -> bytes:
    """The bytes of a file of a folder. Raises FolderError, naming the file, where it cannot be read."""
    try:
        # O_NONBLOCK: opening a named pipe must not wait for its writer, and a device never ends.
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise FolderError(f"{name}: 通常のファイルではありません（パイプや装置は読みません）")
            if status.st_size > _LARGEST_FILE:
                raise FolderError(f"{name}: ファイルが大きすぎます（{status.st_size:,} バイト）")
            return file.read()
    except FileNotFoundError:
        raise FolderError(f"{name}: ファイルがありません（{folder}）") from None
    except OSError as error:
        raise FolderError(f"{name}: 読めません（{error.strerror or error}）") from None
    except ValueError:
        raise FolderError("ファイル名に使えない文字があります") from None
