"""The procedures on single VMs and hosts, one after another on one small data centre of real libvirt hosts."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from layout import folder
from tests import centre

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("lab")]

TAX = "hyuga-resident-tax-ap-01"
DOCUMENTS = "hyuga-document-management-ap-01"
MORE_VCPUS = "document-management: {vcpu_busy: [{from: 2027-05-10, until: 2027-05-20, role: ap, vcpu: 2}]}"
REGISTRY = "kadogawa-resident-registry-ap-01"
# What a technician does who takes a machine away: the new one has neither pools nor networks nor volumes.
NEW_MACHINE = """\
for pool in $(virsh pool-list --all --name); do virsh pool-destroy $pool; virsh pool-undefine $pool; done
for network in $(virsh net-list --all --name); do virsh net-destroy $network; virsh net-undefine $network; done
rm -rf /var/lib/libvirt/images/*
"""


class Site:
    """The centre, its estate as it is edited, and the newest plan."""

    def __init__(self, made: centre.Centre) -> None:
        self.made = made
        self.estate = made.root / "estate"
        self.estate.mkdir()
        for name in ("estate.yaml", "catalogue.yaml"):
            (self.estate / name).write_text((centre.ESTATE.parent / name).read_text(encoding="utf-8"), encoding="utf-8")
        self.plans = 0

    def edit(self, name: str, old: str, new: str, after: str = "") -> None:
        path = self.estate / name
        text = path.read_text(encoding="utf-8")
        start = text.index(after)
        assert old in text[start:]
        path.write_text(text[:start] + text[start:].replace(old, new, 1), encoding="utf-8")

    def plan(self, *options: str) -> None:
        """Plans anew; from here on the new plan is the centre's."""
        self.plans += 1
        destination = self.made.root / f"plan-{self.plans}"
        done = self.made.kumiai("plan", self.estate / "estate.yaml", "-o", destination, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        self.made.plan = destination

    def replan(self, *options: str) -> None:
        self.plan("--keep", str(self.made.plan), *options)

    def run(self, name: str, *options: str, code: int = 0, **parameters: object) -> subprocess.CompletedProcess[str]:
        done = self.made.runbook(name, *options, **parameters)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def differences(self) -> list[str]:
        """What `kumiai drift` finds: nothing, after every procedure."""
        done = self.made.kumiai("drift", self.made.plan, "--lab", "--state", self.made.state)
        assert done.returncode in (0, 4), done.stdout + done.stderr
        return done.stdout.splitlines()[1:] if done.returncode else []


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with centre.started(tmp_path_factory.mktemp("runbooks")) as made:
        found = Site(made)
        found.edit("estate.yaml", "lab{01..03}", "lab{01..02}")
        found.edit("estate.yaml", "spare_hosts: 1", "spare_hosts: 0")
        found.plan()
        made.deploy("--start", "none")
        yield found


def test_a_host_is_added(site):
    site.edit("estate.yaml", "lab{01..02}", "lab{01..03}")
    site.edit("estate.yaml", "spare_hosts: 0", "spare_hosts: 1")
    site.replan()
    assert site.made.virsh("lab03", "pool-list", "--name").split() == []
    site.run("add-host", host="lab03")
    assert set(site.made.virsh("lab03", "pool-list", "--name").split()) == {"default", "shared"}
    assert "kumiai-guest.qcow2" in site.made.virsh("lab03", "vol-list", "default")
    again = site.run("add-host", host="lab03")
    assert "実施 0 件" in again.stdout


def test_vms_are_started_and_a_second_time_nothing_is_done(site):
    for vm in (TAX, REGISTRY):
        site.run("start-vm", vm=vm)
    assert "済み 1 件" in site.run("start-vm", vm=TAX).stdout
    counted = site.made.boot([TAX, REGISTRY])
    assert all(value >= 1 for value in counted.values())


def test_vcpus_are_raised_for_the_season_and_restored(site):
    host = site.made.place(TAX)
    before = site.made.counter(TAX)
    shown = site.run("raise-vcpu", "--dry-run", vm=TAX)
    assert "1 → 2" in shown.stdout
    assert site.made.virsh(host, "vcpucount", TAX, "--current", "--live").strip() == "1"
    site.run("raise-vcpu", vm=TAX)
    assert site.made.virsh(host, "vcpucount", TAX, "--current", "--live").strip() == "2"
    assert site.made.counter(TAX) >= before
    refused = site.run("raise-vcpu", code=3, vm=TAX, vcpu=3)
    assert "上限は 2" in refused.stdout
    assert "restart=yes" in site.run("restore-vcpu", code=3, vm=TAX).stdout
    assert "--confirm" in site.run("restore-vcpu", code=2, vm=TAX, restart="yes").stderr
    site.run("restore-vcpu", "--confirm", TAX, vm=TAX, restart="yes")
    assert site.made.virsh(host, "vcpucount", TAX, "--current", "--live").strip() == "1"
    assert site.made.counter(TAX, deadline_s=120) >= before


def test_a_disk_grows_while_the_vm_runs_and_memory_in_a_planned_restart(site):
    before, host = site.made.counter(TAX, deadline_s=60), site.made.place(TAX)
    size = "memory_gib: {all: 0.125}, disk_gib: {all: 0.0625}"
    site.edit("catalogue.yaml", size, "memory_gib: {all: 0.15625}, disk_gib: {all: 0.125}", after="  resident-tax:")
    site.edit("estate.yaml", "role: ap, vcpu: 2", "role: ap, vcpu: 3", after="  - id: hyuga")
    site.edit("estate.yaml", "resident-tax: {vcpu_busy", f"{MORE_VCPUS}\n      resident-tax: {{vcpu_busy")
    site.replan()
    site.run("grow-disk", vm=TAX, disk=f"{TAX}-data")
    assert "134217728" in site.made.virsh(host, "domblkinfo", TAX, "vdb")
    assert "--confirm" in site.run("resize-memory", code=2, vm=TAX).stderr
    # Two VMs of one stack have another size: the first is put right though the other still waits.
    assert f"「{DOCUMENTS}」" in site.run("resize-memory", "--confirm", TAX, vm=TAX).stderr
    waiting = site.made.kumiai("deploy", site.made.plan, "--stack", "hyuga", "--lab", "--state", site.made.state)
    assert waiting.returncode == 3
    assert DOCUMENTS in waiting.stderr
    assert TAX not in waiting.stderr
    host_of_it = site.made.place(DOCUMENTS)
    site.run("resize-memory", "--confirm", DOCUMENTS, vm=DOCUMENTS)
    assert site.made.virsh(host_of_it, "vcpucount", DOCUMENTS, "--maximum", "--config").strip() == "2"
    assert "163840 KiB" in site.made.virsh(host, "dominfo", TAX)
    assert site.made.virsh(host, "vcpucount", TAX, "--maximum", "--config").strip() == "3"
    assert site.made.counter(TAX, deadline_s=120) >= before


def test_planned_moves_of_vms_that_stand_still_are_carried_out(site):
    # The larger VM leaves no room on its host for one of the others.
    layout = folder.read(site.made.plan).layout
    moving = {vm.id for vm in layout.vms if site.made.place(vm.id) != vm.host}
    assert moving
    done = site.run("apply-moves")
    assert all(vm in done.stderr for vm in moving)
    assert [vm.id for vm in layout.vms if site.made.place(vm.id) != vm.host] == []
    assert site.differences() == []


def test_a_running_vm_moves_with_its_disks_and_its_seed(site):
    source = site.made.place(REGISTRY)
    other = {"lab01": "lab02", "lab02": "lab01"}[source]
    before = site.made.counter(REGISTRY, deadline_s=60)
    refused = site.run("migrate-vm", code=3, vm=REGISTRY)
    assert "もう" in refused.stdout
    site.replan("--move", f"{REGISTRY}={other}")
    site.run("migrate-vm", vm=REGISTRY)
    assert site.made.place(REGISTRY) == other
    assert site.made.counter(REGISTRY, deadline_s=60) >= before
    assert REGISTRY not in site.made.virsh(source, "vol-list", "default")
    assert site.differences() == []


def test_a_host_is_evacuated_and_replaced(site):
    before = site.made.counter(REGISTRY, deadline_s=60)
    host = site.made.place(REGISTRY)
    site.replan("--without-host", host)
    site.run("evacuate-host", host=host)
    assert site.made.virsh(host, "list", "--all", "--name").split() == []
    assert site.made.counter(REGISTRY, deadline_s=60) >= before
    assert "kumiai-guest.qcow2" in site.made.virsh(host, "vol-list", "default")
    assert "前のボリューム" in site.run("replace-host", "--confirm", host, code=3, host=host).stdout
    subprocess.run(
        ["ssh", "-F", str(site.made.lab.state_dir / "ssh" / "config"), host, "sh -eu"],
        input=NEW_MACHINE, text=True, capture_output=True, check=True,
    )  # fmt: skip
    site.run("replace-host", "--confirm", host, host=host)
    assert set(site.made.virsh(host, "pool-list", "--name").split()) == {"default", "shared"}
    assert "kumiai-guest.qcow2" in site.made.virsh(host, "vol-list", "default")
    assert site.differences() == []


def test_all_of_it_is_in_the_record(site):
    done = site.made.kumiai("runbook", "journal", "--state", site.made.state, "--json")
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout)["runs"]
    assert {run["operator"] for run in runs} == {centre.OPERATOR}
    assert {"add-host", "start-vm", "raise-vcpu", "restore-vcpu", "grow-disk", "resize-memory"} <= {
        run["runbook"] for run in runs
    }
    assert all(run["outcome"] for run in runs)
    journal = Path(site.made.state) / "journal" / "journal.jsonl"
    layout = folder.read(site.made.plan).layout
    assert {tenant for run in runs for tenant in run["tenants"]} <= {vm.tenant for vm in layout.vms}
    lines = journal.read_text(encoding="utf-8").splitlines()
    journal.write_text("\n".join([*lines[:5], lines[5].replace("lab0", "labO"), *lines[6:]]) + "\n", encoding="utf-8")
    assert site.made.kumiai("runbook", "journal", "--state", site.made.state).returncode == 1
