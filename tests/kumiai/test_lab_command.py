"""`kumiai lab` and `kumiai deploy --lab`: what they pass on and what they print, without a laboratory."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

import lab
from infra.deployment import deploy as building
from infra.refusal import RefusalError
from kumiai.groups import app

URI = "qemu+unix:///system?socket=/x"


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    seen: list[list[str]] = []

    def execute(
        _state: Path | None, _host: str, argv: Sequence[str], *, capture: bool
    ) -> subprocess.CompletedProcess[str]:
        seen.append(list(argv))
        return subprocess.CompletedProcess(argv, 7)

    monkeypatch.setattr(lab, "execute", execute)
    return seen


@pytest.mark.parametrize(
    ("words", "argv"),
    [
        (["--", "virsh", "list", "--all"], ["virsh", "list", "--all"]),
        (["hostname"], ["hostname"]),
        (["env", "--", "true"], ["env", "--", "true"]),
    ],
)
def test_exec_passes_on_what_follows_the_two_dashes(
    executed: list[list[str]], words: list[str], argv: list[str]
) -> None:
    done = CliRunner().invoke(app, ["lab", "exec", "lab01", *words])
    assert (done.exit_code, executed) == (7, [argv])


def test_status_says_which_running_guests_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    guests = tuple(lab.Guest(name, state) for name, state in (("a", "running"), ("b", "running"), ("c", "shut off")))
    host = lab.HostStatus("lab01", URI, True, True, guests, 20_001, True)
    gateway = lab.GatewayStatus("gw-lab", "lab", True, 20_002, False)
    seen = lab.Status(True, Path("x"), (host,), (), (gateway,))

    def probe_guests(_state: Path | None, names: Collection[str], *, wait_s: float) -> dict[str, lab.Probe]:
        assert set(names) == {"a", "b"}
        return {
            "a": lab.Probe("n", "10.0.0.10", "10.0.0.254", 8.4, 80, "a"),
            "b": lab.Probe("n", "10.0.0.11", "10.0.0.254", None, 80, None),
        }

    monkeypatch.setattr(lab, "status", lambda _state: seen)
    monkeypatch.setattr(lab, "probe_guests", probe_guests)
    assert CliRunner().invoke(app, ["lab", "status"]).stdout.splitlines()[1:] == [
        "  lab01  libvirt 応答あり  SSH 127.0.0.1:20001 応答あり",
        "    a  running  10.0.0.10  応答 8 ミリ秒、TCP 80 番の返事「a」",
        "    b  running  10.0.0.11  応答なし",
        "    c  shut off",
        "  gw-lab  拠点 lab のゲートウェイ  SSH 127.0.0.1:20002 応答なし",
    ]
    found = json.loads(CliRunner().invoke(app, ["lab", "status", "--json"]).stdout)["hosts"][0]["guests"]
    assert [(guest["address"], guest["answer"]) for guest in found] == [
        ("10.0.0.10", "a"),
        ("10.0.0.11", None),
        (None, None),
    ]


@pytest.mark.parametrize(("options", "expected"), [([], "lab/pulumi"), (["--state", "elsewhere"], "elsewhere")])
def test_the_record_of_a_laboratory_lies_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str], expected: str
) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "uris.json").write_text("{}")
    states: list[Path] = []

    def deploy(_plan: Path, *, state: Path, **_options: object) -> None:
        states.append(state)
        raise RefusalError("x")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUMIAI_LAB", "lab")
    monkeypatch.setattr(building, "deploy", deploy)
    CliRunner().invoke(app, ["deploy", "plan", "--lab", *options])
    assert states == [Path(expected)]
