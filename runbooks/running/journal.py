"""The journal: what was done to which host, by whom, line by line, each bound to the one before by its hash.

Lines are only ever appended, and are on the disk before what they announce begins. It is the record of access to
residents' systems as well, so that nothing in it may be changed without being seen. A cut-off tail cannot be seen
from inside: `kumiai runbook journal` prints the newest hash, to be noted elsewhere.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runbooks.errors import JournalError

FILE = "journal.jsonl"
FORMAT_VERSION = "1.0"
FIRST = "0" * 64
TORN = "torn"
"""Kind of the entry that follows a line which a crash cut off; it carries that line's digest."""


@dataclass(frozen=True)
class Entry:
    """One line: its number from 1, its kind, the run it belongs to, and everything it says."""

    seq: int
    kind: str
    run: str
    hash: str
    data: Mapping[str, Any]

    @property
    def at(self) -> datetime:
        """When it was written."""
        return datetime.fromisoformat(self.data["at"])


class Journal:
    """A folder with the one file; several runs may append at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE

    def append(self, kind: str, run: str, **said: object) -> Entry:
        """Adds a line and waits until the disk has it. Raises JournalError: then nothing may be done."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(
                f"{self.path}: 記録を開けません（{error.strerror}）。記録できない操作は行いません"
            ) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            last, torn = _tail(handle, self.path)
            if torn:
                data = {"bytes": len(torn), "digest": hashlib.sha256(torn).hexdigest()}
                last = _write(handle, last, TORN, "", data, before=b"\n")
            entry = _write(handle, last, kind, run, said)
            os.fsync(handle)
        except OSError as error:
            raise JournalError(f"{self.path}: 記録できません（{error.strerror}）。操作を止めます") from None
        finally:
            os.close(handle)
        return entry

    def entries(self) -> Iterator[Entry]:
        """Every entry in order; none without a file. Raises JournalError at the first that does not fit the chain."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        except OSError as error:
            raise JournalError(f"{self.path}: 記録を読めません（{error.strerror}）") from None
        before, seq = FIRST, 0
        broken: bytes | None = None
        for number, line in enumerate(lines, 1):
            if not line and number == len(lines):
                break
            entry = _read(line)
            if entry is None:
                if broken is not None:
                    raise JournalError(f"{self.path}:{number - 1}: 記録の行が壊れています（改ざんの疑い）")
                broken = line
                continue
            if broken is not None:
                if entry.kind != TORN or entry.data.get("digest") != hashlib.sha256(broken).hexdigest():
                    raise JournalError(f"{self.path}:{number - 1}: 記録の行が壊れています（改ざんの疑い）")
                broken = None
            if entry.data.get("prev") != before or entry.seq != seq + 1:
                raise JournalError(
                    f"{self.path}:{number}: 記録のつながりが切れています（改ざん、または行の削除の疑い）"
                )
            before, seq = entry.hash, entry.seq
            yield entry
        if broken is not None and not lines[-1]:
            # Only a line without its end can have been cut off by a crash.
            raise JournalError(f"{self.path}:{len(lines) - 1}: 記録の行が壊れています（改ざんの疑い）")

    def of_run(self, run: str) -> list[Entry]:
        """The entries of a run. Raises JournalError."""
        return [entry for entry in self.entries() if entry.run == run]


def _write(handle: int, last: Entry | None, kind: str, run: str, said: Mapping[str, Any], before: bytes = b"") -> Entry:
    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "seq": (last.seq if last else 0) + 1,
        "prev": last.hash if last else FIRST,
        "at": datetime.now().astimezone().isoformat(timespec="milliseconds"),
        "kind": kind,
        "run": run,
        **said,
    }
    document["hash"] = _hash(document)
    line = before + _bytes(document) + b"\n"
    while line:
        line = line[os.write(handle, line) :]
    return Entry(document["seq"], kind, run, document["hash"], document)


def _bytes(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "replace")


def _hash(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(_bytes({key: value for key, value in document.items() if key != "hash"})).hexdigest()


def _read(line: bytes) -> Entry | None:
    """The entry of a line, None where it is none or its hash is not that of what it says."""
    try:
        document = json.loads(line)
        if document["hash"] != _hash(document):
            return None
        return Entry(int(document["seq"]), str(document["kind"]), str(document["run"]), document["hash"], document)
    except (ValueError, KeyError, TypeError):
        return None


def _tail(handle: int, path: Path) -> tuple[Entry | None, bytes]:
    """The last whole entry, and what stands after it without a line break."""
    size = os.fstat(handle).st_size
    block = 65536
    while True:
        start = max(0, size - block)
        tail = os.pread(handle, size - start, start)
        whole, _, torn = tail.rpartition(b"\n")
        lines = [line for line in whole.split(b"\n") if line]
        # The first piece may begin in the middle of a line, so one more than needed must be there.
        if len(lines) >= 2 or start == 0:
            break
        block *= 4
    if not lines:
        return None, torn
    entry = _read(lines[-1])
    if entry is None:
        raise JournalError(
            f"{path}: 最後の行が壊れています。kumiai runbook journal で確かめ、別の場所に保存してから始めてください"
        )
    return entry, torn
