"""What an update is about to make, written down before it begins: the ground on which a later run may clear up."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from infra.recovery.checkpoint import Thing, write_whole

FORMAT_VERSION = "1.0"
FOLDER = "intents"


@dataclass(frozen=True)
class Intent:
    """An update of a stack that has not ended well: what it was to make, of which nothing was there before it."""

    stack: str
    layout_digest: str
    generation: int
    absent: frozenset[Thing]
    macs: Mapping[str, str]
    """MAC of each VM: the proof that a domain of that name is the one that was to be made."""


def path(state: Path, stack: str) -> Path:
    """Where a stack's intent is written."""
    return state / FOLDER / f"{stack}.json"


def read(state: Path, stack: str) -> Intent | None:
    """The intent of an update that did not end well; None when there is none, or it cannot be read.

    A file that cannot be read proves nothing, so nothing will be removed for it.
    """
    try:
        document = json.loads(path(state, stack).read_text(encoding="utf-8"))
        return Intent(
            document["stack"],
            document["layout_digest"],
            document["generation"],
            frozenset(Thing(*each) for each in document["absent"]),
            dict(document["macs"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def all_open(state: Path) -> tuple[Intent, ...]:
    """Every intent that is open."""
    names = sorted(each.stem for each in (state / FOLDER).glob("*.json"))
    return tuple(found for name in names if (found := read(state, name)) is not None)


def write(state: Path, intent: Intent, operator: str = "") -> None:
    """Writes it down so that it survives a crash. Raises OSError."""
    where = path(state, intent.stack)
    where.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "format_version": FORMAT_VERSION,
        "stack": intent.stack,
        "layout_digest": intent.layout_digest,
        "generation": intent.generation,
        "operator": operator or getpass.getuser(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "absent": [[each.host, each.kind, each.pool, each.name] for each in sorted(intent.absent)],
        "macs": dict(sorted(intent.macs.items())),
    }
    write_whole(where, (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode())


def close(state: Path, stack: str) -> None:
    """The update ended well."""
    path(state, stack).unlink(missing_ok=True)
