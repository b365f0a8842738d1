"""Every shipped procedure is whole: it reads, prints, says how to undo each step, and is rehearsed somewhere."""

from __future__ import annotations

import pytest

from runbooks.text import paper
from runbooks.text.library import FOLDER, Library
from runbooks.text.markdown import split
from tests.runbooks import test_cases
from tests.runbooks.fake import FakeMachines

LIBRARY = Library()
NAMES = LIBRARY.names()


def test_there_are_runbooks_and_nothing_else():
    assert NAMES
    assert {path.stem for path in FOLDER.glob("*.md")} - {"README"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_whole(name):
    runbook = LIBRARY.get(name)
    assert runbook.header.title
    assert runbook.header.impact
    assert runbook.preconditions
    for step in runbook.steps:
        if step.runbook is None:
            assert step.check
            assert step.verify
            assert bool(step.rollback) != bool(step.no_rollback)
    for parameter in runbook.header.parameters.values():
        assert parameter.help
    assert "--unsafe " not in "".join(step.apply or "" for step in runbook.steps)


@pytest.mark.parametrize("name", NAMES)
def test_it_counts_licences_against_what_runs_now(name):
    """The plan may intend what the licences do not allow: compared with the plan, nothing would be new."""
    for record in LIBRARY.get(name).readings:
        for line in (record.run or "").splitlines():
            if "kumiai license count" in line and "--with" in line:
                assert "--baseline" in line


@pytest.mark.parametrize("name", NAMES)
def test_it_prints_for_the_binder(name):
    runbook = LIBRARY.get(name)
    printed = paper.markdown(runbook)
    assert printed.startswith(f"# {runbook.header.title}\n")
    assert "```yaml" not in printed
    for record in (*runbook.readings, *runbook.steps):
        assert record.title in printed
    for step in runbook.steps:
        for command in (step.check, step.apply, step.verify, step.rollback):
            for line in (command or "").strip().splitlines():
                assert line in printed
        assert (step.no_rollback or "") in printed
    _, blocks = split(runbook.text, name)
    assert printed.count("□") >= len(blocks)


@pytest.mark.parametrize("name", NAMES)
def test_it_has_cases(name):
    outcomes = {case["outcome"] for case in test_cases.cases() if case["runbook"] == name}
    assert "done" in outcomes
    assert outcomes & {"refused", "failed"}


@pytest.mark.parametrize("name", NAMES)
def test_a_dry_run_changes_nothing(name, bench):
    case = next(case for case in test_cases.cases() if case["runbook"] == name and case["outcome"] == "done")
    bench.machines = FakeMachines([test_cases.Answer(**answer) for answer in case.get("answers", [])])
    uris = {host.id: f"qemu+ssh://ops@{host.id}/system" for host in bench.site.layout.hosts}
    layout = test_cases.changed(bench.site.layout, case.get("plan", {}))
    bench.site = type(bench.site)(layout, bench.site.plan, bench.site.state, uris, layout_digest="d1")
    given = test_cases.parameters(case, bench.site.plan)
    result = bench.run(name, library=LIBRARY, parameters=given, dry_run=True)
    assert result.outcome == "rehearsed"
    assert bench.machines.changes == []
    assert bench.machines.held == []
    assert all("不明" not in step.state for step in result.survey.planned)
