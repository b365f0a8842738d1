"""What the procedure for a dead host asks: is it dead, what is lost, and how Pulumi's records go on."""

from __future__ import annotations

import copy
import io
import json
import socket
import threading
from contextlib import contextmanager
from datetime import datetime

import pytest

from runbooks import dead_host
from tests.infra import plans

STACK = "urn:pulumi:t00::kumiai"


def provider(host: str, id_: str) -> dict:
    return {
        "urn": f"{STACK}::pulumi:providers:libvirt::{host}", "custom": True, "id": id_,
        "type": "pulumi:providers:libvirt", "inputs": {"uri": f"old-{host}"}, "outputs": {"uri": f"old-{host}"},
    }  # fmt: skip


def resource(kind: str, name: str, host: str, id_: str) -> dict:
    return {
        "urn": f"{STACK}::kumiai:infra:VirtualMachine$libvirt:index/{kind}::{name}", "custom": True, "id": "x",
        "type": f"libvirt:index/{kind}", "provider": f"{STACK}::pulumi:providers:libvirt::{host}::{id_}",
    }  # fmt: skip


def record(*hosts: str) -> dict:
    """A stack with one VM on kvm01 and one on kvm02, and connections to these hosts."""
    stack = {
        "urn": f"{STACK}::pulumi:pulumi:Stack::kumiai-t00", "type": "pulumi:pulumi:Stack",
        "outputs": {"placement": {"t00-s00-ap-01": "kvm01", "t00-s00-ap-02": "kvm02"}, "generation": 1},
    }  # fmt: skip
    made = [stack, *(provider(host, f"id-{host}") for host in hosts)]
    for name, host in (("t00-s00-ap-01", "kvm01"), ("t00-s00-ap-02", "kvm02")):
        made += [
            resource(kind, each, host, f"id-{host}")
            for kind, each in (
                ("volume:Volume", f"{name}-data"), ("volume:Volume", f"{name}-seed"), ("domain:Domain", name),
            )
            if host in hosts
        ]  # fmt: skip
    return {"manifest": {}, "resources": made}


@pytest.fixture
def moved(tmp_path):
    """The plan in which the VM of kvm01 is on kvm02."""

    def change(layout):
        for vm in layout["vms"]:
            vm["host"] = "kvm02"

    return plans.write(tmp_path / "plan", change, tenants=1).layout


def hosts_of(deployment: dict) -> dict[str, str]:
    return {each["urn"].rpartition("::")[2]: each["provider"] for each in deployment["resources"] if "provider" in each}


def test_what_was_on_the_dead_host_is_on_the_planned_one(moved):
    before = record("kvm01", "kvm02")
    kept = copy.deepcopy(before)
    after = dead_host.rehoused(before, "kvm01", moved, {})
    assert before == kept
    assert set(hosts_of(after).values()) == {f"{STACK}::pulumi:providers:libvirt::kvm02::id-kvm02"}
    assert after["resources"][0]["outputs"]["placement"] == {"t00-s00-ap-01": "kvm02", "t00-s00-ap-02": "kvm02"}
    assert dead_host.standing_on(after, "kvm01") == []
    assert [each["urn"] for each in after["resources"]] == [
        each["urn"] for each in before["resources"] if not each["urn"].endswith("libvirt::kvm01")
    ]
    assert dead_host.rehoused(after, "kvm01", moved, {}) == after


def test_a_vm_without_a_backup_is_forgotten_and_the_others_go_on(moved):
    before = record("kvm01", "kvm02")
    after = dead_host.rehoused(before, "kvm01", moved, {}, ["t00-s00-ap-01"])
    assert [name for name in hosts_of(after) if "ap-01" in name] == []
    assert sorted(hosts_of(after)) == ["t00-s00-ap-02", "t00-s00-ap-02-data", "t00-s00-ap-02-seed"]
    assert after["resources"][0]["outputs"]["placement"] == {"t00-s00-ap-02": "kvm02"}
    assert dead_host.standing_on(after, "kvm01") == []


def test_of_a_vm_elsewhere_nothing_is_forgotten(moved):
    """Named by mistake: what stands on a living host stays in the record."""
    after = dead_host.rehoused(record("kvm01", "kvm02"), "kvm01", moved, {}, ["t00-s00-ap-02"])
    assert {"t00-s00-ap-02", "t00-s00-ap-02-data", "t00-s00-ap-02-seed"} <= set(hosts_of(after))


def test_a_host_that_the_record_does_not_know_gets_its_connection_before_what_needs_it(moved):
    after = dead_host.rehoused(record("kvm01"), "kvm01", moved, {"kvm02": "qemu+ssh://ops@kvm02/system"})
    kinds = [each["type"] for each in after["resources"]]
    assert kinds.count("pulumi:providers:libvirt") == 1
    (fresh,) = [each for each in after["resources"] if each["type"] == "pulumi:providers:libvirt"]
    assert fresh["urn"].endswith("::kvm02")
    assert fresh["inputs"]["uri"] == fresh["outputs"]["uri"] == "qemu+ssh://ops@kvm02/system"
    assert fresh["id"] != "id-kvm01"
    assert set(hosts_of(after).values()) == {f"{fresh['urn']}::{fresh['id']}"}
    assert kinds.index("pulumi:providers:libvirt") < min(
        number for number, each in enumerate(after["resources"]) if "provider" in each
    )


def test_what_no_vm_of_the_plan_owns_is_not_given_away(moved):
    strange = record("kvm01", "kvm02")
    strange["resources"].append(resource("volume:Volume", "somebody-else", "kvm01", "id-kvm01"))
    with pytest.raises(dead_host.DeadHostError, match="somebody-else"):
        dead_host.rehoused(strange, "kvm01", moved, {})


def test_a_vm_that_the_plan_keeps_there_is_not_given_away(tmp_path):
    layout = plans.write(tmp_path / "plan", tenants=1).layout
    with pytest.raises(dead_host.DeadHostError, match="まだ kvm01"):
        dead_host.rehoused(record("kvm01", "kvm02"), "kvm01", layout, {})


def test_the_record_of_the_site_forgets_the_host_alone():
    before = record("kvm01", "kvm02")
    shell = {"urn": f"{STACK}::kumiai:infra:Host::kvm01", "type": "kumiai:infra:Host"}
    before["resources"] += [shell, {**shell, "urn": f"{STACK}::kumiai:infra:Host::kvm02"}]
    after = dead_host.forgotten(before, "kvm01")
    left = [each["urn"].rpartition("::")[2] for each in after["resources"]]
    assert left == [
        "kumiai-t00", "kvm01", "kvm02", "t00-s00-ap-02-data", "t00-s00-ap-02-seed", "t00-s00-ap-02", "kvm01", "kvm02",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("begun", "says"),
    [
        ("2027-05-10T02:00:00+09:00", ["7 時間 30 分の入力が失われる", "0 営業日前。", "2027-05-10 02:00"]),
        ("2027-05-09T17:00:00+00:00", ["2027-05-10 02:00"]),
        ("2027-05-06T02:00:00+09:00", ["4 日と 7 時間 30 分", "2 営業日前、RPO（1 営業日前）を超える"]),
    ],
)
def test_what_is_lost_is_told_in_time_and_business_days(begun, says):
    sources = {"vm-1": {"host": "bk01", "generation": "g1", "begun": begun}}
    (line,) = dead_host.losses(sources, datetime.fromisoformat("2027-05-10T09:30:00+09:00"))
    assert line.startswith("vm-1：")
    assert all(words in line for words in [*says, "世代 g1、bk01"])


def test_what_is_made_anew_is_told_to_be_lost():
    assert dead_host.losses({}, datetime.fromisoformat("2027-05-10T09:30:00+09:00"), ["vm-2"]) == [
        "vm-2：バックアップがないので、空のディスクで作り直す（データはすべて失われる）"
    ]


@contextmanager
def port_that_says(words: bytes):
    """A port that says this to everybody and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                with line:
                    line.sendall(words)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize(
    ("words", "alive"), [(b"SSH-2.0-OpenSSH_9.2\r\n", True), (b"", False), (b"HTTP/1.1 400", False)]
)
def test_a_host_whose_ssh_greets_is_alive(words, alive):
    with port_that_says(words) as port:
        sign = dead_host.sign_of_life("kvm01", f"qemu+ssh://ops@127.0.0.1:{port}/system", wait_s=10)
    assert bool(sign) == alive
    assert ("SSH-2.0-OpenSSH_9.2" in sign) == alive


def ask(monkeypatch, text: str, *words: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    return dead_host.main(words)


def test_the_questions_of_the_runbook(monkeypatch, capsys, moved, tmp_path):
    exported = json.dumps({"version": 3, "deployment": record("kvm01", "kvm02")})
    assert ask(monkeypatch, exported, "stands", "--host", "kvm01") == 1
    assert "t00-s00-ap-01" in capsys.readouterr().out
    assert ask(monkeypatch, exported, "rehouse", "--host", "kvm01", "--plan", str(tmp_path / "plan")) == 0
    repaired = capsys.readouterr().out
    assert json.loads(repaired)["version"] == 3
    assert ask(monkeypatch, repaired, "stands", "--host", "kvm01") == 0
    assert ask(monkeypatch, exported, "forget", "--host", "kvm01") == 0
    assert ask(monkeypatch, capsys.readouterr().out, "stands", "--host", "kvm02") == 1
    assert ask(monkeypatch, "nothing", "stands", "--host", "kvm01") == 1
    assert "読めません" in capsys.readouterr().err
