"""The small data centre of examples/centre is what the end-to-end tests count on."""

from collections import Counter

import estate
import planning
from lab.plan import read
from layout import folder
from tests import centre


def test_it_plans_as_three_tenants_with_three_segments_on_hosts_with_room_for_one_host_s_vms(tmp_path):
    planning.plan(estate.load(centre.ESTATE), tmp_path / "plan")
    layout = folder.read(tmp_path / "plan").layout
    placed = Counter(vm.host for vm in layout.vms)
    assert len(layout.vms) == 10
    assert {(vm.tenant, vm.segment) for vm in layout.vms} == {
        *(
            (tenant, segment)
            for tenant in ("aya", "kadogawa", "hyuga")
            for segment in ("mynumber", "lgwan", "internet")
        ),
        ("common", "lgwan"),
    }
    assert [(host.id, host.site, host.spare) for host in layout.hosts] == [
        ("lab01", "lab", False), ("lab02", "lab", False), ("lab03", "lab", True), ("bk01", "backup", True),
    ]  # fmt: skip
    assert set(placed) == {"lab01", "lab02"}
    memory = next(host.memory_mib for host in layout.hosts if host.spare)
    assert max(placed.values()) * 128 <= memory
    assert all(vm.memory_mib == 128 and any(disk.protect for disk in vm.disks) for vm in layout.vms)
    assert {vm.id: [change.vcpu for change in vm.vcpu_changes] for vm in layout.vms if vm.vcpu_changes} == {
        "kadogawa-resident-registry-ap-01": [2], "hyuga-resident-tax-ap-01": [2],
    }  # fmt: skip
    assert layout.flows
    laboratory = read(tmp_path / "plan")
    assert laboratory.gateways == {"lab": "gw-lab", "backup": "gw-backup"}
    assert all(network.vni for network in laboratory.networks)
