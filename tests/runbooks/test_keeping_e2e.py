"""Backup, restore, drill, failover and return, hand-over, removal and keys on the laboratory, with counting guests."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

import lab
from layout import folder
from tests import centre

pytestmark = pytest.mark.e2e

REGISTRY = "aya-resident-registry-ap-01"
OTHERS = ("aya-document-management-ap-01", "aya-facility-reservation-ap-01")
BACKUPS = "/srv/kumiai/backups"


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    with centre.started(tmp_path_factory.mktemp("keeping")) as standing:
        standing.segment()
        standing.deploy("--start", "none")
        yield standing


def on(standing, host: str, command: str) -> str:
    """What a command on a laboratory host prints; it must succeed."""
    config = standing.lab.state_dir / "ssh" / "config"
    done = subprocess.run(
        ["ssh", "-F", str(config), host, command], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def run(standing, name: str, *options: str, **parameters: object) -> str:
    """Carries a runbook out, which must succeed."""
    done = standing.runbook(name, *options, **parameters)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def grown(standing, vm: str, beyond: int, within_s: float = 180) -> int:
    """The counter on the volume once it is more than `beyond`."""
    limit = time.monotonic() + within_s
    while True:
        # None until the guest has booted for the first time
        counted = lab.volume_counter(standing.lab.state_dir, standing.place(vm), vm) or 0
        if counted > beyond:
            return counted
        assert time.monotonic() < limit, f"{vm} still counts {counted}"
        time.sleep(1)


def start(standing, vm: str) -> None:
    if standing.virsh(standing.place(vm), "domstate", vm).strip() != "running":
        standing.virsh(standing.place(vm), "start", vm)


def stop(standing, vm: str) -> None:
    standing.virsh(standing.place(vm), "destroy", vm)


def generations(standing, vm: str) -> list[str]:
    return sorted(on(standing, "bk01", f"ls {BACKUPS}/{vm}").split())


def counter_of(standing, vm: str, generation: str) -> int:
    """The counter in the stored data volume itself."""
    image = f"{BACKUPS}/{vm}/{generation}/{vm}-data.qcow2"
    head = on(standing, "bk01", f"qemu-img dd -f qcow2 -O raw bs=512 count=1 if={image} of=/tmp/head; cat /tmp/head")
    return int(head.split("\n")[0].split()[-1])


def previews_clean(standing, *stacks: str) -> None:
    words = [word for stack in stacks for word in ("--stack", stack)]
    assert "変更なし" in standing.deploy("--start", "none", *words).stdout


def test_a_backup_shows_one_instant_of_the_running_vm_and_is_known(standing):
    start(standing, REGISTRY)
    grown(standing, REGISTRY, 2, within_s=300)
    before = standing.volume_counter(REGISTRY)
    run(standing, "backup-vm", vm=REGISTRY)
    after = standing.volume_counter(REGISTRY)
    (generation,) = generations(standing, REGISTRY)
    assert before <= counter_of(standing, REGISTRY, generation) <= after
    (known,) = json.loads((standing.state / "backups.json").read_text())["hosts"]["bk01"]
    assert known["about"]["vm"] == REGISTRY
    assert known["about"]["plan"] == folder.read(standing.plan).layout_digest
    assert known["consistency"] == "running"
    for name, file in known["files"].items():
        told = on(standing, "bk01", f"cd {BACKUPS}/{REGISTRY}/{generation} && stat -c %s {name} && sha256sum {name}")
        assert told.split()[:2] == [str(file["bytes"]), file["sha256"]]
    assert on(standing, "lab01", "ls /srv/kumiai/staging") == ""


def test_a_restored_vm_counts_on_from_the_backup_and_a_preview_is_clean(standing):
    saved = counter_of(standing, REGISTRY, generations(standing, REGISTRY)[-1])
    grown(standing, REGISTRY, saved + 5)
    refused = standing.runbook("restore-vm", vm=REGISTRY)
    assert refused.returncode != 0
    assert "--confirm" in refused.stderr
    lost = standing.volume_counter(REGISTRY)
    run(standing, "restore-vm", "--confirm", REGISTRY, vm=REGISTRY)
    assert saved <= standing.volume_counter(REGISTRY) < lost
    grown(standing, REGISTRY, saved)
    previews_clean(standing, "aya")
    aside = on(standing, standing.place(REGISTRY), "ls /var/lib/libvirt/images.aside/*/old").split()
    assert sorted(aside) == [f"{REGISTRY}-data", f"{REGISTRY}-system"]
    run(standing, "discard-set-aside", "--confirm", REGISTRY, vm=REGISTRY)
    assert on(standing, standing.place(REGISTRY), "find /var/lib/libvirt/images.aside -type f") == ""


def test_a_drill_opens_the_data_apart_from_everybody_and_is_recorded(standing):
    (generation,) = generations(standing, REGISTRY)
    folder_ = f"{BACKUPS}/{REGISTRY}/{generation}"
    before = on(standing, "bk01", f"cd {folder_} && sha256sum *")
    wanted = {"vm": REGISTRY, "boot_message": f"kumiai-guest {REGISTRY}"}
    run(standing, "restore-drill", **wanted, signature=f"kumiai-counter {REGISTRY}")
    (record,) = [json.loads(line) for line in (standing.state / "drills.jsonl").read_text().splitlines()]
    assert (record["vm"], record["generation"], record["operator"]) == (REGISTRY, generation, centre.OPERATOR)
    failed = standing.runbook("restore-drill", **wanted, signature="another system's data")
    assert failed.returncode == 1
    assert len((standing.state / "drills.jsonl").read_text().splitlines()) == 1
    assert standing.virsh("bk01", "list", "--all", "--name").split() == []
    assert on(standing, "bk01", "find /srv/kumiai/drills -type f") == ""
    assert on(standing, "bk01", f"cd {folder_} && sha256sum *") == before


def test_a_damaged_backup_is_refused_before_anything_is_touched(standing):
    (generation,) = generations(standing, REGISTRY)
    image = f"{BACKUPS}/{REGISTRY}/{generation}/{REGISTRY}-data.qcow2"
    on(standing, "bk01", f"cp {image} /tmp/good && printf x | dd of={image} bs=1 seek=70000 conv=notrunc 2>&1")
    try:
        refused = standing.runbook("restore-vm", "--confirm", REGISTRY, vm=REGISTRY)
        assert refused.returncode == 3, refused.stdout + refused.stderr
        assert "壊れているか" in refused.stdout + refused.stderr
        assert standing.virsh(standing.place(REGISTRY), "domstate", REGISTRY).strip() == "running"
    finally:
        on(standing, "bk01", f"mv /tmp/good {image}")


def test_a_host_comes_back_in_the_order_of_restoration(standing):
    vms = [vm for vm in folder.read(standing.plan).layout.vms if vm.host == "lab02"]
    run(standing, "restart-host-vms", host="lab02")
    try:
        started = standing.virsh("lab02", "list", "--name").split()  # by id, that is in the order of their start
        assert started == [vm.id for vm in sorted(vms, key=lambda vm: vm.restore_priority)]
    finally:
        for vm in vms:
            stop(standing, vm.id)


def test_the_backup_site_carries_on_and_gives_back(standing):
    reduced = standing.root / "reduced"
    words = [str(standing.plan), "--lost", "lab", "-o", str(reduced), "--up-to", "1"]
    made = subprocess.run(
        [sys.executable, "-m", "runbooks.failover_plan", *words],
        cwd=centre.ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert made.returncode == 3, made.stderr  # the others have to wait
    kadogawa = "kadogawa-resident-registry-ap-01"
    start(standing, kadogawa)
    grown(standing, kadogawa, 0, within_s=300)
    for vm in (REGISTRY, kadogawa):
        run(standing, "backup-vm", vm=vm)
        stop(standing, vm)  # the site is lost
    saved = counter_of(standing, REGISTRY, generations(standing, REGISTRY)[-1])
    done = standing.runbook("failover-to-backup-site", "--confirm", "lab", plan=reduced, lost="lab")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(standing.virsh("bk01", "list", "--name").split()) == {REGISTRY, kadogawa}
    home = standing.vm(REGISTRY)
    assert home.mac in standing.virsh("bk01", "domiflist", REGISTRY)
    refused = standing.kumiai("deploy", reduced, "--lab", "--state", standing.state)
    assert refused.returncode == 3
    limit = time.monotonic() + 180
    while (counted := lab_counter(standing, "bk01", REGISTRY)) <= saved + 1:
        assert time.monotonic() < limit
        time.sleep(1)
    run(standing, "return-from-backup-site", "--confirm", REGISTRY, **{"vm": REGISTRY, "from": "bk01"})
    assert lab_counter(standing, home.host, REGISTRY) >= counted
    assert standing.virsh("bk01", "list", "--all", "--name").split() == [kadogawa]
    assert f"{REGISTRY}-data" not in standing.virsh("bk01", "vol-list", "default")
    run(standing, "return-from-backup-site", "--confirm", kadogawa, **{"vm": kadogawa, "from": "bk01"})
    stop(standing, kadogawa)
    previews_clean(standing, "aya", "kadogawa")


def lab_counter(standing, host: str, vm: str) -> int:
    counted = lab.volume_counter(standing.lab.state_dir, host, vm)
    assert counted is not None
    return counted


def test_a_year_is_not_switched_without_backups_of_everything(standing):
    following = standing.root / "year"
    done = standing.kumiai("plan", centre.ESTATE, "-o", following, "--keep", standing.plan)
    assert done.returncode == 0, done.stderr
    before = {host: standing.virsh(host, "list", "--all") for host in standing.lab.uris}
    refused = standing.runbook("year-switch", plan=following, old=standing.plan)
    assert refused.returncode == 3, refused.stdout + refused.stderr
    assert "先に backup-vm" in refused.stdout + refused.stderr
    foreign = standing.runbook("year-switch", plan=standing.plan, old=following)
    assert foreign.returncode != 0
    assert {host: standing.virsh(host, "list", "--all") for host in standing.lab.uris} == before


def test_keys_change_and_nothing_is_built_anew(standing):
    secrets = standing.state / "secrets" / "hyuga"
    before = {name: (secrets / name).read_text() for name in ("passphrase", "id_ed25519", "id_ed25519.pub")}
    run(standing, "rotate-keys", tenant="hyuga")
    after = {name: (secrets / name).read_text() for name in before}
    assert all(before[name] != after[name] for name in before)
    assert sorted(path.name for path in secrets.iterdir()) == sorted(before)
    previews_clean(standing, "hyuga")
    journal = (standing.state / "journal" / "journal.jsonl").read_text()
    for text in (*before.values(), *after.values()):
        assert text.strip() not in journal


def test_a_person_gets_a_new_key_and_the_old_one_goes(standing, tmp_path):
    file = "/etc/ssh/authorized_keys"
    before = {host: on(standing, host, f"cat {file}") for host in standing.lab.uris}
    keys = []
    for name in ("old", "new"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
        keys.append((tmp_path / f"{name}.pub").read_text().split()[1])
    for key in keys:
        (tmp_path / "now.pub").write_text(f"ssh-ed25519 {key} whatever\n")
        options = {"person": "suzuki.k", "key": str(tmp_path / "now.pub"), "file": file}
        run(standing, "rotate-operator-key", "--confirm", "suzuki.k", **options)
    for host, lines in before.items():
        now = on(standing, host, f"cat {file}")
        assert now == f"{lines}ssh-ed25519 {keys[1]} suzuki.k\n"


def test_a_tenant_leaves_with_its_data_and_nothing_stays_behind(standing):
    start(standing, REGISTRY)
    run(standing, "hand-over-tenant", "--confirm", "aya", tenant="aya", at="bk01")
    exported = on(standing, "bk01", "echo /srv/kumiai/exports/aya-*").strip()
    on(standing, "bk01", f"cd {exported} && sha256sum --check --quiet SHA256SUMS")
    head = on(standing, "bk01", f"head -c 512 {exported}/{REGISTRY}/{REGISTRY}-data.raw")
    assert head.startswith(f"kumiai-counter {REGISTRY} {standing.volume_counter(REGISTRY)}\n")
    assert REGISTRY in on(standing, "bk01", f"cat {exported}/README.txt")

    estate = standing.root / "without"
    estate.mkdir()
    text = centre.ESTATE.read_text()
    text = text[: text.index("  - id: aya\n")] + text[text.index("  - id: kadogawa\n") :]
    kept = [line for line in text.splitlines() if "tenant: aya" not in line]
    (estate / "estate.yaml").write_text("\n".join(kept) + "\n")
    (estate / "catalogue.yaml").write_text((centre.ESTATE.parent / "catalogue.yaml").read_text())
    following = standing.root / "next"
    done = standing.kumiai("plan", estate / "estate.yaml", "-o", following, "--keep", standing.plan)
    assert done.returncode == 0, done.stderr

    run(standing, "remove-tenant", "--confirm", "aya", tenant="aya", next=following, agreed="R9-0123")
    for host in standing.lab.uris:
        left = on(standing, host, "find /var/lib/libvirt /srv -path '*aya*'")
        assert left == "", (host, left)
        assert "aya" not in standing.virsh(host, "list", "--all", "--name")
        assert "aya" not in standing.virsh(host, "net-list", "--all")
    assert not (standing.state / "secrets" / "aya").exists()
    (certificate,) = (standing.state / "certificates").iterdir()
    paper = certificate.read_text()
    assert "R9-0123" in paper
    assert all(f"{vm}-data" in paper for vm in (REGISTRY, *OTHERS))
    assert standing.deploy("--start", "none", plan=following).returncode == 0

    again = standing.root / "again"
    done = standing.kumiai("plan", centre.ESTATE, "-o", again, "--keep", following)
    assert done.returncode == 0, done.stderr
    back = standing.runbook("add-tenant", plan=again, tenant="aya")
    assert back.returncode == 0, back.stdout + back.stderr
    homes = {vm.id: vm.host for vm in folder.read(again).layout.vms if vm.tenant == "aya"}
    for vm, host in homes.items():
        assert standing.virsh(host, "domstate", vm).strip() == "running"
