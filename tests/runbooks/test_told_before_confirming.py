"""What a procedure finds out and the operator must know to agree is told before the question, and only that."""

from __future__ import annotations

import pytest

from runbooks.errors import RunbookError
from runbooks.running.confirmation import Consent
from tests.runbooks.books import block, book, step
from tests.runbooks.fake import Answer


def fact(id_: str, **keys: object) -> str:
    return block("fact", id=id_, title=f"調べ{id_}", **{"on": "\"'kvm01'\"", "run": f"ask-{id_}", **keys})


def test_facts_are_told_before_the_question(bench):
    bench.write("one", book(fact("a", parse="lines", confirm="true"), fact("b"), fact("c", confirm="true"), step("d")))
    bench.again(
        Answer("ask-a", stdout="vm-1：3 時間分\nvm-2：5 時間分\n"), Answer("ask-b", stdout="quiet"),
        Answer("ask-c", stdout="loud"), Answer("check-d", code=1),
    )  # fmt: skip
    asked: list[str] = []

    def refuse(question: str) -> str:
        asked.extend(bench.told)
        return "no"

    with pytest.raises(RunbookError, match="確認されなかった"):
        bench.run("one", consent=Consent(ask=refuse))
    assert [line for line in asked if "調べ" in line or line.startswith("    ")] == [
        "  調べa：", "    vm-1：3 時間分", "    vm-2：5 時間分", "  調べc：", "    loud",
    ]  # fmt: skip
    assert not any("quiet" in line for line in asked)
    assert bench.machines.changes == []
