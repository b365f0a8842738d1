"""How the hosts of a plan are joined: which device of a host carries the tenants' networks, and where it ends.

`uplinks.json` lies beside `uris.json`. A data centre writes it once; `kumiai lab up` writes its own. The plan says
which networks exist, this file says over which wires they run.
"""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import Field

from . import documents
from .connections import place, read_object
from .errors import FolderError
from .names import is_id
from .records import LayoutRecord

UPLINKS_FILE = "uplinks.json"
LEAST_MTU, MOST_MTU = 576, 65535


class Uplink(LayoutRecord):
    """`vlan`: the tenants' networks are tagged on `device`. `vxlan`: they run in tunnels between the `address`es."""

    kind: Literal["vlan", "vxlan"]
    device: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$")
    address: str = ""
    """The host's own address on the device, without a length; needed for `vxlan`."""
    mtu: int = 1600
    """Of the device. A VXLAN frame over IPv4 is 50 bytes longer than what it carries."""


class Uplinks(LayoutRecord):
    """The wires of every host, and of the gateway of each site (`gateways`: site -> its uplink)."""

    format_version: str = "1.0"
    hosts: dict[str, Uplink]
    gateways: dict[str, Uplink] = Field(default_factory=dict)


def read_uplinks(path: Path) -> Uplinks:
    """The file of uplinks. Raises FolderError with the first mistake, and its line where that is known."""
    data, _ = read_object(path, "アップリンクのファイル", '{"format_version": "1.0", "hosts": {"ホスト名": …}}')
    found = documents.from_bytes(data, Uplinks, str(path))
    known: dict[str, str] = {}
    for kind in ("hosts", "gateways"):
        for name, uplink in getattr(found, kind).items():
            where = place(path, data, kind, name)
            if not is_id(name):
                raise FolderError(f"{where}: 「{name[:80]}」: 名前に使えない文字があります")
            if not LEAST_MTU <= uplink.mtu <= MOST_MTU:
                raise FolderError(f"{where}: 「{name}」の mtu {uplink.mtu} は {LEAST_MTU}〜{MOST_MTU} ではありません")
            if uplink.kind == "vlan" and not uplink.address:
                continue
            address = _address(uplink.address)
            if address is None:
                raise FolderError(f"{where}: 「{name}」の address「{uplink.address[:80]}」は IP アドレスではありません")
            first = known.setdefault(address, name)
            if first != name:
                raise FolderError(f"{where}: 「{name}」と「{first}」の address がどちらも {address} です")
    return found


def write_uplinks(path: Path, uplinks: Uplinks) -> None:
    """Writes the file, complete or not at all."""
    fresh = path.with_name(path.name + ".new")
    document = uplinks.model_dump(mode="json")
    fresh.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)


def _address(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None
