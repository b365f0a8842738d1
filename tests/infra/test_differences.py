"""The plan against recorded answers of `virsh`, and what preflight makes of it; no host is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from infra import admission
from infra.admission import Deployed
from infra.inspection import differences, preflight, standing
from infra.inspection.standing import Resource, Standing
from infra.observing import observation, observed
from infra.observing.observed import Disk, HostObservation, Nic, ObservationError, Pool, Unreachable, Volume
from infra.recovery.checkpoint import CheckpointError, Thing
from infra.refusal import RefusalError
from infra.settings import Settings
from layout.ports import port_name
from tests.infra import plans

RECORDED = Path(__file__).resolve().parents[1] / "cases" / "infra" / "observation"
GIB = 2**30
AP1, AP2, DB = "t00-s00-ap-01", "t00-s00-ap-02", "t00-s00-db-01"


def recorded(name):
    return observed.parse_xml((RECORDED / name).read_text(encoding="utf-8"))


# What virsh prints


def test_a_recorded_domain():
    shape = observed.shape(recorded("domain-live.xml"))
    assert (shape.vcpu_max, shape.vcpu, shape.memory_mib, shape.memory_max_mib) == (8, 4, 128, 128)
    assert shape.nics == (Nic("52:54:00:00:00:00", "br0", "vnet0"),)
    assert shape.disks[0] == Disk("vda", "default", f"{AP1}-system", "", ("/var/lib/libvirt/images/guest.qcow2",))
    assert [disk.target for disk in shape.disks] == ["vda", "vdb", "vdc"]
    assert shape.console_log == f"/var/log/libvirt/{AP1}-console.log"
    assert (shape.translation_cache_mib, shape.shares) == (32, None)


def test_a_recorded_domain_with_a_snapshot_balloon_and_shares():
    shape = observed.shape(recorded("domain-changed.xml"))
    assert (shape.memory_mib, shape.memory_max_mib, shape.shares) == (96, 128, 3072)
    assert shape.disks[1].path == "/var/lib/libvirt/images/overlay"
    assert shape.disks[1].chain == (f"{AP1}-data",)


def test_a_recorded_pool_and_volume():
    pool = observed.pool(recorded("pool.xml"), active=True)
    assert (pool.name, pool.path, pool.capacity) == ("default", "/var/lib/libvirt/images", 270553174016)
    assert observed.pool(recorded("pool.xml"), active=False).capacity == 0
    volume = observed.volume(recorded("volume.xml"))
    assert (volume.name, volume.capacity, volume.allocation) == ("guest.qcow2", 16777216, 16056320)


def test_memory_that_guests_can_take():
    text = (RECORDED / "nodememstats.txt").read_text(encoding="utf-8")
    assert observed.available_mib(text) == (19229760 + 130556 + 2155424) // 1024
    with pytest.raises(ObservationError, match="free"):
        observed.available_mib("error")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "XML"),
        ("<domain>", "XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]>\n<domain/>', "DOCTYPE"),
        ("<domain/>", "vcpu"),
        ("<domain><vcpu>many</vcpu></domain>", "数ではありません"),
        ("<domain><vcpu>2</vcpu></domain>", "memory"),
        ("<domain><vcpu>2</vcpu><memory unit='sacks'>3</memory></domain>", "単位"),
    ],
)
def test_answers_that_are_none(text, said):
    with pytest.raises(ObservationError, match=said) as caught:
        observed.shape(observed.parse_xml(text))
    assert "\n" not in str(caught.value)


@given(some.text(max_size=200))
def test_any_text_is_xml_or_refused(text):
    try:
        observed.parse_xml(text)
    except ObservationError as error:
        said = str(error)
        assert said.startswith("virsh の返事")


def test_answers_are_told_apart_by_their_mark():
    output = (RECORDED / "session.txt").read_text(encoding="utf-8")
    parts = observation._parts(output, "", ["version", "list --all --uuid", "domstate x"], "MARK")
    assert parts[0].startswith("Compiled against library")
    assert parts[1].strip() == "0b021939-829c-4215-9cd2-78670c89b95d"
    assert parts[2] == ""
    with pytest.raises(ObservationError, match="接続できません（no route）"):
        observation._parts("", "error: failed to connect\nerror: no route\n", ["version"], "MARK")


def test_names_reach_virsh_as_one_word():
    assert observation._word("it's; rm -rf") == "'it'\\''s; rm -rf'"
    with pytest.raises(ObservationError, match="制御文字"):
        observation._word("two\nlines")


def test_a_host_that_nobody_can_reach(tmp_path):
    seen = observation.observe("kvm01", f"qemu+unix:///system?socket={tmp_path}/none", deadline_s=20)
    assert isinstance(seen, Unreachable)
    assert "\n" not in seen.reason
    assert isinstance(observation.observe("kvm01", "vmware://x"), Unreachable)


# The plan and the hosts


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return plans.write(tmp_path_factory.mktemp("plan") / "plan", tenants=1)


def domain(vm, plan, **changes):
    bridge = next(network.bridge for network in plan.layout.networks if network.id == vm.network)
    names = sorted((disk.name for disk in vm.disks), key=lambda name: name.endswith("-data"))
    shape = observed.Shape(
        vm.vcpu_max, vm.vcpu, vm.memory_mib, vm.memory_mib, (Nic(vm.mac, bridge, port_name(vm.mac)),),
        tuple(Disk(f"vd{at}", "default", name) for at, name in enumerate([*names, f"{vm.id}-seed-0.iso"])),
        f"/var/log/libvirt/{vm.id}-console.log", 32, None,
    )  # fmt: skip
    made = observed.Domain(f"uuid-of-{vm.id}", vm.id, "running", True, shape, shape)
    return replace(made, **changes)


def seen_of(plan):
    """The hosts as they are when all is well."""
    found = {}
    for host in plan.layout.hosts:
        vms = [vm for vm in plan.layout.vms if vm.host == host.id]
        volumes = [Volume("guest.qcow2", "/i/guest.qcow2", 16 * 2**20, 1)]
        for vm in vms:
            volumes += [Volume(disk.name, f"/i/{disk.name}", round(disk.size_gib * GIB), 1) for disk in vm.disks]
            volumes.append(Volume(f"{vm.id}-seed-0.iso", f"/i/{vm.id}-seed-0.iso", 1, 1))
        pool = Pool("default", f"pool-of-{host.id}", True, plans.POOL, 100 * GIB, 50 * GIB, tuple(volumes))
        networks = {network.id: True for network in plan.layout.networks}
        found[host.id] = HostObservation(
            host.id, "", "", 8192, tuple(domain(vm, plan) for vm in vms), (pool,), networks
        )
    return found


def state_of(plan, **inputs):
    resources = [
        Resource("t00", "Domain", vm.id, vm.host, f"uuid-of-{vm.id}", {"name": vm.id, "running": True, **inputs})
        for vm in plan.layout.vms
    ]
    resources += [
        Resource("t00", "Volume", disk.name, vm.host, f"/i/{disk.name}", {"name": disk.name, "pool": disk.pool})
        for vm in plan.layout.vms
        for disk in vm.disks
    ]
    outputs = {"generation": plan.layout.generation, "layout_digest": plan.layout_digest}
    return Standing(tuple(resources), {"t00": outputs, "hosts-dc": outputs})


NOW = datetime.fromisoformat("2027-05-20T12:00:00+09:00")


def found(plan, seen, state=None, now=NOW):
    wanted = differences.Wanted(plan.layout, now, emulated=True, standing=state_of(plan) if state is None else state)
    return differences.find(wanted, seen)


def change(seen, host, vm, **changes):
    there = seen[host]
    domains = tuple(replace(each, **changes) if each.name == vm else each for each in there.domains)
    return {**seen, host: replace(there, domains=domains)}


def reshape(seen, host, name, **changes):
    shape = replace(seen[host].domain(name).defined, **changes)
    return change(seen, host, name, defined=shape, live=shape)


def test_no_difference_when_all_is_well(plan):
    assert found(plan, seen_of(plan)) == ()
    assert tuple(differences.of_state(plan.layout, state_of(plan), ["t00", "hosts-dc"])) == ()


@pytest.mark.parametrize(
    ("changes", "kind", "runbook"),
    [
        ({"vcpu": 2}, "vcpu", "raise-vcpu"),
        ({"vcpu": 6}, "vcpu", "restore-vcpu"),
        ({"vcpu_max": 16}, "vcpu-max", "resize-memory"),
        ({"memory_mib": 64}, "memory", "resize-memory"),
        ({"memory_max_mib": 512}, "memory", "resize-memory"),
        ({"nics": ()}, "nic", ""),
        ({"nics": (Nic("52:54:00:00:00:00", "br9", ""),)}, "nic", "apply-network"),
        ({"nics": (Nic("52:54:00:00:00:00", "br0", "vnet3"),)}, "port", "apply-network"),
        ({"console_log": ""}, "console", ""),
        ({"translation_cache_mib": 0}, "cache", ""),
        ({"shares": 2048}, "shares", "resize-memory"),
    ],
)
def test_each_thing_that_a_vm_has_otherwise(plan, changes, kind, runbook):
    (only,) = found(plan, reshape(seen_of(plan), "kvm01", AP1, **changes))
    assert (only.kind, only.host, only.vm, only.runbook) == (kind, "kvm01", AP1, runbook)
    assert AP1 in only.line and "kvm01" in only.line  # noqa: PT018 - one line, two names
    assert "→" in only.line


def test_the_number_of_today_is_wanted(plan):
    vm = plans.vm_named(plan, AP1)
    interval = vm.vcpu_changes[0]
    seen = seen_of(plan)
    busy = reshape(seen, "kvm01", AP1, vcpu=interval.vcpu)
    assert found(plan, busy, now=interval.from_) == tuple(
        each for each in found(plan, busy, now=interval.from_) if each.vm != AP1
    )
    (only,) = [each for each in found(plan, seen, now=interval.from_) if each.vm == AP1]
    assert (only.kind, only.runbook) == ("vcpu", "raise-vcpu")
    assert f"{interval.from_:%Y-%m-%d}" in only.wanted
    (only,) = [each for each in found(plan, busy, now=interval.until + timedelta(seconds=0)) if each.vm == AP1]
    assert (only.kind, only.runbook) == ("vcpu", "restore-vcpu")


def test_a_vm_made_without_being_started_may_stand_still(plan):
    still = change(seen_of(plan), "kvm01", AP1, state="shut off", live=None)
    assert [each.kind for each in found(plan, still)] == ["stopped"]
    assert found(plan, still, state_of(plan, running=False)) == ()


def test_disks(plan):
    seen = seen_of(plan)
    disks = seen["kvm01"].domain(AP1).defined.disks
    without = reshape(seen, "kvm01", AP1, disks=disks[:1] + disks[2:])
    assert [(each.kind, each.found) for each in found(plan, without)] == [("disk", "未接続")]
    more = reshape(seen, "kvm01", AP1, disks=(*disks, Disk("vdd", path="/elsewhere/x.img")))
    assert [(each.kind, each.found) for each in found(plan, more)] == [("disk", "/elsewhere/x.img")]
    over = replace(disks[1], pool="", volume="", path="/i/overlay", chain=(f"/i/{AP1}-data",))
    snapshot = reshape(seen, "kvm01", AP1, disks=(disks[0], over, disks[2]))
    assert [each.kind for each in found(plan, snapshot)] == ["snapshot"]
    assert [each.kind for each in found(plan, reshape(seen, "kvm01", AP1, disks=disks[:2]))] == ["disk"]


def without_volume(seen, host, *names):
    (pool,) = seen[host].pools
    left = replace(pool, volumes=tuple(each for each in pool.volumes if each.name not in names))
    return {**seen, host: replace(seen[host], pools=(left,))}


def test_a_vm_that_is_gone_with_and_without_its_disks(plan):
    seen = seen_of(plan)
    gone = {**seen, "kvm01": replace(seen["kvm01"], domains=())}
    (only,) = found(plan, gone)
    assert (only.kind, only.runbook) == ("missing", "")
    assert f"--adopt {AP1}" in only.line
    (only,) = found(plan, without_volume(gone, "kvm01", f"{AP1}-data"))
    assert (only.kind, only.runbook) == ("missing", "restore-vm")


def test_a_vm_that_was_renamed(plan):
    lines = found(plan, change(seen_of(plan), "kvm01", AP1, name="somebody-else"))
    assert [each.kind for each in lines] == ["missing", "surplus"]
    assert "somebody-else（手で改名" in lines[0].line
    assert f"--adopt {AP1}" in lines[0].line


def test_a_vm_elsewhere_and_twice(plan):
    seen = seen_of(plan)
    there = seen["kvm01"].domain(AP1)
    both = {**seen, "kvm02": replace(seen["kvm02"], domains=(*seen["kvm02"].domains, there))}
    assert [each.kind for each in found(plan, both)] == ["double"]
    moved = {**both, "kvm01": replace(seen["kvm01"], domains=())}
    assert ("elsewhere", "migrate-vm") in {(each.kind, each.runbook) for each in found(plan, moved)}


def test_what_nobody_planned(plan):
    seen = seen_of(plan)
    stranger = replace(seen["kvm01"].domain(AP1), name="stranger", uuid="u", state="shut off")
    (pool,) = seen["kvm01"].pools
    more = replace(pool, volumes=(*pool.volumes, Volume("left-over", "/i/left-over", GIB, 1)))
    there = replace(seen["kvm01"], domains=(*seen["kvm01"].domains, stranger), pools=(more,))
    assert [each.kind for each in found(plan, {**seen, "kvm01": there})] == ["surplus", "surplus-volume"]


def test_hosts(plan):
    seen = seen_of(plan)
    (pool,) = seen["kvm02"].pools
    idle = replace(pool, active=False, volumes=())
    stopped = {**seen, "kvm02": replace(seen["kvm02"], pools=(idle,))}
    assert {each.kind for each in found(plan, stopped)} == {"pool"}
    no_image = without_volume(seen, "kvm02", "guest.qcow2")
    assert [each.kind for each in found(plan, no_image)] == ["image"]
    no_network = {**seen, "kvm02": replace(seen["kvm02"], networks={})}
    assert {each.kind for each in found(plan, no_network)} == {"network"}
    one = {**seen, "kvm02": replace(seen["kvm02"], pools=(replace(pool, uuid="pool-of-kvm01"),))}
    assert [each.kind for each in found(plan, one)] == ["uri"]
    down = {**seen, "kvm02": Unreachable("kvm02", "答えません")}
    assert found(plan, down) == ()


def test_a_vm_that_was_made_again_by_hand(plan):
    (only,) = found(plan, change(seen_of(plan), "kvm01", AP1, uuid="another"))
    assert (only.kind, only.found) == ("uuid", "another")


def test_records_that_do_not_agree_with_the_plan(plan):
    state = state_of(plan)
    moved = replace(state, resources=tuple(
        replace(each, host="kvm02") if each.kind == "Domain" and each.name == AP1 else each for each in state.resources
    ))  # fmt: skip
    (only,) = differences.of_state(plan.layout, moved, ["t00"])
    assert (only.vm, only.runbook, only.found) == (AP1, "migrate-vm", "kvm02")
    fewer = replace(state, resources=tuple(each for each in state.resources if each.name != AP1))
    (only,) = differences.of_state(plan.layout, fewer, ["t00"])
    assert (only.vm, only.found) == (AP1, "")
    smaller = plan.layout.model_copy(update={"vms": plan.layout.vms[1:]})
    (only,) = differences.of_state(smaller, state, ["t00"])
    assert only.runbook == "remove-tenant"


# Preflight


def ground(plan, **changes):
    made = preflight.BuildingGround(
        plan.layout, plan.layout_digest, ["hosts-dc", "t00"], Settings(plan.path, "qemu"), state_of(plan),
        seen_of(plan), {}, NOW,
    )  # fmt: skip
    return replace(made, **changes)


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    """This machine has what the engineer's has."""
    monkeypatch.setattr(preflight.shutil, "which", lambda name: f"/usr/bin/{name}")


def test_preflight_finds_nothing_when_all_is_well(plan):
    found_ = preflight.check(ground(plan))
    assert (found_.problems, found_.notes, found_.down) == ((), (), {})
    assert preflight.require(ground(plan)) == ()


def problems(ground_):
    found_ = preflight.check(ground_).problems
    for line in found_:
        assert "\n" not in line
    return found_


def test_programs_that_are_missing(plan, monkeypatch):
    monkeypatch.setattr(preflight.shutil, "which", lambda name: None)
    assert [line for line in problems(ground(plan)) if "xsltproc" in line]


def test_a_vm_that_does_not_run_where_the_record_says(plan):
    seen = change(seen_of(plan), "kvm01", AP1, state="shut off", live=None)
    (line,) = problems(ground(plan, seen=seen))
    assert "kvm01" in line and AP1 in line and "start-vm" in line  # noqa: PT018 - one line, three words
    with pytest.raises(RefusalError) as caught:
        preflight.require(ground(plan, seen=seen))
    assert caught.value.unfit
    assert problems(ground(plan, seen=seen, stacks=["hosts-dc"])) == ()


def test_other_drift_does_not_stop_a_deployment(plan):
    assert problems(ground(plan, seen=reshape(seen_of(plan), "kvm01", AP1, vcpu=6, console_log=""))) == ()


@pytest.mark.parametrize("size", [{"memory_max_mib": 256, "memory_mib": 256}, {"vcpu_max": 16}])
def test_a_vm_of_another_size_than_planned_would_be_replaced(plan, size):
    (line,) = problems(ground(plan, seen=reshape(seen_of(plan), "kvm01", AP1, **size)))
    assert [word for word in ("kvm01", AP1, "resize-memory", "作り直し") if word not in line] == []
    assert problems(ground(plan, seen=reshape(seen_of(plan), "kvm01", AP1, **size), stacks=["hosts-dc"])) == ()


def test_after_its_runbook_a_vm_does_not_fail_because_others_wait_for_theirs(plan):
    host = {vm.id: vm.host for vm in plan.layout.vms}
    size = {"memory_max_mib": 256, "memory_mib": 256}
    other = reshape(seen_of(plan), host[DB], DB, **size)
    with pytest.raises(preflight.WaitingError, match=DB) as told:
        preflight.require(ground(plan, seen=other), after=AP1)
    assert AP1 not in str(told.value)
    for after in ("", DB):
        with pytest.raises(RefusalError, match=DB):
            preflight.require(ground(plan, seen=other), after=after)
    both = reshape(other, host[AP1], AP1, **size)
    with pytest.raises(RefusalError, match=AP1):
        preflight.require(ground(plan, seen=both), after=AP1)
    # What no runbook of a plan's change removes is no waiting.
    stopped = change(other, host[AP2], AP2, state="shut off", live=None)
    with pytest.raises(RefusalError, match=AP2):
        preflight.require(ground(plan, seen=stopped), after=AP1)
    assert preflight.require(ground(plan), after=AP1) == ()


def test_memory_that_a_vm_gave_back_stops_no_deployment(plan):
    assert problems(ground(plan, seen=reshape(seen_of(plan), "kvm01", AP1, memory_mib=64))) == ()
    checked = preflight.check(ground(plan, seen=reshape(seen_of(plan), "kvm01", AP1, memory_mib=64)))
    assert [note for note in checked.notes if AP1 in note and "resize-memory" in note]


def test_a_disk_that_is_smaller_than_planned_is_refused_with_its_runbook(plan):
    seen = seen_of(plan)
    there = seen["kvm01"]
    small = [
        replace(each, volumes=tuple(
            replace(volume, capacity=volume.capacity // 2) if volume.name == f"{AP1}-data" else volume
            for volume in each.volumes
        ))
        for each in there.pools
    ]  # fmt: skip
    (line,) = problems(ground(plan, seen={**seen, "kvm01": replace(there, pools=tuple(small))}))
    assert AP1 in line
    assert "運用手順書 grow-disk" in line


@pytest.mark.parametrize(("vcpu", "runbook"), [(2, "raise-vcpu"), (6, "restore-vcpu")])
def test_another_number_of_vcpus_is_told_with_its_runbook_and_stops_nothing(plan, vcpu, runbook):
    checked = preflight.check(ground(plan, seen=reshape(seen_of(plan), "kvm01", AP1, vcpu=vcpu)))
    assert checked.problems == ()
    (note,) = checked.notes
    assert f"運用手順書 {runbook}" in note


def test_a_host_that_is_down_is_told_apart(plan):
    found_ = preflight.check(ground(plan, seen={**seen_of(plan), "kvm02": Unreachable("kvm02", "答えません")}))
    assert found_.problems == ()
    assert found_.down == {"kvm02": "答えません"}
    assert [note for note in found_.notes if "kvm02" in note and AP2 in note]


def test_a_pool_that_is_inactive_or_not_there(plan):
    seen = seen_of(plan)
    (pool,) = seen["kvm01"].pools
    idle = {**seen, "kvm01": replace(seen["kvm01"], pools=(replace(pool, active=False, volumes=()),))}
    assert any("virsh pool-start default" in line for line in problems(ground(plan, seen=idle)))
    none = {**seen, "kvm01": replace(seen["kvm01"], pools=())}
    assert any("--stack hosts-dc" in line for line in problems(ground(plan, seen=none, stacks=["t00"])))


def without_record(plan, *names):
    state = state_of(plan)
    return replace(state, resources=tuple(each for each in state.resources if not each.name.startswith(names)))


def test_orphans_of_a_vm_that_is_to_be_made(plan):
    bare = ground(plan, standing=without_record(plan, AP1))
    lines = problems(bare)
    assert len(lines) == 3
    assert any(f"--adopt {AP1}" in line and "定義されています" in line for line in lines)
    assert any(f"--remove-orphan {AP1}-data" in line for line in lines)
    assert problems(replace(bare, adopted=[AP1])) == ()
    unfinished = frozenset(
        {Thing("kvm01", "domain", "", AP1), Thing("kvm01", "volume", "default", f"{AP1}-data"),
         Thing("kvm01", "volume", "default", f"{AP1}-system")}
    )  # fmt: skip
    assert problems(replace(bare, unfinished=unfinished)) == ()


def test_room_for_what_is_to_be_made(plan):
    seen = seen_of(plan)
    gone = without_volume(
        {**seen, "kvm01": replace(seen["kvm01"], domains=())}, "kvm01", f"{AP1}-data", f"{AP1}-system"
    )
    bare = ground(plan, standing=without_record(plan, AP1), seen=gone)
    assert problems(bare) == ()
    tight = {**gone, "kvm01": replace(gone["kvm01"], memory_available_mib=100)}
    assert any("メモリー 128 MiB" in line for line in problems(replace(bare, seen=tight)))
    unstarted = replace(bare, seen=tight, chosen=Settings(plan.path, "qemu", start="none"))
    assert problems(unstarted) == ()
    (pool,) = gone["kvm01"].pools
    full = {**gone, "kvm01": replace(gone["kvm01"], pools=(replace(pool, available=2**20),))}
    assert any("足りません" in line for line in problems(replace(bare, seen=full)))
    small = {**gone, "kvm01": replace(gone["kvm01"], pools=(replace(pool, capacity=GIB),))}
    assert any("容量" in note for note in preflight.check(replace(bare, seen=small)).notes)


def image(tmp_path, size=16 * 2**20):
    path = tmp_path / "guest.qcow2"
    path.write_bytes(b"QFI\xfb" + b"\0" * 20 + size.to_bytes(8, "big") + b"rest")
    return {"guest": admission.BaseImage("guest", path, "a" * 64)}


def test_base_images(plan, tmp_path):
    assert problems(ground(plan, images=image(tmp_path))) == ()
    assert any("大きさが" in line for line in problems(ground(plan, images=image(tmp_path, size=2**20))))
    state = state_of(plan)
    other = replace(
        state, outputs={**state.outputs, "hosts-dc": {**state.outputs["hosts-dc"], "images": {"guest": "b"}}}
    )
    assert any("内容が" in line for line in problems(ground(plan, images=image(tmp_path), standing=other)))
    lost = without_volume(seen_of(plan), "kvm01", "guest.qcow2")
    assert any("配ってください" in line for line in problems(ground(plan, seen=lost, stacks=["t00"])))
    known = Resource("hosts-dc", "Volume", "x", "kvm01", "", {"name": "guest.qcow2", "pool": "default"})
    had = replace(state, resources=(*state.resources, known))
    assert any("消えています" in line for line in problems(ground(plan, seen=lost, standing=had)))


def test_a_plan_that_is_older_or_of_another_line(plan, tmp_path):
    state = state_of(plan)
    newer = replace(state, outputs={"t00": {"generation": 2, "layout_digest": plan.layout_digest}})
    assert any("世代 2 より古い" in line for line in problems(ground(plan, standing=newer)))
    stranger = replace(state, outputs={"t00": {"generation": 1, "layout_digest": "f" * 64}})
    assert any("引き継いでいません" in line for line in problems(ground(plan, standing=stranger)))
    heir = plans.write(tmp_path / "heir", tenants=1, generation=2)
    admission.require_lineage(
        heir.layout, heir.layout_digest, Deployed({"layout_digest": plan.layout_digest}, frozenset())
    )


# What the program itself asks


def test_a_vm_that_is_to_be_made_and_is_there(plan):
    seen = seen_of(plan)
    with pytest.raises(RefusalError, match=f"--adopt {AP1}"):
        admission.require_absent([plans.vm_named(plan, AP1)], seen)
    gone = {**seen, "kvm01": replace(seen["kvm01"], domains=())}
    admission.require_absent([plans.vm_named(plan, AP1)], gone)
    admission.require_absent([plans.vm_named(plan, AP1)], {"kvm01": Unreachable("kvm01", "答えません")})
    (pool,) = gone["kvm01"].pools
    idle = {**gone, "kvm01": replace(gone["kvm01"], pools=(replace(pool, active=False),))}
    with pytest.raises(RefusalError, match="pool-start"):
        admission.require_absent([plans.vm_named(plan, AP1)], idle)


def test_a_vm_that_has_really_moved(plan):
    seen, vm = seen_of(plan), plans.vm_named(plan, AP1)
    deployed = Deployed({"placement": {AP1: "kvm02"}}, frozenset({AP1}))
    asked = []

    def look(hosts):
        asked.append(hosts)
        return seen

    admission.require_in_place([vm], deployed, look)
    assert asked == [frozenset({"kvm01", "kvm02"})]
    with pytest.raises(RefusalError, match="migrate-vm"):
        admission.require_in_place([vm], deployed)
    there = {**seen, "kvm01": replace(seen["kvm01"], domains=()), "kvm02": seen["kvm01"]}
    with pytest.raises(RefusalError, match="migrate-vm"):
        admission.require_in_place([vm], deployed, lambda hosts: there)


# Pulumi's records


def test_records(plan):
    urn = "urn:pulumi:t00::kumiai::kumiai:infra:VirtualMachine$libvirt:index/domain:Domain::a"
    provider = "urn:pulumi:t00::kumiai::pulumi:providers:libvirt::kvm01::0000"
    deployment = {
        "resources": [
            {"type": "pulumi:pulumi:Stack", "urn": "urn:s", "outputs": {"generation": 4}},
            {
                "type": "libvirt:index/domain:Domain",
                "urn": urn,
                "id": "u",
                "provider": provider,
                "inputs": {"name": "b"},
            },
            {"type": "libvirt:index/domain:Domain", "urn": urn, "id": "old", "provider": provider, "delete": True},
        ]
    }
    resources, outputs = standing.parse("t00", deployment)
    assert outputs == {"generation": 4}
    (only,) = resources
    assert (only.kind, only.name, only.called, only.host, only.id) == ("Domain", "a", "b", "kvm01", "u")
    for broken in ({"resources": [3]}, {"resources": [{}]}, {"resources": {"a": 1}}):
        with pytest.raises(CheckpointError, match="形式"):
            standing.parse("t00", broken)
    assert json.dumps(deployment)
