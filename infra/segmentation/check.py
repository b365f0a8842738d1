"""Asks hosts and gateways over ssh whether their network is what the plan says. It changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra import segmentation
from layout import FolderError, connections
from layout.connections import Connection
from layout.records import Layout
from layout.uplinks import Uplinks

DEADLINE_S = 60.0
AT_ONCE = 4


@dataclass(frozen=True)
class NetworkAnswer:
    """What one machine said: its differences, or why nobody knows."""

    name: str
    differences: tuple[str, ...] = ()
    unknown: str = ""


def check(
    layout: Layout, wires: Uplinks, uris: Mapping[str, str], gateways: Mapping[str, Connection]
) -> list[NetworkAnswer]:
    """The answers of the hosts of `uris` and of the gateways of their sites, each within its deadline.

    Raises RefusalError when the plan's networks cannot be had over these uplinks at all.
    """
    sites = [
        site for site in dict.fromkeys(host.site for host in layout.hosts if host.id in uris) if site in wires.gateways
    ]
    asked: list[tuple[segmentation.HostNetwork, Connection | None]] = []
    for host in layout.hosts:
        if host.id in uris:
            asked.append((segmentation.host_rules(layout, wires, host.id), _connection(host.id, uris[host.id])))
    for site in sites:
        network = segmentation.gateway_rules(layout, wires, site)
        asked.append((network, gateways.get(network.name)))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda each: _ask(*each), asked))


def gateways_beside(uris: Path | None) -> dict[str, Connection]:
    """How machines without libvirt are reached, from the file beside the URIs, if any. Raises FolderError."""
    return {} if uris is None else connections.read_logins(uris.parent / connections.SSH_FILE)


def _connection(host: str, uri: str) -> Connection | None:
    try:
        found = connections.parse(host, uri)
    except FolderError:
        return None
    return found if found.transport == "ssh" else None


def _ask(network: segmentation.HostNetwork, connection: Connection | None) -> NetworkAnswer:
    if connection is None:
        return NetworkAnswer(network.name, unknown="ssh の接続先が分からないので、ネットワークの設定は調べていません")
    script = segmentation.script(network, f"{network.name} のネットワーク")
    # A file, not a pipe: the other side may end without reading it all.
    with tempfile.TemporaryFile() as source:
        source.write(script.encode())
        source.seek(0)
        process = subprocess.Popen(
            [*_ssh(connection), *segmentation.CHECK],
            stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
            start_new_session=True,
        )  # fmt: skip
        try:
            output, errors = process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return NetworkAnswer(network.name, unknown=f"{DEADLINE_S:.0f} 秒たっても答えません")
    if process.returncode == 255:
        reason = errors.strip().splitlines()[-1:] or [""]
        return NetworkAnswer(network.name, unknown=f"ssh でつながりません（{reason[0][:200]}）")
    try:
        return NetworkAnswer(network.name, segmentation.differences(process.returncode, output, errors))
    except segmentation.ScriptFailedError as error:
        return NetworkAnswer(network.name, unknown=f"点検できません（{str(error)[:300]}）")


def _ssh(connection: Connection) -> list[str]:
    """The command line. Keys of hosts are never learnt here, and nothing is asked of anybody."""
    words = ["ssh", "-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10"]
    words += ["-o", "ServerAliveInterval=10", "-o", "LogLevel=ERROR"]
    if connection.known_hosts:
        words += ["-o", f"UserKnownHostsFile={connection.known_hosts}", "-o", "GlobalKnownHostsFile=/dev/null"]
    if connection.key_file:
        words += ["-i", connection.key_file, "-o", "IdentitiesOnly=yes"]
    if connection.port:
        words += ["-p", str(connection.port)]
    if connection.user:
        words += ["-l", connection.user]
    return [*words, "--", connection.address]
