"""First fit keeps memory, vCPU, disk, the reserve, anti-affinity and segments apart, or says which VM has no room."""

from types import SimpleNamespace

import numpy as np
import pytest

from capacity.unplanned.placement import NoRoomError, PlacedVm, first_fit
from estate.records import Policy


def host(name, *, memory=64.0, cores=8, disk=1000.0, spare=False):
    return SimpleNamespace(id=name, memory_gib=memory, cores=cores, disk_gib=disk, spare=spare)


def vm(name, *, memory=8.0, vcpu=2, disk=50.0, groups=(), segment="lgwan", changes=()):
    sizes = SimpleNamespace(
        memory_gib=memory,
        vcpu=vcpu,
        vcpu_changes=tuple(SimpleNamespace(vcpu=more) for more in changes),
        disks=(SimpleNamespace(size_gib=disk),),
        segment=segment,
    )
    return PlacedVm(sizes, name, groups)


PLAIN = Policy(spare_hosts=0, vcpu_overcommit=1.0)


@pytest.mark.parametrize("seed", range(30))
def test_no_host_is_overfilled_and_the_reserve_stays_empty(seed):
    rng = np.random.default_rng(seed)
    hosts = [host(f"h{number}", spare=bool(number == 2)) for number in range(14)]
    policy = Policy(spare_hosts=2, vcpu_overcommit=2.0, separate_segments=bool(seed % 2))
    vms = [
        vm(
            f"v{number}",
            memory=float(rng.integers(1, 17)),
            vcpu=int(rng.integers(1, 5)),
            disk=float(rng.integers(10, 200)),
            changes=tuple(rng.integers(1, 8, size=int(rng.integers(0, 2))).tolist()),
            groups=(f"g{number // 3}",) if rng.random() < 0.5 else (),
            segment=("lgwan", "mynumber")[int(rng.integers(2))],
        )
        for number in range(30)
    ]
    found = first_fit("s", vms, hosts, policy)
    assert set(found.tolist()).isdisjoint({2, 12, 13})
    for row in range(len(hosts)):
        here = [vms[number] for number in np.flatnonzero(found == row)]
        assert sum(each.vm.memory_gib for each in here) <= 64
        assert sum(max([each.vm.vcpu, *(c.vcpu for c in each.vm.vcpu_changes)]) for each in here) <= 16
        assert sum(each.vm.disks[0].size_gib for each in here) <= 1000
        groups = [group for each in here for group in each.groups]
        assert len(groups) == len(set(groups))
        assert not policy.separate_segments or len({each.vm.segment for each in here}) <= 1


def test_the_first_host_with_room_is_taken_in_the_order_of_the_file():
    vms = [vm("a", vcpu=6), vm("b", vcpu=4), vm("c", vcpu=2), vm("d", vcpu=4)]
    assert first_fit("s", vms, [host("h1"), host("h2")], PLAIN).tolist() == [0, 1, 0, 1]


def test_where_the_order_of_the_file_fails_the_largest_go_first():
    vms = [vm("a", vcpu=4), vm("b", vcpu=3), vm("c", vcpu=5), vm("d", vcpu=4)]
    assert first_fit("s", vms, [host("h1"), host("h2")], PLAIN).tolist() == [1, 0, 0, 1]


def test_a_vm_without_room_is_named():
    with pytest.raises(NoRoomError) as caught:
        first_fit("s", [vm("a", vcpu=6), vm("b", vcpu=7)], [host("h1")], PLAIN)
    assert (caught.value.site, caught.value.vm, caught.value.hosts) == ("s", "a", 1)
    with pytest.raises(NoRoomError):
        first_fit("s", [vm("a")], [], PLAIN)
