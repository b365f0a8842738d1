import json

import pytest

from lab import LabUnavailable
from lab.network import free_address
from lab.plan import GuestPlan, HostPlan, NetworkPlan, numbered, read


def layout(**changes):
    document = {
        "format_version": "1.0",
        "hosts": [
            {"id": "kvm01", "site": "main", "pools": [{"name": "default", "path": "/var/lib/libvirt/images"}]},
            {"id": "bk01", "site": "backup"},
        ],
        "networks": [
            {
                "id": "a-lgwan",
                "site": "main",
                "bridge": "br-a",
                "subnet": "10.1.0.0/24",
                "gateway": "10.1.0.1",
                "vni": 1101,
            },
            {"id": "b-lgwan", "site": "backup", "bridge": "br-b", "subnet": "10.2.0.0/24", "mtu": 1450},
        ],
        "images": [{"id": "debian-12", "digest": "0"}],
        "vms": [{"id": "v1", "network": "a-lgwan", "address": "10.1.0.254"}],
        "unknown": {"ignored": True},
    }
    return document | changes


def write(folder, document):
    (folder / "layout.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_networks_reach_the_hosts_of_their_site(tmp_path):
    plan = read(write(tmp_path, layout()))
    assert plan.hosts == (HostPlan("kvm01", ("/var/lib/libvirt/images",), "main"), HostPlan("bk01", (), "backup"))
    assert plan.networks == (
        NetworkPlan("a-lgwan", "br-a", 1500, "10.1.0.0/24", ("kvm01",), ("10.1.0.254", "10.1.0.1"), "main", 1101),
        NetworkPlan("b-lgwan", "br-b", 1450, "10.2.0.0/24", ("bk01",), (), "backup"),
    )
    assert plan.images == ("debian-12",)
    assert plan.guests == (GuestPlan("v1", "a-lgwan", "10.1.0.254"),)


def test_without_images_there_is_one_guest_image(tmp_path):
    assert read(write(tmp_path, layout(images=[]))).images == ("guest",)


def test_the_endpoint_takes_the_highest_address_nobody_has(tmp_path):
    network = read(write(tmp_path, layout())).networks[0]
    assert free_address(network) == "10.1.0.253"


def test_a_full_subnet_has_no_address_for_an_endpoint():
    full = NetworkPlan("n", "br", 1500, "10.1.0.0/30", ("a",), ("10.1.0.1", "10.1.0.2"))
    with pytest.raises(LabUnavailable, match="空きアドレスがありません"):
        free_address(full)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": "2.0"}, "format_version 2.0"),
        ({"hosts": []}, "hosts が 0 台"),
        ({"hosts": [{"id": f"h{n}"} for n in range(17)]}, "hosts が 17 台"),
        ({"hosts": [{"id": "../evil"}]}, r"hosts\[\]\.id"),
        ({"hosts": [{"id": 7}]}, r"hosts\[\]\.id"),
        ({"hosts": "kvm01"}, "形式が不正"),
        ({"hosts": [{"id": "a", "pools": [{"path": "/data/vm"}]}]}, "プールの場所 /data/vm"),
        ({"hosts": [{"id": "a", "pools": [{"path": "/srv/../etc"}]}]}, "プールの場所"),
        ({"networks": [{"id": "n", "bridge": "br-much-too-long", "subnet": "10.0.0.0/24"}]}, "16 文字"),
        ({"networks": [{"id": "n", "bridge": "br", "subnet": "10.0.0.1/24"}]}, "has host bits set"),
        ({"networks": [{"id": "n", "bridge": "br"}]}, "subnet"),
        ({"images": [{"id": "a/b"}]}, r"images\[\]\.id"),
    ],
)
def test_what_it_cannot_build_is_refused_in_one_line(tmp_path, changes, message):
    with pytest.raises(LabUnavailable, match=message) as caught:
        read(write(tmp_path, layout(**changes)))
    assert "\n" not in str(caught.value)


def test_a_folder_without_layout(tmp_path):
    with pytest.raises(LabUnavailable, match=r"layout\.json がありません"):
        read(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[]"])
def test_no_json_document(tmp_path, content):
    (tmp_path / "layout.json").write_bytes(content)
    with pytest.raises(LabUnavailable, match=r"layout\.json"):
        read(tmp_path)


def test_numbered_hosts():
    assert [host.id for host in numbered(2).hosts] == ["lab01", "lab02"]
    assert numbered(2).networks == ()


@pytest.mark.parametrize("count", [0, -1, 17])
def test_a_number_of_hosts_out_of_range(count):
    with pytest.raises(LabUnavailable, match="1～16"):
        numbered(count)


def test_backup_hosts_stand_on_a_site_of_their_own_with_a_gateway():
    plan = numbered(3, backup=1)
    assert plan.sites == {
        "lab01": "lab", "lab02": "lab", "lab03": "lab", "bk01": "backup", "gw-lab": "lab", "gw-backup": "backup",
    }  # fmt: skip
    assert plan.addresses == {
        "lab01": "10.254.0.1", "lab02": "10.254.0.2", "lab03": "10.254.0.3", "bk01": "10.254.0.4",
        "gw-lab": "10.254.1.0", "gw-backup": "10.254.1.1",
    }  # fmt: skip
    assert [plan.has_host(name) for name in ("bk01", "gw-lab", "switch")] == [True, False, False]


@pytest.mark.parametrize(("count", "backup"), [(0, 0), (17, 0), (16, 1), (1, -1)])
def test_there_is_room_for_sixteen_hosts(count, backup):
    with pytest.raises(LabUnavailable, match="16"):
        numbered(count, backup)


def test_the_largest_laboratory_has_an_address_for_everybody():
    plan = numbered(12, backup=4)
    assert len(set(plan.addresses.values())) == 18


@pytest.mark.parametrize("hosts", [("kvm01", "kvm01"), ("kvm01", "gw-main")])
def test_two_machines_of_one_name_are_refused(tmp_path, hosts):
    document = layout(hosts=[{"id": name, "site": "main"} for name in hosts], networks=[], vms=[])
    with pytest.raises(LabUnavailable, match="ホストの名前"):
        read(write(tmp_path, document))
