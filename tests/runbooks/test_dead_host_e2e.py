"""A host that is dead for good: its VMs go on elsewhere from their backups, and it does no harm when it comes back."""

from __future__ import annotations

import time

import pytest

import lab
from layout import folder
from tests import centre

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("lab")]

DEAD = "lab01"
POWER_CUT_BY = "tanaka.y"
# Two tenants with few VMs on smaller hosts, so that two hosts are needed and little has to be copied.
ONLY = "{{only: [{}]}}"
SMALLER = (
    ("lab, model: lab-1x4, memory_gib: 0.75", "lab, model: lab-1x4, memory_gib: 0.375"),
    *(
        (ONLY.format(f"{kept}, document-management, facility-reservation"), ONLY.format(f"{kept}{more}"))
        for kept, more in (("resident-registry", ""), ("resident-tax", ", document-management"))
    ),
)
# What a technician does who takes the machine away: the new one has neither pools nor networks nor volumes.
NEW_MACHINE = """\
for pool in $(virsh pool-list --all --name); do virsh pool-destroy $pool; virsh pool-undefine $pool; done
for network in $(virsh net-list --all --name); do virsh net-destroy $network; virsh net-undefine $network; done
rm -rf /var/lib/libvirt/images/* /var/lib/libvirt/images.aside
"""


class Site:
    """The centre, and the plan that does without the dead host."""

    def __init__(self, made: centre.Centre) -> None:
        self.made = made
        self.before = folder.read(made.plan).layout
        self.lost = [vm.id for vm in self.before.vms if vm.host == DEAD]
        self.without = made.root / "without"
        self.saved: dict[str, int] = {}

    def volume_counter(self, vm: str) -> int:
        counted = lab.volume_counter(self.made.lab.state_dir, self.made.place(vm), vm)
        assert counted is not None, f"{vm} has no counter"
        return counted

    def grown(self, vm: str, host: str, beyond: int, within_s: float = 300) -> int:
        """The counter on the volume there, once it is more than `beyond`."""
        limit = time.monotonic() + within_s
        while (counted := lab.volume_counter(self.made.lab.state_dir, host, vm) or 0) <= beyond:
            assert time.monotonic() < limit, f"{vm} still counts {counted}"
            time.sleep(1)
        return counted

    def run(self, name: str, *options: str, code: int = 0, **parameters: object) -> str:
        done = self.made.runbook(name, *options, plan=self.without, **parameters)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def homes(self) -> dict[str, str]:
        return {vm.id: vm.host for vm in folder.read(self.without).layout.vms}


def smaller(text: str) -> str:
    text = text[: text.index("  - id: kadogawa\n")] + text[text.index("  - id: hyuga\n") :]
    text = "".join(line for line in text.splitlines(keepends=True) if "tenant: kadogawa" not in line)
    for old, new in SMALLER:
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("dead")
    estate = root / "estate"
    estate.mkdir()
    (estate / "estate.yaml").write_text(smaller(centre.ESTATE.read_text(encoding="utf-8")), encoding="utf-8")
    catalogue = (centre.ESTATE.parent / "catalogue.yaml").read_text(encoding="utf-8")
    (estate / "catalogue.yaml").write_text(catalogue, encoding="utf-8")
    with centre.started(root, estate / "estate.yaml") as made:
        made.deploy("--start", "none")
        yield Site(made)


def test_what_the_dead_host_held_is_backed_up(site):
    assert len(site.lost) >= 3
    # One counts in its backup, the others have never run, and one was forgotten.
    site.made.boot(site.lost[:1])
    site.grown(site.lost[0], DEAD, 2)
    for vm in site.lost[:-1]:
        site.made.runbook("backup-vm", vm=vm)
    site.saved[site.lost[0]] = site.volume_counter(site.lost[0])


def test_a_host_that_answers_is_not_dead(site):
    path = site.made.root / "estate" / "estate.yaml"
    words = ("--keep", site.made.plan, "--without-host", DEAD)
    done = site.made.kumiai("plan", path, "-o", site.without, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    words = {"host": DEAD, "power_cut_by": POWER_CUT_BY, "anew": site.lost[-1]}
    refused = site.run("restore-dead-host-vms", "--confirm", DEAD, code=3, **words)
    assert "生きています" in refused


def test_its_vms_go_on_elsewhere_in_the_order_of_restoration(site):
    lab.power_off(site.made.lab.state_dir, DEAD)
    # The way that does not work says which one does.
    stuck = site.made.kumiai("deploy", site.without, "--lab", "--state", site.made.state)
    assert stuck.returncode != 0
    assert "restore-dead-host-vms" in stuck.stdout + stuck.stderr
    *restored, forgotten = site.lost
    stopped = site.run("restore-dead-host-vms", "--confirm", DEAD, code=1, host=DEAD, power_cut_by=POWER_CUT_BY)
    assert f"バックアップのない仮想サーバ：{forgotten}（" in stopped
    assert "anew=" in stopped
    words = {"host": DEAD, "power_cut_by": POWER_CUT_BY}
    refused = site.run("restore-dead-host-vms", "--confirm", DEAD, code=3, **words, anew=f"{forgotten},{restored[0]}")
    assert f"「{restored[0]}」" in refused
    words["anew"] = forgotten
    asked = site.run("restore-dead-host-vms", code=2, **words)
    assert all(f"{vm}：" in asked for vm in site.lost)
    assert "分の入力が失われる" in asked
    assert "--confirm" in asked
    site.run("restore-dead-host-vms", "--confirm", DEAD, **words)
    homes = site.homes()
    priority = {vm.id: vm.restore_priority for vm in site.before.vms}
    for host in {homes[vm] for vm in site.lost}:
        there = [vm for vm in site.made.virsh(host, "list", "--name").split() if vm in restored]  # as they started
        assert there == sorted(there, key=lambda vm: priority[vm])
    for vm in site.lost:
        counted = site.grown(vm, homes[vm], 0)
        if vm in site.saved:
            assert counted >= site.saved[vm] - 30  # the backup is that much older than the last look
        site.saved[vm] = counted


def test_the_new_plan_is_clean_though_the_dead_host_never_answers(site):
    done = site.made.deploy("--start", "none", plan=site.without)
    assert "判定：構築済み" in done.stdout
    assert "変更なし" in done.stdout.splitlines()[0]
    again = site.run("restore-dead-host-vms", "--confirm", DEAD, host=DEAD, power_cut_by=POWER_CUT_BY)
    stacks = {vm.tenant for vm in site.before.vms if vm.id in site.lost} | {"hosts-lab"}
    assert f"実施 {len(stacks)} 件" in again  # the records are written out, and nothing else is done
    told = site.made.kumiai("runbook", "journal", "--state", site.made.state)
    assert told.returncode == 0
    assert POWER_CUT_BY in told.stdout


def test_when_it_comes_back_its_old_vms_are_put_aside(site):
    homes = site.homes()
    lab.power_on(site.made.lab.state_dir)
    assert set(site.made.virsh(DEAD, "list", "--all", "--name").split()) == set(site.lost)
    site.run("retire-returned-host", "--confirm", DEAD, host=DEAD, unplugged_by=POWER_CUT_BY)
    assert site.made.virsh(DEAD, "list", "--all", "--name").split() == []
    for vm in site.lost:
        assert site.made.place(vm) == homes[vm]
        assert f"{vm}-data" not in site.made.virsh(DEAD, "vol-list", "default")
        site.saved[vm] = site.grown(vm, homes[vm], site.saved[vm])
    aside = "find /var/lib/libvirt/images.aside -path '*/old/*' -type f"
    kept = site.made.ssh(DEAD, aside).stdout.split()
    assert sorted(path.rpartition("/")[2] for path in kept) == sorted(
        disk.name for vm in site.before.vms if vm.id in site.lost for disk in vm.disks
    )
    site.run("discard-set-aside", "--confirm", site.lost[0], vm=site.lost[0], place=DEAD)
    assert site.lost[0] not in site.made.ssh(DEAD, aside).stdout


def test_a_new_machine_of_its_name_takes_its_place(site):
    emptied = site.made.ssh(DEAD, "sh -eu", text=NEW_MACHINE)
    assert emptied.returncode == 0, emptied.stderr
    site.run("replace-host", "--confirm", DEAD, host=DEAD)
    done = site.made.deploy("--start", "none", plan=site.without)
    assert "変更なし" in done.stdout.splitlines()[0]
    for vm in site.lost:
        assert site.grown(vm, site.homes()[vm], site.saved[vm]) > site.saved[vm]
