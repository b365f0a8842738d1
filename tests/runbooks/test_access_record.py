"""The access record by tenant: looks, refusals and failures are in it as what they were, like the changes."""

from __future__ import annotations

from dataclasses import replace

from runbooks.running import access
from runbooks.text.library import Library
from tests.runbooks import test_cases
from tests.runbooks.fake import Answer

VM = "t00-s00-ap-01"


def record(bench, tenant="t00"):
    """The record of a tenant, as `kumiai runbook journal --tenant` tells it."""
    return access.chosen(access.summary(bench.journal), tenant=tenant, operator=None, run=None)


def told(bench, result):
    """The line about the run, for people."""
    return next(line for line in access.lines(record(bench), commands=False) if result.run in line)


def test_a_dry_run_is_in_the_tenants_record_as_a_look(bench):
    result = bench.run("start-vm", library=Library(), parameters={"vm": VM}, dry_run=True)
    (found,) = record(bench).runs
    assert (found.run, found.outcome, found.dry_run) == (result.run, "rehearsed", True)
    assert (found.hosts, found.vms, found.tenants) == (["kvm01"], [VM], ["t00"])
    assert "start-vm（下見）" in told(bench, result)
    assert access.document(record(bench), commands=False)["runs"][0]["dry_run"] is True
    assert record(bench, "t01").runs == []


def test_a_dry_run_that_reached_nobody_or_was_broken_off_is_a_look_too(bench):
    bench.machines.unreachable = {"kvm01"}
    bench.run("start-vm", library=Library(), parameters={"vm": VM}, dry_run=True)
    lines = bench.journal.path.read_text().splitlines(keepends=True)
    first = next(at for at, line in enumerate(lines) if '"kind":"rehearsal"' in line)
    bench.journal.path.write_text("".join(lines[: first + 1]))
    (found,) = record(bench).runs
    assert (found.outcome, found.dry_run, found.vms) == ("", True, [VM])


def test_a_change_is_no_look(bench, plan):
    case = next(case for case in test_cases.cases() if case["runbook"] == "start-vm" and case["outcome"] == "done")
    bench.again(*(Answer(**answer) for answer in case["answers"]))
    result = bench.run("start-vm", library=Library(), parameters=test_cases.parameters(case, plan.path))
    (found,) = record(bench).runs
    assert (result.outcome, found.outcome, found.dry_run) == ("done", "done", False)
    assert "（下見）" not in told(bench, result)


def test_a_refused_run_names_whose_systems_were_looked_at(bench):
    bench.write(
        "refuse",
        """
        ---
        title: 断る
        parameters:
          vm: {type: vm, help: 仮想サーバ}
        hosts: ["vm.host"]
        impact: なし
        ---
        ```yaml precondition
        id: never
        title: 決して
        on: vm.host
        run: test 1 = 2
        otherwise: だめです
        ```
        ```yaml step
        id: one
        title: 一つ
        on: vm.host
        check: test -e /one
        apply: touch /one
        verify: test -e /one
        no_rollback: なし
        ```
        """,
    )
    bench.again(Answer("^test 1 = 2", code=1))
    result = bench.run("refuse", parameters={"vm": VM})
    (found,) = record(bench).runs
    assert (result.outcome, found.outcome, found.dry_run) == ("refused", "refused", False)
    # The procedure names no tenant: the VM's owner is in the record all the same.
    assert (found.vms, found.tenants) == ([VM], ["t00"])


def test_opening_a_tenants_data_is_an_access_though_its_service_notices_nothing(bench):
    header = Library().get("restore-drill").header
    assert header.tenants == ()
    case = next(case for case in test_cases.cases() if case["runbook"] == "restore-drill")
    bench.again(*(Answer(**answer) for answer in case["answers"]))
    bench.site = replace(bench.site, layout=test_cases.changed(bench.site.layout, case.get("plan", {})))
    given = test_cases.parameters(case, bench.site.plan)
    bench.run("restore-drill", library=Library(), parameters=given, dry_run=True)
    (found,) = record(bench).runs
    assert (found.runbook, found.tenants) == ("restore-drill", ["t00"])


def test_a_look_that_cannot_see_everything_still_ends_as_one(bench):
    """What the store holds is unknown, and what depends on it too: that is told, and the record is closed."""
    bench.machines.unreachable = {"kvm02"}
    given = {"vm": VM, "at": "kvm02", "signature": "x"}
    result = bench.run("restore-drill", library=Library(), parameters=given, dry_run=True)
    (found,) = record(bench).runs
    assert (result.outcome, found.outcome) == ("rehearsed", "rehearsed")
    assert {each.machine for each in result.survey.found if each.unreachable} == {"kvm02"}
    assert any(each.follows for each in result.survey.found)
