"""Every machine of a run by its name: this one, the hosts of the plan, the gateways of its sites."""

from __future__ import annotations

from pathlib import Path

from layout import connections
from layout.errors import FolderError
from runbooks.errors import ConflictError, RunbookError, UnreachableError
from runbooks.reaching.local import Local
from runbooks.reaching.ssh import Connection, Login
from runbooks.reaching.transport import LOCAL, Completed, Order
from runbooks.text.names import Site


class Machines:
    """The real transport: connections are opened when they are first needed and kept until the end."""

    def __init__(self, site: Site, locks: Path) -> None:
        self._logins = _logins(site)
        self._site = site
        self._locks = locks
        self._local = Local()
        self._open: dict[str, Connection] = {}

    def run(self, machine: str, order: Order) -> Completed:
        """Runs one command to its end. Raises UnreachableError."""
        if machine == LOCAL:
            return self._local.run(order)
        connection = self._connection(machine)
        if not connection.holds():
            raise UnreachableError(f"ホスト「{machine}」の排他が途中で外れました。続けずに止めます")
        return connection.run(order)

    def hold(self, machine: str, name: str, holder: str, seconds: float) -> None:
        """Takes the lock `name` there until `close`. Raises ConflictError, UnreachableError."""
        if machine == LOCAL:
            self._local.hold(self._locks / name, holder)
        else:
            self._connection(machine).hold(name, holder, seconds)

    def close(self) -> None:
        """Lets go of every lock and connection."""
        while self._open:
            self._open.popitem()[1].close()
        self._local.close()

    def _connection(self, machine: str) -> Connection:
        if machine not in self._open:
            self._open[machine] = Connection(self._logins.get(machine) or login_of(self._site, machine))
        return self._open[machine]


def login_of(site: Site, machine: str) -> Login:
    """How to log in to a host, by its libvirt URI. Raises UnreachableError where the URI is none of ssh."""
    known = next((each for each in site.layout.hosts if each.id == machine), None)
    uri = site.uris.get(machine) or (known.uri if known else "")
    if not uri:
        raise UnreachableError(
            f"「{machine}」への接続方法がありません。検証環境なら --lab を付け、ほかは --uris のファイルの隣の "
            f"{connections.SSH_FILE} に書いてください"
        )
    try:
        found = connections.parse(machine, uri)
    except FolderError as error:
        raise UnreachableError(str(error)) from None
    if found.transport != "ssh":
        raise UnreachableError(
            f"ホスト「{machine}」の URI（{uri[:80]}）では命令を送れません。検証環境なら --lab を、ほかは --uris に "
            f"qemu+ssh:// の URI を書いたファイルを指定してください（その隣の {connections.SSH_FILE} でもよい）"
        )
    return _login(machine, found)


def _logins(site: Site) -> dict[str, Login]:
    """The logins of the file beside the URIs. Raises RunbookError where it is malformed."""
    if site.uris_file is None:
        return {}
    try:
        found = connections.read_logins(site.uris_file.parent / connections.SSH_FILE)
    except FolderError as error:
        raise RunbookError(str(error)) from None
    return {name: _login(name, each) for name, each in found.items()}


def _login(machine: str, found: connections.Connection) -> Login:
    port = found.port or connections.SSH_PORT
    return Login(machine, found.address, port, found.user, found.key_file, found.known_hosts)


__all__ = ["ConflictError", "Login", "Machines", "login_of"]
