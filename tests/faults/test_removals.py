"""The cases of `make removals` fit the code: each takes out something that is there, for a test that is there."""

from __future__ import annotations

import ast
import re

import pytest

from tests.faults.removals import ROOT, outcomes, removals

FAULTS = (
    "engine", "Python program", "provider", "libvirtd", "a runbook in every step", "full pool", "inactive pool",
    "ssh port that hangs", "deleted", "stopped", "renamed", "resized", "moved", "volume left", "two engineers",
    "truncated state file", "lost during a migration",
)  # fmt: skip


@pytest.mark.parametrize("removal", removals(), ids=lambda removal: removal.fault)
def test_what_is_taken_out_is_there_once(removal):
    without = removal.without((ROOT / removal.file).read_text(encoding="utf-8"))
    if removal.file.endswith(".py"):
        ast.parse(without)
    for test in removal.tests:
        file, _, name = test.partition("::")
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_fault_has_one():
    said = [each.fault for each in removals()]
    assert [fault for fault in FAULTS if not any(fault in each for each in said)] == []
    assert len(said) == len(set(said))


@pytest.mark.parametrize(
    ("case", "found"),
    [
        ('<testcase name="a"/>', [("a", False)]),
        ('<testcase name="a[x]"><failure message="m"/></testcase>', [("a", True)]),
        ('<testcase name="a"><error message="set-up"/></testcase>', [("a", False)]),
        ("", []),
    ],
)
def test_a_test_that_could_not_be_set_up_proves_nothing(tmp_path, case, found):
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{case}</testsuite></testsuites>")
    assert outcomes(report) == found
