"""`kumiai network`, as the runbook and the engineer call it."""

from __future__ import annotations

import json
import subprocess

import pytest
from typer.testing import CliRunner

from kumiai.groups import app
from kumiai.terminal import MALFORMED, UNFIT, RefusedError
from layout import uplinks
from layout.records import FlowEnd, FlowRecord
from tests.infra import plans
from tests.infra.fabric import uplinks_of


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return planned(tmp_path_factory.mktemp("network"))


def planned(root, flows=()):
    made = plans.write(root / "plan", lambda data: data.update(flows=[flow.model_dump() for flow in flows]))
    uplinks.write_uplinks(root / "uplinks.json", uplinks_of(made.layout))
    return made


def invoke(*words):
    return CliRunner().invoke(app, ["network", *map(str, words)])


def wires(plan):
    return ("--uplinks", plan.path.parent / "uplinks.json")


def test_without_a_choice_the_machines_are_listed(plan):
    answer = invoke("show", plan.path, *wires(plan))
    assert answer.stdout.splitlines() == ["--host kvm01", "--host kvm02", "--gateway dc"]
    assert json.loads(invoke("show", plan.path, *wires(plan), "--json").stdout)["gateways"] == ["dc"]


@pytest.mark.parametrize("choice", [("--host", "kvm01"), ("--gateway", "dc")])
def test_what_is_printed_is_a_script_and_nothing_else(plan, choice):
    answer = invoke("show", plan.path, *wires(plan), *choice)
    assert answer.exit_code == 0
    assert answer.stdout.startswith("#!/bin/sh\n# ")
    assert answer.stderr == ""
    done = subprocess.run(["sh", "-n"], input=answer.stdout, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(invoke("show", plan.path, *wires(plan), *choice, "--json").stdout)
    assert document["script"] == answer.stdout
    assert len(document["ports"]) == (len(plan.layout.vms) if choice[0] == "--host" else 0)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--host", "kvm01"), "--uplinks で指定してください"),
        (("--host", "kvm01", "--gateway", "dc", "--uplinks", "x"), "同時に使えません"),
        (("--host", "h9", "--uplinks", "U"), "ホスト「h9」はこの計画にありません"),
        (("--gateway", "nowhere", "--uplinks", "U"), "拠点「nowhere」はこの計画にありません"),
    ],
)
def test_wrong_use(plan, words, reason):
    given = [str(plan.path.parent / "uplinks.json") if word == "U" else word for word in words]
    answer = invoke("show", plan.path, *given)
    assert isinstance(answer.exception, RefusedError)
    assert answer.exception.exit_code == MALFORMED
    assert reason in str(answer.exception)


def test_the_matrix_and_what_is_refused(tmp_path):
    first, second = "t00", "t01"
    fine = FlowRecord(source=FlowEnd(tenant=first), destination=FlowEnd(tenant=second), protocol="tcp", port=443)
    plan = planned(tmp_path / "fine", [fine])
    answer = invoke("matrix", plan.path)
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    assert lines[0] == "判定：ネットワーク 4 個、12 組のうち 1 組だけに通信を許す"
    assert lines[1].endswith("tcp/443")
    assert len(json.loads(invoke("matrix", plan.path, "--json").stdout)["allowed"]) == 1

    loose = FlowRecord(source=FlowEnd(segment="lgwan"), destination=FlowEnd(tenant=second), protocol="tcp", port=443)
    plan = planned(tmp_path / "loose", [fine, loose])
    answer = invoke("matrix", plan.path)
    assert answer.exit_code == UNFIT
    assert "flows の 2 番目" in answer.stderr
    refused = invoke("show", plan.path, *wires(plan), "--gateway", "dc")
    assert isinstance(refused.exception, RefusedError)
    assert refused.exception.exit_code == UNFIT
    # The hosts' own rules do not depend on flows: they can be installed all the same.
    assert invoke("show", plan.path, *wires(plan), "--host", "kvm01").exit_code == 0
