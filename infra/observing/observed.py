"""What libvirt says of a host, read from what `virsh` prints. Nothing here asks anybody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

RUNNING = "running"
_UNITS = {"b": 1, "bytes": 1, "kb": 10**3, "k": 2**10, "kib": 2**10, "mib": 2**20, "m": 2**20, "gib": 2**30, "g": 2**30,
          "tib": 2**40, "t": 2**40, "mb": 10**6, "gb": 10**9}  # fmt: skip


class ObservationError(Exception):
    """What `virsh` printed is not what it should be. One Japanese line."""


@dataclass(frozen=True)
class Nic:
    """A network interface: its address, the bridge that it is in, and the name of its port on the host."""

    mac: str
    bridge: str
    port: str = ""


@dataclass(frozen=True)
class Disk:
    """A disk as its domain names it, by `volume` of `pool` or by `path`; `chain`: what it lies on, nearest first.

    A part of the chain is a file by its path, or a volume by its name, as libvirt tells it.
    """

    target: str
    pool: str = ""
    volume: str = ""
    path: str = ""
    chain: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """What a domain has: as it runs, or as it will after its next start."""

    vcpu_max: int
    vcpu: int
    memory_mib: int
    """The current memory: a balloon can make it smaller than what the guest was started with."""
    memory_max_mib: int
    nics: tuple[Nic, ...]
    disks: tuple[Disk, ...]
    console_log: str = ""
    translation_cache_mib: int = 0
    shares: int | None = None


@dataclass(frozen=True)
class Domain:
    """A VM that libvirt knows. `live` is None unless it is active."""

    uuid: str
    name: str
    state: str
    """As `virsh domstate` says it: `running`, `paused`, `shut off`, `crashed` …"""
    autostart: bool
    defined: Shape
    live: Shape | None
    external_snapshots: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        """Whether its guest's processors turn."""
        return self.state == RUNNING

    @property
    def shape(self) -> Shape:
        """What it has now."""
        return self.live or self.defined


@dataclass(frozen=True)
class Volume:
    """A volume of an active pool; sizes in bytes."""

    name: str
    path: str
    capacity: int
    allocation: int
    backing: str = ""
    written: str = ""
    """When its file was last written, as libvirt tells it; empty where it does not."""


@dataclass(frozen=True)
class Pool:
    """A storage pool; sizes in bytes, and volumes, are known only while it is active."""

    name: str
    uuid: str
    active: bool
    path: str
    capacity: int = 0
    available: int = 0
    volumes: tuple[Volume, ...] = ()


@dataclass(frozen=True)
class HostObservation:
    """One host at one moment."""

    host: str
    uri: str
    """By which it was asked, as the plan or the file of URIs has it."""
    version: str
    memory_available_mib: int
    domains: tuple[Domain, ...]
    pools: tuple[Pool, ...]
    networks: Mapping[str, bool]
    """libvirt's networks, and whether each is active."""

    def domain(self, name: str) -> Domain | None:
        """The domain of this name."""
        return next((each for each in self.domains if each.name == name), None)

    def pool(self, name: str) -> Pool | None:
        """The pool of this name."""
        return next((each for each in self.pools if each.name == name), None)

    def volume(self, pool: str, name: str) -> Volume | None:
        """The volume of this name in that pool; None also when the pool is inactive."""
        found = self.pool(pool)
        return None if found is None else next((each for each in found.volumes if each.name == name), None)

    def path_of(self, disk: Disk) -> str:
        """The file of a disk; empty when its volume is not known."""
        if disk.path or not disk.volume:
            return disk.path
        found = self.volume(disk.pool, disk.volume)
        return "" if found is None else found.path


@dataclass(frozen=True)
class Unreachable:
    """A host that gave no answer, and why: one Japanese line."""

    host: str
    reason: str


def parse_xml(text: str) -> Element:
    """The document, which starts at the beginning of a line: before it `virsh` may repeat its command.

    Raises ObservationError; entities are refused, libvirt writes none.
    """
    start = re.search(r"^<", text, re.MULTILINE)
    text = text[start.start() :] if start else ""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ObservationError("virsh の返事に DOCTYPE があります")
    try:
        return ElementTree.fromstring(text)  # noqa: S314 - no DOCTYPE gets here, so no entity can be declared
    except ElementTree.ParseError as error:
        raise ObservationError(f"virsh の返事を XML として読めません（{error}）") from None


def shape(domain: Element) -> Shape:
    """What a `<domain>` has. Raises ObservationError."""
    vcpu = domain.find("vcpu")
    maximum = _integer(vcpu.text if vcpu is not None else None, "vcpu")
    shares = domain.findtext("cputune/shares")
    cache = domain.find("features/tcg/tb-cache")
    log = domain.find("devices/console/log")
    memory = _mib(domain, "memory")
    return Shape(
        vcpu_max=maximum,
        vcpu=maximum if vcpu is None else _integer(vcpu.get("current", str(maximum)), "vcpu"),
        memory_mib=memory if domain.find("currentMemory") is None else _mib(domain, "currentMemory"),
        memory_max_mib=memory,
        nics=tuple(map(_nic, domain.findall("devices/interface"))),
        disks=tuple(map(_disk, domain.findall("devices/disk"))),
        console_log="" if log is None else log.get("file", ""),
        translation_cache_mib=0 if cache is None else _bytes(cache) // 2**20,
        shares=None if shares is None else _integer(shares, "shares"),
    )


def identity(domain: Element) -> tuple[str, str]:
    """UUID and name of a `<domain>`."""
    return domain.findtext("uuid") or "", domain.findtext("name") or ""


def pool(document: Element, *, active: bool, volumes: tuple[Volume, ...] = ()) -> Pool:
    """The pool of a `<pool>`."""
    return Pool(
        name=document.findtext("name") or "",
        uuid=document.findtext("uuid") or "",
        active=active,
        path=document.findtext("target/path") or "",
        capacity=_size(document, "capacity") if active else 0,
        available=_size(document, "available") if active else 0,
        volumes=volumes,
    )


def volume(document: Element) -> Volume:
    """The volume of a `<volume>`."""
    return Volume(
        name=document.findtext("name") or "",
        path=document.findtext("target/path") or "",
        capacity=_size(document, "capacity"),
        allocation=_size(document, "allocation"),
        backing=document.findtext("backingStore/path") or "",
        written=document.findtext("target/timestamps/mtime") or "",
    )


def available_mib(memory: str) -> int:
    """What guests can still take, in MiB, from `virsh nodememstats`: free, buffers and caches."""
    found = dict(re.findall(r"^(\w+)\s*:\s*(\d+) KiB$", memory, re.MULTILINE))
    if "free" not in found:
        raise ObservationError("virsh nodememstats の返事に free がありません")
    return sum(int(found.get(name, 0)) for name in ("free", "buffers", "cached")) // 1024


def table(text: str) -> list[list[str]]:
    """The rows of a table such as `net-list --all` prints with `--quiet`, by columns."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if line.strip()]


def _nic(element: Element) -> Nic:
    mac, source, target = element.find("mac"), element.find("source"), element.find("target")
    return Nic(
        mac="" if mac is None else mac.get("address", "").lower(),
        bridge="" if source is None else source.get("bridge") or source.get("network") or source.get("dev") or "",
        port="" if target is None else target.get("dev", ""),
    )


def _disk(element: Element) -> Disk:
    source, target = element.find("source"), element.find("target")
    chain = []
    below = element.find("backingStore")
    while below is not None:
        file = below.find("source")
        if file is not None:
            chain.append(file.get("file") or file.get("volume") or file.get("dev") or "")
        below = below.find("backingStore")
    given = {} if source is None else source.attrib
    return Disk(
        target="" if target is None else target.get("dev", ""),
        pool=given.get("pool", ""),
        volume=given.get("volume", ""),
        path=given.get("file") or given.get("dev") or "",
        chain=tuple(chain),
    )


def _mib(document: Element, where: str) -> int:
    found = document.find(where)
    if found is None:
        raise ObservationError(f"virsh の返事に {where} がありません")
    return _bytes(found, "kib") // 2**20


def _size(document: Element, where: str) -> int:
    found = document.find(where)
    return 0 if found is None else _bytes(found)


def _bytes(element: Element, unit: str = "bytes") -> int:
    factor = _UNITS.get(element.get("unit", unit).lower())
    if factor is None:
        raise ObservationError(f"virsh の返事の単位「{element.get('unit')}」が分かりません")
    return _integer(element.text, element.tag) * factor


def _integer(text: str | None, where: str) -> int:
    try:
        return int((text or "").strip())
    except ValueError:
        raise ObservationError(f"virsh の返事の {where} が数ではありません（{(text or '')[:40]!r}）") from None
