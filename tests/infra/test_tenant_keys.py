"""The public key of a tenant goes into its seeds; a seed keeps the key that it was made with."""

from __future__ import annotations

import pytest

from infra import program, seed, tenant_keys
from infra.admission import Deployed
from infra.refusal import RefusalError
from infra.settings import Settings
from tests.infra import plans
from tests.infra.engine_double import declare

URIS = {"kvm01": "qemu+unix:///system?socket=/a", "kvm02": "qemu+unix:///system?socket=/b"}
OLD = plans.public_key("old")


@pytest.fixture
def plan(tmp_path):
    return plans.write(tmp_path / "plan")


def seeds(plan, deployed):
    declared = declare(plan, "t00", Settings(plan.path, "qemu", URIS), deployed)
    return {each.name: each.inputs["name"] for each in declared.of("Volume") if each.name.endswith("-seed")}, declared


def expected(plan, vm, key):
    network = next(network for network in plan.layout.networks if network.id == vm.network)
    return seed.make(vm, network, key).volume


def test_a_new_key_is_for_new_vms(plan):
    vms = [vm for vm in plan.layout.vms if vm.tenant == "t00"]
    first, *others = vms
    standing = Deployed({"keys": {first.id: OLD}}, frozenset({f"{first.id}-seed"}))
    found, declared = seeds(plan, standing)
    new = plans.public_key("t00")
    assert found[f"{first.id}-seed"] == expected(plan, first, OLD)
    assert [found[f"{vm.id}-seed"] for vm in others] == [expected(plan, vm, new) for vm in others]
    assert declared.outputs["keys"] == {first.id: OLD} | {vm.id: new for vm in others}


def test_a_seed_that_was_never_made_takes_the_current_key(plan):
    vm = plan.layout.vms[0]
    found, _ = seeds(plan, Deployed({"keys": {vm.id: OLD}}, frozenset()))
    assert found[f"{vm.id}-seed"] == expected(plan, vm, plans.public_key("t00"))


def refused(plan):
    with pytest.raises(RefusalError) as caught:
        program.declare(plan, Settings(plan.path, "qemu", URIS), "t00", Deployed({}, frozenset()))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_keys_nothing_is_declared(plan, monkeypatch, tenants_keys):
    monkeypatch.delenv("KUMIAI_SECRETS")
    assert "KUMIAI_SECRETS" in refused(plan)
    assert "kumiai deploy --env --stack t00" in refused(plan)
    monkeypatch.setenv("KUMIAI_SECRETS", str(tenants_keys))
    (tenants_keys / "t00" / "id_ed25519.pub").unlink()
    assert "団体「t00」の公開鍵がありません" in refused(plan)


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n",
        "",
        "ssh-ed25519 AAAA\nssh-ed25519 BBBB\n",
        'command="reboot" ssh-ed25519 AAAA',
    ],
)
def test_only_a_public_key_gets_into_a_seed(tenants_keys, text):
    (tenants_keys / "t00" / "id_ed25519.pub").write_text(text, encoding="ascii")
    with pytest.raises(RefusalError, match="公開鍵ではありません") as caught:
        tenant_keys.authorized_key("t00")
    assert "b3Bl" not in str(caught.value)


@pytest.mark.parametrize(
    ("start", "running"),
    [("all", {True}), ("none", {False}), ("t00-s00-db-01", {True, False})],
)
def test_which_vms_are_started_when_they_are_created(plan, start, running):
    declared = declare(plan, "t00", Settings(plan.path, "qemu", URIS, start=start))
    domains = declared.of("Domain")
    assert {each.inputs["running"] for each in domains} == running
    if start not in {"all", "none"}:
        assert [each.name for each in domains if each.inputs["running"]] == [start]
    # Afterwards it is nobody's difference.
    assert all("running" in each.ignored for each in domains)
