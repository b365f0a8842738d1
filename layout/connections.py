"""How hosts are reached: the file host -> libvirt URI, and what such a URI says, for those who do not speak libvirt.

The dialect is that of the provider (`qemu+ssh://user@name:port/system?keyfile=K&knownhosts=F`,
`qemu+unix:///system?socket=S`); `virsh_uri` says the same to libvirt's own clients, which spell it otherwise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from .errors import FolderError

SCHEMES = {"qemu+ssh": "ssh", "qemu+unix": "unix", "qemu": "unix", "qemu+tls": "tls", "qemu+tcp": "tcp"}
SSH_PORT = 22


@dataclass(frozen=True)
class Connection:
    """One host's address. `transport` is `ssh`, `unix`, `tls` or `tcp`; files are empty where the URI names none."""

    host: str
    uri: str
    transport: str
    user: str
    address: str
    port: int | None
    socket: str
    key_file: str
    known_hosts: str

    @property
    def virsh_uri(self) -> str:
        """The URI by which `virsh` reaches the same libvirtd."""
        if self.transport != "ssh":
            return self.uri
        where = f"{self.user}@" if self.user else ""
        where += self.address + (f":{self.port}" if self.port else "")
        options = {"sshauth": "privkey", "keyfile": self.key_file, "known_hosts": self.known_hosts}
        options |= {"socket": self.socket}
        query = "&".join(f"{name}={quote(value, safe='/')}" for name, value in options.items() if value)
        return f"qemu+libssh2://{where}/system" + (f"?{query}" if query else "")


def parse(host: str, uri: str) -> Connection:
    """What the URI of this host says. Raises FolderError for one that the provider could not use either."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise FolderError(f"ホスト「{host}」の URI を読めません（{uri[:80]}）") from None
    transport = SCHEMES.get(parts.scheme)
    if transport is None:
        raise FolderError(
            f"ホスト「{host}」の URI「{uri[:80]}」は使えません。{'、'.join(SCHEMES)} で始まる必要があります"
        )
    if transport == "ssh" and not parts.hostname:
        raise FolderError(f"ホスト「{host}」の URI「{uri[:80]}」にホスト名がありません")
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return Connection(
        host=host,
        uri=uri,
        transport=transport,
        user=parts.username or "",
        address=parts.hostname or "",
        port=port,
        socket=options.get("socket", ""),
        key_file=options.get("keyfile", ""),
        known_hosts=options.get("knownhosts", ""),
    )


def read_uris(path: Path) -> dict[str, str]:
    """The file host -> libvirt URI. Raises FolderError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FolderError(f"{path}: URI のファイルがありません") from None
    except OSError as error:
        raise FolderError(f"{path}: 読めません（{error.strerror}）") from None
    except (ValueError, RecursionError):
        raise FolderError(f"{path}: JSON として読めません") from None
    if not isinstance(document, dict) or not all(isinstance(uri, str) and uri for uri in document.values()):
        raise FolderError(f'{path}: {{"ホスト名": "libvirt の URI"}} の形が必要です')
    return document
