"""Three tenants with three segments each as real guests on real hosts: every ordered pair by ARP, ping and TCP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import network as wires
from lab.state import load, places
from layout import folder
from tests import centre
from tests.infra.packet_paths import fits

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("lab")]


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    with centre.started(tmp_path_factory.mktemp("guests")) as made:
        made.deploy("--start", "none")
        made.boot(vm.id for vm in folder.read(made.plan).layout.vms)
        yield made


def reached(standing, layout):
    """What every guest reaches, as it tells itself: (source, destination, arp | ping | tcp)."""
    state = load(places(standing.lab.state_dir))
    names = {vm.address: vm.id for vm in layout.vms}

    def ask(vm):
        others = " ".join(address for address in names if address != vm.address)
        command = ["sh", "-c", f"echo {others} | busybox nc -w 25 {vm.address} 83"]
        lines = wires.run_on(state, vm.network, command).stdout.splitlines()
        return {(vm.id, names[address], kind) for kind, address in (line.split() for line in lines)}

    with ThreadPoolExecutor(5) as pool:
        return set().union(*pool.map(ask, layout.vms))


def pairs(layout):
    return {(a.id, b.id) for a in layout.vms for b in layout.vms if a.id != b.id}


def test_guests_reach_one_another_only_by_flows(standing):
    layout = folder.read(standing.plan).layout
    tenants = {vm.tenant for vm in layout.vms} - {"common"}
    assert {(vm.tenant, vm.segment) for vm in layout.vms} >= {
        (tenant, segment) for tenant in tenants for segment in ("mynumber", "lgwan", "internet")
    }
    assert len({vm.host for vm in layout.vms}) > 1
    gateway = "gw-" + layout.vms[0].site

    # Without the gateway's rules everybody reaches everybody; ARP ends at the bridge all the same.
    assert standing.ssh(gateway, "nft delete table inet kumiai").returncode == 0
    everybody = {(*pair, kind) for pair in pairs(layout) for kind in ("ping", "tcp")}
    neighbours = {
        (a.id, b.id, "arp") for a in layout.vms for b in layout.vms if a.id != b.id and a.network == b.network
    }
    found = set()
    for _ in range(3):  # guests are slow while they all try at once
        found |= reached(standing, layout)
        if found == everybody | neighbours:
            break
    assert found == everybody | neighbours

    standing.segment()
    expected = set(neighbours)
    for source in layout.vms:
        for destination in layout.vms:
            if source.id == destination.id:
                continue
            if source.network == destination.network:
                expected |= {(source.id, destination.id, kind) for kind in ("ping", "tcp")}
            for flow in layout.flows:
                if fits(flow.source, source) and fits(flow.destination, destination):
                    expected.add((source.id, destination.id, "ping" if flow.protocol == "icmp" else "tcp"))
    assert 3 < len(expected) < 10
    found = set()
    for _ in range(3):
        found |= reached(standing, layout)
    assert found == expected


def test_a_guest_hangs_on_the_bridge_by_its_planned_port(standing):
    """libvirt keeps the name that the plan gives, so that the rules know the port."""
    layout = folder.read(standing.plan).layout
    for host in layout.hosts:
        ports = standing.ssh(
            host.id, "ip -o link show | sed -n 's/^[0-9]*: \\(kv[0-9a-f]*\\):.* master \\([^ ]*\\).*/\\1 \\2/p'"
        )
        here = {tuple(line.split()) for line in ports.stdout.splitlines()}
        bridges = {network.id: network.bridge for network in layout.networks}
        assert here == {
            ("kv" + vm.mac.replace(":", "")[-6:], bridges[vm.network]) for vm in layout.vms if vm.host == host.id
        }


def test_the_runbook_finds_nothing_left_to_do(standing):
    done = standing.runbook("apply-network")
    assert done.returncode == 0, done.stdout + done.stderr
    done = standing.runbook("apply-network", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
