"""The engine's own record of a stack: is it whole, who has locked it, what does it say exists?

Read straight from the files of a local backend, because a question to the engine costs a second, and because the
engine cannot be asked about a file that is damaged. With any other backend only `read` works, by asking.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.recovery import turns
from infra.recovery.turns import BusyError, Holder

PROJECT = "kumiai"
NEVER = "0001-01-01T00:00:00Z"
STACK = "pulumi:pulumi:Stack"
STORE_LAYOUT = b"version: 1"  # stacks below their project, as this engine makes them
KINDS = {
    "libvirt:index/domain:Domain": "domain",
    "libvirt:index/volume:Volume": "volume",
    "libvirt:index/pool:Pool": "pool",
    "libvirt:index/network:Network": "network",
}


class CheckpointError(Exception):
    """The record cannot be read and no copy of it is whole. The message is Japanese."""


@dataclass(frozen=True, order=True)
class Thing:
    """A thing on a host: kind (domain, volume, pool, network), the pool of a volume (else empty), name.

    A name that ends in `*` stands for all that begin so: a seed's name ends in the hash of its content.
    """

    host: str
    kind: str
    pool: str
    name: str

    def covers(self, name: str) -> bool:
        """Whether it is a thing of that name."""
        return name.startswith(self.name[:-1]) if self.name.endswith("*") else name == self.name

    def among(self, others: Iterable[Thing]) -> bool:
        """Whether one of the others is this one, or one of these."""
        return any(
            (each.host, each.kind, each.pool) == (self.host, self.kind, self.pool) and self.covers(each.name)
            for each in others
        )

    def __str__(self) -> str:
        return f"{self.host} の {KIND_NAMES[self.kind]} {self.name}"


KIND_NAMES = {"domain": "仮想サーバ", "volume": "ボリューム", "pool": "プール", "network": "ネットワーク"}


@dataclass(frozen=True)
class Record:
    """What a stack's record says."""

    standing: frozenset[Thing]
    """What was made and finished."""
    ids: Mapping[Thing, str]
    pending: frozenset[Thing]
    """What was being made when the record was last written."""
    broken: frozenset[Thing]
    """What was made with an error: recorded, but the engine could only try to update it, which the provider refuses."""
    untidy: bool
    """Whether the record holds pending or broken entries of any kind."""
    names: frozenset[str] = frozenset()
    """Names of all resources in it, as the program gives them."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """What the program that made it exported."""


EMPTY = Record(frozenset(), {}, frozenset(), frozenset(), untidy=False)


@dataclass(frozen=True)
class Files:
    """Where a local backend keeps a stack."""

    root: Path
    stack: str

    @property
    def state(self) -> Path:
        return self.root / ".pulumi" / "stacks" / PROJECT / f"{self.stack}.json"

    @property
    def locks(self) -> Path:
        return self.root / ".pulumi" / "locks" / "organization" / PROJECT / self.stack

    @property
    def history(self) -> Path:
        return self.root / ".pulumi" / "history" / PROJECT / self.stack

    @property
    def copies(self) -> tuple[Path, ...]:
        """Every copy of the record that the engine keeps beside it."""
        backups = self.root / ".pulumi" / "backups" / PROJECT / self.stack
        return (
            self.state.with_name(self.state.name + ".bak"),
            *sorted(self.history.glob(f"{self.stack}-*.checkpoint.json")),
            *sorted(backups.glob(f"{self.stack}.*.json")),
        )


def files_of(environment: Mapping[str, str], stack: str) -> Files | None:
    """The stack's files; None when the backend is not a folder of this machine."""
    address = urlsplit(environment.get("PULUMI_BACKEND_URL", ""))
    if address.scheme != "file":
        return None
    path = Path(address.netloc + address.path).expanduser()
    return Files(path, stack) if path.is_absolute() else None


def keep(files: Files, kept: Path) -> None:
    """Writes down the record as it is before an update. Raises OSError.

    An engine that finds no room writes half a record over the whole one, and at its next try the half one over its
    backup too; what is then left beside it is as old as the last update that ended.
    """
    if files.state.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(kept, files.state.read_bytes())


def mend(files: Files, aside: Path, kept: Path | None = None) -> str | None:
    """Puts the newest whole copy in the place of a damaged or lost record; the damaged one is kept below `aside`.

    `kept` is where the record before the last update was written down. Answers what was done, None when there was
    nothing to do. Raises CheckpointError when no copy is whole.
    """
    _drop_half_notes(files)
    _drop_half_writes(files)
    _mend_store(files)
    if not files.state.exists():
        if not any(files.history.glob("*.checkpoint.json")):
            return None  # never built, or removed by `pulumi stack rm`, which removes the history too
    elif _whole(files.state) is not None:
        return None
    copies = [
        (document["checkpoint"]["latest"]["manifest"]["time"], path)
        for path in (*([kept] if kept else []), *files.copies)  # the first of equal age: we rewrite without a new time
        if (document := _whole(path)) is not None and document["checkpoint"].get("latest")
    ]
    if not copies and kept is not None and _whole(kept) is not None:
        copies = [(NEVER, kept)]  # the first update of all: nothing was recorded before it
    if not copies:
        raise CheckpointError(
            f"{files.stack}：状態ファイル {files.state} が壊れていて、使える控えもありません。"
            "バックアップから戻してください（仮想サーバとデータには触れていません）"
        )
    taken, copy = max(copies, key=lambda each: _instant(each[0]))
    if files.state.exists():
        _keep(files.state, aside)
    write_whole(files.state, copy.read_bytes())
    # The backend's note of the damaged file's digest; it makes a new one.
    files.state.with_name(files.state.name + ".attrs").unlink(missing_ok=True)
    return f"{files.stack}：壊れた状態ファイルの代わりに、{taken[:19]}Z の控え（{copy.name}）を使います"


def unlock(files: Files) -> tuple[str, ...]:
    """Removes the locks of engines that ended without doing so; answers what was done. Raises BusyError."""
    done = []
    for path in sorted(files.locks.glob("*")) if files.locks.is_dir() else ():
        if path.suffix == ".attrs":
            continue
        holder = _holder(path)
        if holder is None:  # half written, by an engine that was killed or had no room left
            _remove(path)
            continue
        if holder.host != socket.gethostname():
            raise BusyError(
                f"{files.stack}：別の計算機の pulumi が実行中です：{holder}。"
                "その人に確かめ、動いていなければ pulumi cancel で解除してください"
            )
        # No look at any clock: one that was set meanwhile must not make a living engine look dead.
        if turns.process_of_engine(holder.pid) is not None:
            raise BusyError(
                f"{files.stack}：別の pulumi が実行中です：{holder}。終わってから、もう一度実行してください"
            )
        _remove(path)
        done.append(f"{files.stack}：終了済みの pulumi のロックを外しました：{holder}")
    return tuple(done)


def read(project: Path, environment: Mapping[str, str], stack: str) -> Record:
    """What the stack's record says; of a stack that does not exist, nothing. Raises CheckpointError."""
    deployment = export(project, environment, stack)
    return EMPTY if deployment is None else summary(deployment)


def export(project: Path, environment: Mapping[str, str], stack: str) -> dict[str, Any] | None:
    """The stack's record as the engine would export it (with its secrets still encrypted); None without a stack."""
    files = files_of(environment, stack)
    if files is not None:
        if not files.state.exists():
            return None
        document = _whole(files.state)
        if document is None:
            raise CheckpointError(f"{files.state}: 状態ファイルを読めません")
        return document["checkpoint"].get("latest") or {}
    done = subprocess.run(
        ["pulumi", "stack", "export", "--stack", stack, "--non-interactive"],
        cwd=project, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        if "no stack named" in done.stderr:
            return None
        raise CheckpointError(f"{stack}：pulumi stack export が失敗しました（{done.stderr.strip()[-300:]}）")
    return json.loads(done.stdout).get("deployment") or {}


def summary(deployment: Mapping[str, Any]) -> Record:
    """What such a record says exists, and what is unfinished in it."""
    resources = deployment.get("resources") or []
    pending = deployment.get("pending_operations") or []
    made = [(thing, each) for each in resources if (thing := _thing(each)) is not None]
    broken = frozenset(thing for thing, each in made if each.get("initErrors"))
    creating = [each["resource"] for each in pending if each["type"] == "creating"]
    return Record(
        standing=frozenset(thing for thing, _ in made) - broken,
        ids={thing: str(each.get("id", "")) for thing, each in made},
        pending=frozenset(thing for each in creating if (thing := _thing(each)) is not None),
        broken=broken,
        untidy=bool(pending or broken),
        names=frozenset(str(each["urn"]).rpartition("::")[2] for each in resources),
        outputs=next((each.get("outputs") or {} for each in resources if each["type"] == STACK), {}),
    )


def tidied(deployment: Mapping[str, Any], forgotten: frozenset[Thing] = frozenset()) -> dict[str, Any]:
    """The record without pending operations, broken entries and what is to be forgotten."""
    leave = forgotten | summary(deployment).broken
    kept = [each for each in deployment.get("resources") or [] if _thing(each) not in leave]
    rest = {name: value for name, value in deployment.items() if name not in {"pending_operations", "resources"}}
    return {**rest, "resources": kept}


def rewrite(files: Files, deployment: Mapping[str, Any]) -> None:
    """Puts another record in the place of the stack's; the one before becomes the backend's backup copy.

    Raises CheckpointError, OSError.
    """
    document = _whole(files.state)
    if document is None:
        raise CheckpointError(f"{files.state}: 状態ファイルを読めません")
    backup = files.state.with_name(files.state.name + ".bak")
    write_whole(backup, files.state.read_bytes())
    document["checkpoint"]["latest"] = dict(deployment)
    write_whole(files.state, json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())
    for path in (backup, files.state):
        # The backend's note of the digest of what was there; it makes a new one.
        path.with_name(path.name + ".attrs").unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that after a crash there is the old one or the new one. Raises OSError."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _drop_half_notes(files: Files) -> None:
    """The backend keeps a note beside each file, NAME.attrs, and does not write it in one step.

    With half a note a file cannot be read ("failed to load checkpoint: EOF"); without one it can.
    """
    folders = (files.state.parent, files.history, files.root / ".pulumi" / "backups" / PROJECT / files.stack)
    notes = [note for folder in folders for note in folder.glob(f"{files.stack}*.attrs")]
    for note in (*notes, files.root / ".pulumi" / "meta.yaml.attrs"):
        try:
            json.loads(note.read_bytes())
        except FileNotFoundError:
            continue
        except ValueError:
            note.unlink(missing_ok=True)


def _drop_half_writes(files: Files) -> None:
    """What the backend had begun to write beside a file of the stack; it would only take room."""
    for folder in (files.state.parent, files.history):
        for half in folder.glob(f"{files.stack}*.tmp"):
            half.unlink(missing_ok=True)


def _mend_store(files: Files) -> None:
    """The one line that says how the store is laid out; cut short, it makes every command fail ("corrupt store")."""
    meta = files.root / ".pulumi" / "meta.yaml"
    if meta.exists() and STORE_LAYOUT not in meta.read_bytes():
        write_whole(meta, STORE_LAYOUT + b"\n")


def mend_settings(project: Path, stack: str, aside: Path) -> str | None:
    """Puts a stack's settings aside when the engine was killed while it wrote them; answers what was done.

    A deployment gives every setting anew, and the record has its own salt. They are written in one step, so that what
    is cut off has no end of line. Raises OSError.
    """
    settings = project / f"Pulumi.{stack}.yaml"
    if not settings.exists() or settings.read_bytes().endswith(b"\n"):
        return None
    _keep(settings, aside)
    settings.unlink()
    return f"{stack}：書きかけの設定ファイルを外しました（設定は計画から書き直します）"


def _keep(damaged: Path, aside: Path) -> None:
    """A copy of what is damaged, for whoever wants to know. A copy, because the store may be another file system."""
    aside.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(damaged, aside / f"{damaged.name}.{datetime.now().strftime('%Y%m%dT%H%M%S%f')}")


def _whole(path: Path) -> dict[str, Any] | None:
    """The document if it is a record of which nothing is missing, else None."""
    try:
        document = json.loads(path.read_bytes())
        checkpoint = document["checkpoint"]
        latest = checkpoint.get("latest") or {}
        known: set[str] = set()
        for each in latest.get("resources") or []:
            parent = each.get("parent")
            if parent and parent not in known:
                return None
            known.add(each["urn"])
        if latest:
            _instant(latest["manifest"]["time"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return document  # type: ignore[no-any-return]


def _instant(text: str) -> datetime:
    # Go writes nine digits of a second and leaves out trailing zeros; Python reads at most six.
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00")


def _holder(path: Path) -> Holder | None:
    try:
        content = json.loads(path.read_bytes())
        return Holder(
            str(content["username"]), int(content["pid"]), str(content["hostname"]), str(content["timestamp"])[:19]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(path.name + ".attrs").unlink(missing_ok=True)


def _thing(resource: Mapping[str, Any]) -> Thing | None:
    kind = KINDS.get(resource["type"])
    if kind is None:
        return None
    inputs = resource.get("inputs") or {}
    host = str(resource.get("provider") or "").split("::")[-2:-1]
    pool = str(inputs.get("pool") or "") if kind == "volume" else ""
    return Thing("".join(host), kind, pool, str(inputs.get("name") or resource["urn"].rpartition("::")[2]))
