"""A bare `layout.json` that somebody wrote by hand for a licence count: what it leaves out and its other fields say.

A plan folder says everything and is never completed.
"""

from __future__ import annotations

import json
from typing import Any

from . import documents
from .errors import FolderError
from .records import Layout

_COUNTED = ("format_version", "estate", "generation", "hosts", "host_sets", "vms", "moves")
_INFRASTRUCTURE = ("pools", "disks", "anti_affinity")
"""Of hosts and VMs: what no count looks at, so that it cannot be wrong for one."""


def read(data: bytes, name: str) -> Layout:
    """The layout in `data`; `name` is the file's name for messages.

    A server without `socket_capacity` has room for its sockets, a VM without `vcpu_max` never has more vCPUs than it
    says, one without `may_run_on` stays on its host. Raises FolderError for whatever else is missing or wrong.
    """
    try:
        return documents.from_bytes(data, Layout, name)
    except FolderError:
        completed = _completed(data)
        if completed is None:
            raise
    return documents.from_bytes(completed, Layout, name, shown=data)


def _completed(data: bytes) -> bytes | None:
    """The document with what follows from its other fields; None where it is no layout at all."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or "format_version" not in document:
        return None
    layout: dict[str, Any] = {"generation": 1, "host_sets": [], "vms": []}
    layout |= {key: document[key] for key in _COUNTED if document.get(key) is not None}
    if isinstance(layout.get("estate"), dict):
        layout["estate"] = {"name": "", "digest": "", **layout["estate"]}
    for host in _records(layout, "hosts"):
        if "sockets" in host:
            host.setdefault("socket_capacity", host["sockets"])
    hosts = {host.get("id") for host in _records(layout, "hosts") if isinstance(host.get("id"), str)}
    own = {}
    for vm in _records(layout, "vms"):
        said = [vm.get("vcpu"), *(change.get("vcpu") for change in _records(vm, "vcpu_changes"))]
        vcpus = [vcpu for vcpu in said if isinstance(vcpu, int)]
        if len(vcpus) == len(said):
            vm.setdefault("vcpu_max", max(vcpus))
        if "may_run_on" not in vm and isinstance(vm.get("host"), str):
            home = vm["host"]
            vm["may_run_on"] = f"（{home} だけ）"
            # An unknown host is told once, as the VM's.
            own[home] = {"id": vm["may_run_on"], "hosts": [home] if home in hosts else []}
    if own and isinstance(layout["host_sets"], list):
        layout["host_sets"] = [*layout["host_sets"], *own.values()]
    return json.dumps(layout).encode()


def _records(parent: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects in the array `parent[key]`, each without fields that are null or that no count looks at."""
    items = parent.get(key)
    if not isinstance(items, list):
        return []
    for place, item in enumerate(items):
        if isinstance(item, dict):
            items[place] = {k: v for k, v in item.items() if v is not None and k not in _INFRASTRUCTURE}
    return [item for item in items if isinstance(item, dict)]
