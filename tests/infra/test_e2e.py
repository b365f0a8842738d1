"""The real engine builds a plan on real libvirt hosts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

import lab
from infra import engine, seed
from infra.deployment import by_hand, deploy
from infra.refusal import RefusalError
from lab import state as lab_state
from tests.infra import plans

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("lab")]

BOOT_DEADLINE_S = 120


@dataclass
class Standing:
    """A plan that was deployed to a laboratory, and the engine it was deployed with."""

    root: Path
    plan: object
    lab: object
    running: engine.Engine
    first: deploy.DeployResult
    told: list[str]

    def deploy(self, plan):
        return deploy.deploy(
            plan, state=self.root / "state", domain_type="qemu", uris=self.lab.uris_file, deadline_s=300
        )

    def key(self, tenant):
        return (self.root / "state" / "secrets" / tenant / "id_ed25519.pub").read_text().strip()

    def pulumi(self, *arguments):
        """pulumi by hand, in the folder and with the variables that the engineer has."""
        stack = arguments[arguments.index("--stack") + 1]
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.running.project, env=by_hand.engine_environment(self.root / "state", stack), timeout=300,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def virsh(self, host, *arguments):
        done = subprocess.run(
            ["virsh", "--quiet", "--connect", self.lab.local_uris[host], *arguments],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        return done.stdout

    def domains(self):
        return {host: set(self.virsh(host, "list", "--name").split()) for host in self.lab.uris}


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    root = tmp_path_factory.mktemp("e2e")
    plan = plans.write(root / "plan", tenants=1)
    with pytest.MonkeyPatch.context() as patch:
        # Whatever backend the engineer uses, the test has its own.
        for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_HOME"):
            patch.delenv(name, raising=False)
        running = lab.up(root / "lab", plan=plan.path, bridges=True)
        try:
            told: list[str] = []
            result = deploy.deploy(
                plan.path, state=root / "state", domain_type="qemu", uris=running.uris_file, deadline_s=300,
                progress=told.append,
            )  # fmt: skip
            environment = by_hand.engine_environment(root / "state", "t00")
            programs = engine.Engine(root / "state" / "project", environment, root / "state" / "logs")
            yield Standing(root, plan, running, programs, result, told)
        finally:
            lab.down(root / "lab")
        assert not lab_state.places(root / "lab").run.exists()
        assert not lab_state.places(root / "lab").state_dir.exists()


def test_the_stacks_are_built_in_order_and_a_preview_finds_nothing(standing):
    assert [stack.name for stack in standing.first.stacks] == ["hosts-dc", "t00"]
    hosts, tenant = standing.first.stacks
    # two hosts with a pool, an image, two networks, their component and their provider; the stack
    assert hosts.created in {12, 13}
    # three VMs with a component, three volumes and a domain; two providers; the stack
    assert tenant.created in {17, 18}
    assert standing.first.verdict.startswith("判定：構築済み — スタック 2、仮想サーバ 3 台")
    assert any("差分なし" in line for line in standing.told)


def test_vms_run_where_and_as_the_plan_says(standing):
    layout = standing.plan.layout
    assert standing.domains() == {host.id: {vm.id for vm in layout.vms if vm.host == host.id} for host in layout.hosts}
    for vm in layout.vms:
        domain = ElementTree.fromstring(standing.virsh(vm.host, "dumpxml", vm.id))  # noqa: S314 - libvirt's own
        assert domain.get("type") == "qemu"
        assert domain.find("devices/interface/mac").get("address") == vm.mac
        bridge = next(network.bridge for network in layout.networks if network.id == vm.network)
        assert domain.find("devices/interface/source").get("bridge") == bridge
        vcpu = domain.find("vcpu")
        assert int(vcpu.text) == vm.vcpu_max
        assert int(vcpu.get("current", vcpu.text)) == vm.vcpu
        assert int(domain.find("memory").text) == vm.memory_mib * 1024
        volumes = [source.get("volume") for source in domain.findall("devices/disk/source")]
        made = seed.make(
            vm, next(network for network in layout.networks if network.id == vm.network), standing.key(vm.tenant)
        )
        assert volumes == [f"{vm.id}-system", f"{vm.id}-data", made.volume]
        assert "Autostart:      enable" in standing.virsh(vm.host, "dominfo", vm.id)


def test_vms_boot_and_answer_with_the_name_and_the_address_of_their_seed(standing):
    waiting = {vm.id: vm for vm in standing.plan.layout.vms}
    limit = time.monotonic() + BOOT_DEADLINE_S
    while waiting and time.monotonic() < limit:
        for vm in list(waiting.values()):
            if lab.probe(standing.root / "lab", vm.network, vm.address).answer == vm.id:
                del waiting[vm.id]
    assert not waiting
    for vm in standing.plan.layout.vms:
        log = lab_state.places(standing.root / "lab").host(vm.host) / f"log/libvirt/{vm.id}-console.log"
        assert f"kumiai-guest {vm.id} {vm.address}/24 ready" in log.read_text(errors="replace")


def test_a_second_deployment_changes_nothing(standing):
    again = standing.deploy(standing.plan.path)
    assert [(stack.created, stack.updated, stack.deleted) for stack in again.stacks] == [(0, 0, 0), (0, 0, 0)]
    assert "変更なし" in again.verdict


def test_a_preview_that_looks_at_the_hosts_finds_nothing_either(standing):
    done = standing.pulumi("preview", "--refresh", "--expect-no-changes", "--stack", "t00")
    assert done.returncode == 0, done.stdout


def test_a_vm_that_went_from_its_host_is_missed(standing, tmp_path):
    vm = standing.plan.layout.vms[0]
    definition = tmp_path / "domain.xml"
    definition.write_text(standing.virsh(vm.host, "dumpxml", "--inactive", vm.id), encoding="utf-8")
    standing.virsh(vm.host, "destroy", vm.id)
    standing.virsh(vm.host, "undefine", vm.id)
    try:
        with pytest.raises(RefusalError, match=rf"{vm.id}.*ディスクは残っています.*--adopt {vm.id}"):
            standing.deploy(standing.plan.path)
        assert vm.id not in standing.domains()[vm.host]
    finally:
        standing.virsh(vm.host, "define", str(definition))
        standing.virsh(vm.host, "start", vm.id)
        standing.virsh(vm.host, "autostart", vm.id)
    assert "変更なし" in standing.deploy(standing.plan.path).verdict


def test_an_older_generation_is_refused_and_forgets_nothing(standing, tmp_path):
    newer = plans.write(tmp_path / "newer", tenants=1, generation=2)
    done = standing.pulumi("up", "--yes", "--skip-preview", "--stack", "hosts-dc", "--config", f"plan={newer.path}")
    assert done.returncode == 0, done.stdout
    with pytest.raises(RefusalError, match="世代 1 の計画は、構築済みの世代 2 より古い"):
        standing.deploy(standing.plan.path)
    words = ("--stack", "hosts-dc", "--config", f"plan={standing.plan.path}")
    older = standing.pulumi("up", "--yes", "--skip-preview", *words)
    assert older.returncode != 0
    assert "世代 1 の計画" in older.stdout
    assert "Traceback" not in older.stdout
    outputs = json.loads(standing.pulumi("stack", "output", "--json", "--stack", "hosts-dc").stdout)
    assert outputs["generation"] == 2
    assert outputs["layout_digest"] == newer.layout_digest


def test_an_unfit_plan_touches_nothing(standing, tmp_path):
    unfit = plans.write(tmp_path / "unfit", tenants=1, generation=3, fits=False)
    with pytest.raises(RefusalError) as caught:
        standing.deploy(unfit.path)
    assert caught.value.unfit
    by_hand = standing.pulumi("preview", "--stack", "t00", "--config", f"plan={unfit.path}")
    assert by_hand.returncode != 0
    assert "適合しない計画" in by_hand.stdout


def test_destroy_is_refused_and_the_vms_run_on(standing):
    before = standing.domains()
    done = standing.pulumi("destroy", "--yes", "--stack", "t00")
    assert done.returncode != 0
    assert "protect" in done.stdout
    assert standing.domains() == before


def test_a_seed_with_other_content_would_be_replaced_and_that_is_refused(standing, tmp_path):
    def readdress(layout):
        layout["vms"][0]["address"] = "10.0.0.77"

    moved = plans.write(tmp_path / "moved", readdress, tenants=1, generation=4)
    first, *others = moved.layout.vms
    before = standing.domains()
    # Without its preview, `up` has the most room to do harm before it is stopped.
    done = standing.pulumi("up", "--yes", "--skip-preview", "--stack", "t00", "--config", f"plan={moved.path}")
    assert done.returncode != 0
    refused = [line for line in done.stdout.splitlines() if "unable to replace" in line]
    assert any(f"::{first.id}-seed" in line for line in refused), done.stdout
    assert not [line for line in refused for vm in others if vm.id in line]
    assert standing.domains() == before
    # The volume on the host is still the first one.
    network = next(network for network in standing.plan.layout.networks if network.id == first.network)
    volumes = standing.virsh(first.host, "vol-list", "default")
    assert seed.make(standing.plan.layout.vms[0], network, standing.key(first.tenant)).volume in volumes
    assert seed.make(first, network, standing.key(first.tenant)).volume not in volumes


def test_a_host_that_does_not_answer_is_named(standing, tmp_path):
    uris = dict(standing.lab.uris)
    uris["kvm02"] = f"qemu+unix:///system?socket={tmp_path}/none"
    (tmp_path / "uris.json").write_text(json.dumps(uris))
    shutil.copytree(standing.root / "lab" / "images", tmp_path / "images")
    # An update that failed has said from which plan it was: the one before counts as a part of it.
    said = json.loads(standing.pulumi("stack", "output", "--json", "--stack", "t00").stdout)["layout_digest"]
    plan = plans.write(tmp_path / "plan", lambda it: it["lineage"].__setitem__(-1, said), tenants=1, generation=5)
    told: list[str] = []
    result = deploy.deploy(
        plan.path, state=standing.root / "state", domain_type="qemu", uris=tmp_path / "uris.json", progress=told.append
    )
    assert not result.complete
    assert [each.host for each in result.left_out] == ["kvm02"]
    assert set(result.left_out[0].vms) == {vm.id for vm in plan.layout.vms if vm.host == "kvm02"}
    assert any("kvm02" in line for line in told)


def test_nothing_of_the_deployment_stays_in_the_source_tree(standing):
    assert not list(engine.HOUSE.glob("Pulumi.*.yaml"))
    assert os.access(standing.root / "state" / "secrets" / "t00" / "passphrase", os.R_OK)
