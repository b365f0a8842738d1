"""What runbooks do through QEMU's guest agent, with the real one in guests of the laboratory: keys and still disks."""

from __future__ import annotations

import base64
import json
import subprocess
import time

import pytest

import lab
from tests import centre

pytestmark = pytest.mark.e2e

FIRST, SECOND, STOPPED = (
    "aya-resident-registry-ap-01",
    "aya-document-management-ap-01",
    "aya-facility-reservation-ap-01",
)
BACKUPS = "/srv/kumiai/backups"
FOREIGN = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIxCUTFWzKJ2m0HyyVbWj3gJVq0Zf4cNq1R1m3Vt9JxG operator"
AGENT_DEADLINE_S = 180


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    with centre.started(tmp_path_factory.mktemp("agents"), guest_agent=True) as standing:
        standing.deploy("--start", "none")
        for vm in (FIRST, SECOND):
            standing.virsh(standing.place(vm), "start", vm)
        for vm in (FIRST, SECOND):
            wait_for_agent(standing, vm)
        yield standing


def wait_for_agent(standing, vm: str) -> None:
    ping = f"""virsh qemu-agent-command --timeout 5 {vm} '{{"execute": "guest-ping"}}'"""
    limit = time.monotonic() + AGENT_DEADLINE_S
    while standing.ssh(standing.place(vm), ping).returncode != 0:
        assert time.monotonic() < limit, f"no agent answers in {vm}"
        time.sleep(1)


def agent(standing, vm: str, command: str, **arguments: object) -> dict:
    """What the agent answers; it must not refuse."""
    asked = {"execute": command} | ({"arguments": arguments} if arguments else {})
    return json.loads(standing.virsh(standing.place(vm), "qemu-agent-command", vm, json.dumps(asked)))["return"]


def in_guest(standing, vm: str, script: str) -> str:
    """What a shell in the guest prints; it must succeed."""
    words = {"path": "/bin/sh", "arg": ["-c", script], "capture-output": True}
    pid = agent(standing, vm, "guest-exec", **words)["pid"]
    limit = time.monotonic() + 60
    while True:
        answer = agent(standing, vm, "guest-exec-status", pid=pid)
        if answer["exited"]:
            assert answer["exitcode"] == 0, answer
            return base64.b64decode(answer.get("out-data", "")).decode()
        assert time.monotonic() < limit, f"{script} does not end"
        time.sleep(0.2)


def keys(standing, vm: str, account: str) -> list[str]:
    return agent(standing, vm, "guest-ssh-get-authorized-keys", username=account)["keys"]


def public_key(standing) -> str:
    return (standing.state / "secrets" / "aya" / "id_ed25519.pub").read_text().strip()


def rotated(standing) -> subprocess.CompletedProcess[str]:
    return standing.runbook("rotate-keys", tenant="aya")


def test_running_vms_get_the_new_key_and_lose_the_old_one(standing):
    old = public_key(standing)
    assert keys(standing, FIRST, "debian") == [old]
    agent(standing, FIRST, "guest-ssh-add-authorized-keys", username="debian", keys=[FOREIGN])  # somebody's own
    done = rotated(standing)
    assert done.returncode == 0, done.stdout + done.stderr
    new = public_key(standing)
    assert new != old
    assert sorted(keys(standing, FIRST, "debian")) == sorted([FOREIGN, new])
    assert keys(standing, SECOND, "debian") == [new]
    for vm in (FIRST, SECOND):
        (root,) = keys(standing, vm, "root")
        assert root.startswith("no-port-forwarding,")
        assert root.endswith(new)
    # What sshd would read is what the agent says.
    assert in_guest(standing, SECOND, "cat /home/debian/.ssh/authorized_keys").strip() == new
    told = [line for line in (done.stdout + done.stderr).splitlines() if "手で取り替える" in line]
    assert [vm for vm in (FIRST, SECOND, STOPPED) if any(vm in line for line in told)] == [STOPPED]
    again = standing.kumiai("deploy", standing.plan, "--lab", "--state", standing.state, "--stack", "aya")
    assert again.returncode == 0, again.stdout + again.stderr
    assert keys(standing, SECOND, "debian") == [new]


def test_where_one_vm_does_not_take_the_key_all_keep_the_old_one(standing):
    old, before = public_key(standing), keys(standing, FIRST, "debian")
    folder = "/home/debian/.ssh"
    in_guest(standing, SECOND, f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} {folder}")
    done = rotated(standing)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{SECOND} のゲストエージェントが断りました" in done.stdout + done.stderr
    assert public_key(standing) == old
    assert sorted(keys(standing, FIRST, "debian")) == sorted(before)
    in_guest(standing, SECOND, f"umount {folder}")
    done = rotated(standing)
    assert done.returncode == 0, done.stdout + done.stderr
    assert keys(standing, SECOND, "debian") == [public_key(standing)]


def stored(standing, vm: str) -> tuple[str, list[str]]:
    """Consistency of the newest generation, and the first two sectors of its data volume, as text."""
    newest = f"{BACKUPS}/{vm}/$(ls {BACKUPS}/{vm} | tail -n 1)"
    manifest = standing.ssh("bk01", f"cat {newest}/manifest.json")
    assert manifest.returncode == 0, manifest.stderr
    head = standing.ssh(
        "bk01",
        f"qemu-img dd -f qcow2 -O raw bs=512 count=2 if={newest}/{vm}-data.qcow2 of=/tmp/head && cat /tmp/head",
    )
    assert head.returncode == 0, head.stderr
    return json.loads(manifest.stdout)["consistency"], head.stdout.replace("\0", "").splitlines()


def backed_up(standing, vm: str, **parameters: object) -> None:
    done = standing.runbook("backup-vm", vm=vm, **parameters)
    assert done.returncode == 0, done.stdout + done.stderr


def counts_on(standing, vm: str) -> None:
    before = standing.counter(vm)
    limit = time.monotonic() + 60
    while standing.counter(vm) <= before:
        assert time.monotonic() < limit, f"{vm} does not count any more"
        time.sleep(1)


def test_a_guest_that_was_asked_not_to_stand_still_does_not(standing):
    backed_up(standing, SECOND, freeze="no")
    how, sectors = stored(standing, SECOND)
    assert how == "running"
    assert len(sectors) == 1


def test_a_backup_is_taken_while_the_guest_holds_its_disks_still(standing):
    counts_on(standing, FIRST)
    backed_up(standing, FIRST)
    how, (counted, still) = stored(standing, FIRST)
    assert how == "frozen"
    # What the guest said when it stood still is what the copy holds, to the last count.
    assert counted.split()[:2] == ["kumiai-counter", FIRST]
    assert still.split() == ["kumiai-still", FIRST, counted.split()[2]]
    counts_on(standing, FIRST)


def test_a_guest_that_an_interrupted_backup_left_still_goes_on(standing):
    standing.virsh(standing.place(FIRST), "domfsfreeze", FIRST)
    before = lab.volume_counter(standing.lab.state_dir, standing.place(FIRST), FIRST)
    backed_up(standing, FIRST)
    how, (counted, still) = stored(standing, FIRST)
    assert how == "frozen"
    assert int(counted.split()[2]) >= before
    assert still.split()[2] == counted.split()[2]
    counts_on(standing, FIRST)
