"""How machines are reached: the files host -> libvirt URI and name -> login, and what such a URI says.

The dialect is that of the provider (`qemu+ssh://user@name:port/system?keyfile=K&knownhosts=F`,
`qemu+unix:///system?socket=S`); `virsh_uri` says the same to libvirt's own clients, which spell it otherwise.

Both files are written by hand in a data centre, and their words end in command lines and settings of ssh: what a shell,
a path or a line of settings reads as more than a name is refused, with the place in the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from . import documents, names
from .errors import FolderError

SCHEMES = {"qemu+ssh": "ssh", "qemu+unix": "unix", "qemu": "unix", "qemu+tls": "tls", "qemu+tcp": "tcp"}
SSH_PORT = 22
SSH_FILE = "ssh.json"
"""Lies beside the file of URIs: how machines are logged in to, those without libvirt (gateways) among them."""
LOGIN_KEYS = ("address", "port", "user", "key_file", "known_hosts")
_LARGEST = 4 * 2**20
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}|[0-9A-Fa-f:.]{2,45}")


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
    words = ((parts.username, _USER), (parts.hostname, _ADDRESS))
    if any(word and not form.fullmatch(word) for word, form in words) or not names.is_uri(uri):
        raise FolderError(f"ホスト「{host}」の URI「{uri[:80]}」に使えない文字があります")
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
    """The file host -> libvirt URI. Raises FolderError with the first mistake, its line and column."""
    data, document = read_object(path, "URI のファイル", '{"ホスト名": "libvirt の URI"}')
    found: dict[str, Connection] = {}
    problems: list[str] = []
    for host, uri in document.items():
        wrong = list(_uri_problems(host, uri))
        if not wrong:
            found[host] = parse(host, uri)
        problems += (f"{place(path, data, host)}: {each}" for each in wrong)
    _refuse([*problems, *_same_machine(path, data, found)])
    return {host: each.uri for host, each in found.items()}


def read_logins(path: Path) -> dict[str, Connection]:
    """The file name -> login (LOGIN_KEYS; a key file and known hosts may be left out); empty where there is none.

    Raises FolderError with the first mistake, its line and column.
    """
    if not path.exists():
        return {}
    data, document = read_object(path, "接続方法", '{"名前": {"address": …, "port": …, "user": …}}')
    found: dict[str, Connection] = {}
    problems: list[str] = []
    for name, login in document.items():
        wrong = list(_login_problems(name, login))
        if not wrong:
            found[name] = Connection(
                host=name, uri="", transport="ssh", user=login["user"], address=login["address"],
                port=login["port"], socket="", key_file=login.get("key_file", ""),
                known_hosts=login.get("known_hosts", ""),
            )  # fmt: skip
        problems += (f"{place(path, data, name)}: {each}" for each in wrong)
    _refuse([*problems, *_same_machine(path, data, found)])
    return found


def read_object(path: Path, what: str, form: str) -> tuple[bytes, dict[str, Any]]:
    """The bytes of a file and the JSON object in it, no key of which is there twice. Raises FolderError.

    `what` and `form` tell, in Japanese, what kind of file it is and how it looks.
    """
    twice: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        known: dict[str, Any] = {}
        for key, value in pairs:
            if key in known:
                twice.append(key)
            known[key] = value
        return known

    try:
        if not path.exists():
            raise FolderError(f"{path}: {what}がありません")
        if not path.is_file() or path.stat().st_size > _LARGEST:
            raise FolderError(f"{path}: 通常のファイルではないか、大きすぎます")
        data = path.read_bytes()
        document = json.loads(data.decode("utf-8"), object_pairs_hook=once)
    except OSError as error:
        raise FolderError(f"{path}: 読めません（{error.strerror}）") from None
    except json.JSONDecodeError as error:
        raise FolderError(f"{path}:{error.lineno}:{error.colno}: JSON として読めません") from None
    except (ValueError, RecursionError):
        raise FolderError(f"{path}: JSON として読めません") from None
    if not isinstance(document, dict):
        raise FolderError(f"{path}: {form} の形が必要です")
    if twice:
        before = data.decode("utf-8").rpartition(json.dumps(twice[0], ensure_ascii=False))[0]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise FolderError(f"{path}:{line}:{column}: 「{twice[0][:80]}」が二度書かれています")
    return data, document


def _uri_problems(host: str, uri: object) -> Iterator[str]:
    if not names.is_id(host):
        yield f"ホスト「{host[:80]}」: 名前に使えない文字があります"
    elif not isinstance(uri, str) or not uri:
        yield f"ホスト「{host}」: libvirt の URI（文字列）が必要です"
    elif not names.is_uri(uri):
        yield f"ホスト「{host}」: URI に使えない文字があるか、形が違います（{uri[:80]}）"
    else:
        try:
            parse(host, uri)
        except FolderError as error:
            yield str(error)


def _login_problems(name: str, login: object) -> Iterator[str]:
    who = f"「{name[:80]}」"
    if not names.is_id(name):
        yield f"{who}: 名前に使えない文字があります"
    if not isinstance(login, dict):
        yield f"{who}: {'、'.join(LOGIN_KEYS)} のオブジェクトが必要です"
        return
    for key in sorted(set(login) - set(LOGIN_KEYS)):
        yield f"{who}: 「{key[:80]}」は使えません。使えるのは {'、'.join(LOGIN_KEYS)} です"
    port = login.get("port")
    if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
        yield f"{who}: port は 1〜65535 の整数です"
    for key, form in (("address", _ADDRESS), ("user", _USER)):
        text = login.get(key)
        if not isinstance(text, str) or not form.fullmatch(text):
            yield f"{who}: {key} がないか、使えない文字があります（{str(text)[:80]}）"
    for key in ("key_file", "known_hosts"):
        text = login.get(key, "")
        if not isinstance(text, str) or not names.is_harmless(text):
            yield f"{who}: {key} のパスに使えない文字があります（{str(text)[:80]}）"


def _same_machine(path: Path, data: bytes, found: dict[str, Connection]) -> Iterator[str]:
    """Two names of one machine: what is done to the one would be done to the other."""
    known: dict[tuple[str, str, int | None, str], str] = {}
    for name, each in found.items():
        where = (
            each.transport,
            each.address,
            each.port or (SSH_PORT if each.transport == "ssh" else None),
            each.socket,
        )
        first = known.setdefault(where, name)
        if first != name:
            yield f"{place(path, data, name)}: 「{name}」と「{first}」が同じ接続先です"


def place(path: Path, data: bytes, *keys: str) -> str:
    """`file:line:column` of what stands at these keys."""
    found = documents.position(data, keys)
    return f"{path}:{found[0]}:{found[1]}" if found else str(path)


def _refuse(problems: list[str]) -> None:
    if problems:
        more = f"（ほか {len(problems) - 1} 件）" if len(problems) > 1 else ""
        raise FolderError(problems[0] + more)
