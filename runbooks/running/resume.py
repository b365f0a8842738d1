"""An interrupted run, out of the journal: what it had done, what it knew, and how to undo it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runbooks.errors import RunbookError
from runbooks.running.journal import Entry, Journal
from runbooks.running.steps import Past, Undo
from runbooks.text.records import Runbook

ENDED = ("done", "rolled back", "refused", "rehearsed", "not confirmed")
"""After these there is nothing to go on with."""


@dataclass
class Earlier:
    """What is left of an earlier run."""

    run: str
    runbook: str
    runbook_digest: str
    layout_digest: str
    parameters: dict[str, str]
    now: datetime
    past: Past = field(default_factory=Past)
    order: list[Undo] = field(default_factory=list)
    """What was begun and not undone, the oldest first."""


def read(journal: Journal, run: str) -> Earlier:
    """The state of a run. Raises RunbookError where there is none to resume, JournalError."""
    entries = journal.of_run(run)
    first = next((entry for entry in entries if entry.kind == "started"), None)
    if first is None:
        raise RunbookError(f"実行「{run[:60]}」は記録にありません（{journal.path}）")
    outcome = next((entry.data["outcome"] for entry in reversed(entries) if entry.kind == "ended"), None)
    last = entries[-1].kind
    if outcome in ENDED and last == "ended":
        raise RunbookError(f"実行「{run}」は終わっています（{outcome}）。再開できません")
    earlier = Earlier(
        run,
        first.data["runbook"],
        first.data["runbook_digest"],
        first.data["layout_digest"],
        dict(first.data["parameters"]),
        datetime.fromisoformat(first.data["now"]),
    )
    _replay(entries, earlier)
    return earlier


def _replay(entries: Iterable[Entry], earlier: Earlier) -> None:
    past = earlier.past
    begun: dict[str, Undo] = {}
    known: dict[str, dict[str, Any]] = {}
    for entry in entries:
        step = entry.data.get("step", "")
        if entry.kind == "scope":
            known.setdefault(entry.data["scope"], entry.data["facts"])
        elif entry.kind == "step_begun":
            begun.setdefault(step, Undo(**entry.data["undo"]))
        elif entry.kind in ("step_done", "step_skipped"):
            past.done.add(step)
        elif entry.kind == "committed":
            for each in entry.data["steps"]:
                begun.pop(each, None)
        elif entry.kind in ("rolled_back", "not_rolled_back"):
            past.done.discard(step)
            begun.pop(step, None)
    past.begun = begun
    earlier.order = list(begun.values())
    # Facts of a runbook that has changed nothing yet are as good as new ones, or worse.
    past.facts = {
        path: facts for path, facts in known.items() if any(_below(step, path) for step in (*begun, *past.done))
    }


def _below(step: str, path: str) -> bool:
    return not path or step.startswith(f"{path}/")


def require_same(earlier: Earlier, runbook: Runbook, parameters: Mapping[str, str], layout_digest: str) -> None:
    """Raises RunbookError unless the run goes on as it began: same procedure, same plan, same parameters if any."""
    if runbook.name != earlier.runbook:
        raise RunbookError(f"実行「{earlier.run}」は「{earlier.runbook}」です（指定：{runbook.name}）")
    if parameters and dict(parameters) != earlier.parameters:
        raise RunbookError("再開では引数を変えられません（--param なしで再開してください）")
    if runbook.digest != earlier.runbook_digest:
        raise RunbookError(f"運用手順書「{runbook.name}」が、実行の後で書き換えられています。元の版で再開してください")
    if layout_digest != earlier.layout_digest:
        raise RunbookError("計画フォルダーが、実行の時と違います。同じ計画で再開してください")
