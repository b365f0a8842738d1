"""What people do to VMs by hand: each is refused in words that name the way back, and that way leads there."""

from __future__ import annotations

import shutil

import pytest

from lab import state as lab_state
from tests.faults.stand import standing

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("lab")]

REFUSED = 3
FAILED = 1
SMALLER_KIB = 112 * 1024


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_HOME"):
            patch.delenv(name, raising=False)
        with standing(tmp_path_factory.mktemp("by-hand"), by_ssh=True) as ready:
            ready.recover("--start", "all")
            ready.wait_for_counters()
            yield ready


@pytest.fixture
def vm(stand):
    return stand.vms[0]


@pytest.fixture
def host(stand, vm):
    return stand.host_of(vm)


def off(stand, host, vm):
    """Power off, where it is not."""
    stand.virsh(host, "destroy", vm, check=False)
    assert stand.virsh(host, "domstate", vm).strip() == "shut off"


def test_a_stopped_vm(stand, vm, host):
    off(stand, host, vm)
    said = stand.deploy(code=REFUSED)
    assert vm in said
    assert "start-vm" in said
    stand.runbook("start-vm", vm=vm)
    stand.recover()


def test_a_deleted_vm(stand, vm, host):
    off(stand, host, vm)
    stand.virsh(host, "undefine", vm)
    said = stand.deploy(code=REFUSED)
    assert f"--adopt {vm}" in said
    stand.recover("--adopt", vm)
    stand.recover()


def test_a_renamed_vm(stand, vm, host):
    """Made anew it would stand on the disks of the renamed one."""
    uuid = stand.virsh(host, "domuuid", vm).strip()
    off(stand, host, vm)
    stand.virsh(host, "domrename", vm, "somebody-else")
    said = stand.deploy(code=REFUSED)
    assert f"--adopt {vm}" in said
    said = stand.deploy("--adopt", vm, code=REFUSED)
    assert "somebody-else" in said
    assert "start-vm" in said
    assert stand.virsh(host, "domuuid", vm).strip() == uuid
    stand.runbook("start-vm", vm=vm)
    stand.recover()


def test_a_renamed_vm_that_runs(stand, vm, host):
    off(stand, host, vm)
    stand.virsh(host, "domrename", vm, "somebody-else")
    stand.virsh(host, "start", "somebody-else")
    stand.deploy(code=REFUSED)
    said = stand.deploy("--adopt", vm, code=FAILED)
    assert "virsh shutdown somebody-else" in said
    assert "somebody-else" in stand.virsh(host, "list", "--name")
    off(stand, host, "somebody-else")
    stand.deploy("--adopt", vm, code=REFUSED)
    stand.runbook("start-vm", vm=vm)
    stand.recover()


def test_a_resized_vm(stand, vm, host):
    """Whatever the record says, `up` would have to make it anew; the runbook gives it the planned size back."""
    stand.virsh(host, "setmaxmem", vm, str(SMALLER_KIB), "--config")
    stand.virsh(host, "setmem", vm, str(SMALLER_KIB), "--config")
    off(stand, host, vm)
    stand.virsh(host, "start", vm)
    uuid = stand.virsh(host, "domuuid", vm)
    said = stand.deploy(code=REFUSED)
    assert vm in said
    assert "resize-memory" in said
    stand.wait_until_it_answers(vm)  # a guest that still boots hears no button
    stand.runbook("resize-memory", "--confirm", vm, vm=vm)
    assert stand.virsh(host, "domuuid", vm) == uuid
    assert str(stand.vm(vm).memory_mib * 1024) in stand.virsh(host, "dominfo", vm)
    stand.recover()


def test_a_moved_vm(stand, vm, host):
    """Carried to the other host by hand, files and all."""
    there = next(each for each in stand.lab.local_uris if each != host)
    folders = {name: lab_state.places(stand.lab.state_dir).host(name) / "lib/libvirt/images" for name in (host, there)}
    definition = stand.root / "moved.xml"
    definition.write_text(stand.virsh(host, "dumpxml", "--inactive", vm))
    off(stand, host, vm)
    for path in sorted(folders[host].glob(f"{vm}-*")):
        shutil.copyfile(path, folders[there] / path.name)
        path.unlink()
    for each in (host, there):
        stand.virsh(each, "pool-refresh", "default")
    stand.virsh(host, "undefine", vm)
    stand.virsh(there, "define", str(definition))
    stand.virsh(there, "start", vm)
    stand.virsh(there, "autostart", vm)
    said = stand.deploy(code=REFUSED)
    assert "migrate-vm" in said
    assert there in said
    stand.wait_until_it_answers(vm)
    stand.runbook("migrate-vm", vm=vm, source=there)
    stand.recover()
