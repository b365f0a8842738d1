"""Results inside a plan folder (`simulation/…`, `licences.json`, `report/…`): each names the layout it was made from.

`results.json` lists every result with the layout's digest and its own; a JSON result also carries `layout_digest`
as its first key, so that it says where it belongs when it leaves the folder.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePosixPath

from pydantic import Field

from . import documents, exchange
from .errors import FolderError
from .folder import ESTATE_FILE, RUN_FILE, TABLES, PlanFolder
from .layout_file import LAYOUT_FILE
from .records import FORMAT_VERSION, LayoutRecord

RESULTS_FILE = "results.json"
_TAKEN = {ESTATE_FILE, LAYOUT_FILE, RUN_FILE, RESULTS_FILE, *TABLES}


class ResultEntry(LayoutRecord):
    """One result: the layout it was made from, and what it looked like when it was written."""

    layout_digest: str
    sha256: str


class ResultIndex(LayoutRecord):
    """`results.json`."""

    format_version: str = FORMAT_VERSION
    results: dict[str, ResultEntry] = Field(default_factory=dict)


def write_result(folder: PlanFolder, name: str, data: bytes) -> Path:
    """Put a result into the folder in one step and note which layout it belongs to. Returns its path.

    A `.json` result gets the layout's digest as its first key when it has none. Raises FolderError for a name
    outside the folder or of one of its own files, for a JSON result that is no object or names another layout,
    for a folder that was planned anew meanwhile, and for what the file system refuses.
    """
    path = _place(folder, name)
    if path.suffix == ".json":
        data = _signed(folder, name, data)
    entry = ResultEntry(layout_digest=folder.layout_digest, sha256=hashlib.sha256(data).hexdigest())
    try:
        with exchange.lock_folder(folder.path):
            _require_same_layout(folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            exchange.replace_file(path, data)
            results = {**_index(folder).results, name: entry}
            index = ResultIndex(results=dict(sorted(results.items())))
            exchange.replace_file(folder.path / RESULTS_FILE, documents.to_bytes(index))
    except OSError as error:
        raise FolderError(f"{name}: 書き込めません（{error.strerror or error}）") from None
    return path


def read_result(folder: PlanFolder, name: str) -> bytes:
    """The bytes of a result. Raises FolderError when it is absent, changed, or was made from another layout."""
    path = _place(folder, name)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise FolderError(f"{name}: まだ作られていません（{folder.path}）") from None
    except OSError as error:
        raise FolderError(f"{name}: 読めません（{error.strerror or error}）") from None
    entry = _index(folder).results.get(name)
    if entry is None:
        raise FolderError(f"{name}: {RESULTS_FILE} に記録がありません。作り直してください")
    if entry.layout_digest != folder.layout_digest:
        raise FolderError(
            f"{name}: 別の layout.json（{entry.layout_digest[:12]}…）の結果です。"
            f"この計画は {folder.layout_digest[:12]}… です。作り直してください"
        )
    if entry.sha256 != hashlib.sha256(data).hexdigest():
        raise FolderError(f"{name}: 書かれた時と内容が違います。作り直してください")
    return data


def result_names(folder: PlanFolder) -> tuple[str, ...]:
    """Names of the results that were made from this folder's layout, sorted."""
    entries = _index(folder).results
    return tuple(name for name, entry in sorted(entries.items()) if entry.layout_digest == folder.layout_digest)


def _place(folder: PlanFolder, name: str) -> Path:
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") or not part.isprintable() or "\\" in part for part in parts)
    if not parts or hidden or name.startswith("/") or str(PurePosixPath(name)) != name or parts[0] in _TAKEN:
        raise FolderError(f"結果の名前として使えません（{name[:80]!r}）")
    path = folder.path.joinpath(*parts)
    if not path.resolve().is_relative_to(folder.path.resolve()):
        raise FolderError(f"{name}: 計画フォルダーの外を指しています")
    return path


def _signed(folder: PlanFolder, name: str, data: bytes) -> bytes:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise FolderError(f"{name}: 結果が JSON として読めません") from None
    if not isinstance(document, dict):
        raise FolderError(f"{name}: 結果は JSON オブジェクトでなければなりません")
    if "layout_digest" in document:
        if document["layout_digest"] != folder.layout_digest:
            raise FolderError(f"{name}: 別の layout.json の結果です。この計画には置けません")
        return data
    opening, _, rest = data.partition(b"{")
    comma = b"," if document else b""
    return opening + b'{\n "layout_digest": "' + folder.layout_digest.encode() + b'"' + comma + rest


def _require_same_layout(folder: PlanFolder) -> None:
    data = (folder.path / LAYOUT_FILE).read_bytes()
    if hashlib.sha256(data).hexdigest() != folder.layout_digest:
        raise FolderError(f"{folder.path}: 計画が途中で変わりました。もう一度実行してください")


def _index(folder: PlanFolder) -> ResultIndex:
    try:
        data = (folder.path / RESULTS_FILE).read_bytes()
    except FileNotFoundError:
        return ResultIndex()
    except OSError as error:
        raise FolderError(f"{RESULTS_FILE}: 読めません（{error.strerror or error}）") from None
    return documents.from_bytes(data, ResultIndex, RESULTS_FILE)
