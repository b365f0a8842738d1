"""No shipped procedure proves a step by a command that always says the same."""

from __future__ import annotations

import pytest

from runbooks.text.library import Library, everything

SAY_NOTHING = {"true", "false", ":", "exit 0", "exit 1"}
ALWAYS_DONE = {
    ("index-backups", "write"): "the index is written anew from what the stores say",
    ("restore-drill", "open"): "opening the data is the drill itself",
}
"""Steps that are to be done every time they are met, and why."""
STEPS = [(book, step) for book in everything(Library()) for step in book.steps if step.runbook is None]


@pytest.mark.parametrize(("book", "step"), STEPS, ids=[f"{book.name}-{step.id}" for book, step in STEPS])
def test_checks_and_proofs_can_say_both(book, step):
    for command in (step.verify, step.rollback_verify):
        assert command is None or command.strip() not in SAY_NOTHING
    if (book.name, step.id) not in ALWAYS_DONE:
        assert (step.check or "").strip() not in SAY_NOTHING
