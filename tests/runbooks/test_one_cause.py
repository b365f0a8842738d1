"""One mistake is told once, by its cause, with what would be right."""

from __future__ import annotations

import pytest

from runbooks.errors import RunbookError, UnreachableError
from runbooks.reaching.machines import login_of
from runbooks.running import readings, rehearsal
from runbooks.text.library import Library
from tests.runbooks.books import block, book, step
from tests.runbooks.fake import Answer, FakeMachines

VM = "t00-s00-ap-01"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("migrate", "migrate-vm"),
        ("migrat-vm", "migrate-vm"),
        ("Evacuate-Host", "evacuate-host"),
        ("vcpu", "raise-vcpu"),
    ],
)
def test_an_unknown_runbook_gets_the_nearest_names(name, near):
    with pytest.raises(RunbookError) as caught:
        Library().get(name)
    said = str(caught.value)
    assert f"「{name}」はありません" in said
    assert near in said
    assert "kumiai runbook list" in said
    assert sum(each in said for each in Library().names()) <= 3


@pytest.mark.parametrize("name", ["nothing-like-any", "README", "../README", "", "x" * 5000])
def test_a_name_like_none_gets_the_list(name):
    with pytest.raises(RunbookError) as caught:
        Library().get(name)
    assert "もしかして" not in str(caught.value)
    assert "kumiai runbook list" in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_wrong_parameter_is_the_only_complaint(bench):
    with pytest.raises(RunbookError) as caught:
        bench.run("raise-vcpu", library=Library(), parameters={"vm": "nobody"})
    assert str(caught.value).splitlines() == ["引数「vm」: 仮想サーバ「nobody」は計画にありません"]


def test_a_misspelt_parameter_is_not_also_a_missing_one(bench):
    with pytest.raises(RunbookError) as caught:
        bench.run("start-vm", library=Library(), parameters={"vms": VM})
    (line,) = str(caught.value).splitlines()
    assert "「vms」はありません" in line
    assert "もしかして: 「vm」" in line


def test_two_mistakes_of_the_operator_are_both_told(bench):
    with pytest.raises(RunbookError) as caught:
        bench.run("grow-disk", library=Library(), parameters={"vm": "nobody", "other": "1"})
    assert [line.split("」")[0] for line in str(caught.value).splitlines()] == ["引数「other", "引数「vm", "引数「disk"]


def test_a_dry_run_says_once_that_a_host_is_out_of_reach(bench):
    reading = {"on": "\"'kvm01'\"", "run": "look"}
    bench.write("one", book(
        block("fact", id="f", title="事実", **reading),
        block("precondition", id="p", title="前提", otherwise="だめ", **reading),
        step("a"),
    ))  # fmt: skip
    bench.machines = FakeMachines([], unreachable={"kvm01"})
    result = bench.run("one", dry_run=True)
    assert result.outcome == "rehearsed"
    assert len(result.lines) == 1
    shown = [*result.lines, *rehearsal.lines(result.survey)]
    assert sum(result.lines[0] in line for line in shown) == 1
    assert sum(rehearsal.UNREACHABLE in line for line in shown) == 3


def test_a_dry_run_that_cannot_look_at_its_only_step_does_not_promise_anything(bench):
    bench.write("one", book(step("a")))
    bench.machines = FakeMachines([], unreachable={"kvm01"})
    assert len(bench.run("one", dry_run=True).lines) == 1


def test_a_uri_without_ssh_names_what_to_give_instead(bench):
    bench.site.uris["kvm01"] = "qemu+unix:///system?socket=/none"
    with pytest.raises(UnreachableError) as caught:
        login_of(bench.site, "kvm01")
    for word in ("--lab", "--uris", "qemu+ssh://", "ssh.json"):
        assert word in str(caught.value)


def test_what_needs_an_unknown_fact_is_not_asked_and_not_a_complaint_of_its_own(bench):
    reading = {"on": "\"'kvm01'\""}
    bench.write("one", book(
        block("fact", id="free", title="空き", run="free", parse="integer", **reading),
        block("precondition", id="room", title="余裕", run="test {{ facts.free }} -ge 1", otherwise="だめ", on="local"),
        step("a", apply='"use {{ facts.free }}"'),
    ))  # fmt: skip
    bench.machines = FakeMachines([], unreachable={"kvm01"})
    result = bench.run("one", dry_run=True)
    assert result.outcome == "rehearsed"
    assert len(result.lines) == 1
    assert "kvm01" in result.lines[0]
    assert any("余裕" in line and "前に調べる事実が分からない" in line for line in rehearsal.lines(result.survey))
    assert bench.kinds()[-1] == "ended"
    assert [step.state for step in result.survey.planned] == [f"不明：{readings.UNKNOWN}"]


def test_a_fact_that_cannot_be_had_is_the_reason_of_a_dry_run_too(bench):
    bench.write("one", book(
        block("fact", id="free", title="空き", run="free", parse="integer", on="\"'kvm01'\""), step("a"),
    ))  # fmt: skip
    bench.machines = FakeMachines([Answer("free", stdout="much")])
    (line,) = bench.run("one", dry_run=True).lines
    assert line == "空き（kvm01）を調べられません：整数ではありません（much）"


def test_a_mistake_of_the_runbook_itself_is_not_taken_for_an_unknown_fact(bench):
    bench.write("one", book(
        block("precondition", id="p", title="前提", run="test {{ 1 / 0 }} -ge 1", otherwise="だめ", on="local"),
        step("a"),
    ))  # fmt: skip
    with pytest.raises(RunbookError):
        bench.run("one", dry_run=True)
