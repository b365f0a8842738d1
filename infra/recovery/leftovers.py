"""What a run that did not end left on the hosts, and the removal of just that.

The engine's pending operations do not tell it: when the provider or libvirtd dies, the engine goes on, records a
failure and forgets the domain that libvirt has defined or even started. So what an update may make, and that it was
not there before, is written down before it begins (`intent.py`); only such things are removed here, and a volume only
when its content is known to come from us. A data volume is never removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from infra.observing.virsh import Hosts, SilentHostError
from infra.recovery.checkpoint import Thing

SHUTDOWN_S = 20.0
SETTLED_S = 5.0
STARTING_UP = "paused (starting up)"


class LeftoverError(Exception):
    """Something was left that we must not remove. The message is Japanese and says what to do."""


@dataclass(frozen=True)
class Inventory:
    """What a host has: names of domains and networks, volumes by pool (those of inactive pools are not seen)."""

    domains: frozenset[str]
    networks: frozenset[str]
    pools: frozenset[str]
    volumes: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def has(self, thing: Thing) -> bool:
        """Whether the host has it."""
        return bool(self.names(thing))

    def names(self, thing: Thing) -> frozenset[str]:
        """Names of what the host has of it: several where the thing is all that begins alike."""
        if thing.kind == "volume":
            there = self.volumes.get(thing.pool, frozenset())
        else:
            there = {"domain": self.domains, "network": self.networks, "pool": self.pools}[thing.kind]
        return frozenset(name for name in there if thing.covers(name))


def look(hosts: Hosts, host: str, pools: Iterable[str]) -> Inventory:
    """What the host has; volumes of these pools only. Raises SilentHostError."""
    lists = {"domains": "list --all --name", "networks": "net-list --all --name", "pools": "pool-list --all --name"}
    volumes = {pool: f"vol-list {pool}" for pool in pools}
    answers = hosts.ask(host, [*lists.values(), *volumes.values()])
    names = {key: frozenset(answers[command].split()) for key, command in lists.items()}
    found = {
        pool: frozenset(line.split()[0] for line in answers[command].splitlines() if line.strip())
        for pool, command in volumes.items()
    }
    return Inventory(names["domains"], names["networks"], names["pools"], found)


def look_until_still(hosts: Hosts, host: str, pools: Iterable[str]) -> Inventory:
    """The same, twice alike: libvirtd ends a request whose client is dead. Raises SilentHostError."""
    listed = list(pools)
    hosts.ask(host, [f"pool-refresh {pool}" for pool in listed])  # else a volume list is as old as the last refresh
    until = time.monotonic() + SETTLED_S
    seen = look(hosts, host, listed)
    while True:
        time.sleep(0.5)
        again = look(hosts, host, listed)
        if again == seen or time.monotonic() > until:
            return again
        seen = again


def remove_domains(hosts: Hosts, things: Iterable[Thing], macs: Mapping[str, str]) -> tuple[Thing, ...]:
    """Shuts half-made VMs down and undefines them; their volumes stay. Answers those that were ours.

    A VM is ours when it has the MAC of the plan, which nothing but the plan knows. Raises SilentHostError, and
    LeftoverError for one that libvirt itself cannot let go of.
    """
    ours = tuple(thing for thing in things if _has_mac(hosts, thing, macs.get(thing.name, "")))
    # A guest that has begun to write gets the chance to end; one that still boots does not hear the button.
    for thing in ours:
        if _state(hosts, thing) == "running":
            hosts.ask(thing.host, [f"shutdown {thing.name}"])  # fails where it has ended meanwhile
    until = time.monotonic() + SHUTDOWN_S
    while time.monotonic() < until and any(_state(hosts, thing) == "running" for thing in ours):
        time.sleep(0.5)
    for thing in ours:
        if _state(hosts, thing) not in {"shut off", "crashed"}:
            _power_off(hosts, thing)
        hosts.virsh(
            thing.host, "undefine", thing.name, "--managed-save", "--snapshots-metadata", "--checkpoints-metadata"
        )
    return ours


def _power_off(hosts: Hosts, thing: Thing) -> None:
    """Ends a VM. Raises SilentHostError, and LeftoverError where no libvirt call can.

    A libvirtd that dies between the fork of QEMU and its exec leaves a note "starting up, process 0". The next libvirtd
    (9.0, tried) waits for that process for ever, holds the VM's lock meanwhile, and so does the one after it.
    """
    try:
        hosts.virsh(thing.host, "destroy", thing.name)
    except SilentHostError as error:
        if hosts.virsh(thing.host, "domstate", thing.name, "--reason").strip() != STARTING_UP:
            raise
        raise LeftoverError(
            f"{thing} は、起動の途中で libvirtd が落ちたため、libvirt が起動中のまま手放しません（{error}）。"
            f"{thing.host} で次を実行してから、もう一度実行してください（QEMU が動いていれば記録を消しません）：\n"
            f"  systemctl stop 'libvirtd*'; pgrep -f 'guest={thing.name},' || rm /run/libvirt/qemu/{thing.name}.xml; "
            "systemctl start libvirtd"
        ) from None


def _has_mac(hosts: Hosts, thing: Thing, mac: str) -> bool:
    document = ElementTree.fromstring(hosts.virsh(thing.host, "dumpxml", "--inactive", thing.name))  # noqa: S314 - libvirt's own
    return mac.lower() in {each.get("address", "").lower() for each in document.findall("devices/interface/mac")}


def _state(hosts: Hosts, thing: Thing) -> str:
    return hosts.virsh(thing.host, "domstate", thing.name).strip()


def rename(hosts: Hosts, thing: Thing, name: str) -> None:
    """Gives a VM that stands still another name. Raises LeftoverError for one that runs, SilentHostError."""
    if _state(hosts, thing) != "shut off":
        raise LeftoverError(
            f"{thing} は、動いている間は元の名前 {name} に戻せません。"
            f"利用者に断って停止（virsh shutdown {thing.name}）してから、もう一度実行してください"
        )
    hosts.virsh(thing.host, "domrename", thing.name, name)


def remove_pool(hosts: Hosts, thing: Thing) -> None:
    """Takes a half-made pool out of libvirt; its folder and what lies in it stay. Raises SilentHostError."""
    if thing.name in hosts.virsh(thing.host, "pool-list", "--name").split():
        hosts.virsh(thing.host, "pool-destroy", thing.name)
    hosts.virsh(thing.host, "pool-undefine", thing.name)


def remove_network(hosts: Hosts, thing: Thing) -> None:
    """Takes libvirt's half-made name for a bridge away; the bridge stays. Raises SilentHostError."""
    if thing.name in hosts.virsh(thing.host, "net-list", "--name").split():
        hosts.virsh(thing.host, "net-destroy", thing.name)
    hosts.virsh(thing.host, "net-undefine", thing.name)


@dataclass(frozen=True)
class Volume:
    """A volume as libvirt describes it; sizes in bytes, `backing` the path of what it lies on, else empty."""

    path: str
    format: str
    capacity: int
    physical: int
    backing: str


def volume(hosts: Hosts, thing: Thing) -> Volume:
    """What libvirt says of a volume, freshly read. Raises SilentHostError."""
    # libvirt remembers what it saw when the pool was refreshed: an upload changed it since.
    hosts.virsh(thing.host, "pool-refresh", thing.pool)
    return _volume(hosts.virsh(thing.host, "vol-dumpxml", thing.name, "--pool", thing.pool))


def _volume(text: str) -> Volume:
    document = ElementTree.fromstring(text)  # noqa: S314 - libvirt's own
    form = document.find("target/format")
    return Volume(
        path=document.findtext("target/path", ""),
        format="" if form is None else form.get("type", ""),
        capacity=int(document.findtext("capacity", "0")),
        physical=int(document.findtext("physical", "0")),
        backing=document.findtext("backingStore/path", ""),
    )


def users(hosts: Hosts, thing: Thing, path: str) -> tuple[str, ...]:
    """Names of domains and volumes of the host that stand on this volume. Raises SilentHostError."""
    pools = hosts.virsh(thing.host, "pool-list", "--name").split()
    listed = hosts.ask(thing.host, [f"vol-list {pool}" for pool in pools])
    commands = {
        f"vol-dumpxml {line.split()[0]} --pool {pool}": line.split()[0]
        for pool in pools
        for line in listed[f"vol-list {pool}"].splitlines()
        if line.strip()
    }
    found = [
        name
        for command, text in hosts.ask(thing.host, commands).items()
        if text.strip() and _volume(text).backing == path and (name := commands[command])
    ]
    domains = hosts.virsh(thing.host, "list", "--all", "--name").split()
    for command, text in hosts.ask(thing.host, [f"dumpxml {domain}" for domain in domains]).items():
        sources = [each.attrib for each in ElementTree.fromstring(text).iter("source")] if text.strip() else []  # noqa: S314
        if any(
            each.get("file") == path or (each.get("pool"), each.get("volume")) == (thing.pool, thing.name)
            for each in sources
        ):
            found.append(command.removeprefix("dumpxml "))
    return tuple(dict.fromkeys(found))


def clear_copy(hosts: Hosts, thing: Thing, sha256: str, size: int | None, progress: Callable[[str], None]) -> None:
    """Sees to it that a copy which a dead run may have left half is whole or gone.

    `sha256` is the digest of the whole, or its first digits; `size` its bytes where known, which saves a download. A
    volume that something stands on is never touched: LeftoverError unless it is whole. Raises SilentHostError.
    """
    seen = volume(hosts, thing)
    if size in {None, seen.physical} and hosts.digest(thing.host, thing.pool, thing.name).startswith(sha256):
        return  # the provider finds it there and writes the same bytes over it
    standing = users(hosts, thing, seen.path)
    if standing:
        raise LeftoverError(
            f"{thing} の内容が元のファイルと違いますが、{'、'.join(standing[:5])} が使っているので触れません。"
            "元のファイルか、このボリュームを調べてください"
        )
    hosts.virsh(thing.host, "vol-delete", thing.name, "--pool", thing.pool)
    progress(f"{thing}：途中までの複製だったので消しました（作り直します）")


def clear_system(hosts: Hosts, thing: Thing, gib: float, base: str, progress: Callable[[str], None]) -> None:
    """The same for a system volume: it is whole when it is as large as planned and lies on its base image."""
    seen = volume(hosts, thing)
    if seen.format == "qcow2" and seen.capacity >= round(gib * 2**30) and Path(seen.backing).name == base:
        return
    standing = users(hosts, thing, seen.path)
    if standing:
        raise LeftoverError(f"{thing} が計画と違う形ですが、{'、'.join(standing[:5])} が使っているので触れません")
    hosts.virsh(thing.host, "vol-delete", thing.name, "--pool", thing.pool)
    progress(f"{thing}：作りかけだったので消しました（作り直します）")


def require_data(hosts: Hosts, thing: Thing, gib: float) -> None:
    """A data volume is kept whatever it holds. Raises LeftoverError for one that cannot be used as it is."""
    seen = volume(hosts, thing)
    if seen.format != "qcow2" or seen.capacity < round(gib * 2**30):
        raise LeftoverError(
            f"{thing} は計画より小さいか、壊れています（形式 {seen.format or '不明'}、{seen.capacity} バイト）。"
            "データのボリュームは消しません。中身を確かめ、別の名前に移すか、運用手順書 restore-vm で戻してください"
        )
