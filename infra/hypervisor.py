"""The libvirt provider as this project uses it, with its traps closed. Nothing else imports pulumi_libvirt.

Names are explicit, so that a thing is called on its host what the plan calls it. Whatever a running VM stands on is
protected: with this provider most changes replace, and a replacement is a power cut or lost data. Such changes are
the business of runbooks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pulumi
import pulumi_libvirt as libvirt

GIB = 2**30
Volume = libvirt.Volume


def provider(host: str, uri: str) -> pulumi.ProviderResource:
    """The connection to a host. It is opened even by a preview, so declare it only for hosts that a stack uses."""
    return libvirt.Provider(host, uri=uri)


def on(host: pulumi.ProviderResource, parent: pulumi.Resource, **more: object) -> pulumi.ResourceOptions:
    """Options of a resource of `parent` on that host."""
    return pulumi.ResourceOptions.merge(
        pulumi.ResourceOptions(provider=host, parent=parent),
        pulumi.ResourceOptions(**more),  # type: ignore[arg-type]
    )


def pool(
    resource: str, name: str, path: str, *, host: pulumi.ProviderResource, parent: pulumi.Resource
) -> libvirt.Pool:
    """A storage pool over a folder of the host. Deleting one deletes its volumes, so it is protected."""
    return libvirt.Pool(resource, name=name, type="dir", target={"path": path}, opts=on(host, parent, protect=True))


def bridged_network(
    resource: str, name: str, bridge: str, *, host: pulumi.ProviderResource, parent: pulumi.Resource
) -> libvirt.Network:
    """libvirt's name for a bridge that exists on the host."""
    return libvirt.Network(resource, name=name, mode="bridge", bridge=bridge, autostart=True, opts=on(host, parent))


def base_volume(
    resource: str, name: str, pool: libvirt.Pool, image: Path, *, host: pulumi.ProviderResource, parent: pulumi.Resource
) -> Volume:
    """A base image, uploaded once. System volumes lie on top of it, so it must never be replaced.

    The provider replaces a volume when the path of its source changes, though not when its content does:
    the path is ignored here, the content is compared by the caller.
    """
    return Volume(
        resource,
        name=name,
        pool=pool.name,
        source=str(image),
        format="qcow2",
        opts=on(host, parent, protect=True, ignore_changes=["source"]),
    )


def system_volume(
    resource: str,
    name: str,
    pool: str,
    size_gib: float,
    base: str,
    *,
    host: pulumi.ProviderResource,
    parent: pulumi.Resource,
) -> Volume:
    """A volume on top of the base image `base` of the same pool. It grows by runbook, never here."""
    return Volume(
        resource,
        name=name,
        pool=pool,
        size=round(size_gib * GIB),
        format="qcow2",
        base_volume_name=base,
        opts=on(host, parent, protect=True, ignore_changes=["size"]),
    )


def data_volume(
    resource: str, name: str, pool: str, size_gib: float, *, host: pulumi.ProviderResource, parent: pulumi.Resource
) -> Volume:
    """An empty volume for data. It stays on the host even when it leaves the program."""
    return Volume(
        resource,
        name=name,
        pool=pool,
        size=round(size_gib * GIB),
        format="qcow2",
        opts=on(host, parent, protect=True, retain_on_delete=True, ignore_changes=["size"]),
    )


def seed_volume(
    resource: str, name: str, pool: str, iso: Path, *, host: pulumi.ProviderResource, parent: pulumi.Resource
) -> Volume:
    """A seed image as a plain volume. `name` carries the hash of the content, so the path does not matter.

    No format: libvirt reads back what it detects, and any other would be a difference that replaces.
    Never a CloudInitDisk: that resource downloads its image, and a download can hang the provider for ever.
    """
    return Volume(
        resource,
        name=name,
        pool=pool,
        source=str(iso),
        opts=on(host, parent, protect=True, ignore_changes=["source"]),
    )


def domain(
    resource: str,
    name: str,
    *,
    domain_type: str,
    vcpu_max: int,
    memory_mib: int,
    volumes: Sequence[Volume],
    bridge: str,
    mac: str,
    xslt: str,
    start: bool,
    host: pulumi.ProviderResource,
    parent: pulumi.Resource,
) -> libvirt.Domain:
    """A VM that starts with its host. `vcpu_max` is the maximum; `xslt` says how many it has at its start.

    The provider reads the maximum back: with the current number here every preview would want to replace the VM.
    The interface names its bridge, because a network's id makes a difference that never ends.
    `start` counts when the VM is created; afterwards the provider would start a stopped VM with any other update and
    never stop a running one, so whether it runs is ignored here and judged by preflight and drift. So is the
    stylesheet, which runs at creation only: its text follows the plan's vCPUs and weight, and a change of it would
    replace a VM that a runbook has already given them.
    """
    return libvirt.Domain(
        resource,
        name=name,
        type=domain_type,
        vcpu=vcpu_max,
        memory=memory_mib,
        autostart=True,
        running=start,
        disks=[{"volume_id": volume.id} for volume in volumes],
        network_interfaces=[{"bridge": bridge, "mac": mac}],
        consoles=[{"type": "pty", "target_port": "0", "target_type": "serial"}],
        xml={"xslt": xslt},
        opts=on(host, parent, protect=True, delete_before_replace=True, ignore_changes=["running", "xml"]),
    )
