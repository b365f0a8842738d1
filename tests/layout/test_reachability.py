"""Flows resolved to addresses, and the matrix made of them."""

from __future__ import annotations

import pytest

from layout import reachability
from layout.ports import port_name
from tests.infra import packet_plans


@pytest.fixture(scope="module")
def layout():
    return packet_plans.three_by_three()


def opening(layout, source, destination, protocol="tcp", port=80):
    flows = (packet_plans.flow(source, destination, protocol, port),)
    return reachability.openings(layout.model_copy(update={"flows": flows}))[0]


@pytest.mark.parametrize(
    ("end", "addresses", "networks"),
    [
        ({"tenant": "a"}, 6, 3),
        ({"tenant": "a", "segment": "lgwan"}, 2, 1),
        ({"tenant": "a", "segment": "lgwan", "system": "tax"}, 1, 1),
        ({"tenant": "a", "system": "tax"}, 3, 3),
        ({"address": "10.1.1.10"}, 1, 1),
        ({"address": "10.1.1.0/24"}, 2, 1),
        ({"tenant": "a", "address": "10.1.1.11"}, 1, 1),
        ({"tenant": "nobody"}, 0, 0),
    ],
)
def test_ends(layout, end, addresses, networks):
    found = opening(layout, end, {"tenant": "b", "segment": "internet"})
    assert found.refusal == ""
    assert (len(found.source.addresses), len(found.source.networks)) == (addresses, networks)
    assert not found.source.outside


def test_an_address_with_a_length_is_that_one_vm(layout):
    vms = tuple(vm.model_copy(update={"address": vm.address + "/24"}) for vm in layout.vms)
    long = layout.model_copy(update={"vms": vms})
    for end in ({"tenant": "a", "segment": "lgwan", "system": "tax"}, {"address": "10.1.1.11"}):
        assert opening(long, end, {"tenant": "b"}).source.addresses == ("10.1.1.11",)
    assert reachability.matrix(long) == reachability.matrix(layout)


def test_an_address_of_nobody_is_outside(layout):
    found = opening(layout, {"tenant": "a", "segment": "lgwan"}, {"address": "192.0.2.10"})
    assert found.destination == reachability.End(("192.0.2.10",), (), outside=True)
    assert found.text == "a/lgwan -> 192.0.2.10 tcp/80"


@pytest.mark.parametrize(
    ("source", "destination", "more", "reason"),
    [
        ({"tenant": "a"}, {"tenant": "common", "segment": "backup"}, {}, "common-backup-backup"),
        ({"tenant": "a"}, {"tenant": "common", "segment": "management"}, {}, "common-management-main"),
        ({"tenant": "common", "segment": "lgwan"}, {"tenant": "common", "system": "copy"}, {}, "common-backup-backup"),
        ({"address": "192.0.2.1"}, {"address": "10.9.1.10"}, {}, "common-management-main"),
        ({"tenant": "common"}, {"tenant": "common", "segment": "backup"}, {}, "common-backup-backup"),
        ({"segment": "lgwan"}, {"tenant": "b"}, {}, "送信元に団体（tenant）もアドレス（address）もありません"),
        ({"tenant": "a"}, {}, {}, "宛先に団体（tenant）もアドレス（address）もありません"),
        ({"tenant": "a"}, {"address": "fd00::1"}, {}, "IPv4 のアドレスかネットワークとして読めません"),
        ({"tenant": "a"}, {"address": "x; reboot"}, {}, "IPv4 のアドレスかネットワークとして読めません"),
        ({"tenant": "a"}, {"address": "10.0.0.0/8"}, {}, "一つのネットワークに決められません"),
        ({"tenant": "a"}, {"address": "0.0.0.0/0"}, {}, "一つのネットワークに決められません"),
        ({"tenant": "b", "address": "10.1.1.10"}, {"tenant": "c"}, {}, "一つのネットワークに決められません"),
        ({"tenant": "a"}, {"address": "10.2.2.200"}, {}, "仮想サーバがありません"),
        ({"tenant": "a"}, {"address": "192.0.2.1", "system": "tax"}, {}, "業務システムを持ちません"),
        ({"tenant": "a"}, {"tenant": "b"}, {"protocol": "sctp"}, "tcp、udp、icmp のどれか"),
        ({"tenant": "a"}, {"tenant": "b"}, {"protocol": "icmp"}, "icmp にポートは付けられません"),
    ],
)  # fmt: skip
def test_refused(layout, source, destination, more, reason):
    found = opening(layout, source, destination, **more)
    assert reason in found.refusal


def test_the_centre_may_open_to_tenants_and_within_itself(layout):
    for destination in ({"tenant": "a"}, {"tenant": "common", "segment": "backup"}):
        assert opening(layout, {"tenant": "common", "segment": "management"}, destination).refusal == ""


def test_overlaps():
    plan = packet_plans.with_overlap()
    assert reachability.overlaps(plan) == {"a-lgwan-main": ("b-lgwan-main",), "b-lgwan-main": ("a-lgwan-main",)}
    wide = plan.networks[0].model_copy(update={"subnet": "10.0.0.0/8"})
    spread = plan.model_copy(update={"networks": (wide, *plan.networks[1:])})
    assert reachability.overlaps(spread)["a-lgwan-main"] == ("b-lgwan-main", "c-internet-main", "c-lgwan-main")


def test_networks_of_two_sites_may_overlap_while_nothing_crosses():
    plan = packet_plans.with_overlap()
    networks = (plan.networks[0], plan.networks[1].model_copy(update={"site": "other"}), *plan.networks[2:])
    apart = plan.model_copy(update={"networks": networks})
    assert opening(apart, {"tenant": "a"}, {"tenant": "c", "segment": "lgwan"}).refusal == ""
    assert "アドレスが重なる" in opening(apart, {"tenant": "b"}, {"tenant": "c", "segment": "lgwan"}).refusal


def test_the_matrix(layout):
    found = reachability.matrix(layout)
    cells = {(cell.source, cell.destination): cell for cell in found.cells}
    assert len(cells) == 12
    certificate = cells["a-mynumber-main", "common-lgwan-main"]
    assert (certificate.services, certificate.flows, certificate.partial) == (("tcp/443",), (1,), True)
    assert not cells["b-mynumber-main", "common-lgwan-main"].partial
    assert cells["common-backup-backup", "a-mynumber-main"].services == ("tcp/22", "icmp")
    assert ("common-lgwan-main", "a-mynumber-main") not in cells
    assert not any(cell.destination == "common-management-main" for cell in found.cells)
    assert found.refused == ()


def test_port_names_fit_the_kernel():
    assert port_name("52:54:00:AB:cd:0f") == "kvabcd0f"
