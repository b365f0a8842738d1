"""The rendered networks of hosts and gateways, letter by letter, and what is refused before a machine is touched."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from infra import segmentation
from infra.refusal import RefusalError
from infra.segmentation.parts import routed
from layout.uplinks import Uplink, Uplinks
from tests.infra import packet_plans
from tests.infra.fabric import refusal, uplinks_of

GOLDEN = Path(__file__).parents[1] / "golden" / "segmentation"


@pytest.fixture(scope="module")
def layout():
    return packet_plans.three_by_three()


@pytest.fixture(scope="module")
def uplinks(layout):
    return uplinks_of(layout)


def golden(name, text):
    """The golden file's text; KUMIAI_UPDATE_GOLDEN=1 writes it anew."""
    path = GOLDEN / name
    if os.environ.get("KUMIAI_UPDATE_GOLDEN"):
        path.write_text(text)
    return path.read_text()


def tagged(uplinks):
    """The same machines on VLANs."""
    hosts = {name: Uplink(kind="vlan", device="bond0", mtu=1500) for name in uplinks.hosts}
    gateways = {name: Uplink(kind="vlan", device="bond0", mtu=1500) for name in uplinks.gateways}
    return Uplinks(hosts=hosts, gateways=gateways)


def changed(layout, kind, position, **fields):
    records = list(getattr(layout, kind))
    records[position] = records[position].model_copy(update=fields)
    return layout.model_copy(update={kind: tuple(records)})


def inside_one_site(layout):
    """Without the flows that cross sites: plain VLANs end at the site."""
    flows = tuple(flow for flow in layout.flows if "backup" not in {flow.source.segment, flow.destination.segment})
    return layout.model_copy(update={"flows": flows})


@pytest.mark.parametrize(
    ("name", "kind"), [("h1", "vxlan"), ("bk1", "vxlan"), ("gw-main", "vxlan"), ("h1", "vlan"), ("gw-main", "vlan")]
)
def test_rendered_as_recorded(layout, uplinks, name, kind):
    """VLAN can only be recorded here: the kernel that the packet tests run on has none."""
    chosen = uplinks if kind == "vxlan" else tagged(uplinks)
    plan = layout if kind == "vxlan" else inside_one_site(layout)
    network = (
        segmentation.gateway_rules(plan, chosen, name.removeprefix("gw-"))
        if name.startswith("gw-")
        else segmentation.host_rules(plan, chosen, name)
    )
    assert network.links == golden(f"{name}-{kind}.links", network.links)
    assert network.rules == golden(f"{name}-{kind}.nft", network.rules)


def test_the_script_holds_both_files_and_the_unit(layout, uplinks):
    network = segmentation.host_rules(layout, uplinks, "h1")
    text = segmentation.script(network, "h1 のネットワーク")
    assert network.links in text
    assert network.rules in text
    assert "\nBefore=libvirtd.service virtqemud.service\n" in text
    assert "\nRequiredBy=libvirtd.service virtqemud.service\n" in text
    assert "\t" not in text
    done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_same_plan_gives_the_same_bytes(layout, uplinks):
    first, second = (segmentation.script(segmentation.host_rules(layout, uplinks, "h1"), "x") for _ in range(2))
    assert first == second


def test_every_host_of_a_site_knows_all_its_vms(layout, uplinks):
    """A VM that moves finds its port's rules there already."""
    assert segmentation.host_rules(layout, uplinks, "h1").ports == segmentation.host_rules(layout, uplinks, "h2").ports
    assert {port.vm for port in segmentation.host_rules(layout, uplinks, "bk1").ports} == {"common-copy"}


def test_a_flow_opens_exactly_its_addresses(layout, uplinks):
    rules = segmentation.gateway_rules(layout, uplinks, "main").rules
    line = next(line for line in rules.splitlines() if "flow 1:" in line)
    assert line.strip() == (
        "ip saddr 10.1.0.10 ip daddr 10.9.0.10 tcp dport 443 accept "
        'comment "flow 1: a/mynumber/registry -> common/lgwan/certificate tcp/443"'
    )
    assert len(re.findall("comment", rules)) == len(layout.flows)


def test_only_the_flows_of_a_site_pass_its_gateway(layout, uplinks):
    rules = segmentation.gateway_rules(layout, uplinks, "backup").rules
    assert re.findall(r"flow (\d+):", rules) == ["7", "8", "10"]


REFUSED = {
    "unknown host": (lambda p, u: segmentation.host_rules(p, u, "nobody"), "この計画にありません"),
    "unknown site": (lambda p, u: segmentation.gateway_rules(p, u, "nowhere"), "この計画にありません"),
    "no uplink": (
        lambda p, u: segmentation.host_rules(p, u.model_copy(update={"hosts": {}}), "h1"),
        "アップリンクが uplinks.json にありません",
    ),
    "no gateway": (
        lambda p, u: segmentation.gateway_rules(p, u.model_copy(update={"gateways": {}}), "main"),
        "ゲートウェイのアップリンクが uplinks.json にありません",
    ),
    "small mtu": (
        lambda p, u: segmentation.host_rules(
            p, Uplinks(hosts={"h1": Uplink(kind="vxlan", device="up0", address="10.254.0.1", mtu=1500)}), "h1"
        ),
        "1550 以上が必要です",
    ),
    "ipv6 underlay": (
        lambda p, u: segmentation.host_rules(
            p, Uplinks(hosts={"h1": Uplink(kind="vxlan", device="up0", address="fd00::1")}), "h1"
        ),
        "IPv4 ではありません",
    ),
    "ipv6 network": (
        lambda p, u: segmentation.host_rules(changed(p, "networks", 0, subnet="fd00::/64"), u, "h1"),
        "IPv6 は通しません",
    ),
    "no vlan": (
        lambda p, u: segmentation.host_rules(changed(p, "networks", 0, vlan=None), tagged(u), "h1"),
        "VLAN 番号がありません",
    ),
    "one bridge twice": (
        lambda p, u: segmentation.host_rules(changed(p, "networks", 0, bridge=p.networks[1].bridge), u, "h1"),
        "同じブリッジ",
    ),
    "one port name twice": (
        lambda p, u: segmentation.host_rules(changed(p, "vms", 0, mac="52:54:99:00:01:02"), u, "h1"),
        "ポート名 kv000102 が重なります",
    ),
    "transit vni": (
        lambda p, u: segmentation.gateway_rules(changed(p, "networks", 0, vni=1), u, "main"),
        "VNI 1 は拠点間の接続に使う",
    ),
    "sites apart": (
        lambda p, u: segmentation.gateway_rules(p, tagged(u), "main"),
        "拠点 main と backup をまたぎます",
    ),
    "underlay as a destination": (
        lambda p, u: segmentation.gateway_rules(
            p.model_copy(update={"flows": (packet_plans.flow({"tenant": "a"}, {"address": "10.254.0.0/24"}),)}),
            u,
            "main",
        ),
        "ホスト間の回線の 10.254.0.1 を含みます",
    ),
    "backup opened": (
        lambda p, u: segmentation.gateway_rules(
            p.model_copy(update={"flows": (packet_plans.flow({"tenant": "a"}, {"tenant": "common"}, port=22),)}),
            u,
            "main",
        ),
        "団体や外部からは開けません",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(layout, uplinks, case):
    call, reason = REFUSED[case]
    assert reason in refusal(lambda: call(layout, uplinks))


def test_a_refused_flow_is_the_plan_s_fault(layout, uplinks):
    with pytest.raises(RefusalError) as caught:
        REFUSED["backup opened"][0](layout, uplinks)
    assert caught.value.unfit


def test_networks_that_overlap_are_not_routed():
    plan = packet_plans.with_overlap()
    assert [network.id for network in routed(plan, "main")] == ["c-lgwan-main", "c-internet-main"]
    uplinks = uplinks_of(plan)
    # Where nobody routes it, the gateway is no peer of the network either.
    lines = segmentation.host_rules(plan, uplinks, "h1").links.splitlines()
    peers = {line.split()[1]: line.split()[-1] for line in lines if line.startswith("vxlan")}
    assert peers["vx10002"] == "10.254.0.2"
    assert peers["vx10004"] == "10.254.0.2,10.254.1.1"


def test_what_the_check_said_becomes_lines():
    assert segmentation.differences(0, "", "") == ()
    assert segmentation.differences(0, "", "ポート kv000001 が…\n") == ("ポート kv000001 が…",)
    assert segmentation.differences(1, "一つ\n二つ\n", "") == ("一つ", "二つ")
    with pytest.raises(segmentation.ScriptFailedError, match="機器 up0 がありません"):
        segmentation.differences(2, "", "アップリンクの機器 up0 がありません\n")
