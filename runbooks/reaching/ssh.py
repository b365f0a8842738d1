"""Commands on hosts over SSH: strict host keys, one connection per host, no command that can hang the runner."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import paramiko
from paramiko.hostkeys import InvalidHostKey

from runbooks.errors import ConflictError, UnreachableError
from runbooks.reaching.transport import GRACE_S, LOST, MOST_OUTPUT, Completed, Order, wrapped

CONNECT_S = 10.0
CHANNEL_S = 15.0
POLL_S = 0.02
LINGER_S = 2.0
CHUNK = 65536
LOCK_FOLDER = "/run/lock"
WEAK = {
    "macs": ["hmac-md5", "hmac-md5-96", "hmac-sha1", "hmac-sha1-96"],
    "ciphers": ["3des-cbc", "aes128-cbc", "aes192-cbc", "aes256-cbc"],
}
"""What paramiko still offers and nobody should take."""


@dataclass(frozen=True)
class Login:
    """How a machine is logged in to. Without a key file the agent's keys are tried; a known_hosts file is needed."""

    machine: str
    address: str
    port: int
    user: str
    key_file: str
    known_hosts: str


class Connection:
    """One SSH connection: commands one after another, and locks that last as long as it does."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self._client = _connect(login)
        self._locks: list[paramiko.Channel] = []

    def run(self, order: Order) -> Completed:
        """Runs one command. A connection that breaks gives the code LOST: nobody knows what the command did."""
        begun = time.monotonic()
        patience = order.deadline_s + (order.lock_wait_s if order.lock else 0) + GRACE_S
        channel = self._channel()
        try:
            channel.exec_command(wrapped(order, root=self.login.user == "root"))
            return _drained(channel, order.stdin, begun, patience)
        except (paramiko.SSHException, OSError, EOFError) as error:
            return Completed(LOST, "", f"接続が切れました（{_said(error)}）", time.monotonic() - begun)
        finally:
            channel.close()

    def hold(self, name: str, holder: str, seconds: float) -> None:
        """Holds the lock `name` over there while this connection lasts, at most `seconds`. Raises ConflictError."""
        path = f"{LOCK_FOLDER}/{name}"
        # `cat` ends, and with it the lock, when the connection does, however it does.
        inner = f"printf %s {quote(holder)} > {path}.holder; echo held; exec timeout {max(1, round(seconds))} cat"
        script = f"mkdir -p {LOCK_FOLDER} && exec flock -n -E 75 {path} sh -c {quote(inner)}"
        channel = self._channel()
        channel.exec_command(f"sh -c {quote(script)}")
        limit = time.monotonic() + CHANNEL_S
        said = b""
        while b"held" not in said:
            if channel.recv_ready():
                said += channel.recv(CHUNK)
            elif channel.exit_status_ready():
                code = channel.recv_exit_status()
                channel.close()
                if code == 75:
                    raise ConflictError(
                        f"ホスト「{self.login.machine}」では別の実行が進行中です（{self._holder(path)}）"
                    )
                raise UnreachableError(f"ホスト「{self.login.machine}」で排他を取れません（終了コード {code}）")
            elif time.monotonic() > limit:
                channel.close()
                raise UnreachableError(f"ホスト「{self.login.machine}」で排他を取れません（応答なし）")
            else:
                time.sleep(POLL_S)
        self._locks.append(channel)

    def holds(self) -> bool:
        """Whether every lock taken is still held."""
        return all(not channel.closed and not channel.exit_status_ready() for channel in self._locks)

    def close(self) -> None:
        """Lets go of the locks and the connection."""
        for channel in self._locks:
            channel.close()
        self._client.close()

    def _holder(self, path: str) -> str:
        done = self.run(Order(f"cat {path}.holder", 10))
        return done.stdout.strip()[:200] or "実行者は不明"

    def _channel(self) -> paramiko.Channel:
        transport = self._client.get_transport()
        try:
            if transport is None or not transport.is_active():
                raise UnreachableError(f"ホスト「{self.login.machine}」との接続が切れました")
            return transport.open_session(timeout=CHANNEL_S)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise UnreachableError(
                f"ホスト「{self.login.machine}」で命令を始められません（{_said(error)}）。"
                "sshd の MaxSessions か接続の状態を確かめてください"
            ) from None


def _drained(channel: paramiko.Channel, stdin: bytes, begun: float, patience: float) -> Completed:
    """Feeds and empties a command's streams in turn, so that neither side ever waits for the other."""
    limit = begun + patience
    kept, counted = [bytearray(), bytearray()], [0, 0]
    hashes = [hashlib.sha256(), hashlib.sha256()]
    readers: list[tuple[Callable[[], bool], Callable[[int], bytes]]] = [
        (channel.recv_ready, channel.recv),
        (channel.recv_stderr_ready, channel.recv_stderr),
    ]
    channel.setblocking(0)
    sent = 0
    if not stdin:
        channel.shutdown_write()
    lost, ended = False, 0.0
    while True:
        moved = False
        for at, (ready, receive) in enumerate(readers):
            while ready():
                piece = receive(CHUNK)
                if not piece:
                    break
                moved = True
                counted[at] += len(piece)
                hashes[at].update(piece)
                kept[at] += piece[: max(0, MOST_OUTPUT - len(kept[at]))]
        if sent < len(stdin) and channel.send_ready():
            try:
                sent += channel.send(stdin[sent : sent + CHUNK])
                moved = True
            except OSError:
                sent = len(stdin)  # the command reads no more
            if sent >= len(stdin):
                channel.shutdown_write()
        if moved:
            continue
        if channel.exit_status_ready():
            # What the command left running may keep its streams open: they are not waited for.
            ended = ended or time.monotonic()
            if channel.eof_received or channel.closed or time.monotonic() > ended + LINGER_S:
                break
        elif channel.closed or time.monotonic() > limit:
            lost = True
            break
        time.sleep(POLL_S)
    code = LOST if lost else channel.recv_exit_status()
    return Completed(
        code,
        kept[0].decode("utf-8", "replace"),
        kept[1].decode("utf-8", "replace") + ("（接続が切れたか、制限時間を過ぎても終わりません）" if lost else ""),
        time.monotonic() - begun,
        truncated=any(count > MOST_OUTPUT for count in counted),
        digest=hashlib.sha256(hashes[0].digest() + hashes[1].digest()).hexdigest(),
    )


def _connect(login: Login) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    try:
        if login.known_hosts:
            client.load_host_keys(login.known_hosts)
        else:
            client.load_system_host_keys()
    except (OSError, paramiko.SSHException, InvalidHostKey) as error:
        raise UnreachableError(
            f"ホスト「{login.machine}」: 既知のホスト鍵のファイルを読めません（{login.known_hosts}、{_said(error)}）。"
            "@revoked や @cert-authority の行は使えません"
        ) from None
    try:
        client.connect(
            login.address,
            port=login.port,
            username=login.user or None,
            key_filename=str(Path(login.key_file).expanduser()) if login.key_file else None,
            allow_agent=not login.key_file,
            look_for_keys=False,
            timeout=CONNECT_S,
            banner_timeout=CONNECT_S,
            auth_timeout=CONNECT_S,
            channel_timeout=CHANNEL_S,
            disabled_algorithms=WEAK,
        )
    except paramiko.BadHostKeyException:
        client.close()
        raise UnreachableError(
            f"ホスト「{login.machine}」のホスト鍵が記録と違います。なりすましでないことを確かめるまで接続しません"
        ) from None
    except (paramiko.SSHException, OSError, EOFError) as error:
        client.close()
        raise UnreachableError(
            f"ホスト「{login.machine}」（{login.address}:{login.port}）に接続できません（{_said(error)}）"
        ) from None
    transport = client.get_transport()
    if transport is not None:
        transport.set_keepalive(15)
    return client


def _said(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]
