"""Plan folders with one thing of a kind wrong that must reach no host: every way, written into a sound folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CASES = (
    "two VMs of one name", "two VMs of one MAC", "two VMs of one address", "a VLAN twice on a site",
    "an unknown host", "another major version", "a quote", "a slash", "a line break", "shell characters", "truncated",
)  # fmt: skip


def spoil(folder: Path, case: str) -> None:
    """Makes `layout.json` of the folder wrong in this way, and in no other."""
    path = folder / "layout.json"
    text = path.read_text(encoding="utf-8")
    if case == "truncated":
        path.write_text(text[: len(text) // 2], encoding="utf-8")
    else:
        path.write_text(json.dumps(spoilt(json.loads(text), case)), encoding="utf-8")


def spoilt(document: dict[str, Any], case: str) -> dict[str, Any]:
    """The layout's document with one thing wrong."""
    vms, networks = document["vms"], document["networks"]
    changes = {
        "two VMs of one name": lambda: vms[1].update(id=vms[0]["id"]),
        "two VMs of one MAC": lambda: vms[1].update(mac=vms[0]["mac"]),
        "two VMs of one address": lambda: vms[1].update(network=vms[0]["network"], address=vms[0]["address"]),
        "a VLAN twice on a site": lambda: networks[1].update(site=networks[0]["site"], vlan=networks[0]["vlan"]),
        "an unknown host": lambda: vms[0].update(host="kvm99"),
        "another major version": lambda: document.update(format_version="2.0"),
        "a quote": lambda: vms[0].update(id="vm'; reboot; '"),
        "a slash": lambda: vms[0].update(id="../../etc/cron.d/x"),
        "a line break": lambda: vms[0].update(id="vm\n* * * * * root reboot"),
        "shell characters": lambda: vms[0].update(id="$(reboot)"),
    }
    changes[case]()
    return document
