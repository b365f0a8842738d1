"""Networks, VLANs, subnets, addresses and MACs."""

import re
from ipaddress import IPv4Address, IPv4Network
from types import SimpleNamespace

import pytest

from planning import networks


def numbered(*groups):
    """The numbering of VMs, given as (site, tenant, segment, how many)."""
    vms = [
        SimpleNamespace(id=f"{site}-{tenant}-{segment}-{number}", site=site, tenant=tenant, segment=segment)
        for site, tenant, segment, count in groups
        for number in range(count)
    ]
    return networks.allot(SimpleNamespace(vms=vms))


def test_one_network_per_site_tenant_and_segment_in_the_order_of_the_estate():
    found = numbered(("s", "a", "lgwan", 2), ("s", "a", "mynumber", 1), ("t", "a", "lgwan", 1), ("s", "b", "lgwan", 1))
    assert [network.id for network in found.networks] == ["a-lgwan-s", "a-mynumber-s", "a-lgwan-t", "b-lgwan-s"]
    assert [network.subnet for network in found.networks] == [f"10.0.{n}.0/24" for n in range(4)]
    assert [network.gateway for network in found.networks] == [f"10.0.{n}.1" for n in range(4)]
    assert [network.vlan for network in found.networks] == [100, 101, 100, 102]  # unique per site
    assert len({network.vni for network in found.networks}) == 4
    assert found.attachments["s-a-lgwan-1"] == networks.Attachment("a-lgwan-s", "52:54:00:00:00:01", "10.0.0.11")
    assert found.vxlan_only == 0


def test_vms_of_one_network_need_not_stand_together():
    found = networks.allot(
        SimpleNamespace(
            vms=[
                SimpleNamespace(id=str(n), site="s", tenant=tenant, segment="lgwan") for n, tenant in enumerate("abab")
            ]
        )
    )
    assert [found.attachments[str(n)].network for n in range(4)] == ["a-lgwan-s", "b-lgwan-s"] * 2
    assert [found.attachments[str(n)].address for n in range(4)] == ["10.0.0.10", "10.0.1.10", "10.0.0.11", "10.0.1.11"]


def test_above_the_limit_of_802_1q_networks_have_vxlan_ids_only():
    count = 4_200
    found = numbered(*(("s", f"t{n}", "lgwan", 1) for n in range(count)), ("t", "other", "lgwan", 1))
    tagged = [network for network in found.networks if network.site == "s" and network.vlan is not None]
    assert {network.vlan for network in tagged} == set(range(100, 4095))
    assert found.vxlan_only == count - len(tagged)
    assert found.networks[-1].vlan == 100  # the other site begins anew
    assert len({network.vni for network in found.networks}) == count + 1
    assert len({(network.site, network.bridge) for network in found.networks}) == count + 1
    assert max(len(network.bridge) for network in found.networks) <= 15


@pytest.mark.parametrize(("vms", "prefix"), [(1, 24), (245, 24), (246, 23), (501, 23), (502, 22), (5_000, 19)])
def test_a_large_tenant_has_a_subnet_that_holds_it(vms, prefix):
    found = numbered(("s", "small", "lgwan", 3), ("s", "large", "lgwan", vms), ("s", "next", "lgwan", 1))
    subnets = [IPv4Network(network.subnet) for network in found.networks]  # raises where it is not aligned
    assert subnets[1].prefixlen == prefix
    assert not any(one.overlaps(other) for one in subnets for other in subnets if one is not other)
    for network, subnet in zip(found.networks, subnets, strict=True):
        addresses = [IPv4Address(a.address) for a in found.attachments.values() if a.network == network.id]
        assert len(set(addresses)) == len(addresses)
        assert all(subnet.network_address + 9 < address < subnet.broadcast_address for address in addresses)
        assert IPv4Address(network.gateway) == subnet.network_address + 1


def test_macs_are_unique_local_and_well_formed():
    found = numbered(("s", "a", "lgwan", 300), ("t", "b", "lgwan", 300))
    macs = [attachment.mac for attachment in found.attachments.values()]
    assert len(set(macs)) == 600
    assert all(re.fullmatch(r"52:54:00(:[0-9a-f]{2}){3}", mac) for mac in macs)
    assert macs[256] == "52:54:00:00:01:00"


def test_an_exhausted_address_space_is_refused(monkeypatch):
    monkeypatch.setattr(networks, "ADDRESS_SPACE", IPv4Network("10.0.0.0/22"))
    full = numbered(*(("s", f"t{n}", "lgwan", 1) for n in range(4)))
    assert full.networks[-1].subnet == "10.0.3.0/24"
    with pytest.raises(networks.AddressSpaceError, match=r"10\.0\.0\.0/22"):
        numbered(*(("s", f"t{n}", "lgwan", 1) for n in range(5)))
    with pytest.raises(networks.AddressSpaceError, match=r"10\.0\.0\.0/22"):
        numbered(("s", "a", "lgwan", 2_000))


def test_an_estate_without_vms_has_no_networks():
    assert numbered() == networks.Numbering((), {}, 0)
