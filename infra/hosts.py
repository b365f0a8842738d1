"""Stack `hosts-SITE`: what every VM of a site stands on."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from infra import hypervisor
from infra.admission import BaseImage, HostsStack, base_images, hosts_of, uri_of
from infra.settings import Settings
from layout.records import HostRecord, Layout


class Host(pulumi.ComponentResource):
    """Pools, networks and base images of one host."""

    def __init__(self, record: HostRecord, uri: str, layout: Layout, images: Mapping[str, BaseImage]) -> None:
        super().__init__("kumiai:infra:Host", record.id)
        connection = hypervisor.provider(record.id, uri)
        needed = base_images(record.site, layout)
        for pool in record.pools:
            made = hypervisor.pool(f"{record.id}-{pool.name}", pool.name, pool.path, host=connection, parent=self)
            for image in needed.get(pool.name, ()):
                base = images[image]
                hypervisor.base_volume(
                    f"{record.id}-{pool.name}-{image}", base.volume, made, base.path, host=connection, parent=self
                )
        for network in layout.networks:
            if network.site == record.site:
                hypervisor.bridged_network(
                    f"{record.id}-{network.id}", network.id, network.bridge, host=connection, parent=self
                )
        self.register_outputs({})


def declare(stack: HostsStack, layout: Layout, settings: Settings, images: Mapping[str, BaseImage]) -> None:
    """Declares the stack's resources, and exports the content of each image. Raises RefusalError."""
    uris = {host.id: uri_of(host, settings) for host in hosts_of(stack, layout)}
    for host in hosts_of(stack, layout):
        Host(host, uris[host.id], layout, images)
    pulumi.export("images", {image.id: image.sha256 for image in images.values()})
