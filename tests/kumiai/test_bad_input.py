"""Bad plan folders and bad files of connections against every command that goes near a host: refused, nobody asked.

Nobody: the programs by which commands reach hosts are recorders here, and the hosts' addresses are a port that
counts who knocks.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pytest
from pulumi.runtime import set_all_config

from infra import program
from runbooks import failover_plan
from tests.infra import engine_double, previews
from tests.kumiai.conftest import all_files
from tests.kumiai.spoilt import CASES, spoil

PROGRAMS = ("ssh", "scp", "virsh", "pulumi", "qemu-img", "ip", "nft", "libvirtd", "qemu-system-x86_64", "unshare")
HOSTS = 2
"""Of examples/lab."""
RUNBOOKS = {
    "start-vm": ("vm=VM",),
    "migrate-vm": ("vm=VM", "to=HOST"),
    "apply-network": (),
    "evacuate-host": ("host=HOST",),
    "rotate-keys": ("tenant=TENANT",),
    "backup-vm": ("vm=VM",),
}


@dataclass
class Wires:
    """Where nothing may arrive: ports, and programs that write down that they were called."""

    ports: list[int]
    calls: Path
    knocks: list[tuple[str, int]] = field(default_factory=list)

    def touched(self) -> list[str]:
        """Who was called or knocked at."""
        called = self.calls.read_text(encoding="utf-8").splitlines() if self.calls.exists() else []
        return called + [f"knock from {who}" for who in self.knocks]


@pytest.fixture
def wires(tmp_path, monkeypatch):
    """Ports that listen in the hosts' place, and recorders first on the path."""
    folder = tmp_path / "programs"
    folder.mkdir()
    calls = tmp_path / "calls"
    for name in PROGRAMS:
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {calls}\nexit 1\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(HOSTS)]
    made = Wires([listener.getsockname()[1] for listener in listeners], calls)

    def serve(listener):
        while True:
            try:
                connection, who = listener.accept()
            except OSError:
                return
            made.knocks.append(who)
            connection.close()

    threads = [threading.Thread(target=serve, args=(listener,), daemon=True) for listener in listeners]
    for thread in threads:
        thread.start()
    yield made
    for listener, thread in zip(listeners, threads, strict=True):
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@dataclass
class Place:
    """A plan folder, and beside each other the files that say how its hosts are reached."""

    plan: Path
    files: Path
    root: Path

    @property
    def uris(self):
        return self.files / "uris.json"

    def words(self, *, uplinks=False):
        """The options that name the state and the files."""
        given = ("--state", self.root / "state", "--uris", self.uris)
        return (*given, "--uplinks", self.files / "uplinks.json") if uplinks else given


@pytest.fixture
def place(lab_plan, tmp_path, wires, monkeypatch):
    monkeypatch.setenv("KUMIAI_OPERATOR", "yamada.h")
    monkeypatch.setenv("KUMIAI_LAB", str(tmp_path / "lab"))
    files = tmp_path / "files"
    files.mkdir()
    (files / "key").write_text("no key\n")
    (files / "known_hosts").write_text("")
    hosts = [host["id"] for host in json.loads((lab_plan / "layout.json").read_text())["hosts"]]
    options = f"keyfile={files}/key&knownhosts={files}/known_hosts"
    ports = dict(zip(hosts, wires.ports, strict=True))
    uris = {host: f"qemu+ssh://ops@127.0.0.1:{port}/system?{options}" for host, port in ports.items()}
    write(files / "uris.json", uris)
    write(files / "ssh.json", {host: login(port, files) for host, port in ports.items()})
    wired = {
        host: {"kind": "vxlan", "device": "eth0", "address": f"192.0.2.{number}", "mtu": 1600}
        for number, host in enumerate(hosts, 1)
    }
    write(files / "uplinks.json", {"format_version": "1.0", "hosts": wired, "gateways": {}})
    return Place(lab_plan, files, tmp_path)


def login(port, files):
    return {
        "address": "127.0.0.1", "port": port, "user": "ops", "key_file": f"{files}/key",
        "known_hosts": f"{files}/known_hosts",
    }  # fmt: skip


def write(path, document):
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")


def edit(path, change):
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    write(path, document)


def runbook(name, place, *options):
    layout = json.loads((place.root / "sound.json").read_text())
    vm = layout["vms"][0]
    other = next(host["id"] for host in layout["hosts"] if host["id"] != vm["host"])
    known = {"VM": vm["id"], "HOST": other, "TENANT": vm["tenant"]}
    given = [f"{each.partition('=')[0]}={known[each.partition('=')[2]]}" for each in RUNBOOKS[name]]
    words = [word for pair in given for word in ("--param", pair)]
    return ("runbook", "run", name, "--plan", place.plan, *place.words(uplinks=True), *words, *options)


def guard(place, *options):
    case = next(each for each in previews.cases() if each["name"] == "memory")
    plan = previews.edited_plan(place.root / "previewed", case)
    (place.root / "preview.json").write_bytes(previews.document("memory.json", plan))
    return ("guard", place.root / "preview.json", "--plan", place.plan, *place.words(), *options)


def sweep(place):
    write(place.root / "scenarios.yaml", "format: 1\nplans: [plan]\nseeds: {from: 1, count: 1}\n")
    return ("sweep", place.root / "scenarios.yaml", "-o", place.root / "lab")


COMMANDS = {
    "deploy": lambda place: ("deploy", place.plan, *place.words()),
    "deploy one stack": lambda place: ("deploy", place.plan, "--stack", "common", *place.words()),
    "guard": guard,
    "guard offline": lambda place: guard(place, "--offline"),
    "drift": lambda place: ("drift", place.plan, *place.words(uplinks=True)),
    "network show": lambda place: ("network", "show", place.plan, "--uplinks", place.files / "uplinks.json"),
    "network matrix": lambda place: ("network", "matrix", place.plan),
    "lab up": lambda place: ("lab", "up", "--plan", place.plan, "--state", place.root / "lab"),
    "sweep": sweep,
    "license compare": lambda place: ("license", "compare", place.plan, place.plan),
    "license split": lambda place: ("license", "split", place.plan),
    **{f"runbook {name}": lambda place, name=name: runbook(name, place, "--yes") for name in RUNBOOKS},
    "runbook dry run": lambda place: runbook("start-vm", place, "--dry-run"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("case", CASES)
def test_a_bad_folder_is_refused_before_anybody_is_asked(ask, place, wires, command, case):
    (place.root / "sound.json").write_bytes((place.plan / "layout.json").read_bytes())
    words = COMMANDS[command](place)
    spoil(place.plan, case)
    before = all_files(place.plan)
    answer = ask(*words)
    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 1
    assert "layout.json" in answer.err
    assert all_files(place.plan) == before
    assert wires.touched() == []
    assert not (place.root / "state").exists()
    assert not (place.root / "lab").exists()


@pytest.mark.parametrize("command", ["deploy", "drift", "runbook start-vm", "runbook dry run"])
def test_with_sound_input_the_same_commands_do_go_to_the_hosts(ask, place, wires, command):
    """Else the tests here would see nothing whatever happened."""
    (place.root / "sound.json").write_bytes((place.plan / "layout.json").read_bytes())
    (place.files / "images").mkdir()
    for image in json.loads((place.plan / "layout.json").read_text())["images"]:
        (place.files / "images" / f"{image['id']}.qcow2").write_bytes(b"an image")
    words = COMMANDS[command](place)
    answer = ask(*words)
    assert answer.code != 2, answer.err
    assert wires.touched() != []


URIS = {
    "no JSON": (lambda path: write(path, "{"), "uris.json:1:"),
    "truncated": (lambda path: write(path, path.read_text()[:-20]), "uris.json:1:"),
    "no UTF-8": (lambda path: path.write_bytes(b"\xff\xfe{}"), "uris.json"),
    "a list": (lambda path: write(path, []), "の形が必要"),
    "a number": (lambda path: edit(path, lambda each: each.update(lab01=22)), "uris.json:1:"),
    "one host twice": (
        lambda path: write(path, '{"lab01": "qemu+ssh://a@h/system",\n "lab01": "qemu+ssh://a@g/system"}'),
        "uris.json:2:2: 「lab01」が二度",
    ),
    "two hosts of one address": (
        lambda path: write(path, {"lab01": "qemu+ssh://a@h/system", "lab02": "qemu+ssh://b@h:22/system"}),
        "同じ接続先",
    ),
    "another scheme": (lambda path: edit(path, lambda each: each.update(lab01="ssh://h/system")), "で始まる必要"),
    "a program": (lambda path: edit(path, lambda each: each.update(lab01="qemu+ext:///system?command=sh")), "で始まる"),
    "a quote": (lambda path: edit(path, lambda each: each.update(lab01="qemu+ssh://a@h/system?keyfile='x'")), "文字"),
    "an escaped line break": (
        lambda path: edit(path, lambda each: each.update(lab01="qemu+ssh://a@h/system?keyfile=x%0aProxy")), "文字",
    ),
    "a line break": (lambda path: edit(path, lambda each: each.update(lab01="qemu+ssh://a@h/system\nx")), "文字"),
    "shell characters": (lambda path: edit(path, lambda each: each.update(lab01="qemu+ssh://$(x)@h/system")), "文字"),
    "an option for a user": (
        lambda path: edit(path, lambda each: each.update(lab01="qemu+ssh://-oProxyCommand=x@h/system")), "文字",
    ),
    "a host with a slash": (lambda path: edit(path, lambda each: each.update({"../x": "qemu:///system"})), "名前"),
    "a host with a line break": (lambda path: edit(path, lambda each: each.update({"a\nb": "qemu:///system"})), "名前"),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "uris.json"),
}  # fmt: skip
USERS_OF_URIS = ("deploy", "guard", "drift", "runbook start-vm", "runbook dry run")


def assert_refused(answer, wires, place, words):
    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 1
    assert words in answer.err
    assert wires.touched() == []
    assert not (place.root / "state").exists()


@pytest.mark.parametrize("command", USERS_OF_URIS)
@pytest.mark.parametrize("case", URIS)
def test_a_bad_file_of_uris_is_refused_before_anybody_is_asked(ask, place, wires, command, case):
    (place.root / "sound.json").write_bytes((place.plan / "layout.json").read_bytes())
    words = COMMANDS[command](place)
    spoil_file, said = URIS[case]
    spoil_file(place.uris)
    assert_refused(ask(*words), wires, place, said)


LOGINS = {
    "truncated": (lambda path: write(path, path.read_text()[:-20]), "ssh.json:1:"),
    "a list": (lambda path: write(path, []), "の形が必要"),
    "one machine twice": (lambda path: write(path, '{"a": {},\n "a": {}}'), "ssh.json:2:2: 「a」が二度"),
    "no port": (lambda path: edit(path, lambda each: each["lab01"].pop("port")), "port は"),
    "a port of words": (
        lambda path: edit(path, lambda each: each["lab01"].update(port="22 -oProxyCommand=x")),
        "port は",
    ),
    "a port beyond": (lambda path: edit(path, lambda each: each["lab01"].update(port=65536)), "port は"),
    "an option for an address": (
        lambda path: edit(path, lambda each: each["lab01"].update(address="-oX=y")),
        "address",
    ),
    "shell characters": (lambda path: edit(path, lambda each: each["lab01"].update(user="$(reboot)")), "user"),
    "a quote": (lambda path: edit(path, lambda each: each["lab01"].update(user="a'b")), "user"),
    "a line break": (lambda path: edit(path, lambda each: each["lab01"].update(key_file="a\nb")), "key_file"),
    "a space": (lambda path: edit(path, lambda each: each["lab01"].update(known_hosts="/a /b")), "known_hosts"),
    "a word too much": (lambda path: edit(path, lambda each: each["lab01"].update(proxy="x")), "「proxy」は使えません"),
    "a slash": (lambda path: edit(path, lambda each: each.update({"../x": each["lab01"]})), "名前"),
    "two of one address": (lambda path: edit(path, lambda each: each.update(gw=each["lab01"])), "同じ接続先"),
}


@pytest.mark.parametrize("command", ["drift", "runbook start-vm", "runbook dry run"])
@pytest.mark.parametrize("case", LOGINS)
def test_a_bad_file_of_logins_is_refused_before_anybody_is_asked(ask, place, wires, command, case):
    (place.root / "sound.json").write_bytes((place.plan / "layout.json").read_bytes())
    words = COMMANDS[command](place)
    spoil_file, said = LOGINS[case]
    spoil_file(place.files / "ssh.json")
    assert_refused(ask(*words), wires, place, said)


def first(document):
    return next(iter(document["hosts"].values()))


UPLINKS = {
    "truncated": (lambda path: write(path, path.read_text()[:-20]), "uplinks.json:1:"),
    "another major version": (lambda path: edit(path, lambda each: each.update(format_version="2.0")), "2.0"),
    "no version": (lambda path: edit(path, lambda each: each.pop("format_version")), "format_version"),
    "one host twice": (
        lambda path: write(path, '{"format_version": "1.0",\n "hosts": {"a": {}, "a": {}}}'),
        "uplinks.json:2:21: 「a」が二度",
    ),
    "a device with a line break": (lambda path: edit(path, lambda each: first(each).update(device="e\nx")), "device"),
    "shell characters": (lambda path: edit(path, lambda each: first(each).update(device="$(reboot)")), "device"),
    "no address": (lambda path: edit(path, lambda each: first(each).update(address="here")), "address"),
    "an address twice": (lambda path: edit(path, lambda each: each["gateways"].update(s=first(each))), "どちらも"),
    "an mtu of nothing": (lambda path: edit(path, lambda each: first(each).update(mtu=0)), "mtu"),
    "a host with a slash": (lambda path: edit(path, lambda each: each["hosts"].update({"../x": first(each)})), "名前"),
}


@pytest.mark.parametrize("command", ["drift", "network show", "runbook start-vm", "runbook apply-network"])
@pytest.mark.parametrize("case", UPLINKS)
def test_a_bad_file_of_uplinks_is_refused_before_anybody_is_asked(ask, place, wires, command, case):
    (place.root / "sound.json").write_bytes((place.plan / "layout.json").read_bytes())
    words = COMMANDS[command](place)
    spoil_file, said = UPLINKS[case]
    spoil_file(place.files / "uplinks.json")
    assert_refused(ask(*words), wires, place, said)


@pytest.mark.parametrize(("name", "parameter"), [("year-switch", "old"), ("remove-tenant", "next")])
@pytest.mark.parametrize("case", CASES)
def test_a_second_folder_is_read_before_anybody_is_asked(ask, place, wires, tmp_path, name, parameter, case):
    other = Path(shutil.copytree(place.plan, tmp_path / "other"))
    spoil(other, case)
    vm = json.loads((place.plan / "layout.json").read_text())["vms"][0]
    given = {"tenant": vm["tenant"], "agreed": "R9-1"} if name == "remove-tenant" else {}
    words = [word for key, value in {parameter: other, **given}.items() for word in ("--param", f"{key}={value}")]
    answer = ask("runbook", "run", name, "--plan", place.plan, *place.words(uplinks=True), *words, "--yes")
    assert_refused(answer, wires, place, "layout.json")


@pytest.mark.parametrize("case", CASES)
def test_the_plan_of_reduced_operation_is_made_from_no_bad_folder(place, capsys, case):
    spoil(place.plan, case)
    assert failover_plan.main([str(place.plan), "--lost", "lab", "-o", str(place.root / "reduced")]) == 2
    assert "layout.json" in capsys.readouterr().err
    assert not (place.root / "reduced").exists()


@pytest.mark.parametrize("case", CASES)
def test_the_program_under_a_plain_pulumi_up_refuses_the_same(place, wires, case):
    spoil(place.plan, case)
    with pytest.raises(pulumi.RunError, match=r"layout\.json") as caught:
        engine_double.run(lambda: plain_up(place), "common", engine_double.Mocks())
    assert "\n" not in str(caught.value)
    assert wires.touched() == []


@pytest.mark.parametrize("case", URIS)
def test_the_program_under_a_plain_pulumi_up_refuses_bad_uris(place, wires, case):
    spoil_file, said = URIS[case]
    spoil_file(place.uris)
    with pytest.raises(pulumi.RunError, match=r"uris\.json") as caught:
        engine_double.run(lambda: plain_up(place), "common", engine_double.Mocks())
    assert "\n" not in str(caught.value)
    assert said in str(caught.value)
    assert wires.touched() == []


def plain_up(place):
    set_all_config({"kumiai:plan": str(place.plan), "kumiai:uris": str(place.uris)})
    program.main()
