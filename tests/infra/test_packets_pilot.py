"""Every network of the pilot on the same bridges and rules: every ordered pair of VMs by ARP, ping and TCP."""

from __future__ import annotations

import pytest

from tests.infra import packet_plans
from tests.infra.fabric import Endpoint, Fabric
from tests.infra.packet_paths import PORTS, allowed, everything, neighbours, orders, reached, wanting

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def layout():
    return packet_plans.networks_of_the_pilot()


@pytest.fixture(scope="module")
def fabric(layout, tmp_path_factory):
    made = Fabric.make(layout, tmp_path_factory.mktemp("pilot"))
    try:
        made.apply()
        for vm in layout.vms:
            made.attach(vm.id, PORTS)
        made.settle()
        yield made
    finally:
        made.end()


def test_every_ordered_pair_of_the_pilot(fabric, layout):
    assert len(layout.networks) == 19
    assert {vm.network for vm in layout.vms} == {network.id for network in layout.networks}
    hosts_of = {}
    for vm in layout.vms:
        hosts_of.setdefault(vm.network, set()).add(vm.host)
    assert {"h1", "h2"} in hosts_of.values()

    fabric.without_rules()
    tries = wanting(layout, orders(layout, ("ping", "tcp")), everything(layout))
    paths, _ = reached(layout, fabric.attempt(tries))
    assert paths == everything(layout)

    fabric.apply()
    expected = allowed(layout)
    assert {path[2] for path in expected} == {None, *PORTS}
    assert len(expected) < len(paths) / 10
    tries = orders(layout, ("arp", "ping", "tcp"), timeout=2.0)
    paths, arps = reached(layout, fabric.attempt(wanting(layout, tries, expected, neighbours(layout))))
    assert paths == expected
    assert arps == neighbours(layout)


def test_services_outside_are_reached_by_their_flows_alone(fabric, layout):
    """The addresses of other centres (RFC 5737 in the example) lie behind the gateway of the main site."""
    gateway = fabric.machines["gw-nobeoka"]
    outside = fabric.endpoints["outside"] = Endpoint("outside", "52:54:00:cc:cc:cc", "192.0.2.10")
    gateway.ip(
        f"link add out0 type veth peer name eth0 netns {outside.pid}", "address add 192.0.2.1/24 dev out0",
        "link set out0 up",
    )  # fmt: skip
    outside.up(24, "192.0.2.1", PORTS)
    outside.tell(do="configure", commands=[["ip", "address", "add", "192.0.2.20/24", "dev", "eth0"]])
    fabric.settle()
    addresses = ("192.0.2.10", "192.0.2.20")
    main = [vm for vm in layout.vms if vm.site == "nobeoka"]
    expected = {
        (vm.id, flow.destination.address, flow.port)
        for vm in main
        for flow in layout.flows
        if flow.destination.address and flow.source.tenant == vm.tenant and flow.source.system == vm.system
    }
    assert len(expected) == 16
    tries = {
        vm.id: {
            "ping": addresses,
            "tcp": [[address, port] for address in addresses for port in PORTS],
            "wanted": {"tcp": [[address, port] for name, address, port in expected if name == vm.id]},
            "timeout": 2.0,
        }
        for vm in main
    }
    answers = fabric.attempt(tries)
    found = {(name, *path) for name, each in answers.items() for path in each["tcp"]}
    assert found == expected
    assert not any(each["ping"] for each in answers.values())
    inward = {"ping": [vm.address for vm in main], "tcp": [[vm.address, 443] for vm in main], "timeout": 2.0}
    assert fabric.attempt({"outside": inward})["outside"] == {"arp": [], "ping": [], "tcp": []}

    fabric.without_rules("gw-nobeoka")
    wanted = {"ping": inward["ping"], "tcp": inward["tcp"]}
    heard = fabric.attempt({"outside": {**inward, "wanted": wanted}})["outside"]
    assert len(heard["ping"]) == len(heard["tcp"]) == len(main)
    fabric.apply()
