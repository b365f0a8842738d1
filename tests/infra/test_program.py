"""What the program declares, against Pulumi's mocks."""

from __future__ import annotations

import hashlib
import json

import pytest

from infra.settings import Settings
from tests.infra import plans
from tests.infra.engine_double import declare

URIS = {"kvm01": "qemu+unix:///system?socket=/a", "kvm02": "qemu+unix:///system?socket=/b"}
IMAGE = b"a base image"


@pytest.fixture
def plan(tmp_path):
    written = plans.write(tmp_path / "plan")
    (tmp_path / "plan" / "images").mkdir()
    (tmp_path / "plan" / "images" / "guest.qcow2").write_bytes(IMAGE)
    return written


@pytest.fixture
def chosen(plan):
    return Settings(plan.path, "qemu", URIS)


@pytest.fixture
def tenant(plan, chosen):
    return declare(plan, "t00", chosen)


@pytest.fixture
def site(plan, chosen):
    return declare(plan, "hosts-dc", chosen)


def test_a_tenants_stack_holds_its_vms_and_nothing_else(tenant):
    assert [domain.name for domain in tenant.of("Domain")] == ["t00-s00-ap-01", "t00-s00-ap-02", "t00-s00-db-01"]
    assert [domain.inputs["name"] for domain in tenant.of("Domain")] == [each.name for each in tenant.of("Domain")]
    assert len(tenant.of("Volume")) == 9
    assert {each.type.rpartition(":")[2] for each in tenant.resources} == {
        "Domain",
        "Volume",
        "VirtualMachine",
        "libvirt",
    }


def test_every_resource_goes_to_its_hosts_own_provider(plan, tenant, site):
    assert {each.name: each.inputs["uri"] for each in tenant.of("libvirt")} == URIS
    for vm in plan.layout.vms:
        if vm.tenant == "t00":
            parts = [each for each in tenant.resources if each.parent == vm.id]
            assert len(parts) == 4
            assert {each.provider for each in parts} == {vm.host}
    for host in URIS:
        parts = [each for each in site.resources if each.parent == host]
        assert len(parts) == 6  # a pool, an image, four networks
        assert {each.provider for each in parts} == {host}


def test_a_stack_connects_to_no_host_that_it_does_not_use(tmp_path, chosen):
    def gather(layout):
        for vm in layout["vms"]:
            if vm["tenant"] == "t01":
                vm.update(host="kvm02", anti_affinity=[])

    plan = plans.write(tmp_path / "gathered", gather)
    stack = declare_unchecked(plan, "t01", chosen)
    assert [each.name for each in stack.of("libvirt")] == ["kvm02"]


def declare_unchecked(plan, stack, chosen):
    """For plans that break a rule on purpose: only the declaration, without the checkers."""
    from infra import admission, tenant
    from tests.infra.engine_double import NOTHING, Mocks, run

    work = plan.path / "work"
    work.mkdir(exist_ok=True)
    found = admission.stack_of(stack, plan.layout)
    return run(lambda: tenant.declare(found, plan.layout, chosen, NOTHING, work), stack, Mocks())


def test_whatever_a_vm_stands_on_is_protected(tenant, site):
    for each in (*tenant.of("Domain"), *tenant.of("Volume"), *site.of("Pool"), *site.of("Volume")):
        assert each.protect, each.name


def test_data_stays_on_the_host_and_grows_outside_the_program(tenant):
    data = tenant.one("t00-s00-db-01-data")
    assert data.retain
    assert data.ignored == ("size",)
    assert data.inputs["size"] == 2**29
    assert "baseVolumeName" not in data.inputs
    system = tenant.one("t00-s00-db-01-system")
    assert not system.retain
    assert system.ignored == ("size",)
    assert system.inputs["baseVolumeName"] == "guest.qcow2"
    assert system.inputs["size"] == 2**30


def test_the_domain_is_what_the_plan_says(plan, tenant):
    domain = tenant.one("t00-s00-ap-01").inputs
    vm = plans.vm_named(plan, "t00-s00-ap-01")
    assert (vm.vcpu, vm.vcpu_max) == (4, 8)
    assert domain["vcpu"] == 8
    assert domain["memory"] == 128
    assert domain["type"] == "qemu"
    assert domain["autostart"] is True
    assert domain["running"] is True
    assert domain["networkInterfaces"] == [{"bridge": "br0", "mac": vm.mac}]
    assert domain["consoles"] == [{"type": "pty", "targetPort": "0", "targetType": "serial"}]
    assert '<xsl:attribute name="current">4</xsl:attribute>' in domain["xml"]["xslt"]
    # the system first, so that the VM boots from it, though the plan names the data first; the seed last
    assert [disk["volumeId"] for disk in domain["disks"]] == [
        f"id-of-t00-s00-ap-01-{part}" for part in ("system", "data", "seed")
    ]


def test_nothing_that_the_provider_cannot_change_in_place_is_used(tenant, site):
    assert not [each.type for each in (*tenant.resources, *site.resources) if "CloudInit" in each.type]
    for domain in tenant.of("Domain"):
        assert not {"description", "cloudinit", "qemuAgent"} & set(domain.inputs)


def test_the_seeds_volume_carries_the_hash_of_what_is_uploaded(tenant):
    for volume in tenant.of("Volume"):
        if volume.name.endswith("-seed"):
            name = volume.inputs["name"]
            assert name.startswith(volume.name + "-")
            assert name.endswith(".iso")
            assert volume.ignored == ("source",)
    assert len({volume.inputs["name"] for volume in tenant.of("Volume")}) == 9


def test_names_of_resources_do_not_depend_on_hosts(plan, chosen, tmp_path, tenant):
    def swap(layout):
        for vm in layout["vms"]:
            vm["host"] = {"kvm01": "kvm02", "kvm02": "kvm01"}[vm["host"]]

    swapped = declare_unchecked(plans.write(tmp_path / "swapped", swap), "t00", chosen)
    assert {each.name for each in swapped.resources} == {each.name for each in tenant.resources}


def test_hosts_have_pools_networks_and_images(site):
    pool = site.one("kvm01-default").inputs
    assert pool == {"name": "default", "type": "dir", "target": {"path": plans.POOL}}
    network = site.one("kvm02-t01-lgwan").inputs
    assert network == {"name": "t01-lgwan", "mode": "bridge", "bridge": "br3", "autostart": True}
    image = site.one("kvm01-default-guest")
    assert image.inputs["name"] == "guest.qcow2"
    assert image.ignored == ("source",)


def test_a_stack_says_what_it_was_built_from(plan, tenant, site):
    common = {"generation": 1, "layout_digest": plan.layout_digest, "plan_name": "試験の組合"}
    hosts = {vm.id: vm.host for vm in plan.layout.vms if vm.tenant == "t00"}
    keys = dict.fromkeys(hosts, plans.public_key("t00"))
    assert tenant.outputs == {**common, "placement": hosts, "keys": keys}
    assert site.outputs == {**common, "images": {"guest": hashlib.sha256(IMAGE).hexdigest()}}


def test_shared_vms_are_a_stack_of_their_own(tmp_path, chosen):
    def share(layout):
        for vm in layout["vms"]:
            if vm["tenant"] == "t00":
                vm["tenant"] = "common"

    from infra import admission

    plan = plans.write(tmp_path / "shared", share)
    assert admission.stack_names(plan.layout) == ("hosts-dc", "common", "t01")
    assert len(declare_unchecked(plan, "common", chosen).of("Domain")) == 3


def test_the_stack_reads_its_configuration_and_its_own_last_outputs(plan, tmp_path):
    from pulumi.runtime import set_all_config

    from infra import program
    from tests.infra.engine_double import Mocks, run

    uris = tmp_path / "uris.json"
    uris.write_text(json.dumps(URIS))
    answers = Mocks(outputs={"generation": 1.0})

    def whole() -> None:
        set_all_config(
            {"kumiai:plan": str(plan.path), "kumiai:uris": str(uris), "pulumi:disable-default-providers": "[]"}
        )
        program.main()

    declared = run(whole, "t01", answers)
    assert len(declared.of("Domain")) == 3
    assert {each.inputs["type"] for each in declared.of("Domain")} == {"kvm"}
    assert answers.calls == [
        ("pulumi:pulumi:readStackOutputs", {"name": "organization/kumiai/t01"}),
        ("pulumi:pulumi:readStackResourceOutputs", {"stackName": "organization/kumiai/t01"}),
    ]
