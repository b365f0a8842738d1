"""The shipped procedures, case by case: what hosts say -> what is done to them. The cases are data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from estate import yaml_reader
from layout.folder import PlanFolder
from layout.records import Layout
from runbooks.running.confirmation import Consent
from runbooks.running.journal import Journal
from runbooks.running.run import Request, Result, carry_out
from runbooks.text.library import Library
from runbooks.text.names import Site
from tests.runbooks.fake import Answer, FakeMachines

FOLDER = Path(__file__).parents[1] / "cases" / "runbooks"


def cases() -> list[dict]:
    found = []
    for path in sorted(FOLDER.glob("*.yaml")):
        root, problems = yaml_reader.read(path)
        assert problems == []
        found += [{"runbook": path.stem, **case} for case in root.data()]
    return found


def changed(layout: Layout, changes: dict) -> Layout:
    """The layout with fields of VMs and hosts replaced, with moves added and another lineage."""
    data = layout.model_dump(mode="json", by_alias=True)
    for host in data["hosts"]:
        host.update(changes.get(host["id"], {}))
    for vm in data["vms"]:
        vm.update(changes.get(vm["id"], {}))
    data["moves"] += changes.get("moves", [])
    data["lineage"] = changes.get("lineage", data["lineage"])
    return Layout.model_validate_json(json.dumps(data))


def parameters(case: dict, other: Path) -> dict[str, str]:
    """The case's parameters; `other` is the folder of a second plan where it takes one."""
    return {name: str(other) if value == "OTHER" else value for name, value in case.get("parameters", {}).items()}


def one_run(case: dict, plan: PlanFolder, folder: Path) -> tuple[Result, list[str], FakeMachines]:
    """How the case's runbook ends, and what it changes.

    The run's own number is told as RUN, the folder of a second plan as OTHER.
    """
    layout = changed(plan.layout, case.get("plan", {}))
    uplinks = folder / "uplinks.json"
    wires = {"format_version": "1.0", "hosts": {}, "gateways": {"dc": {"kind": "vlan", "device": "up0"}}}
    uplinks.write_text(json.dumps(wires))
    uris = {host.id: f"qemu+ssh://ops@{host.id}/system" for host in layout.hosts}
    state = folder / "state" if "secrets" in case else Path("/state")
    for name, text in case.get("secrets", {}).items():
        (state / "secrets" / name).parent.mkdir(parents=True, exist_ok=True)
        (state / "secrets" / name).touch(0o600)
        (state / "secrets" / name).write_text(text)
    site = Site(layout, Path("/plan"), state, uris, uplinks=uplinks, layout_digest="d1")
    answers = [Answer(**answer) for answer in case.get("answers", [])]
    machines = FakeMachines(answers, unreachable=set(case.get("unreachable", [])))
    result = carry_out(
        Request(case["runbook"], parameters(case, plan.path), "yamada.h"),
        site,
        Library(),
        lambda: machines,
        Journal(folder / "journal"),
        consent=Consent(yes=True, confirm=case.get("confirm")),
    )
    done = [f"{machine}: {command}".replace(result.run, "RUN") for machine, command in machines.changes]
    done = [line.replace(str(state), "/state").replace(str(plan.path), "OTHER").strip() for line in done]
    work = "/tmp/"  # noqa: S108 - the run's own scratch folder, in whose name only this is known
    return result, [line for line in done if work not in line], machines


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case['runbook']}: {case['title']}")
def test_case(case, plan, tmp_path):
    result, done, machines = one_run(case, plan, tmp_path)
    assert result.outcome == case["outcome"], (result.lines, machines.commands)
    assert done == [line.strip() for line in case.get("changes", [])]
    for words in case.get("says", []):
        assert any(words in line for line in result.lines), result.lines
    for command in case.get("asks", []):
        machine, _, text = command.partition(": ")
        assert (machine, text.strip()) in machines.commands
    assert not any("--unsafe" in command for _, command in machines.commands)
