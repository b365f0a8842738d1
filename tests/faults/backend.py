"""A local backend's folder as the engine leaves it, without an engine."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from infra.recovery.checkpoint import PROJECT, Files

STACK = "t00"


def deployment(*names: str, at: str = "2026-11-22T07:40:16.5Z", pending: tuple[str, ...] = ()) -> dict:
    """A record with a domain of each of these names on kvm01, and domains whose creation is pending."""
    root = {"urn": f"urn:pulumi:{STACK}::kumiai::pulumi:pulumi:Stack::kumiai-{STACK}", "type": "pulumi:pulumi:Stack"}
    return {
        "manifest": {"time": at, "magic": "x", "version": "v3.259.0"},
        "resources": [root, *(domain(name) for name in names)],
        "pending_operations": [{"resource": domain(name), "type": "creating"} for name in pending],
    }


def domain(name: str, host: str = "kvm01", **more: object) -> dict:
    return {
        "urn": f"urn:pulumi:{STACK}::kumiai::kumiai:infra:VirtualMachine$libvirt:index/domain:Domain::{name}",
        "type": "libvirt:index/domain:Domain",
        "id": f"id-of-{name}",
        "inputs": {"name": name},
        "parent": f"urn:pulumi:{STACK}::kumiai::pulumi:pulumi:Stack::kumiai-{STACK}",
        "provider": f"urn:pulumi:{STACK}::kumiai::pulumi:providers:libvirt::{host}::0b8f",
        **more,
    }


def volume(name: str, pool: str = "default", **more: object) -> dict:
    return domain(name, type="libvirt:index/volume:Volume", inputs={"name": name, "pool": pool}, **more)


def document(latest: dict) -> bytes:
    text = {"version": 3, "checkpoint": {"stack": f"organization/{PROJECT}/{STACK}", "latest": latest}}
    return json.dumps(text).encode()


def files(root: Path) -> Files:
    """The stack's files below `root`, with the folders that the engine makes."""
    found = Files(root, STACK)
    for folder in (found.state.parent, found.history, found.locks, root / ".pulumi" / "backups" / PROJECT / STACK):
        folder.mkdir(parents=True)
    return found


def lock(where: Files, pid: int, host: str = "", name: str = "0a1b") -> Path:
    path = where.locks / f"{name}.json"
    content = {
        "pid": pid,
        "username": "sato",
        "hostname": host or socket.gethostname(),
        "timestamp": "2026-11-22T07:40:00Z",
    }
    path.write_text(json.dumps(content))
    path.with_name(path.name + ".attrs").write_text("{}")
    return path
