"""A host that went silent for good: what is said of its VMs, when a plan counts as built without it, and its locks."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from infra.deployment import by_hand, deploy
from infra.inspection import differences
from infra.observing.observed import Unreachable
from infra.recovery.checkpoint import Files
from tests.infra import plans
from tests.infra.test_differences import AP1, seen_of, state_of

NOW = datetime(2027, 5, 20, 12, tzinfo=ZoneInfo("Asia/Tokyo"))


@pytest.fixture
def plan(tmp_path):
    return plans.write(tmp_path / "plan", tenants=1)


def test_what_was_built_on_a_silent_host_and_is_planned_elsewhere_is_brought_back_by_its_runbook(plan, tmp_path):
    def move(layout):
        for vm in layout["vms"]:
            vm["host"] = "kvm02"

    following = plans.write(tmp_path / "following", move, tenants=1)
    wanted = differences.Wanted(following.layout, NOW, True, state_of(plan))
    seen = {**seen_of(plan), "kvm01": Unreachable("kvm01", "答えません")}
    (lost,) = [each for each in differences.find(wanted, seen) if each.vm == AP1]
    assert (lost.kind, lost.runbook) == ("missing", "restore-dead-host-vms")
    assert "kvm01" in lost.found
    # A host that answers has lost the VM itself.
    (lost,) = [each for each in differences.find(wanted, seen_of(plan)) if each.vm == AP1]
    assert lost.runbook == "migrate-vm"
    gone = {host: replace(each, domains=()) for host, each in seen_of(plan).items()}
    assert {each.runbook for each in differences.find(wanted, gone) if each.vm == AP1} != {"restore-dead-host-vms"}


@pytest.mark.parametrize(
    ("vms_on", "sets", "without"),
    [("kvm02", ["kvm02"], True), ("kvm02", ["kvm01", "kvm02"], False), ("kvm01", ["kvm02"], False)],
)
def test_a_plan_does_without_a_host_that_holds_nothing_and_may_never_hold_anything(plan, vms_on, sets, without):
    layout = plan.layout
    layout = layout.model_copy(
        update={
            "vms": tuple(vm.model_copy(update={"host": vms_on}) for vm in layout.vms),
            "host_sets": tuple(each.model_copy(update={"hosts": tuple(sets)}) for each in layout.host_sets),
        }
    )
    assert deploy._without("kvm01", layout) is without


def test_whoever_works_by_hand_finds_no_lock_of_an_engine_that_is_dead(tmp_path, monkeypatch):

    files = Files(tmp_path, "t00")
    files.locks.mkdir(parents=True)
    lock = {"pid": 2**22 + 1, "username": "u", "hostname": socket.gethostname(), "timestamp": "2027-05-10T02:00:00Z"}
    (files.locks / "dead.json").write_text(json.dumps(lock))
    (files.locks / "other.json").write_text(json.dumps({**lock, "hostname": "another-machine"}))

    class Running:
        environment = {"PULUMI_BACKEND_URL": f"file://{tmp_path}"}  # noqa: RUF012 - what the engine has

    monkeypatch.setattr(by_hand, "engine_of", lambda *_: Running)
    assert by_hand.engine_environment(tmp_path, "t00") == Running.environment
    assert [path.name for path in files.locks.iterdir()] == ["other.json"]
