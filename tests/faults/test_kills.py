"""Every kind of process killed with SIGKILL while VMs are made, and the proof that without recovery that is the end.

One laboratory for the file; a test leaves everything built.
"""

from __future__ import annotations

import time

import pytest

import lab
from infra import deploy, leftovers, recovery, turns
from tests.faults import soak
from tests.faults.stand import SITE, TENANT, standing

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("lab")]


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_HOME"):
            patch.delenv(name, raising=False)
        with standing(tmp_path_factory.mktemp("kills")) as ready:
            yield ready


@pytest.fixture
def removed(monkeypatch):
    """Takes a part of the recovery away, for deployments in this process."""
    monkeypatch.setattr(leftovers, "SHUTDOWN_S", 5.0)
    return monkeypatch


def here(stand):
    """The same deployment in this process, where parts can be taken away."""
    return deploy.deploy(
        stand.plan.path, state=stand.state, domain_type="qemu", uris=stand.uris, start="none", deadline_s=300
    )


def left_on(stand):
    """VMs that a host has and the record does not."""
    known = {thing.name for thing in stand.record(TENANT).standing if thing.kind == "domain"}
    return {
        name for host in stand.lab.local_uris for name in stand.virsh(host, "list", "--all", "--name").split()
    } - known


def kill_until_something_is_left(stand, target, moment):
    """Kills at that moment, with fresh VMs each time, until a VM is left that the record does not know."""
    for _ in range(8):
        stand.unmake(stand.vms)
        stand.interrupt(target, moment, "--start", "none")
        turns.end_orphans(stand.state)
        time.sleep(1)  # libvirtd ends what it was asked before its client died
        if left_on(stand):
            return
        stand.recover("--start", "none")
    pytest.fail(f"{target}: eight kills, and nothing was left")


def test_the_first_deployment_of_all_killed_while_pools_are_made(stand):
    stand.interrupt("engine", lambda: stand.pending(SITE, "pool"))
    said = stand.recover("--start", "all")
    assert "ロックを外しました" in said
    stand.wait_for_counters()


def test_the_engine(stand, removed):
    kill_until_something_is_left(stand, "engine", lambda: stand.pending(TENANT, "domain"))
    with removed.context() as patch:
        patch.setattr(recovery, "mend", lambda *_: None)
        patch.setattr(recovery, "settle", lambda *_: None)
        with pytest.raises(deploy.DeployError, match="currently locked"):
            here(stand)
    with removed.context() as patch:
        patch.setattr(recovery, "_clear_answering", lambda *_: None)
        with pytest.raises(deploy.DeployError, match="already exists"):
            here(stand)
    said = stand.recover("--start", "none")
    assert "作りかけの" in said


def test_the_provider(stand, removed):
    """The engine lives on and records a failure without any pending operation: only the intent knows."""
    kill_until_something_is_left(stand, "provider", lambda: stand.pending(TENANT, "domain"))
    assert not stand.record(TENANT).untidy
    with removed.context() as patch:
        patch.setattr(recovery, "_suspects", lambda record, _: record.pending | record.broken)
        with pytest.raises(deploy.DeployError, match="already exists"):
            here(stand)
    said = stand.recover("--start", "none")
    assert "作りかけの" in said


def test_the_deployment_itself(stand, removed):
    """Its engine goes on alone; the next deployment must end it first, or two would work on one stack."""
    stand.unmake(stand.vms)
    stand.interrupt("kumiai", lambda: stand.pending(TENANT))
    if stand.programs():
        with removed.context() as patch:
            patch.setattr(turns, "end_orphans", lambda _: ())
            with pytest.raises(deploy.DeployError, match="別の pulumi が実行中"):
                here(stand)
    stand.recover("--start", "none")


@pytest.mark.parametrize("target", ["program", "language host"])
def test_the_program_and_its_host(stand, target):
    stand.unmake(stand.vms[:2])
    stand.interrupt(target, lambda: stand.pending(TENANT), "--start", "none")
    stand.recover("--start", "none")


def test_libvirtd(stand, removed):
    for _ in range(8):
        stand.unmake(stand.vms)
        victim = stand.host_of(stand.vms[0])
        process = stand.begin("--start", "none")
        while process.poll() is None and not stand.pending(TENANT, "domain"):
            time.sleep(0.005)
        stand.kill_pid(stand.libvirtd(victim))
        process.wait()
        stand.revive()
        if left_on(stand):
            break
        stand.recover("--start", "none")
    else:
        pytest.fail("eight kills, and nothing was left")
    with removed.context() as patch:
        patch.setattr(recovery, "_suspects", lambda record, _: record.pending | record.broken)
        with pytest.raises(deploy.DeployError, match="already exists"):
            here(stand)
    stand.recover("--start", "none")


def test_ten_random_moments(stand):
    begun = time.monotonic()
    stand.recover("--start", "none")
    whole_s = time.monotonic() - begun
    done, number = 0, 0
    while done < 10:
        number += 1
        count, told, _ = soak.round_of(stand, 6, number, whole_s)
        assert told
        done += count


def test_running_guests_count_on_through_all_of_it(stand):
    before = stand.require_counters()
    assert set(before) == set(stand.vms)
    for vm in stand.vms:
        host = stand.host_of(vm)
        if stand.virsh(host, "domstate", vm).strip() != "running":
            stand.virsh(host, "start", vm)
    limit = time.monotonic() + 240
    while any(stand.require_counters()[vm] <= before[vm] for vm in stand.vms):
        assert time.monotonic() < limit
        time.sleep(1)
    for vm in stand.vms:
        assert lab.counter(stand.lab.state_dir, vm) is not None
