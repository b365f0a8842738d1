"""Plans from kept plans: what stays, what changes and why, and what is refused."""

import json
import math
import sys
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

import estate
import planning
from layout import FolderError, checkers, folder
from tests.planning.random_estate import CODES
from tests.planning.random_estate import estate as random_estate


class Centre:
    """A random estate in a folder, planned again and again."""

    def __init__(self, path, seed=7):
        self.path = path
        self.document, self.catalogue = random_estate(seed)

    def load(self):
        (self.path / "estate.yaml").write_text(json.dumps(self.document), encoding="utf-8")
        (self.path / "catalogue.yaml").write_text(json.dumps(self.catalogue), encoding="utf-8")
        return estate.load(self.path / "estate.yaml")

    def plan(self, name="first", keep=None, **wishes):
        planning.plan(self.load(), self.path / name, keep=keep, **wishes)
        return folder.read_planned(self.path / name)

    def host(self, site):
        return next(host for host in self.document["hosts"] if host["site"] == site)

    def tenant_joins(self):
        last = len(self.document["tenants"])
        first = self.document["tenants"][0]
        self.document["tenants"].append({**first, "id": "joined", "name": "新町", "code": CODES[last % 6]})

    def roles(self, **values):
        for system in self.catalogue["systems"].values():
            system["roles"]["ap"]["size"] |= values

    def jobs(self):
        return [job for system in self.catalogue["systems"].values() for job in system["jobs"].values()]


@pytest.fixture
def centre(tmp_path):
    return Centre(tmp_path)


def refused(plan):
    return {verdict.checker for verdict in checkers.check(plan) if not verdict.passed}


def by_kind(plan, kind):
    return [change for change in plan.run.changes if change.kind == kind]


def starts(plan):
    return dict(zip(plan.runs["run_id"].to_pylist(), plan.runs["start"].to_pylist(), strict=True))


@pytest.mark.parametrize("seed", [3, 5, 8])
def test_the_same_estate_gives_the_same_layout_and_the_same_bytes_of_runs(tmp_path, seed):
    centre = Centre(tmp_path, seed)
    first = centre.plan()
    again = centre.plan("again", first, seed=99)
    assert again.layout == first.layout.model_copy(update={"generation": 2, "lineage": (first.layout_digest,)})
    for name in ("runs.parquet", "online.parquet", "profile.parquet", "estate.json"):
        assert (again.path / name).read_bytes() == (first.path / name).read_bytes(), name
    assert again.run.changes == ()
    assert again.run.changes_count == 0
    assert again.run.fits
    third = centre.plan("third", again)
    assert third.layout.generation == 3
    assert third.layout.lineage == (first.layout_digest, again.layout_digest)


def test_a_folder_may_be_kept_in_its_own_place(centre):
    first = centre.plan()
    again = centre.plan("first", first)
    assert again.layout.generation == 2
    assert again.layout.lineage == (first.layout_digest,)


def test_a_tenant_that_joins_moves_nobody(centre):
    first = centre.plan()
    centre.tenant_joins()
    second = centre.plan("second", first)
    old, new = ({vm.id: vm for vm in plan.layout.vms} for plan in (first, second))
    assert {name: new[name] for name in old} == old
    assert {network.id: network for network in second.layout.networks}.items() >= {
        network.id: network for network in first.layout.networks
    }.items()
    before, after = starts(first), starts(second)
    assert {name: after[name] for name in before} == before
    assert {change.runbook for change in by_kind(second, "vm")} == {"add-tenant"}
    assert {change.subject for change in by_kind(second, "vm")} == set(new) - set(old)
    assert {change.runbook for change in by_kind(second, "network")} == {"apply-network"}
    assert by_kind(second, "host") == []
    assert refused(second) == set()


def test_a_tenant_that_leaves_frees_no_number_for_the_next(centre):
    centre.tenant_joins()
    first = centre.plan()
    gone = {vm.id for vm in first.layout.vms if vm.tenant == "joined"}
    centre.document["tenants"][-1] |= {"id": "later", "code": CODES[5]}
    second = centre.plan("second", first)
    taken = {
        "mac": {vm.mac for vm in first.layout.vms},
        "vni": {network.vni for network in first.layout.networks},
        "subnet": {network.subnet for network in first.layout.networks},
        "vlan": {(network.site, network.vlan) for network in first.layout.networks},
    }
    fresh = [network for network in second.layout.networks if network.tenant == "later"]
    assert fresh
    assert not {vm.mac for vm in second.layout.vms if vm.tenant == "later"} & taken["mac"]
    assert not {network.vni for network in fresh} & taken["vni"]
    assert not {network.subnet for network in fresh} & taken["subnet"]
    assert not {(network.site, network.vlan) for network in fresh} & taken["vlan"]
    removed = [change for change in by_kind(second, "vm") if change.change == "removed"]
    assert {change.subject for change in removed} == gone
    assert {change.runbook for change in removed} == {"remove-tenant"}
    assert refused(second) == set()


def test_a_system_that_ends_leaves_the_decision_to_a_person(centre):
    first = centre.plan()
    tenant = next(one for one in centre.document["tenants"] if len(one["systems"]["only"]) > 1)
    tenant["systems"]["only"].pop()
    second = centre.plan("second", first)
    removed = [change for change in by_kind(second, "vm") if change.change == "removed"]
    assert removed
    assert {change.runbook for change in removed} == {""}
    assert all("団体は残る" in change.reason for change in removed)


def test_a_removed_host_moves_only_its_own_vms(centre):
    first = centre.plan()
    lost = first.layout.vms[0].host
    hosts = [host.id for host in first.layout.hosts]
    entries = {entry["site"]: entry for entry in centre.document["hosts"]}
    centre.document["hosts"] = [{**entries[host.site], "id": host.id} for host in first.layout.hosts if host.id != lost]
    second = centre.plan("second", first)
    before = {vm.id: vm.host for vm in first.layout.vms}
    for vm in second.layout.vms:
        assert vm.host == before[vm.id] or before[vm.id] == lost
    moved = [change for change in second.run.changes if change.what == "host"]
    assert {change.subject for change in moved} == {vm for vm, host in before.items() if host == lost}
    assert {change.runbook for change in moved} == {"migrate-vm"}
    assert {change.reason for change in moved} == {f"ホスト {lost} が構成ファイルにないため"}
    removed = by_kind(second, "host")[0]
    assert (removed.change, removed.subject, removed.runbook) == ("removed", lost, "evacuate-host")
    assert second.layout.moves == ()  # a move needs both of its hosts
    assert lost in hosts
    assert refused(second) == set()


def test_moves_are_recorded_and_carried_on(centre):
    first = centre.plan()
    vm = first.layout.vms[0]
    site = [host.id for host in first.layout.hosts if host.site == vm.site and not host.spare]
    one, other = [host for host in site if host != vm.host][:2]
    second = centre.plan("second", first, moves={vm.id: one})
    move = next(iter(move for move in second.layout.moves if move.vm == vm.id))
    assert (move.from_host, move.to_host) == (vm.host, one)
    assert move.at == second.run.created
    change = next(change for change in second.run.changes if change.subject == vm.id)
    assert (change.before, change.after, change.runbook) == (vm.host, one, "migrate-vm")
    third = centre.plan("third", second)
    assert third.layout.moves == second.layout.moves
    assert third.run.changes == ()
    fourth = centre.plan("fourth", third, moves={vm.id: other})
    chain = [move for move in fourth.layout.moves if move.vm == vm.id]
    assert [(move.from_host, move.to_host) for move in chain] == [(vm.host, one), (one, other)]
    assert chain[0].at < chain[1].at
    assert all(refused(plan) == set() for plan in (second, third, fourth))


def test_a_host_to_do_without_is_emptied_and_left_out_of_the_host_sets(centre):
    first = centre.plan()
    lost = first.layout.vms[0].host
    second = centre.plan("second", first, without=[lost])
    assert lost not in {vm.host for vm in second.layout.vms}
    assert not any(lost in hosts.hosts for hosts in second.layout.host_sets)
    assert {move.from_host for move in second.layout.moves} == {lost}
    change = by_kind(second, "host")[0]
    assert (change.subject, change.what, change.runbook) == (lost, "use", "evacuate-host")
    assert refused(second) == set()
    third = centre.plan("third", second)
    assert {vm.id: vm.host for vm in third.layout.vms} == {vm.id: vm.host for vm in second.layout.vms}


def test_a_reserve_to_do_without_is_replaced(centre):
    first = centre.plan()
    reserve = next(host.id for host in first.layout.hosts if host.spare)
    second = centre.plan("second", first, without=[reserve])
    spare = {host.id for host in second.layout.hosts if host.spare}
    assert reserve not in spare
    assert refused(second) == set()
    changed = {change.subject: change for change in by_kind(second, "host") if change.what in ("use", "spare")}
    assert changed[reserve].runbook == "evacuate-host"


def test_more_memory_and_disk_name_their_runbooks(centre):
    first = centre.plan()
    centre.roles(
        memory_gib={"small": 16.0, "large": 30.0},
        disk_gib={"small": 60.0, "large": 260.0},
        vcpu={"small": 6, "large": 6},
    )
    second = centre.plan("second", first)
    assert second.run.fits, second.run.verdict
    vms = {vm.id for vm in second.layout.vms}
    sizes = by_kind(second, "size")
    assert {change.subject for change in sizes if change.what == "memory_mib"} == vms
    assert {change.runbook for change in sizes if change.what == "memory_mib"} == {"resize-memory"}
    larger = [change for change in sizes if change.what == "vcpu_max"]
    assert larger
    assert all("計画停止" in change.reason and change.runbook == "resize-memory" for change in larger)
    assert {change.runbook for change in sizes if change.what == "vcpu"} == {"raise-vcpu"}
    disks = by_kind(second, "disk")
    assert len(disks) == len(vms)
    assert {(change.what, change.runbook) for change in disks} == {("size_gib", "grow-disk")}
    assert refused(second) == set()


def test_smaller_disks_have_no_runbook(centre):
    first = centre.plan()
    centre.roles(disk_gib={"small": 20.0, "large": 20.0})
    disks = by_kind(centre.plan("second", first), "disk")
    assert disks
    assert {change.runbook for change in disks} == {""}
    assert all("縮小" in change.reason for change in disks)


def test_busy_months_are_a_raise_of_vcpus(centre):
    first = centre.plan()
    tenant = centre.document["tenants"][0]
    system = tenant["systems"]["only"][0]
    busy = [{"from": "2027-06-02", "until": "2027-06-10", "role": "ap", "vcpu": 7}]
    tenant["overrides"] = {system: {"vcpu_busy": busy}}
    second = centre.plan("second", first)
    changed = [change for change in by_kind(second, "size") if change.what == "vcpu_changes"]
    assert changed
    assert changed[0].after == "2027-06-02〜2027-06-10 7"
    assert {change.runbook for change in changed} == {"raise-vcpu"}


def test_flows_products_and_other_rules_are_told(centre):
    tenant = centre.document["tenants"][0]["id"]
    first = centre.plan()
    centre.document["flows"] = [
        {"source": {"tenant": tenant, "segment": "lgwan"}, "destination": {"address": "192.0.2.1"}, "protocol": "tcp",
         "port": 443}
    ]  # fmt: skip
    for system in centre.catalogue["systems"].values():
        system["roles"]["ap"]["slots"] = 5
    second = centre.plan("second", first)
    flow = by_kind(second, "flow")[0]
    assert (flow.change, flow.subject, flow.runbook) == (
        "added", f"{tenant}/lgwan → 192.0.2.1 tcp/443", "apply-network",
    )  # fmt: skip
    slots = [change for change in by_kind(second, "vm") if change.what == "slots"]
    assert len(slots) == len(second.layout.vms)
    third = centre.plan("third", second)
    assert third.run.changes == ()


def test_a_longer_night_job_leaves_its_start_only_where_it_must(centre):
    first = centre.plan()
    for job in centre.jobs():
        job["work"]["fixed_s"] += 3600.0
    second = centre.plan("second", first)
    assert refused(second) == set()
    before, after = starts(first), starts(second)
    moved = {name for name in before if name in after and before[name] != after[name]}
    told = {change.subject for change in by_kind(second, "time") if change.what == "start"}
    assert told == moved
    assert 0 < len(moved) < len(before)
    assert all(change.reason.endswith("ため") for change in by_kind(second, "time"))


def test_other_dates_are_counted_per_job(centre):
    first = centre.plan()
    system = min({name for tenant in centre.document["tenants"] for name in tenant["systems"]["only"]})
    centre.catalogue["systems"][system]["jobs"]["nightly"]["when"]["rrule"] = "FREQ=WEEKLY;BYDAY=TU"
    second = centre.plan("second", first)
    dropped = [change for change in by_kind(second, "time") if change.change == "removed"]
    assert {change.subject.split("/", 1)[1] for change in dropped} == {f"{system}/nightly"}
    assert {change.reason for change in dropped} == {"実行日が変わったため"}
    gone = set(starts(first)) - set(starts(second))
    assert sum(int(change.before) for change in dropped) == len(gone)


def test_hosts_that_changed_are_told(centre):
    first = centre.plan()
    site = first.layout.vms[0].site
    centre.host(site)["memory_gib"] = 256.0
    centre.host(site)["uri"] = "qemu+ssh://root@{id}/system"
    centre.document["hosts"].append({**centre.host(site), "id": "extra"})
    second = centre.plan("second", first)
    hosts = by_kind(second, "host")
    assert {change.runbook for change in hosts if change.what == "memory_mib"} == {"replace-host"}
    assert {change.runbook for change in hosts if change.what == "uri"} == {""}
    added = [change for change in hosts if change.change == "added"]
    assert [(change.subject, change.runbook) for change in added] == [("extra", "add-host")]
    assert {vm.id: vm.host for vm in second.layout.vms} == {vm.id: vm.host for vm in first.layout.vms}


def test_start_times_give_way_before_vms_do(centre):
    """Two kept runs that overload their host together: their times part, their VMs stay."""
    for job in centre.jobs():
        job["work"] |= {"fixed_s": 0.0, "cpu_s_per_unit": 0.0}
    first = centre.plan()
    host = first.layout.vms[0].host
    together = [vm.id for vm in first.layout.vms if vm.host == host][:2]
    assert len(together) == 2
    for entry in centre.document["hosts"]:
        entry["model"] = "box"
    centre.catalogue["host_models"]["box"]["cores_per_socket"] = 2
    for system in centre.catalogue["systems"].values():
        system["roles"]["ap"].pop("online", None)
        system["roles"]["ap"]["size"]["vcpu"] = {"small": 4, "large": 4}
        for job in system["jobs"].values():
            job["work"] |= {"fixed_s": 0.0, "cpu_s_per_unit": 0.05, "max_cores": 4.0}
    second = centre.plan("second", first)
    assert refused(second) == set()
    reasons = {change.reason for change in by_kind(second, "time")}
    assert "仮想サーバが今いるホストの CPU が足りなくなるため" in reasons


def test_the_plan_of_another_estate_is_refused_before_any_work(centre, monkeypatch):
    first = centre.plan()
    centre.document["name"] = "別の組合"
    monkeypatch.setattr("capacity.runs.generate", lambda *_: pytest.fail("worked all the same"))
    with pytest.raises(FolderError, match="別の構成の計画"):
        centre.plan("second", first)
    assert not (centre.path / "second").exists()


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"moves": {"nobody": "east01"}}, "そのような仮想サーバはありません"),
        ({"moves": {"VM": "nowhere"}}, "そのようなホストはありません"),
        ({"moves": {"VM": "HOST"}, "without": ["HOST"]}, "使わない指定"),
        ({"without": ["nowhere"]}, "そのようなホストはありません"),
    ],
)
def test_wishes_that_nobody_can_follow_are_refused(centre, wishes, words):
    first = centre.plan()
    vm = first.layout.vms[0]
    names = {"VM": vm.id, "HOST": vm.host}
    moves = {names.get(one, one): names.get(host, host) for one, host in wishes.get("moves", {}).items()}
    with pytest.raises(planning.WishError, match=words) as caught:
        centre.plan("second", first, moves=moves, without=[names.get(one, one) for one in wishes.get("without", [])])
    assert caught.value.exit_code == 2
    assert not (centre.path / "second").exists()


def test_a_move_to_another_site_is_refused(tmp_path):
    centre = Centre(tmp_path, next(seed for seed in range(20) if len(random_estate(seed)[0]["sites"]) == 2))
    first = centre.plan()
    vm = first.layout.vms[0]
    other = next(host.id for host in first.layout.hosts if host.site != vm.site)
    with pytest.raises(planning.WishError, match="拠点"):
        centre.plan("second", first, moves={vm.id: other})


def test_a_move_to_a_host_that_is_too_small_does_not_fit(centre):
    first = centre.plan()
    vm = first.layout.vms[0]
    centre.document["hosts"].append({**centre.host(vm.site), "id": "tiny", "memory_gib": 1.0})
    with pytest.raises(planning.WishError, match="ホスト tiny に置けません") as caught:
        centre.plan("second", first, moves={vm.id: "tiny"})
    assert caught.value.exit_code == 3
    assert not (centre.path / "second").exists()


def test_only_the_first_thousand_changes_are_listed(centre, monkeypatch):
    monkeypatch.setattr(sys.modules["planning.plan"], "MOST_CHANGES", 3)
    first = centre.plan()
    centre.roles(memory_gib={"small": 9.5, "large": 25.5})
    second = centre.plan("second", first)
    assert len(second.run.changes) == 3
    assert second.run.changes_count >= len(second.layout.vms) > 3


def test_a_kept_plan_that_did_not_fit_is_repaired(centre):
    hosts = [dict(host) for host in centre.document["hosts"]]
    for host in centre.document["hosts"]:
        host["memory_gib"] = 25.0
    first = centre.plan()
    assert not first.run.fits
    centre.document["hosts"] = hosts
    second = centre.plan("second", first)
    assert second.run.fits, second.run.verdict
    placed = {vm.id for vm in first.layout.vms}
    assert {change.subject for change in by_kind(second, "vm") if change.change == "added"} == {
        vm.id for vm in second.layout.vms if vm.id not in placed
    }


def mutate(centre, rng):
    """One to three changes that an estate may see between two plans."""
    tenant = centre.document["tenants"][int(rng.integers(len(centre.document["tenants"])))]
    system = centre.catalogue["systems"][str(rng.choice(list(centre.catalogue["systems"])))]
    what = {
        "join": centre.tenant_joins,
        "leave": lambda: len(centre.document["tenants"]) > 1 and centre.document["tenants"].remove(tenant),
        "grow": lambda: tenant.update(population=int(tenant["population"] * 1.7)),
        "systems": lambda: tenant["systems"].update(only=[str(rng.choice(list(centre.catalogue["systems"])))]),
        "memory": lambda: system["roles"]["ap"]["size"].update(memory_gib={"small": 12.0, "large": 22.0}),
        "slots": lambda: system["roles"]["ap"].update(slots=1),
        "replicas": lambda: system["roles"]["ap"]["size"].update(replicas={"small": 2, "large": 2}),
        "window": lambda: centre.catalogue["windows"]["night"].update(business_day="21:00-05:00"),
        "exclusive": lambda: system["jobs"]["nightly"].update(exclusive=True),
        "longer": lambda: system["jobs"]["nightly"]["work"].update(fixed_s=4000.0),
        "segments": lambda: centre.document["policy"].update(separate_segments=True),
        "hosts": lambda: centre.document["hosts"].append({**centre.document["hosts"][0], "id": "h{1..2}"}),
    }
    names = sorted(what)
    for name in rng.choice(names, size=int(rng.integers(1, 4)), replace=False).tolist():
        what[name]()


@pytest.mark.parametrize("seed", range(16))
def test_random_changes_keep_all_that_need_not_change(tmp_path, seed):
    rng = np.random.default_rng(seed)
    centre = Centre(tmp_path, seed)
    try:
        first = centre.plan()
        mutate(centre, rng)
        second = centre.plan("second", first)
    except estate.EstateErrors:
        return  # too tight for any plan; test_random_estates looks at these
    wrong = refused(second)
    assert wrong == set() or not second.run.fits
    assert wrong <= {"completeness", "fits", "windows", "deadlines", "rerun_room", "reserve", "bounds"}, (
        second.run.verdict
    )
    old, new = ({vm.id: vm for vm in plan.layout.vms} for plan in (first, second))
    both = set(old) & set(new)
    assert all(old[name].mac == new[name].mac for name in both)
    assert all(old[name].address == new[name].address for name in both if old[name].network == new[name].network)
    assert not {new[name].mac for name in set(new) - both} & {vm.mac for vm in first.layout.vms}
    told = {change.subject for change in second.run.changes if change.what == "host"}
    assert told == {name for name in both if old[name].host != new[name].host}
    before, after = starts(first), starts(second)
    told = {change.subject for change in second.run.changes if change.what == "start"}
    assert told == {name for name in set(before) & set(after) if before[name] != after[name]}
    for bound in second.layout.bounds:
        assert math.isclose(bound.gap, (bound.plan - bound.lower_bound) / bound.lower_bound)
    again = centre.plan("again", second)
    assert again.run.changes == ()
    assert again.runs.equals(second.runs)


def test_the_bounds_are_those_of_the_free_problem(centre):
    first = centre.plan()
    centre.tenant_joins()
    kept = centre.plan("kept", first)
    free = centre.plan("free")
    bounds = [
        {(bound.site, bound.resource): (bound.lower_bound, bound.proof) for bound in plan.layout.bounds}
        for plan in (kept, free)
    ]
    cpu = [{key: value for key, value in each.items() if key[1] == "cpu_peak_cores"} for each in bounds]
    assert cpu[0] == cpu[1]
    assert {key: value[0] for key, value in bounds[0].items()} == {key: value[0] for key, value in bounds[1].items()}


def test_moves_of_a_folder_are_judged(centre):
    first = centre.plan()
    vm = first.layout.vms[0]
    site = [host.id for host in first.layout.hosts if host.site == vm.site and not host.spare and host.id != vm.host]
    second = centre.plan("second", first, moves={vm.id: site[0]})
    move = next(move for move in second.layout.moves if move.vm == vm.id)

    def judged(*moves):
        layout = second.layout.model_copy(update={"moves": moves})
        contents = replace(second, layout=layout)
        verdicts = {verdict.checker: verdict for verdict in checkers.check(contents)}
        return verdicts["hosts"]

    assert judged(*second.layout.moves).passed
    later = move.model_copy(update={"at": move.at + timedelta(days=1)})
    assert not judged(move.model_copy(update={"to_host": site[1]})).passed
    assert not judged(move.model_copy(update={"from_host": move.to_host})).passed
    assert not judged(move, later).passed
    assert not judged(move.model_copy(update={"vm": "nobody"})).passed
