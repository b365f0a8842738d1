"""Isolation shown by packets: the rendered scripts set up hosts and gateways made of namespaces, endpoints try all.

Three tenants with three segments each, a shared service, a backup site; what is denied is first shown open without
the rules.
"""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from tests.infra import packet_plans
from tests.infra.fabric import Fabric
from tests.infra.packet_agent import arp_frame, ip_frame
from tests.infra.packet_paths import PORTS, allowed, everything, neighbours, orders, reached, wanting

pytestmark = pytest.mark.e2e

FULL = 1500  # bytes of an IP packet that a guest may send


@pytest.fixture(scope="module")
def layout():
    return packet_plans.three_by_three()


@pytest.fixture(scope="module")
def fabric(layout, tmp_path_factory):
    made = Fabric.make(layout, tmp_path_factory.mktemp("fabric"))
    try:
        made.apply()
        for vm in layout.vms:
            made.attach(vm.id, PORTS)
        made.settle()
        yield made
    finally:
        made.end()


@pytest.fixture(autouse=True)
def as_planned(fabric):
    """Whatever a test took away is there again for the next one."""
    yield
    if fabric.bare:
        fabric.apply()


def test_every_ordered_pair_is_open_without_rules_and_only_flows_are_with_them(fabric, layout):
    kinds = ("ping", "tcp")
    tries = wanting(layout, orders(layout, kinds), everything(layout))
    fabric.without_rules()
    paths, _ = reached(layout, fabric.attempt(tries))
    assert paths == everything(layout)

    fabric.apply()
    expected = allowed(layout)
    assert len(expected) < len(paths) / 4
    tries = wanting(layout, orders(layout, kinds, timeout=2.0), expected)
    paths, _ = reached(layout, fabric.attempt(tries))
    assert paths == expected


def test_arp_crosses_patched_bridges_only_without_rules(fabric, layout):
    """Bridges are separate; somebody who joins them by a cable is stopped by the rules of the ports."""
    neighbour = neighbours(layout)
    tries = wanting(layout, orders(layout, ("arp",)), arps=neighbour)
    _, arps = reached(layout, fabric.attempt(tries))
    assert arps == neighbour

    host = fabric.machines["h1"]
    here = [network for network in layout.networks if network.site == "main"]
    host.ip(
        "link add name patch type bridge",
        "link set patch up",
        *(
            line
            for number, network in enumerate(here)
            for line in (
                f"link add pa{number} type veth peer name pb{number}",
                f"link set pa{number} master patch up",
                f"link set pb{number} master {network.bridge} up",
            )
        ),
    )
    try:
        fabric.without_rules("h1", "h2")
        fabric.settle()
        main = {vm.id for vm in layout.vms if vm.site == "main"}
        all_pairs = {(a, b) for a in main for b in main if a != b}
        tries = wanting(layout, orders(layout, ("arp",)), arps=all_pairs)
        _, arps = reached(layout, fabric.attempt(tries))
        assert arps >= all_pairs

        fabric.apply()
        tries = wanting(layout, orders(layout, ("arp",), timeout=2.0), arps=neighbour)
        _, arps = reached(layout, fabric.attempt(tries))
        assert arps == neighbour
        assert "pb0" in fabric.run("h1", "check").stderr
    finally:
        host.ip("link delete patch", *(f"link delete pa{number}" for number in range(len(here))))


@pytest.mark.parametrize("size", [FULL, 700])
def test_full_size_frames_cross_hosts_and_gateways_unfragmented(fabric, layout, size):
    """DF is set: what does not fit whole is lost."""
    expected = {path for path in allowed(layout) if path[2] is None}
    address = {vm.id: vm.address for vm in layout.vms}
    hosts = {vm.id: vm.host for vm in layout.vms}
    assert any(hosts[a] != hosts[b] for a, b, _ in expected)
    tries = {
        vm.id: {"ping": [address[b] for a, b, _ in expected if a == vm.id], "size": size} for vm in layout.vms
    }  # fmt: skip
    paths, _ = reached(layout, fabric.attempt(wanting(layout, tries, expected)))
    assert paths == expected


def test_a_frame_longer_than_full_size_is_not_sent(fabric, layout):
    vm, peer = (vm for vm in layout.vms if vm.network == "a-mynumber-main")
    assert fabric.attempt({vm.id: {"ping": [peer.address], "size": FULL + 1}})[vm.id]["ping"] == []


def spoofs(liar, victim, gateway):
    """Frames with which `liar` claims to be `victim` (a VM of its own network on another host), and what marks them."""
    other_mac = "52:54:00:ff:ff:01"
    broadcast = "ff:ff:ff:ff:ff:ff"
    foreign = "10.99.0.9"
    return {
        "mac": ip_frame(other_mac, broadcast, liar.address, victim.address, b"spoofed mac"),
        "ip": ip_frame(liar.mac, broadcast, victim.address, liar.address, b"spoofed ip"),
        "gateway ip": ip_frame(liar.mac, broadcast, gateway, liar.address, b"spoofed gateway"),
        "foreign ip": ip_frame(liar.mac, broadcast, foreign, victim.address, b"foreign ip"),
        "arp for gateway": arp_frame(liar.mac, 2, liar.mac, gateway, victim.address),
        "arp for victim": arp_frame(liar.mac, 2, liar.mac, victim.address, victim.address),
        "arp with another mac": arp_frame(liar.mac, 2, other_mac, liar.address, victim.address),
        "arp from another mac": arp_frame(other_mac, 2, liar.mac, liar.address, victim.address),
        "ipv6": bytes.fromhex("ffffffffffff") + bytes.fromhex(liar.mac.replace(":", "")) + b"\x86\xdd"
        + b"\x60" + b"\0" * 5 + b"\x3b\xff" + b"\xfe\x80" + b"\0" * 30,
        "vlan tag": bytes.fromhex("ffffffffffff") + bytes.fromhex(liar.mac.replace(":", "")) + b"\x81\0\0\x64\x08\0"
        + b"\x45" + b"\0" * 45,
        "spanning tree": bytes.fromhex("0180c2000000" + liar.mac.replace(":", "")) + b"\0\x26\x42\x42\x03"
        + b"\0" * 43,
    }  # fmt: skip


def heard_by(fabric, listener, sender, frames):
    """Which of these frames arrive, by their name."""
    fabric.endpoints[listener].tell(do="sniff")
    fabric.endpoints[sender].tell(do="send", frames=[frame.hex() for frame in frames.values()])
    arrived = fabric.endpoints[listener].tell(do="heard", wait=1.0)
    # The kernel hands a tagged frame over without its tag.
    shapes = {name: (frame.hex(), (frame[:12] + frame[16:]).hex()) for name, frame in frames.items()}
    return {name for name, shape in shapes.items() if any(each.startswith(shape) for each in arrived)}


@pytest.mark.parametrize("across", [True, False], ids=["other host", "same host"])
def test_nobody_speaks_for_another(fabric, layout, across):
    liar, far = (vm for vm in layout.vms if vm.network == "a-mynumber-main")
    gateway = "10.1.0.1"
    victim = far
    if not across:
        # The same pair, both on one host.
        victim = next(vm for vm in layout.vms if vm.network == "c-mynumber-main" and vm.host == "h1")
        liar = next(vm for vm in layout.vms if vm.network == victim.network and vm.id != victim.id and vm.host == "h1")
        gateway = "10.3.0.1"
    frames = spoofs(liar, victim, gateway)
    honest = {
        "honest ip": ip_frame(liar.mac, "ff:ff:ff:ff:ff:ff", liar.address, victim.address, b"honest"),
        "honest arp": arp_frame(liar.mac, 2, liar.mac, liar.address, victim.address),
        "moved": bytes.fromhex("ffffffffffff" + liar.mac.replace(":", "")) + b"\x80\x35" + b"\0" * 46,
    }
    fabric.without_rules("h1", "h2")
    assert heard_by(fabric, victim.id, liar.id, frames | honest) == {*frames, *honest}
    fabric.apply()
    assert heard_by(fabric, victim.id, liar.id, frames | honest) == set(honest)


def test_a_port_on_the_wrong_bridge_reaches_nobody(fabric, layout):
    """A VM's port that somebody hangs on another tenant's bridge, and a device that is in no plan."""
    vm = next(vm for vm in layout.vms if vm.network == "a-mynumber-main" and vm.host == "h1")
    other = next(vm for vm in layout.vms if vm.network == "c-mynumber-main" and vm.host == "h1")
    own, foreign = "br-a-my", "br-c-my"
    host = fabric.machines["h1"]
    stranger = fabric.attach_as("stranger", "tap9", "52:54:00:ee:ee:ee", "10.3.0.99", "h1", foreign, 24, None, ())
    host.ip(f"link set {fabric.network('h1').ports[0].name} up", f"link set {port_of(vm)} master {foreign}")
    fabric.settle()
    try:
        tries = {vm.id: {"arp": [other.address]}, "stranger": {"arp": [other.address], "ping": [other.address]}}
        wanted = {"arp": [other.address]}
        fabric.without_rules("h1")
        found = fabric.attempt({name: {**order, "wanted": wanted} for name, order in tries.items()})
        assert found[vm.id]["arp"] == [other.address]
        assert found["stranger"]["ping"] == [other.address]
        fabric.apply()
        found = fabric.attempt({name: {**order, "timeout": 2.0} for name, order in tries.items()})
        assert not any(found[vm.id].values())
        assert not any(found["stranger"].values())
        told = fabric.run("h1", "check", check=False).stderr
        assert "tap9" in told
        assert port_of(vm) in told
    finally:
        host.ip(f"link set {port_of(vm)} master {own}")
        stranger.end()
        del fabric.endpoints["stranger"]


def port_of(vm):
    return "kv" + vm.mac.replace(":", "")[-6:]


def test_guests_reach_neither_host_nor_gateway_nor_underlay(fabric, layout):
    """The addresses of machines, tried by way of the gateway and, for the own host, by its bridge's MAC."""
    underlay = [uplink.address for uplink in (*fabric.uplinks.hosts.values(), *fabric.uplinks.gateways.values())]
    gateways = [network.gateway for network in layout.networks]
    targets = underlay + gateways
    vm = next(vm for vm in layout.vms if vm.host == "h1")
    bridge = next(network.bridge for network in layout.networks if network.id == vm.network)
    own = fabric.uplinks.hosts["h1"].address
    link = json.loads(fabric.machines["h1"].run("ip", "-j", "link", "show", "dev", bridge).stdout)[0]
    agent = fabric.endpoints[vm.id]
    agent.tell(do="configure", commands=[
        ["ip", "route", "add", f"{own}/32", "dev", "eth0"],
        ["ip", "neigh", "replace", own, "lladdr", link["address"], "dev", "eth0", "nud", "permanent"],
    ])  # fmt: skip
    try:
        mine = next(network.gateway for network in layout.networks if network.id == vm.network)
        order = {"ping": targets, "tcp": [[each, 22] for each in targets], "timeout": 2.0}
        for machine in fabric.machines.values():
            # Somebody answers on every machine, were it not for the rules.
            machine.run("sh", "-c", "busybox nc -lk -p 22 -e echo here >/dev/null 2>&1 &")
        fabric.without_rules()
        # Without rules a guest is heard by its own host and by its gateway at all of the gateway's addresses; other
        # hosts hear it too and only miss the way back.
        for machine in fabric.machines.values():
            if machine.name.startswith("h"):
                machine.ip("route replace 10.1.0.0/24 via 10.254.1.1", f"link set {bridge} arp on")
        found = fabric.attempt({vm.id: {**order, "wanted": {"ping": [own, mine, "10.254.0.2", "10.254.1.1"]}}})[vm.id]
        assert {own, mine, "10.254.0.2", "10.254.1.1"} <= set(found["ping"])
        assert fabric.attempt({vm.id: {"arp": [own], "wanted": {"arp": [own]}}})[vm.id]["arp"] == [own]
        fabric.apply()
        found = fabric.attempt({vm.id: {**order, "arp": underlay}})[vm.id]
        assert found == {"ping": [], "tcp": [], "arp": []}
    finally:
        for machine in fabric.machines.values():
            machine.run("ip", "route", "delete", "10.1.0.0/24", "via", "10.254.1.1", check=False)
        agent.tell(do="configure", commands=[["ip", "route", "delete", f"{own}/32", "dev", "eth0"]])


def test_tunnels_end_only_for_machines_of_the_plan(fabric, layout):
    """A frame for a tenant's network, put into a tunnel by somebody on the underlay who is no host of the plan."""
    vm = next(vm for vm in layout.vms if vm.network == "a-mynumber-main" and vm.host == "h1")
    network = next(network for network in layout.networks if network.id == vm.network)
    intruder = fabric.machines["bk1"]  # a machine of another site is no peer either
    inner = ip_frame("52:54:00:dd:dd:dd", vm.mac, "10.1.0.77", vm.address, b"intruder")
    head = b"\x08\0\0\0" + network.vni.to_bytes(3, "big") + b"\0"
    program = (
        "import socket,sys; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        "s.sendto(bytes.fromhex(sys.argv[1]), ('10.254.0.1', 4789))"
    )

    def intrude():
        fabric.endpoints[vm.id].tell(do="sniff")
        intruder.run("python3", "-c", program, (head + inner).hex())
        return any(each == inner.hex() for each in fabric.endpoints[vm.id].tell(do="heard", wait=1.0))

    fabric.without_rules("h1")
    assert intrude()
    fabric.apply()
    assert not intrude()


def test_a_second_run_changes_nothing_and_interrupts_nothing(fabric, layout):
    vm, peer = (vm for vm in layout.vms if vm.network == "a-mynumber-main")
    before = state_of(fabric, "h1")
    running = subprocess.Popen(
        ["nsenter", "--target", str(fabric.endpoints[vm.id].pid), "--net", "--", "busybox", "ping", "-q", peer.address],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(0.3)
    for name in ("h1", "h2", "gw-main"):
        for _ in range(2):
            assert fabric.run(name).stdout == "ネットワークは計画のとおりです（変更なし）\n"
    # Even rules that are replaced by themselves interrupt nobody.
    fabric.machines["h1"].run("nft", "add", "rule", "bridge", "kumiai", "forward", "counter")
    assert fabric.run("h1", "check", check=False).returncode == 1
    assert "パケットの規則を入れ替える" in fabric.run("h1").stdout
    time.sleep(2.2)
    running.send_signal(2)
    said = running.communicate(timeout=10)[0]
    assert " 0% packet loss" in said, said
    assert state_of(fabric, "h1") == before


def state_of(fabric, name):
    machine = fabric.machines[name]
    rules = machine.run("nft", "-s", "list", "ruleset").stdout
    links = json.loads(machine.run("ip", "-j", "link", "show").stdout)
    files = machine.run("sh", "-c", "cd /etc/kumiai && md5sum links network.nft network.sh").stdout
    return rules, [(link["ifindex"], link["ifname"], link["mtu"], link.get("master")) for link in links], files
