"""`kumiai deploy` looks with the guard's eyes before it updates what stands: refused by name, and nothing is begun."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.deployment import deploy, stacks
from infra.deployment.stacks import DeployError
from infra.engine import Outcome
from infra.guarding import guard, preview
from infra.recovery import checkpoint
from infra.refusal import RefusalError
from tests.infra import previews

CASES = {case["name"]: case for case in previews.cases()}
AP1 = "t00-s00-ap-01"


@pytest.fixture(scope="module")
def plan_of(tmp_path_factory):
    root, made = tmp_path_factory.mktemp("plans"), {}

    def make(name):
        if name not in made:
            made[name] = previews.edited_plan(root / name, CASES[name])
        return made[name]

    return make


@pytest.mark.parametrize("name", sorted(CASES))
def test_it_is_the_part_of_the_guards_answer_that_hosts_cannot_change(name, plan_of):
    given = preview.read(previews.document(f"{name}.json", plan_of(name)))
    whole = {each.resource for each in guard.judge(given, plan_of(name)).refusals}
    found = {each.resource for each in guard.of_update(given, plan_of(name).layout)}
    assert found <= whole
    assert found >= {
        each.name for each in given.changes
        if each.kind in guard.PRECIOUS and ("replace" in each.op or "delete" in each.op)
    }  # fmt: skip


@pytest.mark.parametrize("name", ["nic-mac", "nic-bridge", "nic-added", "nic-removed", "machine", "boot-devices"])
def test_an_edit_that_the_provider_drops_is_refused(name, plan_of):
    given = preview.read(previews.document(f"{name}.json", plan_of(name)))
    assert AP1 in {each.vm for each in guard.of_update(given, plan_of(name).layout)}


@pytest.mark.parametrize("name", ["same", "first-deployment", "create-vm", "autostart", "hosts-same", "uri"])
def test_what_an_update_really_does_is_let_through(name, plan_of):
    given = preview.read(previews.document(f"{name}.json", plan_of(name)))
    refused = {each.resource for each in guard.of_update(given, plan_of(name).layout)}
    assert refused == set()


class Engine:
    """Answers a preview from a recording, and keeps what it was asked."""

    def __init__(self, events: Path, returncode: int, looks: list[int]) -> None:
        self.events, self.returncode, self.looks, self.asked = events, returncode, looks, []

    def run(self, stack, *arguments, **_):
        look = "--expect-no-changes" in arguments
        self.asked.append("look" if look else arguments[0])
        code = self.looks.pop(0) if look and self.looks else self.returncode
        return Outcome(code, {"same": 7}, ("marked for protection",), (), False, 1.0, Path("log"), self.events)


@pytest.fixture
def attempt(monkeypatch, tmp_path, plan_of):
    """Builds stack t00, of which something stands, against an engine whose preview is the recording of that name."""

    def attempted(name, *, standing=True, returncode=0, data=None, looks=(), left_out=(), record=None, ended=True):
        events = tmp_path / "events"
        events.write_bytes(previews.document(name, plan_of(name.partition(".")[0])) if data is None else data)
        running = Engine(events, returncode, list(looks))
        layout = plan_of(name.partition(".")[0]).layout
        thing = checkpoint.Thing("kvm01", "domain", "", "it")
        recorded = replace(record or checkpoint.EMPTY, standing=frozenset({thing} if standing else ()))
        ground = SimpleNamespace(record=lambda _: recorded, folders=lambda: (tmp_path,), layout_digest="d1")
        work = SimpleNamespace(
            running=running, ground=ground, config={}, deadline_s=60, layout=layout, progress=lambda _: None
        )
        monkeypatch.setattr(stacks, "_answering", lambda _: ground)
        monkeypatch.setattr(stacks.recovery, "attempt", lambda *_: nullcontext())
        monkeypatch.setattr(stacks.recovery, "ended", lambda *_: ended)
        try:
            return stacks._attempt(work, "t00", left_out), running.asked
        except (RefusalError, DeployError) as error:
            return error, running.asked

    return attempted


def test_a_refused_stack_is_not_updated_and_the_runbook_is_named(attempt):
    error, asked = attempt("memory.json", returncode=255)
    assert asked == ["preview"]
    assert isinstance(error, RefusalError)
    assert error.unfit
    for line in str(error).splitlines():
        assert line.startswith("t00：")
    assert "resize-memory" in str(error)
    assert AP1 in str(error)


def test_what_stands_and_is_harmless_is_previewed_once_and_updated(attempt):
    done, asked = attempt("same.ndjson")
    assert asked == ["preview", "up", "look"]
    assert done.name == "t00"
    assert done.seconds == 3.0


def test_where_nothing_stands_nothing_is_looked_at_first(attempt):
    _, asked = attempt("same.ndjson", standing=False)
    assert asked == ["up", "look"]


@pytest.fixture
def built(plan_of):
    """The record of stack t00 after the plan was built."""
    layout = plan_of("same").layout
    names = {name for host in layout.hosts for name in stacks.names_on(host.id, "t00", layout)}
    return replace(checkpoint.EMPTY, names=frozenset(names), outputs={"layout_digest": "d1"})


def test_what_was_built_from_the_same_plan_is_only_looked_at(attempt, built):
    done, asked = attempt("same.ndjson", record=built, looks=[0])
    assert asked == ["look"]
    assert (done.created, done.updated, done.deleted, done.unchanged) == (0, 0, 0, 7)


def test_what_was_built_and_changed_since_is_judged_and_updated(attempt, built):
    _, asked = attempt("same.ndjson", record=built, looks=[255, 0])
    assert asked == ["look", "preview", "up", "look"]
    error, asked = attempt("memory.json", record=built, looks=[255], returncode=255)
    assert asked == ["look", "preview"]
    assert "resize-memory" in str(error)


def test_a_record_of_another_plan_or_of_half_a_run_is_no_reason_to_look(attempt, built):
    for other in (
        replace(built, outputs={"layout_digest": "d2"}),
        replace(built, outputs={}),
        replace(built, untidy=True),
        replace(built, names=built.names - {f"{AP1}-seed"}),
    ):
        _, asked = attempt("same.ndjson", record=other)
        assert asked == ["preview", "up", "look"]


def test_an_update_that_did_not_end_is_done_again_though_all_of_it_stands(attempt, built):
    """What was written down before it is closed by an update that ends, and by nothing else."""
    _, asked = attempt("same.ndjson", record=built, ended=False)
    assert asked == ["preview", "up", "look"]


def test_what_is_missing_on_a_host_that_is_left_out_matters_not(attempt, built, plan_of):
    layout = plan_of("same").layout
    (host,) = {vm.host for vm in layout.vms if vm.id == AP1}
    fewer = replace(built, names=built.names - set(stacks.names_on(host, "t00", layout)))
    done, asked = attempt("same.ndjson", record=fewer, looks=[0], left_out=(host,))
    assert asked == ["look"]
    assert done.down == (host,)


def test_a_preview_that_nobody_can_read_stops_the_stack(attempt):
    error, asked = attempt("same.ndjson", data=b'{"sequence": 1}\n')
    assert isinstance(error, DeployError)
    assert "を読めません" in str(error)
    assert asked == ["preview"]
    failed, asked = attempt("same.ndjson", data=b"", returncode=255)
    assert isinstance(failed, DeployError)
    assert "構築前の確認" in str(failed)
    assert asked == ["preview"]


@pytest.mark.parametrize(
    ("other", "kind"), [(RefusalError("t01：だめ", unfit=True), RefusalError), (DeployError("t01：失敗"), DeployError)]
)
def test_refusals_of_several_stacks_are_told_together(monkeypatch, other, kind):
    both = threading.Barrier(2, timeout=10)

    def build(_, name):
        both.wait()
        raise RefusalError("t00：だめ", unfit=True) if name == "t00" else other

    monkeypatch.setattr(stacks, "build", build)
    told: list[str] = []
    work = SimpleNamespace(progress=told.append, running=SimpleNamespace(halt=threading.Event()))
    with pytest.raises(kind) as caught:
        deploy._build(work, ("t00", "t01", "t02"), 2)
    assert str(caught.value).splitlines() == ["t00：だめ", str(other), "始めていないスタック：t02"]
