"""The shipped procedures, case by case: what hosts say -> what is done to them. The cases are data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from estate import yaml_reader
from layout.records import Layout
from runbooks.confirmation import Consent
from runbooks.journal import Journal
from runbooks.library import Library
from runbooks.names import Site
from runbooks.run import Request, carry_out
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
    """The layout with fields of VMs replaced, and with moves added."""
    data = layout.model_dump(mode="json", by_alias=True)
    for vm in data["vms"]:
        vm.update(changes.get(vm["id"], {}))
    data["moves"] += changes.get("moves", [])
    return Layout.model_validate_json(json.dumps(data))


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case['runbook']}: {case['title']}")
def test_case(case, plan, tmp_path):
    layout = changed(plan.layout, case.get("plan", {}))
    uplinks = tmp_path / "uplinks.json"
    uplinks.write_text(json.dumps({"hosts": {}, "gateways": {"dc": {"kind": "vlan", "device": "up0"}}}))
    uris = {host.id: f"qemu+ssh://ops@{host.id}/system" for host in layout.hosts}
    site = Site(layout, Path("/plan"), Path("/state"), uris, uplinks=uplinks, layout_digest="d1")
    answers = [Answer(**answer) for answer in case.get("answers", [])]
    machines = FakeMachines(answers, unreachable=set(case.get("unreachable", [])))
    journal = Journal(tmp_path / "journal")
    result = carry_out(
        Request(case["runbook"], case.get("parameters", {}), "yamada.h"),
        site,
        Library(),
        lambda: machines,
        journal,
        consent=Consent(yes=True, confirm=case.get("confirm")),
    )
    work = "/tmp/"  # noqa: S108 - the run's own scratch folder, in whose name only this is known
    done = [f"{machine}: {command}" for machine, command in machines.changes]
    assert result.outcome == case["outcome"], (result.lines, machines.commands)
    # The run's own name is in the paths of what it writes.
    done = [line.replace(result.run, "RUN") for line in done]
    assert [line for line in done if work not in line] == [line.strip() for line in case.get("changes", [])]
    for words in case.get("says", []):
        assert any(words in line for line in result.lines), result.lines
    for command in case.get("asks", []):
        machine, _, text = command.partition(": ")
        assert (machine, text.strip()) in machines.commands
    assert not any("--unsafe" in command for _, command in machines.commands)
