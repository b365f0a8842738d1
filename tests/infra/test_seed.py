"""The seed image: equal bytes for equal content, and what a guest reads from it."""

from __future__ import annotations

import io
import time

import pycdlib
import pytest
import yaml

from infra import seed
from tests.infra import plans


@pytest.fixture
def plan(tmp_path):
    return plans.write(tmp_path / "plan")


KEY = plans.public_key("t00")


def made(plan, name="t00-s00-ap-01", key=KEY, **changes):
    vm = plans.vm_named(plan, name).model_copy(update=changes)
    network = next(each for each in plan.layout.networks if each.id == vm.network)
    return seed.make(vm, network, key)


def test_neither_time_nor_place_changes_the_image(plan, monkeypatch):
    first = made(plan)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 86_400 * 400)
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert made(plan) == first
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_volumes_name_follows_the_content(plan):
    assert made(plan).volume != made(plan, address="10.0.0.99").volume
    assert made(plan).volume != made(plan, key=plans.public_key("t01")).volume
    assert made(plan).volume == made(plan, memory_mib=999, vcpu=1).volume
    assert made(plan, mac="52:54:00:00:00:77").volume.startswith("t00-s00-ap-01-seed-")


def read(image, **path):
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(image))
    out = io.BytesIO()
    iso.get_file_from_iso_fp(out, **path)
    label = iso.pvd.volume_identifier.decode().strip()
    iso.close()
    return label, out.getvalue().decode()


@pytest.mark.parametrize("names", ["rr_path", "joliet_path"])
def test_the_guest_reads_its_name_and_its_address(plan, names):
    image = made(plan, mac="52:54:00:11:22:33", address="10.0.0.11/24").iso
    label, meta = read(image, **{names: "/meta-data"})
    assert label == "cidata"
    assert yaml.safe_load(meta) == {"instance-id": "t00-s00-ap-01", "local-hostname": "t00-s00-ap-01"}
    _, network = read(image, **{names: "/network-config"})
    assert yaml.safe_load(network) == {
        "version": 2,
        "ethernets": {
            "nic0": {
                "match": {"macaddress": "52:54:00:11:22:33"},
                "mtu": 1500,
                "addresses": ["10.0.0.11/24"],
                "routes": [{"to": "0.0.0.0/0", "via": "10.0.0.1"}],
            }
        },
    }
    _, user = read(image, **{names: "/user-data"})
    assert user.startswith("#cloud-config\n")
    assert yaml.safe_load(user) == {"ssh_authorized_keys": [KEY]}


def test_an_address_without_length_takes_its_subnets(plan):
    assert made(plan, address="10.0.0.11") == made(plan, address="10.0.0.11/24")
