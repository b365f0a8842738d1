"""Drift, preflight and orphans on real libvirt hosts: each thing that somebody may do by hand, seen and put right."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

import lab
from infra import segmentation, settings
from infra.deployment import by_hand, deploy
from infra.inspection import drift
from infra.refusal import RefusalError
from kumiai.groups import app
from layout.uplinks import read_uplinks
from tests.infra import plans

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("lab")]

AP1, AP2, DB = "t00-s00-ap-01", "t00-s00-ap-02", "t00-s00-db-01"


@dataclass
class Centre:
    """A deployed plan on a laboratory."""

    root: Path
    plan: object
    lab: object
    uris_file: Path

    def drift(self, plan=None, uris=None, networks=False, images=False):
        plan = plan or self.plan
        chosen = settings.Settings(plan.path, "qemu", uris or self.uris, self.uris_file)
        wires = self.root / "lab" / "uplinks.json" if networks else None
        return drift.drift(plan.layout, chosen, state=self.root / "state", uplinks=wires, images=images)

    @property
    def uris(self):
        return json.loads(self.uris_file.read_text())

    def deploy(self, plan=None, **options):
        return deploy.deploy(
            (plan or self.plan).path, state=self.root / "state", domain_type="qemu", uris=self.uris_file,
            deadline_s=300, **options,
        )  # fmt: skip

    def virsh(self, host, *arguments):
        done = subprocess.run(
            ["virsh", "--quiet", "--connect", self.lab.local_uris[host], *arguments],
            capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ssh(self, name, *command, text=None):
        done = subprocess.run(
            ["ssh", "-F", str(self.root / "lab" / "ssh" / "config"), name, *command],
            input=text, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def apply(self, network):
        """What the runbook apply-network does on a machine."""
        self.ssh(network.name, "sh", "-s", "apply", text=segmentation.script(network, "test"))

    def kumiai(self, *words):
        return CliRunner().invoke(app, [*words, "--uris", str(self.uris_file), "--domain-type", "qemu"])


@pytest.fixture(scope="module")
def centre(tmp_path_factory):
    root = tmp_path_factory.mktemp("drift")
    plan = plans.write(root / "plan", tenants=1)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_HOME"):
            patch.delenv(name, raising=False)
        running = lab.up(root / "lab", plan=plan.path, bridges=False)
        try:
            made = Centre(root, plan, running, running.uris_file)
            wires = read_uplinks(root / "lab" / "uplinks.json")
            for host in plan.layout.hosts:
                made.apply(segmentation.host_rules(plan.layout, wires, host.id))
            made.apply(segmentation.gateway_rules(plan.layout, wires, "dc"))
            made.deploy()
            yield made
        finally:
            lab.down(root / "lab")


@pytest.fixture(autouse=True)
def clean(centre):
    """Every test leaves the centre as it found it."""
    yield
    assert lines(centre.drift()) == []


def lines(found):
    return [each.line for each in found.differences]


def kinds(found):
    return sorted({(each.kind, each.host, each.vm) for each in found.differences})


def refused(centre, **options):
    with pytest.raises(RefusalError) as caught:
        centre.deploy(**options)
    assert caught.value.unfit
    return str(caught.value)


def test_a_deployed_plan_has_no_drift(centre):
    found = centre.drift()
    assert lines(found) == []
    assert found.verdict == "判定：差分なし — 仮想サーバ 3 台が計画のとおりです"
    assert any("アップリンク" in note for note in found.notes)


FLIP = """
from pathlib import Path
file = Path("/var/lib/libvirt/images/guest.qcow2")
content = bytearray(file.read_bytes())
content[-1] ^= 1
with file.open("r+b") as open_file:
    open_file.write(content)
"""


def test_one_byte_of_a_base_image(centre):
    assert lines(centre.drift(images=True)) == []
    centre.ssh("kvm02", "python3", "-", text=FLIP)
    try:
        assert kinds(centre.drift()) == []  # all that libvirt tells of it is right
        assert kinds(centre.drift(images=True)) == [("image", "kvm02", "")]
        said = refused(centre)
        assert [word for word in ("kvm02", "guest", "内容", "restore-vm") if word not in said] == []
    finally:
        centre.ssh("kvm02", "python3", "-", text=FLIP)
    centre.deploy()


def test_network_rules_that_somebody_dropped_and_a_gateway(centre):
    assert lines(centre.drift(networks=True)) == []
    centre.ssh("kvm01", "nft", "flush", "ruleset")
    try:
        found = centre.drift(networks=True)
        assert {(each.kind, each.host, each.runbook) for each in found.differences} == {
            ("network-rules", "kvm01", "apply-network")
        }
        assert found.notes == ()
    finally:
        wires = read_uplinks(centre.root / "lab" / "uplinks.json")
        centre.apply(segmentation.host_rules(centre.plan.layout, wires, "kvm01"))
    assert lines(centre.drift(networks=True)) == []


def test_a_vm_that_was_stopped(centre):
    centre.virsh("kvm01", "destroy", AP1)
    try:
        found = centre.drift()
        assert kinds(found) == [("stopped", "kvm01", AP1)]
        assert found.differences[0].runbook == "start-vm"
        said = refused(centre)
        assert [word for word in (AP1, "kvm01", "start-vm") if word not in said] == []
    finally:
        centre.virsh("kvm01", "start", AP1)


def test_a_vm_with_more_processors_memory_and_another_autostart(centre):
    # Not by --live: QEMU without KVM may die of a processor that comes while its guest boots.
    restart(centre, "setvcpus", AP2, "5", "--config")
    centre.virsh("kvm02", "setmem", AP2, "98304", "--config")
    centre.virsh("kvm02", "autostart", AP2, "--disable")
    try:
        found = centre.drift()
        assert kinds(found) == [("autostart", "kvm02", AP2), ("memory", "kvm02", AP2), ("vcpu", "kvm02", AP2)]
        by_kind = {each.kind: each for each in found.differences}
        assert (by_kind["vcpu"].wanted, by_kind["vcpu"].found) == ("4（通常）", "5")
        assert by_kind["vcpu"].runbook == "restore-vcpu"
        assert by_kind["memory"].subject == "次の起動からのメモリー"
    finally:
        centre.virsh("kvm02", "setmem", AP2, "131072", "--config")
        centre.virsh("kvm02", "autostart", AP2)
        restart(centre, "setvcpus", AP2, "4", "--config")


def restart(centre, *change):
    centre.virsh("kvm02", *change)
    centre.virsh("kvm02", "destroy", AP2)
    centre.virsh("kvm02", "start", AP2)


def test_a_nic_that_was_taken_away_and_one_on_another_bridge(centre, tmp_path):
    mac = plans.vm_named(centre.plan, AP2).mac
    definition = tmp_path / "domain.xml"
    definition.write_text(centre.virsh("kvm02", "dumpxml", "--inactive", AP2))
    centre.virsh("kvm02", "detach-interface", AP2, "bridge", "--mac", mac, "--config")
    try:
        (found,) = centre.drift().differences
        assert (found.kind, found.vm, found.subject, found.found) == ("nic", AP2, "次の起動からのNIC", "")
    finally:
        centre.virsh("kvm02", "define", str(definition))
    other = definition.read_text().replace("bridge='br0'", "bridge='br1'")
    (tmp_path / "other.xml").write_text(other)
    centre.virsh("kvm02", "define", str(tmp_path / "other.xml"))
    try:
        (found,) = centre.drift().differences
        assert (found.kind, found.wanted, found.found, found.runbook) == ("nic", "br0", "br1", "apply-network")
    finally:
        centre.virsh("kvm02", "define", str(definition))


def test_what_the_stylesheet_put_in(centre, tmp_path):
    definition = tmp_path / "domain.xml"
    definition.write_text(centre.virsh("kvm02", "dumpxml", "--inactive", DB))
    text = definition.read_text().replace("-console.log", "-other.log").replace("32768", "65536")
    (tmp_path / "other.xml").write_text(text)
    centre.virsh("kvm02", "define", str(tmp_path / "other.xml"))
    try:
        assert kinds(centre.drift()) == [("cache", "kvm02", DB), ("console", "kvm02", DB)]
    finally:
        centre.virsh("kvm02", "define", str(definition))


def test_a_disk_that_was_grown(centre, tmp_path):
    centre.virsh("kvm01", "blockresize", AP1, "vdb", "600M")

    def grow(layout):
        next(disk for disk in layout["vms"][0]["disks"] if disk["name"].endswith("-data"))["size_gib"] = 600 / 1024

    try:
        (found,) = centre.drift().differences
        assert (found.kind, found.vm, found.wanted, found.found) == ("disk-size", AP1, "0.5 GiB", "0.585938 GiB")
        planned = plans.write(tmp_path / "plan", grow, tenants=1, generation=2)
        assert lines(centre.drift(planned)) == []
    finally:
        volume = f"{AP1}-data"
        centre.virsh("kvm01", "destroy", AP1)
        centre.virsh("kvm01", "vol-resize", volume, str(2**29), "--pool", "default", "--shrink")
        centre.virsh("kvm01", "start", AP1)


def test_a_plan_with_a_larger_disk(centre, tmp_path):
    def grow(layout):
        next(disk for disk in layout["vms"][0]["disks"] if disk["name"].endswith("-data"))["size_gib"] = 1.0

    (found,) = centre.drift(plans.write(tmp_path / "plan", grow, tenants=1, generation=2)).differences
    assert (found.kind, found.runbook) == ("disk-size", "grow-disk")


def test_a_pool_that_is_inactive(centre):
    centre.virsh("kvm02", "pool-destroy", "default")
    try:
        assert kinds(centre.drift()) == [("pool", "kvm02", "")]
        said = refused(centre)
        assert "kvm02：プール「default」が停止" in said
        assert "virsh pool-start default" in said
    finally:
        centre.virsh("kvm02", "pool-start", "default")


def test_an_external_snapshot(centre):
    centre.virsh(
        "kvm01", "snapshot-create-as", AP1, "before", "--disk-only", "--atomic",
        "--diskspec", "vda,snapshot=no", "--diskspec", "vdc,snapshot=no",
        "--diskspec", "vdb,file=/var/lib/libvirt/images/overlay",
    )  # fmt: skip
    try:
        assert set(kinds(centre.drift())) == {("snapshot", "kvm01", AP1)}, lines(centre.drift())
        assert "外部スナップショット" in refused(centre)
    finally:
        centre.virsh("kvm01", "blockcommit", AP1, "vdb", "--active", "--pivot", "--wait")
        centre.virsh("kvm01", "snapshot-delete", AP1, "before", "--metadata")
        (centre_file(centre, "kvm01") / "overlay").unlink()


def centre_file(centre, host):
    from lab import state

    return state.places(centre.root / "lab").host(host) / "lib/libvirt/images"


def test_orphans_are_named_and_removed_only_when_nothing_uses_them(centre, tmp_path):
    centre.virsh("kvm01", "vol-create-as", "default", "left-over", "1M")
    definition = tmp_path / "domain.xml"
    text = centre.virsh("kvm02", "dumpxml", "--inactive", AP2)
    uuid = text.split("<uuid>")[1].split("<")[0]
    text = text.replace(AP2, "stranger").replace(f"<uuid>{uuid}</uuid>", "")
    text = text.replace("volume='stranger-", f"volume='{AP2}-").replace("52:54:00:00:00:01", "52:54:00:00:00:55")
    definition.write_text(text)
    centre.virsh("kvm02", "define", str(definition))
    found = centre.drift()
    assert kinds(found) == [("surplus", "kvm02", ""), ("surplus-volume", "kvm01", "")]
    assert (
        "--remove-orphan left-over" in found.differences[1].line
        or "--remove-orphan left-over" in found.differences[0].line
    )
    centre.deploy(remove_orphans=["left-over", "stranger"])


@pytest.mark.parametrize("name", [f"{AP1}-data", "guest.qcow2", AP1])
def test_what_is_recorded_is_no_orphan(centre, name):
    with pytest.raises(RefusalError, match=r"状態にあります|複数あります"):
        centre.deploy(remove_orphans=[name])


def test_a_vm_that_was_moved_by_hand(centre, tmp_path):
    definition = tmp_path / "domain.xml"
    definition.write_text(centre.virsh("kvm01", "dumpxml", "--inactive", AP1))
    centre.virsh("kvm02", "define", str(definition))
    try:
        assert kinds(centre.drift()) == [("double", "", AP1)]
        assert "kvm01、kvm02" in refused(centre)
        centre.virsh("kvm01", "destroy", AP1)
        centre.virsh("kvm01", "undefine", AP1)
        found = centre.drift()
        assert ("elsewhere", "kvm02", AP1) in kinds(found)
        assert "migrate-vm" in refused(centre)
    finally:
        centre.virsh("kvm02", "undefine", AP1)
    centre.virsh("kvm01", "define", str(definition))
    centre.virsh("kvm01", "autostart", AP1)
    centre.virsh("kvm01", "start", AP1)


def test_a_vm_that_was_deleted_is_built_again_over_its_disks(centre):
    centre.virsh("kvm01", "destroy", AP1)
    centre.virsh("kvm01", "undefine", AP1)
    before = (centre_file(centre, "kvm01") / f"{AP1}-data").stat().st_ino
    found = centre.drift()
    assert kinds(found) == [("missing", "kvm01", AP1)]
    said = refused(centre)
    assert f"kumiai deploy --adopt {AP1}" in said
    centre.deploy(adopt=[AP1])
    assert (centre_file(centre, "kvm01") / f"{AP1}-data").stat().st_ino == before
    with pytest.raises(RefusalError, match="--adopt は要りません"):
        centre.deploy(adopt=[AP1])


def test_a_host_that_is_down_is_named_and_the_others_are_compared(centre, tmp_path):
    uris = {**centre.uris, "kvm02": f"qemu+unix:///system?socket={tmp_path}/none"}
    centre.virsh("kvm01", "autostart", AP1, "--disable")
    try:
        found = centre.drift(uris=uris)
        assert kinds(found) == [("autostart", "kvm01", AP1)]
        assert set(found.down) == {"kvm02"}
        assert "応答しないホスト 1 台" in found.verdict
    finally:
        centre.virsh("kvm01", "autostart", AP1)


def test_the_commands_answer_with_their_exit_codes(centre):
    words = ("drift", str(centre.plan.path), "--state", str(centre.root / "state"))
    same = centre.kumiai(*words, "--json")
    assert same.exit_code in (0, None), same.output
    assert json.loads(same.stdout)["differences"] == []
    centre.virsh("kvm01", "autostart", AP1, "--disable")
    try:
        other = centre.kumiai(*words)
        assert other.exit_code == 4
        assert other.stdout.splitlines()[0].startswith("判定：差分あり — 1 件（仮想サーバ 1 台）")
    finally:
        centre.virsh("kvm01", "autostart", AP1)


def test_a_plain_pulumi_up_sees_an_orphan_too(centre):
    """The record has lost a VM that runs."""
    engine = by_hand.engine_of(centre.root / "state", "t00")
    kept = centre.root / "kept.json"
    kept.write_text(engine.command("stack", "export", "--stack", "t00"))
    urn = next(
        each["urn"] for each in json.loads(kept.read_text())["deployment"]["resources"]
        if each["type"].endswith(":Domain") and each["urn"].endswith(f"::{AP1}")
    )  # fmt: skip
    engine.command("state", "delete", urn, "--force", "--yes", "--stack", "t00")
    try:
        done = engine.run("t00", "preview", deadline_s=120)
        assert done.returncode != 0
        assert [error for error in done.errors if f"--adopt {AP1}" in error], done.errors
        assert f"--adopt {AP1}" in refused(centre)
        assert "動いています" in refused(centre, adopt=[AP1])
        assert AP1 in centre.virsh("kvm01", "list", "--name")
    finally:
        engine.command("stack", "import", "--stack", "t00", "--file", str(kept))
