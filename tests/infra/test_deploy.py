"""The order of stacks, what a failure and Ctrl-C do to the others, and what is left out with a host."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from infra import admission, engine
from infra.deployment import deploy, stacks
from infra.deployment.stacks import DeployError, Down, StackResult
from infra.engine import Engine
from infra.refusal import RefusalError
from tests.infra import plans

NAMES = ("hosts-a", "hosts-b", "common", "t00", "t01", "t02", "t03")


def result(name, down=()):
    return StackResult(name, 1, 0, 0, 0, 0.1, down)


@pytest.fixture
def work():
    """What `_build` asks of the work: somebody to tell, and a flag that stops every engine."""
    told: list[str] = []
    return SimpleNamespace(told=told, progress=told.append, running=SimpleNamespace(halt=threading.Event()))


def test_hosts_then_shared_then_tenants_within_the_limit(monkeypatch, work):
    lock, running, seen, most = threading.Lock(), set(), [], []

    def build(_, name):
        with lock:
            running.add(name)
            seen.append(name)
            most.append(frozenset(running))
        time.sleep(0.05)
        with lock:
            running.discard(name)
        return result(name)

    monkeypatch.setattr(stacks, "build", build)
    built = deploy._build(work, NAMES, 2)
    assert [each.name for each in built] == list(NAMES)
    assert max(map(len, most)) == 2
    assert set(seen[:2]) == {"hosts-a", "hosts-b"}
    assert seen[2] == "common"
    for together in most:
        assert len({name.partition("-")[0].rstrip("0123456789") for name in together}) == 1
    assert any("（4/7）" in line for line in work.told)


def test_after_a_failure_nothing_is_begun_and_what_runs_ends(monkeypatch, work):
    ended, both = [], threading.Barrier(2, timeout=10)

    def build(_, name):
        both.wait()
        if name == "t00":
            raise DeployError("t00：構築に失敗しました")
        time.sleep(0.1)
        ended.append(name)
        return result(name)

    monkeypatch.setattr(stacks, "build", build)
    with pytest.raises(DeployError) as caught:
        deploy._build(work, NAMES[3:], 2)
    assert ended == ["t01"]
    assert str(caught.value).splitlines() == ["t00：構築に失敗しました", "始めていないスタック：t02、t03"]


def test_a_bug_is_no_failure_of_a_stack(monkeypatch, work):
    both = threading.Barrier(2, timeout=10)

    def build(_, name):
        both.wait()
        raise DeployError(name) if name == "t00" else ZeroDivisionError(name)

    monkeypatch.setattr(stacks, "build", build)
    with pytest.raises(ZeroDivisionError):
        deploy._build(work, ("t00", "t01"), 2)


def test_ctrl_c_halts_every_engine(monkeypatch, work):
    begun, halted = threading.Barrier(3, timeout=10), []

    def build(own, name):
        begun.wait()
        assert own.running.halt.wait(10)
        halted.append(name)
        raise KeyboardInterrupt

    def interrupted(*_, **__):
        begun.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(stacks, "build", build)
    monkeypatch.setattr(deploy, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        deploy._build(work, NAMES[3:], 2)
    assert sorted(halted) == ["t00", "t01"]


def test_a_halted_engine_is_interrupted_once_and_may_end(tmp_path):
    program = tmp_path / "pulumi"
    program.write_text(
        "#!/bin/sh\n"
        f'trap "echo told >>{tmp_path}/signals; exit 1" INT\n'
        f"touch {tmp_path}/begun\n"
        "while :; do sleep 0.05; done\n"
    )
    program.chmod(0o755)
    running = Engine(tmp_path, {"PATH": f"{tmp_path}:/usr/bin:/bin"}, tmp_path / "logs")
    caught: list[BaseException] = []

    def run():
        try:
            running.run("t00", "up", deadline_s=60)
        except KeyboardInterrupt as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    limit = time.monotonic() + 30
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < limit
        time.sleep(0.02)
    running.halt.set()
    thread.join(30)
    assert not thread.is_alive()
    assert len(caught) == 1
    assert (tmp_path / "signals").read_text() == "told\n"


@pytest.fixture
def plan(tmp_path):
    return plans.write(tmp_path / "plan")


def test_everything_of_a_host_is_left_out_and_nothing_else(plan):
    layout = plan.layout
    here = [vm for vm in layout.vms if (vm.tenant, vm.host) == ("t00", "kvm02")]
    names = stacks.names_on("kvm02", "t00", layout)
    assert set(names) == {"kvm02"} | {
        name for vm in here for name in (vm.id, f"{vm.id}-seed", *(disk.name for disk in vm.disks))
    }
    site = stacks.names_on("kvm02", "hosts-dc", layout)
    networks = {f"kvm02-{network.id}" for network in layout.networks}
    assert set(site) == {"kvm02", "kvm02-default", "kvm02-default-guest"} | networks


def test_names_are_those_that_the_program_declares(plan, tmp_path):
    """The one place where the names are written down twice."""
    from infra.settings import Settings
    from tests.infra.engine_double import declare

    (plan.path / "images").mkdir()
    (plan.path / "images" / "guest.qcow2").write_bytes(b"image")
    uris = {"kvm01": "qemu+unix:///system?socket=/a", "kvm02": "qemu+unix:///system?socket=/b"}
    for stack in admission.stack_names(plan.layout):
        declared = declare(plan, stack, Settings(plan.path, "qemu", uris))
        for host in ("kvm01", "kvm02"):
            there = {each.name for each in declared.resources if host in {each.provider, each.name}}
            assert there == set(stacks.names_on(host, stack, plan.layout))


def test_a_host_is_asked_until_it_was_silent_once(monkeypatch):
    asked = []

    def unreachable(uris):
        asked.append(set(uris))
        return {"b": "silent"} if "b" in uris else {}

    monkeypatch.setattr(stacks.reach, "unreachable", unreachable)
    down = Down({"c": "named"})
    for _ in range(2):
        down.look({"a": "", "b": "", "c": ""})
    assert asked == [{"a", "b"}, {"a"}]
    assert down.of(("a", "b", "c")) == ("b", "c")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"start": "t00-s00-ap-01,nobody"}, "nobody"),
        ({"skip_hosts": ["kvm09"]}, "kvm09"),
        ({"stacks": ["t77"]}, "t77"),
        ({"start": ""}, "start"),
    ],
)
def test_what_the_plan_does_not_have_is_refused_before_anything(plan, tmp_path, monkeypatch, options, reason):
    monkeypatch.setattr(engine, "environment", lambda *_: pytest.fail("the engine was asked"))
    with pytest.raises(RefusalError, match=reason):
        deploy.deploy(plan.path, state=tmp_path / "state", **options)
