"""What the program refuses, each in one line, before it registers anything."""

from __future__ import annotations

import json

import pulumi
import pytest
from pulumi.runtime import set_all_config

from infra import admission, program, settings
from infra.admission import Deployed
from infra.refusal import RefusalError
from infra.settings import Settings
from tests.infra import plans
from tests.infra.engine_double import Mocks, declare, run

URIS = {"kvm01": "qemu+unix:///system?socket=/a", "kvm02": "qemu+unix:///system?socket=/b"}
NEW = Deployed({}, frozenset())


@pytest.fixture
def plan(tmp_path):
    written = plans.write(tmp_path / "plan", generation=3)
    (tmp_path / "plan" / "images").mkdir()
    (tmp_path / "plan" / "images" / "guest.qcow2").write_bytes(b"a base image")
    return written


def refused(plan, stack="t00", deployed=NEW, uris=URIS):
    with pytest.raises(RefusalError) as caught:
        program.declare(plan, Settings(plan.path, "qemu", uris), stack, deployed)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_plan_that_does_not_fit(tmp_path):
    refusal = refused(plans.write(tmp_path / "unfit", fits=False))
    assert "適合しない計画" in str(refusal)
    assert refusal.unfit


def test_a_plan_that_its_checkers_refuse_though_it_says_it_fits(tmp_path):
    def squeeze(layout):
        for host in layout["hosts"]:
            host["memory_mib"] = 256

    refusal = refused(plans.write(tmp_path / "squeezed", squeeze))
    assert "検査に通らない計画" in str(refusal)
    assert refusal.unfit


def test_a_layout_changed_after_it_was_planned(plan):
    from layout import folder

    path = plan.path / "layout.json"
    path.write_bytes(path.read_bytes().replace(b'"weight": 1.0', b'"weight": 2.0'))
    assert "計画のあとで変わって" in str(refused(folder.read(plan.path)))


def test_an_older_generation_than_the_one_that_stands(plan):
    assert "世代 3" in str(refused(plan, deployed=Deployed({"generation": 4.0}, frozenset())))
    assert "世代 3" in str(refused(plan, "hosts-dc", deployed=Deployed({"generation": 4.0}, frozenset())))
    declare(plan, "t00", Settings(plan.path, "qemu", URIS), Deployed({"generation": 3.0}, frozenset()))


@pytest.mark.parametrize("name", ["t02", "hosts-", "hosts-osaka", "dev"])
def test_a_stack_that_the_plan_does_not_have(plan, name):
    assert f"「{name}」" in str(refused(plan, name))
    assert "hosts-dc、t00、t01" in str(refused(plan, name))


def test_a_host_without_uri(plan):
    silent = plan.layout.hosts[1].model_copy(update={"uri": ""})
    with pytest.raises(RefusalError, match="kvm02"):
        admission.uri_of(silent, Settings(plan.path, uris={"kvm01": "qemu:///system"}))
    assert admission.uri_of(silent, Settings(plan.path, uris=URIS)) == URIS["kvm02"]
    assert admission.uri_of(plan.layout.hosts[0], Settings(plan.path)) == "qemu+ssh://kvm01/system"
    assert admission.uri_of(plan.layout.hosts[0], Settings(plan.path, uris=URIS)) == URIS["kvm01"]


def test_a_vm_that_stands_elsewhere(plan):
    there = {"placement": {"t00-s00-db-01": "kvm01"}}
    refusal = refused(plan, deployed=Deployed(there, frozenset({"t00-s00-db-01"})))
    assert "kvm01 にあり、この計画では kvm02" in str(refusal)
    # its creation failed: nothing of it exists, so it may be built where the new plan says
    declare(plan, "t00", Settings(plan.path, "qemu", URIS), Deployed(there, frozenset()))


def test_a_kind_of_pool_that_cannot_be_built(tmp_path):
    def iscsi(layout):
        layout["hosts"][0]["pools"][0]["kind"] = "iscsi"

    assert "iscsi" in str(refused(plans.write(tmp_path / "plan", iscsi)))


def test_images(plan, tmp_path):
    found = admission.find_images(["guest"], plan.layout, Settings(plan.path), NEW)
    changed = Deployed({"images": {"guest": "0" * 64}}, frozenset())
    assert "新しい id" in str(refused(plan, "hosts-dc", changed))
    same = Deployed({"images": {"guest": found["guest"].sha256}}, frozenset())
    assert admission.find_images(["guest"], plan.layout, Settings(plan.path), same) == found

    def promise(layout):
        layout["images"][0]["digest"] = "1" * 64

    other = plans.write(tmp_path / "other", promise)
    assert "guest.qcow2 がありません" in str(refused(other, "hosts-dc"))
    (other.path / "images").mkdir()
    (other.path / "images" / "guest.qcow2").write_bytes(b"another")
    assert "内容が計画と違います" in str(refused(other, "hosts-dc"))


def test_images_beside_the_uris_come_first(plan, tmp_path):
    (tmp_path / "lab" / "images").mkdir(parents=True)
    (tmp_path / "lab" / "images" / "guest.qcow2").write_bytes(b"the laboratory's")
    chosen = Settings(plan.path, uris=URIS, uris_file=tmp_path / "lab" / "uris.json")
    found = admission.find_images(["guest"], plan.layout, chosen, NEW)
    assert found["guest"].path == tmp_path / "lab" / "images" / "guest.qcow2"


def test_configuration(tmp_path):
    (tmp_path / "uris.json").write_text(json.dumps(URIS))
    read = settings.read({"plan": "out", "uris": "uris.json", "domain_type": "qemu"}, tmp_path)
    assert read == Settings(tmp_path / "out", "qemu", URIS, tmp_path / "uris.json")
    assert settings.read({"plan": "/srv/plan"}, tmp_path).plan.as_posix() == "/srv/plan"
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "broken.json").write_text("{")
    for config, said in (
        ({}, "plan"),
        ({"plan": ""}, "plan"),
        ({"plan": "out", "domaintype": "qemu"}, "domaintype"),
        ({"plan": "out", "domain_type": "xen"}, "xen"),
        ({"plan": "out", "uris": "none.json"}, "ありません"),
        ({"plan": "out", "uris": "list.json"}, "の形が必要"),
        ({"plan": "out", "uris": "broken.json"}, "JSON"),
    ):
        with pytest.raises(RefusalError, match=said) as caught:
            settings.read(config, tmp_path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["missing", "major", "generation"])
def test_the_program_ends_with_one_line_and_no_resource(plan, damage):
    if damage == "missing":
        (plan.path / "runs.parquet").unlink()
    if damage == "major":
        path = plan.path / "layout.json"
        path.write_bytes(path.read_bytes().replace(b'"format_version": "1.0"', b'"format_version": "2.0"'))

    def whole() -> None:
        set_all_config({"kumiai:plan": str(plan.path)})
        program.main()

    with pytest.raises(pulumi.RunError) as caught:
        run(whole, "t00", Mocks(outputs={"generation": 4.0}))
    assert "\n" not in str(caught.value)
    said = {"missing": "runs.parquet", "major": "2.0", "generation": "世代"}
    assert said[damage] in str(caught.value)
