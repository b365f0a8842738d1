"""What the procedures of backup, failover and removal compute: isolated definitions, reduced plans, papers."""

from __future__ import annotations

from datetime import datetime
from xml.etree import ElementTree

import pytest

from infra.admission import require_sound
from infra.refusal import RefusalError
from layout import folder
from runbooks import failover_plan, handover, plan_changes, removal
from runbooks.backups import JAPAN
from runbooks.failover_plan import FailoverError, reduced
from runbooks.isolation import IsolationError, isolated
from tests.infra import plans

DEFINITION = """
<domain type='kvm'><name>aya-db-01</name><uuid>e9b0e107-3701-4234-9b2b-3b2cd874242c</uuid>
<memory unit='KiB'>131072</memory><vcpu>1</vcpu><seclabel type='none'/>
<devices>
<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/><source pool='default' volume='aya-db-01-data'/>
  <backingStore/><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/pool/aya-db-01-seed-1.iso'/>
  <target dev='vdb' bus='virtio'/></disk>
<interface type='bridge'><source bridge='br-v100'/><mac address='52:54:00:00:00:01'/></interface>
<serial type='pty'/><console type='pty'/><graphics type='vnc'/><audio id='1' type='spice'/>
<channel type='unix'/><hostdev mode='subsystem' type='pci'/><memballoon model='virtio'/>
</devices></domain>"""


def test_an_isolated_definition_reaches_nobody_and_no_original():
    root = ElementTree.fromstring(isolated(DEFINITION, "drill-x", "/drills/r1"))  # noqa: S314 - our own
    assert root.findtext("name") == "drill-x"
    assert root.find("uuid") is None
    left = {child.tag for child in root.find("devices")}
    assert left == {"disk", "serial", "memballoon"}
    sources = [(disk.get("type"), disk.find("source").attrib) for disk in root.iterfind("devices/disk")]
    assert sources == [
        ("file", {"file": "/drills/r1/aya-db-01-data.qcow2"}),
        ("file", {"file": "/drills/r1/aya-db-01-seed-1.iso"}),
    ]
    assert "/pool" not in ElementTree.tostring(root, encoding="unicode")


@pytest.mark.parametrize(
    "text", ["", "<domain>", "<network/>", "<domain><devices><disk type='network'/></devices></domain>"]
)
def test_what_cannot_be_isolated_is_refused(text):
    with pytest.raises(IsolationError):
        isolated(text, "drill-x", "/drills/r1")


def with_backup_site(layout: dict) -> None:
    """A third host on a site of its own, and an order in which systems come back."""
    spare = {**layout["hosts"][0], "id": "bk01", "site": "away", "spare": True}
    layout["hosts"].append(spare)
    for priority, vm in enumerate(layout["vms"]):
        vm["restore_priority"] = priority + 1


@pytest.fixture
def plan(tmp_path):
    return plans.write(tmp_path / "plan", with_backup_site, tenants=1)


def test_the_reduced_plan_keeps_every_address_and_moves_the_networks(plan):
    found = reduced(plan, "dc")
    before = {vm.id: vm for vm in plan.layout.vms}
    assert found.waiting == ()
    assert [host.id for host in found.layout.hosts] == ["bk01"]
    for vm in found.layout.vms:
        assert (vm.host, vm.site, vm.may_run_on) == ("bk01", "away", "failover")
        old = before[vm.id]
        assert (vm.mac, vm.address, vm.network, vm.disks) == (old.mac, old.address, old.network, old.disks)
    networks = {network.id: network for network in plan.layout.networks}
    for network in found.layout.networks:
        assert network == networks[network.id].model_copy(update={"site": "away"})


def test_the_most_urgent_come_first_when_room_is_short(plan):
    hosts = [host.model_copy(update={"memory_mib": 300}) if host.id == "bk01" else host for host in plan.layout.hosts]
    short = folder.PlanFolder(**{**vars(plan), "layout": plan.layout.model_copy(update={"hosts": tuple(hosts)})})
    found = reduced(short, "dc")
    assert [vm.restore_priority for vm in found.layout.vms] == [1, 2]  # 128 MiB each, two fit
    assert [vm.restore_priority for vm in found.waiting] == [3]
    assert [vm.restore_priority for vm in reduced(plan, "dc", up_to=1).waiting] == [2, 3]


def test_the_reduced_plan_is_never_built_from(plan, tmp_path, capsys):
    code = failover_plan.main([str(plan.path), "--lost", "dc", "-o", str(tmp_path / "reduced"), "--up-to", "2"])
    assert code == 3
    assert "2 台を動かし、1 台は待ちます" in capsys.readouterr().out
    written = folder.read_planned(tmp_path / "reduced")
    assert set(written.runs["vm"].to_pylist()) <= {vm.id for vm in written.layout.vms}
    with pytest.raises(RefusalError, match="縮退運用"):
        require_sound(written)


def test_a_site_that_cannot_be_replaced_is_said(plan):
    with pytest.raises(FailoverError, match="計画にありません"):
        reduced(plan, "nowhere")
    alone = folder.PlanFolder(
        **{**vars(plan), "layout": plan.layout.model_copy(update={"hosts": plan.layout.hosts[:2]})}
    )
    with pytest.raises(FailoverError, match="残る拠点のホストがありません"):
        reduced(alone, "dc")


def test_two_networks_of_one_vlan_do_not_meet_on_the_backup_site(tmp_path):
    def crowded(layout: dict) -> None:
        with_backup_site(layout)
        layout["networks"].append({**layout["networks"][0], "id": "other-away", "site": "away", "vni": 99_999})

    with pytest.raises(FailoverError, match="重なります"):
        reduced(plans.write(tmp_path / "plan", crowded, tenants=1), "dc")


def test_the_description_names_every_disk_and_the_time_of_its_data(plan):
    source = {"host": "bk01", "generation": "g1", "begun": "2027-05-10T17:00:00+00:00"}
    now = datetime(2027, 5, 12, 9, tzinfo=JAPAN)
    text = handover.describe(plan, "t00", {vm.id: source for vm in plan.layout.vms}, now)
    for vm in plan.layout.vms:
        assert vm.id in text
        assert all(f"{disk.name}.raw" in text for disk in vm.disks)
    assert text.count("2027年5月11日 02:00:00（バックアップの世代 g1）") == len(plan.layout.vms)
    assert "作成　　　　　　　：2027年5月12日 09:00:00" in text


def next_plan(plan, path, change=lambda _: None):
    def follow(layout: dict) -> None:
        with_backup_site(layout)
        layout["generation"], layout["lineage"] = 2, [plan.layout_digest]
        change(layout)

    return plans.write(path, follow, tenants=2)


def test_a_tenant_goes_only_by_a_plan_that_keeps_everybody_else(tmp_path):
    two = plans.write(tmp_path / "two", with_backup_site, tenants=2)

    def without(layout: dict) -> None:
        layout["vms"] = [vm for vm in layout["vms"] if vm["tenant"] != "t00"]

    def told(change) -> str:
        return "\n".join(removal.problems(two, next_plan(two, tmp_path / "next", change), "t00"))

    assert told(without) == ""
    assert "まだ団体「t00」があります" in told(lambda _: None)

    def and_moves(layout: dict) -> None:
        without(layout)
        vm = layout["vms"][0]
        vm["host"] = "kvm02" if vm["host"] == "kvm01" else "kvm01"
        vm["anti_affinity"] = []

    assert "ほかの団体の" in told(and_moves)

    def stranger(layout: dict) -> None:
        without(layout)
        layout["lineage"] = ["f" * 64]

    assert "引き継いでいません" in told(stranger)


def test_the_certificate_lists_every_file_that_was_erased(plan):
    files = {"t00-s00-ap-01": ["10 /pool/a-data", "2000 /pool/a-system"], "kvm02": []}
    told = {
        "run": "20270512-090000-abcdef", "operator": "yamada.h", "tenant": "t00", "time": "2027-05-12T09:00:00+09:00",
        "agreed": "R9-12", "volumes": files, "copies": {"bk01": ["5 /srv/kumiai/backups/x"]},
    }  # fmt: skip
    text = removal.certificate(plan, told)
    assert "（2 ファイル、2,010 バイト）" in text
    assert "t00-s00-ap-01  /pool/a-system  2,000 バイト" in text
    assert "bk01  /srv/kumiai/backups/x  5 バイト" in text
    for part in ("yamada.h", "R9-12", "20270512-090000-abcdef", "2027年5月12日 09:00:00"):
        assert part in text


def changed_plan(plan, tmp_path, *changes: dict):
    records = tuple({"change": "changed", "what": "", "reason": "理由", **change} for change in changes)
    layout = plan.layout.model_copy(update={"lineage": ("a" * 64,)})
    run = plan.run.model_copy(
        update={"changes": tuple(plan_changes.ChangeRecord(**each) for each in records), "changes_count": len(records)}
    )
    return folder.PlanFolder(**{**vars(plan), "layout": layout, "run": run})


def test_changes_that_need_a_procedure_of_their_own_stand_in_the_way(plan, tmp_path):
    first = plan.layout.vms[0].id
    found = changed_plan(
        plan,
        tmp_path,
        {"kind": "vm", "subject": first, "what": "host", "runbook": "migrate-vm"},
        {"kind": "vm", "change": "added", "subject": "t09-s00-ap-01", "runbook": "add-tenant"},
        {"kind": "time", "subject": "t00/s00/job", "what": "start"},
    )
    assert [line.split("：")[0] for line in plan_changes.in_the_way(found)] == [
        "先に手順書 migrate-vm を実行してください"
    ]
    assert any("t09-s00-ap-01" in line for line in plan_changes.in_the_way(found, "t00"))
    assert list(plan_changes.in_the_way(plan)) != []


def test_vms_that_a_plan_adds_do_not_stand_yet(plan, tmp_path, capsys):
    first, *others = [vm.id for vm in plan.layout.vms]
    found = changed_plan(plan, tmp_path, {"kind": "vm", "change": "added", "subject": first, "runbook": "add-tenant"})
    assert plan_changes.standing(found) == others
    assert plan_changes.standing(plan) == [first, *others]
    assert plan_changes.main([str(plan.path), "--standing"]) == 0
    assert capsys.readouterr().out.split() == [first, *others]
