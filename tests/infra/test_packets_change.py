"""What a changed plan does to networks that are in use, by packets: overlapping subnets, removal, lost flows."""

from __future__ import annotations

import pytest

from infra import segmentation
from tests.infra import packet_plans
from tests.infra.fabric import Fabric, refusal, uplinks_of
from tests.infra.packet_paths import PORTS

pytestmark = pytest.mark.e2e


@pytest.fixture
def layout():
    return packet_plans.with_overlap()


@pytest.fixture
def fabric(layout, tmp_path):
    made = Fabric.make(layout, tmp_path)
    try:
        made.apply()
        for vm in layout.vms:
            made.attach(vm.id, PORTS)
        made.settle()
        yield made
    finally:
        made.end()


def name_heard(fabric, source, address, wanted=True):
    """Who answers this VM at TCP port 80 of the address; nobody is None."""
    order = {"tcp": [[address, 80]], "ping": [address], "timeout": 1.5}
    if wanted:
        order["wanted"] = {"tcp": [[address, 80]]}
    found = fabric.attempt({source: order})[source]
    return bool(found["tcp"]), bool(found["ping"])


def test_two_tenants_with_one_subnet_never_meet(fabric, layout):
    """Both have 10.1.0.10 and 10.1.0.11: each hears its own, and the gateway routes neither."""
    addresses = {vm.id: vm.address for vm in layout.vms}
    assert addresses["a-lgwan-1"] == addresses["b-lgwan-1"]
    assert addresses["a-lgwan-2"] == addresses["b-lgwan-2"]
    # A cable between the two bridges of a host, and no rules: the other tenant's VM answers in place of the own.
    host = fabric.machines["h1"]
    host.ip("link add pa type veth peer name pb", "link set pa master br-a-lg up", "link set pb master br-b-lg up")
    fabric.endpoints["a-lgwan-2"].tell(do="configure", commands=[["ip", "link", "set", "eth0", "down"]])
    fabric.without_rules()
    fabric.settle()
    assert name_heard(fabric, "a-lgwan-1", addresses["b-lgwan-2"]) == (True, True)
    fabric.endpoints["a-lgwan-2"].tell(do="configure", commands=[["ip", "link", "set", "eth0", "up"]])
    fabric.apply()
    for name in ("a-lgwan-1", "a-lgwan-2", "b-lgwan-1", "b-lgwan-2"):
        # What they learnt of one another meanwhile.
        fabric.endpoints[name].tell(do="configure", commands=[["ip", "neigh", "flush", "all"]])
    for tenant, other in (("a", "b"), ("b", "a")):
        # With the own second VM away its address must be silent; with it there, it answers.
        far = fabric.endpoints[f"{tenant}-lgwan-2"]
        far.tell(do="configure", commands=[["ip", "link", "set", "eth0", "down"]])
        assert name_heard(fabric, f"{tenant}-lgwan-1", addresses[f"{other}-lgwan-2"], wanted=False) == (False, False)
        far.tell(do="configure", commands=[["ip", "link", "set", "eth0", "up"]])
        fabric.settle()
        assert name_heard(fabric, f"{tenant}-lgwan-1", addresses[f"{tenant}-lgwan-2"]) == (True, True)
    links = fabric.machines["gw-main"].run("ip", "-o", "link", "show").stdout
    assert "vx10004" in links  # c's
    assert "vx10002" not in links
    assert "vx10003" not in links
    # Routed beside them, c's own flow works.
    assert name_heard(fabric, "c-lgwan-1", addresses["c-internet-2"]) == (True, False)


@pytest.mark.parametrize("source", [{"tenant": "a"}, {"tenant": "c", "segment": "lgwan"}, {"address": "192.0.2.9"}])
def test_a_flow_with_an_overlapping_network_is_refused(layout, source):
    destination = {"tenant": "b"} if source.get("tenant") != "a" else {"tenant": "c", "segment": "lgwan"}
    flows = (packet_plans.flow(source, destination, port=80),)
    changed = layout.model_copy(update={"flows": flows})
    assert "アドレスが重なる" in refusal(lambda: segmentation.gateway_rules(changed, uplinks_of(layout), "main"))


def test_a_removed_network_goes_only_when_no_port_is_left_on_it(fabric, layout):
    gone = {"a-lgwan-main", "c-internet-main"}
    empty = layout.model_copy(
        update={
            "networks": tuple(network for network in layout.networks if network.id not in gone),
            "vms": tuple(vm for vm in layout.vms if vm.network not in gone),
            "flows": (),
        }
    )
    # Nobody is on c's internet bridge any more; a's two VMs still run.
    for number in (1, 2):
        fabric.endpoints.pop(f"c-internet-{number}").end()
    fabric.settle()
    assert name_heard(fabric, "a-lgwan-1", "10.1.0.11") == (True, True)
    for name in ("h1", "h2", "gw-main"):
        checked = fabric.run(name, "check", empty, check=False)
        assert checked.returncode == 1
        assert ("ブリッジ br-c-in を消す" in checked.stdout) == (name != "gw-main")
    applied = fabric.run("h1", layout=empty)
    assert "計画にないブリッジ br-a-lg を残します" in applied.stderr
    links = fabric.machines["h1"].run("ip", "-o", "link", "show").stdout
    assert "br-c-in" not in links
    assert "master br-a-lg" in links  # the VM's port hangs where it hung
    # What the plan does not know speaks to nobody, not even on its own host.
    fabric.apply(empty)
    assert name_heard(fabric, "a-lgwan-1", "10.1.0.11", wanted=False) == (False, False)
    assert name_heard(fabric, "b-lgwan-1", "10.1.0.11") == (True, True)  # b's own
    again = fabric.run("h1", layout=empty)
    assert again.stdout == "ネットワークは計画のとおりです（変更なし）\n"
    # Back in the plan, it is as before.
    fabric.apply()
    fabric.settle()
    assert name_heard(fabric, "a-lgwan-1", "10.1.0.11") == (True, True)


def test_a_flow_that_leaves_the_plan_ends_its_connections(fabric, layout):
    """A connection that stands when its flow is removed carries nothing from then on."""
    talker, listener = fabric.endpoints["c-lgwan-1"], fabric.endpoints["c-internet-2"]
    listener.tell(do="echo", port=8080)
    allowed = layout.model_copy(
        update={"flows": (*layout.flows, packet_plans.flow({"tenant": "c", "segment": "lgwan"},
                                                           {"tenant": "c", "segment": "internet"}, port=8080))}
    )  # fmt: skip
    fabric.apply(allowed)
    assert talker.tell(do="dial", address=listener.address, port=8080)
    assert talker.tell(do="say", text="first") == "first"
    fabric.apply(allowed)
    assert talker.tell(do="say", text="second") == "second"
    fabric.apply(layout)
    assert talker.tell(do="say", text="third") is None


def test_what_was_applied_is_taken_back(fabric, layout):
    """As the runbook does when a later machine fails: the network is what it was before the last apply."""
    machine = fabric.machines["gw-main"]
    before = machine.run("nft", "-s", "list", "ruleset").stdout
    closed = layout.model_copy(update={"flows": ()})
    fabric.run("gw-main", layout=closed)
    assert machine.run("nft", "-s", "list", "ruleset").stdout != before
    machine.run("sh", "/etc/kumiai/network.sh", "revert")
    assert machine.run("nft", "-s", "list", "ruleset").stdout == before
    assert machine.run("sh", "/etc/kumiai/network.sh", "check").returncode == 0
    assert fabric.run("gw-main", "check").returncode == 0
    # Nothing stands before what was taken back.
    assert "戻す先がありません" in machine.run("sh", "/etc/kumiai/network.sh", "revert").stdout


def test_a_machine_that_starts_again_has_its_network_before_its_guests(fabric, layout):
    """What the installed unit runs; the devices and rules of the running system are gone by then."""
    machine = fabric.machines["h2"]
    wanted = machine.run("nft", "-s", "list", "ruleset").stdout
    fabric.without_rules("h2")
    names = [line.split()[1] for line in fabric.network("h2").links.splitlines() if line.split()[0] != "port"]
    machine.ip(*(f"link delete {name}" for name in names if name != "up0"))
    machine.run("sh", "/etc/kumiai/network.sh", "apply")
    assert machine.run("nft", "-s", "list", "ruleset").stdout == wanted
    assert fabric.run("h2", "check").returncode == 0


def test_wires_that_cannot_carry_it_are_refused_before_anything_changes(fabric, layout):
    machine = fabric.machines["h1"]
    before = machine.run("nft", "-s", "list", "ruleset").stdout
    machine.ip("link set up0 mtu 1500")
    done = fabric.run("h1", check=False)
    assert done.returncode == 2
    assert "アップリンク up0 の MTU が 1500 です。1550 以上が必要です" in done.stderr
    machine.ip("link set up0 down", "link set up0 name other0")
    done = fabric.run("h1", check=False)
    assert done.returncode == 2
    assert "アップリンクの機器 up0 がありません" in done.stderr
    assert machine.run("nft", "-s", "list", "ruleset").stdout == before
