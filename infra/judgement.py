"""A plan folder judged fit to build, once for one content.

A plan is built in many stacks, and the program of each starts two or three times. Reading every table and running
every checker takes seconds; the answer for the same bytes is the same. So it is written down under a name made of
the bytes of the folder and of the code that judged them: another folder, or another version, is judged again.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from layout import FolderError, layout_file
from layout.records import Layout

if TYPE_CHECKING:
    from layout.folder import PlanFolder

VARIABLE = "KUMIAI_VERDICTS"
FILES = ("run.json", "estate.json", "layout.json", "runs.parquet", "online.parquet", "profile.parquet")
HOUSE = Path(__file__).resolve().parents[1]
JUDGES = ("estate", "layout", "infra/admission.py", "infra/judgement.py")


@dataclass(frozen=True)
class Plan:
    """A plan that fits, agrees with itself and passes its checkers: what is needed to build it."""

    path: Path
    layout: Layout
    layout_digest: str


def judged(path: Path, environment: Mapping[str, str] = os.environ) -> Plan:
    """The plan folder at `path`, if it may be built. Raises FolderError and RefusalError.

    The verdict is kept in the folder that the variable KUMIAI_VERDICTS names; without one, nothing is kept.
    """
    kept = Path(environment[VARIABLE]) if environment.get(VARIABLE) else None
    verdict = None if kept is None else kept / _name(path)
    if verdict is not None and verdict.is_file():
        data = layout_file.read_bytes(path, layout_file.LAYOUT_FILE)
        digest = hashlib.sha256(data).hexdigest()
        if json.loads(verdict.read_text(encoding="utf-8"))["layout_digest"] == digest:
            return Plan(path, layout_file.parse(data), digest)
    plan = _judge(path)
    # A folder that was exchanged while it was judged has another name now, and no verdict.
    if verdict is not None and verdict.name == _name(path):
        _keep(verdict, plan)
    return Plan(plan.path, plan.layout, plan.layout_digest)


def _judge(path: Path) -> PlanFolder:
    # Only here: the tables and their checkers take a second to import.
    from infra import admission
    from layout import folder

    plan = folder.read(path)
    admission.require_sound(plan)
    return plan


def _name(path: Path) -> str:
    """A name that another content of the folder, or another version of those who judge it, does not have."""
    digest = hashlib.sha256(sys.version.encode())
    for name in FILES:
        try:
            digest.update(layout_file.read_bytes(path, name))
        except FolderError:
            digest.update(b"missing")  # the reader says so better
        digest.update(b"\0" + name.encode())
    for judge in JUDGES:
        place = HOUSE / judge
        for source in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(str(source.relative_to(HOUSE)).encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def _keep(verdict: Path, plan: PlanFolder) -> None:
    verdict.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = verdict.with_name(f".{verdict.name}-{secrets.token_hex(4)}")
    document = {"layout_digest": plan.layout_digest, "plan": str(plan.path), "verdict": plan.run.verdict}
    fresh.write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(verdict)
