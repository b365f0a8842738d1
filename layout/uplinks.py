"""How the hosts of a plan are joined: which device of a host carries the tenants' networks, and where it ends.

`uplinks.json` lies beside `uris.json`. A data centre writes it once; `kumiai lab up` writes its own. The plan says
which networks exist, this file says over which wires they run.
"""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from .errors import FolderError
from .records import LayoutRecord

UPLINKS_FILE = "uplinks.json"


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
    """The file of uplinks. Raises FolderError."""
    try:
        found = Uplinks.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise FolderError(f"{path}: アップリンクのファイルがありません") from None
    except OSError as error:
        raise FolderError(f"{path}: 読めません（{error.strerror}）") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise FolderError(f"{path}: {where or '全体'}: アップリンクとして読めません（{first['msg']}）") from None
    except (ValueError, RecursionError):
        raise FolderError(f"{path}: JSON として読めません") from None
    if found.format_version.partition(".")[0] != "1":
        raise FolderError(f"{path}: format_version {found.format_version} は読めません（対応：1.x）")
    for name, uplink in (*found.hosts.items(), *found.gateways.items()):
        if uplink.kind == "vxlan" and not _is_address(uplink.address):
            raise FolderError(f"{path}: 「{name}」の address「{uplink.address}」は IP アドレスではありません")
    return found


def write_uplinks(path: Path, uplinks: Uplinks) -> None:
    """Writes the file, complete or not at all."""
    fresh = path.with_name(path.name + ".new")
    document = uplinks.model_dump(mode="json")
    fresh.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
