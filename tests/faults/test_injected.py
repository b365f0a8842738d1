"""Faults of files, pools, connections and people, injected into a plan that stands. One laboratory for the file.

Each test leaves everything built; the last line of most is a deployment that finds nothing left to do.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress

import pytest

import lab
from infra.deployment import by_hand, deploy
from infra.recovery import checkpoint, recovery
from infra.refusal import RefusalError
from tests.faults.stand import SITE, TENANT, standing

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("lab")]

ALONE = ("--start", "none", "--stack", TENANT)
POOL = "/var/lib/libvirt/images"
SMALL_MIB = 192
LEFT_BYTES = 16 * 1024
"""Less than the record takes: the engine writes a part of it."""


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_HOME"):
            patch.delenv(name, raising=False)
        with standing(tmp_path_factory.mktemp("injected")) as ready:
            on_host(ready, "kvm02", "mount", "-t", "tmpfs", "-o", f"size={SMALL_MIB}m", "tmpfs", POOL)
            ready.recover("--start", "all")
            ready.wait_for_counters()
            yield ready


def on_host(stand, host, *words):
    done = lab.execute(stand.lab.state_dir, host, list(words))
    assert done.returncode == 0, done.stderr
    return done.stdout


def here(stand):
    """The same deployment in this process, where parts can be taken away."""
    return deploy.deploy(
        stand.plan.path, state=stand.state, domain_type="qemu", uris=stand.uris, start="none", deadline_s=300
    )


def vm_on(stand, host):
    return next(vm.id for vm in stand.plan.layout.vms if vm.host == host)


@pytest.mark.parametrize(("stack", "seed"), [(TENANT, 1), (SITE, 2)])
def test_a_truncated_record_is_replaced_by_its_backup(stand, monkeypatch, stack, seed):
    path = stand.files(stack).state
    whole = path.read_bytes()
    path.write_bytes(whole[: random.Random(seed).randrange(len(whole))])  # noqa: S311 - a place to cut, no secret
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "mend", lambda *_: None)
        with pytest.raises(deploy.DeployError):
            here(stand)
    said = stand.recover()
    assert "控え" in said
    assert list((stand.state / "damaged").iterdir())


def test_half_a_note_of_the_backend(stand, monkeypatch):
    note = stand.files(TENANT).state.with_name(f"{TENANT}.json.attrs")
    note.write_bytes(b"")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_drop_half_notes", lambda _: None)
        with pytest.raises(deploy.DeployError, match="EOF"):
            here(stand)
    stand.recover()


def test_settings_of_a_stack_cut_in_half(stand):
    for stack in (SITE, TENANT):
        path = stand.state / "project" / f"Pulumi.{stack}.yaml"
        path.write_text(path.read_text()[:10])
    for path in (stand.state / "home" / "workspaces").glob("*.json"):
        path.write_text("{")
    stand.recover()


def test_a_full_pool(stand):
    """It fills up after preflight has looked, while volumes are made in it."""
    stand.unmake([vm_on(stand, "kvm02")])
    filler, begun = f"{POOL}/filler", time.time()
    log = stand.state / "logs" / f"{TENANT}-up.log"

    def fill():
        if not (log.exists() and log.stat().st_mtime > begun):
            return False
        lab.execute(stand.lab.state_dir, "kvm02", ["dd", "if=/dev/zero", f"of={filler}", "bs=65536"])
        return True

    try:
        assert stand.during(fill, "--start", "none") != 0
        assert "t00：構築に失敗しました" in stand.said()
        said = stand.deploy("--start", "none", code=3)
        assert "では足りません" in said
    finally:
        on_host(stand, "kvm02", "rm", filler)
    stand.recover("--start", "none")


def test_a_full_folder_of_the_state(stand, monkeypatch):
    """The engine can write nothing any more while it makes VMs, and has destroyed the record that it was to replace."""
    stand.unmake(stand.vms)
    with a_small_disk(stand) as filler:

        def fill(_):
            with filler.open("wb") as file:
                for less in (2**20, LEFT_BYTES):  # at once nearly all, for the engine writes at the same time
                    free = os.statvfs(stand.state)
                    room = free.f_bavail * free.f_bsize - less
                    if room > 0:
                        os.posix_fallocate(file.fileno(), filler.stat().st_size, room)

        assert stand.strike(fill, lambda: stand.pending(TENANT), *ALONE) == 1
        require_full(stand)
        standing_there = domains(stand)
        stand.deploy(*ALONE, code=1)
        require_full(stand)
        assert "触れていません" in stand.said()
        assert domains(stand) == standing_there
        filler.unlink()
        record, mend = stand.files(TENANT).state, checkpoint.mend
        half = record.read_bytes()[:12288]
        for path in (record, stand.files(TENANT).copies[0]):
            path.write_bytes(half)  # seen, but not every time: the engine tried twice, and cut the backup off as well
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "mend", lambda files, aside, _: mend(files, aside))
            with pytest.raises(RefusalError, match="--adopt"):  # by an older record there are VMs that are gone
                here(stand)
        record.write_bytes(half)
        stand.recover(*ALONE)
    stand.recover("--start", "none")


@contextmanager
def a_small_disk(stand):
    """The state on a file system of its own that is soon full; gives a file to fill it with. Its content stays."""
    folder = stand.state
    kept = folder.with_name("kept")
    folder.rename(kept)
    folder.mkdir()
    size = sum(path.lstat().st_size + 4096 for path in kept.rglob("*")) + 64 * 2**20
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        shutil.copytree(kept, folder, symlinks=True, dirs_exist_ok=True)
        yield folder / "filler"
        shutil.rmtree(kept)
        shutil.copytree(folder, kept, symlinks=True)
    finally:
        stand.end()
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()
        kept.rename(folder)


def require_full(stand):
    """The last deployment named the disk."""
    said = stand.said()
    assert f"マウント先 {stand.state}" in said, said
    assert "一杯です" in said


def domains(stand):
    return {host: stand.virsh(host, "list", "--all", "--name").split() for host in stand.lab.local_uris}


def test_an_inactive_pool(stand):
    """Refused before anything is touched; what runs on it runs on, and the next deployment finds all as it was."""
    vm = vm_on(stand, "kvm02")
    stand.boot({})
    before = stand.require_counters()
    stand.unmake([vm_on(stand, "kvm01")])
    stand.virsh("kvm02", "pool-destroy", "default")
    said = stand.deploy(code=3)
    assert "kvm02：プール「default」が停止" in said
    assert "virsh pool-start default" in said
    assert vm_on(stand, "kvm01") not in domains(stand)["kvm01"]
    assert vm in stand.virsh("kvm02", "list", "--name").split()
    stand.virsh("kvm02", "pool-start", "default")
    stand.recover("--start", "all")
    stand.boot(before)


def test_an_ssh_port_that_hangs(stand):
    """It is open and says nothing, as behind a firewall that drops: the host is named, the others are looked at."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        uris = dict(stand.lab.local_uris)
        keys = stand.lab.state_dir / "ssh"
        query = f"keyfile={keys / 'id_ed25519'}&knownhosts={keys / 'known_hosts'}"
        uris["kvm02"] = f"qemu+ssh://root@127.0.0.1:{server.getsockname()[1]}/system?{query}"
        hanging = stand.lab.state_dir / "hanging-uris.json"
        hanging.write_text(json.dumps(uris))
        begun = time.monotonic()
        said = stand.deploy("--uris", str(hanging), code=1)
        assert time.monotonic() - begun < 200
    assert "kvm02" in said
    assert "判定：一部未構築" in said
    stand.recover()


def test_two_engineers_at_once(stand):
    one, other = stand.begin(), None
    said = stand.root / "deploy.log"
    first = stand.root / "first.log"
    said.rename(first)
    limit = time.monotonic() + 60
    while not stand.programs() and time.monotonic() < limit:
        time.sleep(0.05)
    other = stand.begin()
    codes = sorted([one.wait(300), other.wait(300)])
    assert codes == [0, 1]
    refused = said if "実行中" in said.read_text() else first
    assert f"プロセス {one.pid}" in refused.read_text()
    stand.recover()


def test_pulumi_by_hand_while_somebody_deploys(stand):
    running = by_hand.engine_of(stand.state, TENANT)
    other = subprocess.Popen(
        ["pulumi", "up", "--yes", "--stack", TENANT, "--non-interactive"],
        cwd=running.project, env=dict(running.environment), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    limit = time.monotonic() + 60
    while not list(stand.files(TENANT).locks.glob("*.json")) and time.monotonic() < limit:
        time.sleep(0.02)
    said = stand.deploy(code=1)
    assert f"プロセス {other.pid}" in said
    other.wait(300)
    stand.recover()


def test_an_image_that_was_cut_short_is_brought_anew(stand):
    stand.unmake((), everything=True)
    with a_run_that_fails(stand, SITE):
        # What an upload leaves that ended half-way: its name, and not all of its bytes.
        image = stand.lab.images["guest"].path
        on_host(stand, "kvm02", "sh", "-c", f"head -c 100000 {image} >{POOL}/guest.qcow2")
    said = stand.recover("--start", "none")
    assert "途中までの複製" in said
    digest = on_host(stand, "kvm02", "sha256sum", f"{POOL}/guest.qcow2").split()[0]
    assert digest == stand.lab.images["guest"].sha256


def test_a_volume_that_a_failed_run_left(stand):
    vm = vm_on(stand, "kvm01")
    stand.unmake([vm])
    with a_run_that_fails(stand, TENANT):
        stand.virsh("kvm01", "vol-create-as", "default", f"{vm}-system", "1M", "--format", "raw")
    said = stand.recover("--start", "none")
    assert f"{vm}-system" in said
    assert "qcow2" in stand.virsh("kvm01", "vol-dumpxml", f"{vm}-system", "default")


@contextmanager
def a_run_that_fails(stand, stack):
    """What is done within is done by a run of the stack that then fails."""
    running = by_hand.engine_of(stand.state, stack)
    uris = dict(stand.lab.local_uris)
    ground = recovery.Ground(running, stand.state, stand.plan.layout, stand.plan.layout_digest, uris)
    with suppress(InterruptedError), recovery.attempt(ground, stack):
        yield
        raise InterruptedError
