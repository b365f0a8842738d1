"""What is read from the engine's event log, and what becomes of an engine that does not end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from infra import engine
from infra.engine import Engine, EngineError

URN = "urn:pulumi:t00::kumiai::kumiai:infra:VirtualMachine$libvirt:index/domain:Domain::t00-ap-01"
PROVIDER = "urn:pulumi:t00::kumiai::pulumi:providers:libvirt::kvm01::0b8f"
BEGUN = {"resourcePreEvent": {"metadata": {"urn": URN, "type": "libvirt:index/domain:Domain", "provider": PROVIDER}}}
ENDED = {"resOutputsEvent": {"metadata": {"urn": URN}}}
SUMMARY = {"summaryEvent": {"resourceChanges": {"create": 18, "same": 1}}}


def complaint(message, urn=URN):
    return {"diagnosticEvent": {"severity": "error", "urn": urn, "message": message}}


def pretend(tmp_path, events, ending):
    """A program named pulumi that leaves these events and ends as told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "events").write_text("".join(json.dumps(event) + "\n" for event in events))
    program = folder / "pulumi"
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{folder}/calls\nfor last; do :; done\n'
        f'case "$1" in up) cp {folder}/events "$last";; esac\n{ending}\n'
    )
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    return Engine(tmp_path, environment, tmp_path / "logs")


def test_an_update_that_succeeds(tmp_path):
    outcome = pretend(tmp_path, [BEGUN, ENDED, SUMMARY], "exit 0").run("t00", "up", "--yes", deadline_s=10)
    assert (outcome.returncode, outcome.errors, outcome.unfinished) == (0, (), ())
    assert outcome.changes == {"create": 18, "same": 1}
    called = (tmp_path / "bin" / "calls").read_text()
    assert called.startswith("up --yes --stack t00 --non-interactive")


def test_an_update_that_fails_says_why_once(tmp_path):
    text = (
        "<{%reset%}>1 error occurred:\n"
        "\t* error defining libvirt domain: domain 't00-ap-01' already exists with uuid 1 -   <d>\n"
        "<domain>\n</domain>\n"
    )
    events = [
        BEGUN,
        complaint(text),
        complaint(text),
        complaint("update failed", urn="urn:pulumi:t00::kumiai::pulumi:pulumi:Stack::kumiai-t00"),
    ]
    outcome = pretend(tmp_path, events, "exit 255").run("t00", "up", deadline_s=10)
    said = "t00-ap-01: error defining libvirt domain: domain 't00-ap-01' already exists with uuid 1"
    assert outcome.errors == (said,)
    lines = engine.explained(outcome.errors)
    assert lines[0] == "  " + said
    assert "途中で止まった" in lines[1]


def test_a_protected_resource_is_explained_without_the_advice_to_unprotect(tmp_path):
    text = f'unable to replace resource "{URN}"\nas it is currently marked for protection. To unprotect the resource, …'
    outcome = pretend(tmp_path, [complaint(text)], "exit 255").run("t00", "up", deadline_s=10)
    lines = engine.explained(outcome.errors)
    assert lines[0] == "  t00-ap-01: unable to replace or delete: marked for protection"
    assert "運用手順書" in lines[1]


def test_errors_before_the_first_event_come_from_the_output(tmp_path):
    ending = 'echo "error: the stack is currently locked by 1 lock(s)" >&2; exit 255'
    outcome = pretend(tmp_path, [], ending).run("t00", "up", deadline_s=10)
    assert outcome.errors == ("the stack is currently locked by 1 lock(s)",)
    assert "pulumi cancel" in engine.explained(outcome.errors)[1]


def test_at_the_deadline_the_engine_is_interrupted_and_what_stands_still_is_named(tmp_path):
    ending = "trap 'exit 1' INT; while :; do sleep 0.1; done"
    begun = time.monotonic()
    outcome = pretend(tmp_path, [BEGUN], ending).run("t00", "up", deadline_s=1)
    assert time.monotonic() - begun < 10
    assert outcome.timed_out
    assert outcome.unfinished == ("Domain t00-ap-01（kvm01）",)


def test_an_engine_that_ignores_the_interrupt_is_ended_and_its_lock_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "GRACE_S", 0.5)
    ending = f"""case "$1" in up) trap '' INT; sleep 300 & echo $! >{tmp_path}/child; wait;; esac"""
    outcome = pretend(tmp_path, [BEGUN], ending).run("t00", "up", deadline_s=1)
    assert outcome.returncode == -signal.SIGKILL
    child = int((tmp_path / "child").read_text())
    for _ in range(50):
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(child)], capture_output=True, text=True, check=False
        ).stdout
        if not state.strip() or state.startswith("Z"):
            break
        time.sleep(0.1)
    else:
        pytest.fail("a process of the engine is left")
    assert "cancel --yes --stack t00" in (tmp_path / "bin" / "calls").read_text()


def test_a_short_command_that_fails(tmp_path):
    running = pretend(tmp_path, [], 'echo "error: no backend" >&2; exit 1')
    with pytest.raises(EngineError, match="pulumi stack select が失敗しました\n  no backend"):
        running.command("stack", "select", "t00")


def test_the_project_folder_runs_this_program(tmp_path):
    for _ in range(2):
        folder = engine.project(tmp_path)
        assert (folder / "Pulumi.yaml").read_bytes() == (engine.HOUSE / "Pulumi.yaml").read_bytes()
        assert (folder / "infra" / "__main__.py").samefile(engine.HOUSE / "infra" / "__main__.py")
