"""Engine, provider and deployment killed with SIGKILL while VMs are made, and the proof that recovery is needed.

One laboratory for the file; a test leaves everything built.
"""

from __future__ import annotations

import time

import pytest

from infra.deployment import deploy
from infra.recovery import leftovers, recovery, turns
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
