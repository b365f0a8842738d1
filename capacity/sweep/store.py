"""The folder of a sweep: a Parquet file per scenario and seed, a ledger of the finished ones, all figures in one file.

A file counts only when the ledger has its line, and the line only when the file has the digest that it names: whatever
killed the writer, a half-written file or line is never taken. Files are found by what their figures depend on (plan,
settings, seed, version), so that a changed scenario file finds what it shares with the old one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from layout import exchange

from . import figures
from .reader import task_key
from .records import Sweep, Task

SWEEP_FILE, LEDGER_FILE, RESULTS_FILE, SUMMARY_FILE = "sweep.json", "ledger.jsonl", "results.parquet", "summary.json"
_RUNS = "runs"
FORMAT_VERSION = "1.0"


class StoreError(Exception):
    """The folder cannot hold this sweep. The message is one Japanese line."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class _Entry:
    file: str
    sha256: str


class Store:
    """The folder, held by one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: dict[str, _Entry] = {}
        self.previous = self._previous()
        self.damaged = 0
        for unfinished in (*path.rglob(".*.kumiai-new-*"), *path.glob(f".{RESULTS_FILE}.new")):
            unfinished.unlink()
        for key, entry in self._ledger():
            # The later of two lines about one file is the one that was written last.
            self._entries[key] = entry
        for key, entry in list(self._entries.items()):
            if self._digest(entry.file) != entry.sha256:
                del self._entries[key]
                self.damaged += 1
        self._write_ledger()

    @property
    def kept(self) -> int:
        """How many finished simulations the folder holds, of this sweep or of earlier ones."""
        return len(self._entries)

    def __contains__(self, task: Task) -> bool:
        return task.key in self._entries

    def begin(self, sweep: Sweep) -> None:
        """Say what the folder is for; figures and summary of another sweep, or of an unfinished one, go."""
        for name in (RESULTS_FILE, SUMMARY_FILE):
            (self.path / name).unlink(missing_ok=True)
        exchange.replace_file(self.path / SWEEP_FILE, _json(_description(sweep)))

    def put(self, task: Task, data: bytes) -> None:
        """Keep a finished simulation: first the file as a whole, then its line."""
        file = file_of(task.scenario_key, task.seed)
        path = self.path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        exchange.replace_file(path, data)
        entry = _Entry(file, hashlib.sha256(data).hexdigest())
        with (self.path / LEDGER_FILE).open("ab") as ledger:
            ledger.write(_line(task.key, entry))
            ledger.flush()
            os.fsync(ledger.fileno())
        self._entries[task.key] = entry

    def figures(self, sweep: Sweep) -> Iterator[tuple[int, int, bytes]]:
        """Scenario (its place), seed and Parquet bytes of every finished simulation of the sweep, in its order."""
        for place, scenario in enumerate(sweep.scenarios):
            for seed in sweep.seeds:
                entry = self._entries.get(task_key(scenario, seed))
                if entry is not None:
                    yield place, seed, (self.path / entry.file).read_bytes()

    def finish(self, sweep: Sweep, summary: bytes) -> None:
        """All figures in one file, the summary, and a ledger whose order does not tell who was first."""
        temporary = self.path / f".{RESULTS_FILE}.new"
        temporary.unlink(missing_ok=True)
        names = [(scenario.name, scenario.plan.written) for scenario in sweep.scenarios]
        figures.write_merged(
            temporary, ((*names[place], seed, figures.from_bytes(data)) for place, seed, data in self.figures(sweep))
        )
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.rename(self.path / RESULTS_FILE)
        self._write_ledger()
        exchange.replace_file(self.path / SUMMARY_FILE, summary)

    def _previous(self) -> Mapping[str, object] | None:
        """What the folder was for; None where it is new, or says so no more."""
        try:
            found = json.loads((self.path / SWEEP_FILE).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def _ledger(self) -> Iterator[tuple[str, _Entry]]:
        try:
            lines = (self.path / LEDGER_FILE).read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for line in lines:
            try:
                found = json.loads(line)
                key, entry = str(found["key"]), _Entry(str(found["file"]), str(found["sha256"]))
            except (ValueError, KeyError, TypeError, RecursionError):
                # The line that a killed writer left: its file is made again.
                continue
            if entry.file.startswith(f"{_RUNS}/") and ".." not in Path(entry.file).parts:
                yield key, entry

    def _digest(self, file: str) -> str:
        try:
            return hashlib.sha256((self.path / file).read_bytes()).hexdigest()
        except OSError:
            return ""

    def _write_ledger(self) -> None:
        lines = (_line(key, entry) for key, entry in sorted(self._entries.items(), key=lambda item: item[1].file))
        exchange.replace_file(self.path / LEDGER_FILE, b"".join(lines))


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """The sweep's folder, made where it is absent. Raises StoreError: somebody else's folder, in use, unwritable."""
    try:
        if path.exists() and not path.is_dir():
            raise StoreError(f"{path}: 同じ名前のファイルがあります。フォルダーの名前を指定してください")
        if path.is_dir() and not _is_ours(path):
            raise StoreError(
                f"{path}: kumiai sweep の結果ではない（{SWEEP_FILE} なし）ので使いません。別の名前を指定してください"
            )
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise StoreError(f"{path}: 書き込めません（{error.strerror or error}）") from None
    try:
        _lock(descriptor, path)
        yield Store(path)
    finally:
        os.close(descriptor)


def _is_ours(path: Path) -> bool:
    """Whether the folder is empty, or what a sweep made of it, in whichever moment the sweep was killed."""
    names = [each.name for each in path.iterdir()]
    return {SWEEP_FILE, LEDGER_FILE} & set(names) != set() or all(".kumiai-new-" in name for name in names)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreError(f"{path}: 別の kumiai sweep が使っています。終わるのを待ってください", 1) from None


def file_of(scenario_key: str, seed: int) -> str:
    """Where the figures of a scenario with a seed lie in the folder."""
    return f"{_RUNS}/{scenario_key[:16]}/seed-{seed}.parquet"


def plans_of(description: Mapping[str, object]) -> dict[str, str]:
    """Plan as written -> digest, of what a folder says it is for."""
    return _pairs(description, "plans", "path", "digest")


def scenarios_of(description: Mapping[str, object]) -> dict[str, str]:
    """Scenario's name -> key, of what a folder says it is for."""
    return _pairs(description, "scenarios", "name", "key")


def _pairs(description: Mapping[str, object], part: str, name: str, value: str) -> dict[str, str]:
    items = description.get(part)
    if not isinstance(items, list):
        return {}
    return {
        str(item[name]): str(item[value]) for item in items if isinstance(item, dict) and {name, value} <= set(item)
    }


def _description(sweep: Sweep) -> dict[str, object]:
    scenarios: Sequence[dict[str, object]] = [
        {
            "name": scenario.name,
            "plan": scenario.plan.written,
            "key": scenario.key,
            "folder": str(Path(file_of(scenario.key, 0)).parent),
            "settings": json.loads(scenario.settings_json),
        }
        for scenario in sweep.scenarios
    ]
    return {
        "format_version": FORMAT_VERSION,
        "version": sweep.version,
        "plans": [{"path": plan.written, "digest": plan.digest} for plan in sweep.plans],
        "seeds": list(sweep.seeds),
        "scenarios": scenarios,
    }


def _json(document: object) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def _line(key: str, entry: _Entry) -> bytes:
    return json.dumps({"file": entry.file, "key": key, "sha256": entry.sha256}).encode() + b"\n"
