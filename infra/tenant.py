"""Stack `TENANT` (and `common`): the VMs of one municipality."""

from __future__ import annotations

from pathlib import Path

import pulumi

from infra import domain_xml, hypervisor, seed, tenant_keys
from infra.admission import Deployed, TenantStack, hosts_of, seed_name, uri_of, vms_of, volume_of
from infra.settings import DomainType, Settings
from layout.ports import port_name
from layout.records import DiskRecord, Layout, NetworkRecord, VmRecord


class VirtualMachine(pulumi.ComponentResource):
    """One VM with its volumes and its seed. Resources are named after what they are called on the host."""

    def __init__(
        self,
        vm: VmRecord,
        network: NetworkRecord,
        domain_type: DomainType,
        connection: pulumi.ProviderResource,
        work: Path,
        *,
        key: str,
        start: bool,
    ) -> None:
        super().__init__("kumiai:infra:VirtualMachine", vm.id)
        # The VM boots from its first disk, so the one with the system comes first.
        disks = sorted(vm.disks, key=lambda disk: disk.base_image is None)
        volumes = [self._volume(disk, connection) for disk in disks]
        made = seed.make(vm, network, key)
        volumes.append(
            hypervisor.seed_volume(
                seed_name(vm), made.volume, disks[0].pool, made.write(work), host=connection, parent=self
            )
        )
        hypervisor.domain(
            vm.id,
            vm.id,
            domain_type=domain_type,
            vcpu_max=vm.vcpu_max,
            memory_mib=vm.memory_mib,
            volumes=volumes,
            bridge=network.bridge,
            mac=vm.mac,
            xslt=domain_xml.stylesheet(
                vm.id,
                vcpu=vm.vcpu,
                vcpu_max=vm.vcpu_max,
                weight=vm.weight,
                emulated=domain_type == "qemu",
                port=port_name(vm.mac),
            ),
            start=start,
            host=connection,
            parent=self,
        )
        self.register_outputs({})

    def _volume(self, disk: DiskRecord, connection: pulumi.ProviderResource) -> hypervisor.Volume:
        if disk.base_image is None:
            return hypervisor.data_volume(disk.name, disk.name, disk.pool, disk.size_gib, host=connection, parent=self)
        return hypervisor.system_volume(
            disk.name,
            disk.name,
            disk.pool,
            disk.size_gib,
            volume_of(disk.base_image),
            host=connection,
            parent=self,
        )


def declare(stack: TenantStack, layout: Layout, settings: Settings, deployed: Deployed, work: Path) -> None:
    """Declares the stack's VMs, and exports where each stands and whose key its seed lets in.

    Seeds are made in `work`. A seed that exists keeps the key it was made with: a new one would replace it, and with
    it the VM. Raises RefusalError.
    """
    uris = {host.id: uri_of(host, settings) for host in hosts_of(stack, layout)}
    current = tenant_keys.authorized_key(stack.tenant)
    connections = {host: hypervisor.provider(host, uri) for host, uri in uris.items()}
    networks = {network.id: network for network in layout.networks}
    standing = deployed.outputs.get("keys") or {}
    keys = {}
    for vm in vms_of(stack, layout):
        keys[vm.id] = standing.get(vm.id, current) if seed_name(vm) in deployed.resources else current
        VirtualMachine(
            vm,
            networks[vm.network],
            settings.domain_type,
            connections[vm.host],
            work,
            key=keys[vm.id],
            start=settings.starts(vm.id),
        )
    pulumi.export("placement", {vm.id: vm.host for vm in vms_of(stack, layout)})
    pulumi.export("keys", keys)
