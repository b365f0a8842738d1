"""Networks, VLANs, subnets, addresses and MACs."""

import re
from ipaddress import IPv4Address, IPv4Network
from types import SimpleNamespace

import pytest

from planning import networks


def vms_of(*groups):
    """VMs given as (site, tenant, segment, numbers)."""
    return [
        SimpleNamespace(id=f"{site}-{tenant}-{segment}-{number}", site=site, tenant=tenant, segment=segment)
        for site, tenant, segment, numbers in groups
        for number in numbers
    ]


def numbered(*groups):
    """The numbering of VMs, given as (site, tenant, segment, how many)."""
    groups = [(site, tenant, segment, range(count)) for site, tenant, segment, count in groups]
    return networks.allot(SimpleNamespace(vms=vms_of(*groups)))


def kept_from(*groups):
    """A layout as `allot` sees it, of VMs given as (site, tenant, segment, numbers)."""
    return as_layout(networks.allot(SimpleNamespace(vms=vms_of(*groups))))


def as_layout(numbering):
    attached = numbering.attachments.items()
    vms = [SimpleNamespace(id=name, network=at.network, mac=at.mac, address=at.address) for name, at in attached]
    return SimpleNamespace(networks=numbering.networks, vms=vms)


def again(kept, *groups):
    return networks.allot(SimpleNamespace(vms=vms_of(*groups)), kept)


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


def test_a_kept_numbering_stays_and_new_ones_follow_the_highest():
    a, b = ("s", "a", "lgwan", range(2)), ("s", "b", "lgwan", range(2))
    kept = kept_from(a, b)
    assert as_layout(again(kept, a, b)) == kept
    found = again(kept, ("s", "c", "lgwan", [0]), ("s", "a", "lgwan", [0, 1, 2]), b)
    assert found.networks[1:] == kept.networks
    assert (found.networks[0].vlan, found.networks[0].vni, found.networks[0].subnet) == (102, 10_003, "10.0.2.0/24")
    assert found.attachments["s-c-lgwan-0"] == networks.Attachment("c-lgwan-s", "52:54:00:00:00:04", "10.0.2.10")
    assert found.attachments["s-a-lgwan-2"] == networks.Attachment("a-lgwan-s", "52:54:00:00:00:05", "10.0.0.12")
    assert found.attachments["s-b-lgwan-0"].mac == "52:54:00:00:00:02"


def test_numbers_of_what_was_removed_are_not_given_again():
    kept = kept_from(("s", "a", "lgwan", range(3)), ("s", "b", "lgwan", range(1)))
    found = again(kept, ("s", "a", "lgwan", [0, 1, 7]), ("s", "c", "lgwan", [0]))
    assert found.attachments["s-a-lgwan-7"].address == "10.0.0.13"  # .12 was that of a VM removed now
    assert found.attachments["s-a-lgwan-7"].mac == "52:54:00:00:00:04"
    new = found.networks[1]
    assert (new.vlan, new.vni, new.subnet, new.bridge) == (102, 10_003, "10.0.2.0/24", "br-v102")


def test_when_the_numbers_above_run_out_the_lowest_free_ones_come(monkeypatch):
    monkeypatch.setattr(networks, "LAST_VLAN", 102)
    monkeypatch.setattr(networks, "ADDRESS_SPACE", IPv4Network("10.0.0.0/22"))
    full = kept_from(*(("s", name, "lgwan", [0]) for name in "abcd"))
    assert [network.vlan for network in full.networks] == [100, 101, 102, None]
    gap = SimpleNamespace(networks=full.networks[1:], vms=full.vms[1:])  # as the next plan leaves it
    found = again(gap, *(("s", name, "lgwan", [0]) for name in "bcde"))
    assert (found.networks[-1].vlan, found.networks[-1].subnet) == (100, "10.0.0.0/24")
    with pytest.raises(networks.AddressSpaceError):
        again(full, *(("s", name, "lgwan", [0]) for name in "bcde"))


def test_a_network_that_outgrows_its_subnet_gets_another_and_keeps_its_ids():
    kept = kept_from(("s", "a", "lgwan", range(240)), ("s", "b", "lgwan", range(1)))
    found = again(kept, ("s", "a", "lgwan", range(260)), ("s", "b", "lgwan", range(1)))
    old, new = kept.networks[0], found.networks[0]
    assert (new.id, new.vlan, new.vni, new.bridge) == (old.id, old.vlan, old.vni, old.bridge)
    assert (new.subnet, new.gateway) == ("10.0.2.0/23", "10.0.2.1")
    assert found.networks[1] == kept.networks[1]
    assert found.attachments["s-a-lgwan-0"] == networks.Attachment("a-lgwan-s", "52:54:00:00:00:00", "10.0.2.10")
    addresses = [at.address for at in found.attachments.values() if at.network == new.id]
    assert len(set(addresses)) == 260
    assert all(IPv4Address(address) in IPv4Network(new.subnet) for address in addresses)


def test_a_vm_that_changes_its_segment_keeps_its_mac_only():
    kept = kept_from(("s", "a", "lgwan", [0, 1]), ("s", "a", "mynumber", [0]))
    moved = SimpleNamespace(id="s-a-lgwan-1", site="s", tenant="a", segment="mynumber")
    rest = vms_of(("s", "a", "lgwan", [0]), ("s", "a", "mynumber", [0]))
    found = networks.allot(SimpleNamespace(vms=[*rest, moved]), kept)
    assert found.attachments["s-a-lgwan-1"] == networks.Attachment("a-mynumber-s", "52:54:00:00:00:01", "10.0.1.11")
