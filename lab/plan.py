"""What a laboratory has to hold: host names by number, or the hosts, networks and images of a plan folder."""

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.unavailable import LabUnavailable

MAXIMUM_HOSTS = 16
MAXIMUM_BRIDGE_NAME = 15  # characters; the kernel's limit for names of network interfaces
PRIVATE_PLACES = ("/var/lib/", "/srv/")  # what each laboratory host has for itself
MAIN_SITE, BACKUP_SITE = "lab", "backup"  # of a laboratory without a plan
GATEWAY_PREFIX = "gw-"
UNDERLAY = ipaddress.IPv4Network("10.254.0.0/16")  # what joins hosts and gateways; the networks' frames run over it
UNDERLAY_MTU = 1600  # bytes: a full frame of 1500 and the 50 of its tunnel fit
FIRST_GATEWAY = 256  # addresses before it are hosts
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True)
class HostPlan:
    """A host to start; `pools` are the folders of its storage pools as the host sees them."""

    id: str
    pools: tuple[str, ...] = ()
    site: str = MAIN_SITE


@dataclass(frozen=True)
class NetworkPlan:
    """A network of a site, a bridge on each of `hosts`; `taken`: addresses of `subnet` the plan uses; `mtu` in bytes.

    `vni`: the number of its tunnels on the underlay, where it has one.
    """

    id: str
    bridge: str
    mtu: int
    subnet: str
    hosts: tuple[str, ...]
    taken: tuple[str, ...] = ()
    site: str = MAIN_SITE
    vni: int | None = None


@dataclass(frozen=True)
class GuestPlan:
    """Where a VM of the plan is to answer once somebody has built it: its address on a network."""

    name: str
    network: str
    address: str


@dataclass(frozen=True)
class LabPlan:
    """Everything one laboratory holds; `images` are the ids of the base images the plan names."""

    hosts: tuple[HostPlan, ...]
    networks: tuple[NetworkPlan, ...] = ()
    images: tuple[str, ...] = ("guest",)
    guests: tuple[GuestPlan, ...] = ()
    bridges: bool = True
    """Whether the laboratory makes the bridges of the networks, joined by its switch; else somebody else does."""
    guest_agent: bool = False
    """Whether guests run QEMU's guest agent: they boot more slowly then."""

    @property
    def gateways(self) -> dict[str, str]:
        """Name of the gateway of each site."""
        return {host.site: f"{GATEWAY_PREFIX}{host.site}" for host in self.hosts}

    @property
    def sites(self) -> dict[str, str]:
        """Site of every host and gateway."""
        return {host.id: host.site for host in self.hosts} | {name: site for site, name in self.gateways.items()}

    def has_host(self, name: str) -> bool:
        """Whether that is a host, not a gateway or the switch."""
        return any(host.id == name for host in self.hosts)

    @property
    def addresses(self) -> dict[str, str]:
        """Address on the underlay of every host and gateway."""
        hosts = {host.id: str(UNDERLAY[1 + number]) for number, host in enumerate(self.hosts)}
        names = enumerate(self.gateways.values())
        return hosts | {name: str(UNDERLAY[FIRST_GATEWAY + number]) for number, name in names}


def numbered(count: int, backup: int = 0) -> LabPlan:
    """A laboratory of `count` hosts `lab01`, `lab02` … and, on another site, `backup` hosts `bk01` …, without networks.

    Raises LabUnavailable below one host and above 16 in all.
    """
    if not 1 <= count <= MAXIMUM_HOSTS:
        raise LabUnavailable(f"ホスト数は 1～{MAXIMUM_HOSTS} で指定してください（指定：{count}）")
    if not 0 <= backup <= MAXIMUM_HOSTS - count:
        raise LabUnavailable(
            f"ホストは合わせて {MAXIMUM_HOSTS} 台までです（指定：{count} 台とバックアップ {backup} 台）"
        )
    main = [HostPlan(f"lab{number:02d}") for number in range(1, count + 1)]
    return LabPlan((*main, *(HostPlan(f"bk{number:02d}", site=BACKUP_SITE) for number in range(1, backup + 1))))


def read(folder: Path) -> LabPlan:
    """The laboratory that `folder/layout.json` needs: all its hosts, and a network on the hosts of the network's site.

    Raises LabUnavailable when the file is missing, no JSON, or lacks what is needed.
    """
    path = folder / "layout.json"
    try:
        layout = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LabUnavailable(f"計画フォルダーに layout.json がありません：{path}") from None
    except (OSError, ValueError) as error:
        raise LabUnavailable(f"layout.json を読めません：{path}：{error}") from None
    try:
        return _read(layout)
    except (KeyError, TypeError, AttributeError) as error:
        raise LabUnavailable(f"layout.json の形式が不正です：{path}：{error!r}") from None
    except ValueError as error:
        raise LabUnavailable(f"layout.json の値が不正です：{path}：{error}") from None


def _read(layout: Mapping[str, Any]) -> LabPlan:
    version = str(layout["format_version"])
    if version.partition(".")[0] != "1":
        raise ValueError(f"format_version {version}（対応：1.x）")
    hosts = tuple(_host(record) for record in layout["hosts"])
    if not 1 <= len(hosts) <= MAXIMUM_HOSTS:
        raise ValueError(f"hosts が {len(hosts)} 台（検証環境は 1～{MAXIMUM_HOSTS} 台）")
    sites = {record["id"]: record.get("site") for record in layout["hosts"]}
    guests = tuple(
        GuestPlan(str(vm["id"]), str(vm["network"]), _plain_address(vm["address"]))
        for vm in layout.get("vms", [])
        if vm.get("network") and vm.get("address")
    )
    taken: dict[str, list[str]] = {}
    for guest in guests:
        taken.setdefault(guest.network, []).append(guest.address)
    networks = []
    for record in layout.get("networks", []):
        site = record.get("site")
        members = tuple(host for host, where in sites.items() if site is None or where == site)
        gateway = record.get("gateway")
        used = [*taken.get(record["id"], []), *([_plain_address(gateway)] if gateway else [])]
        networks.append(_network(record, members, tuple(used)))
    images = tuple(_name(record["id"], "images[].id") for record in layout.get("images", [])) or ("guest",)
    found = LabPlan(hosts, tuple(networks), images, guests)
    if len(found.addresses) != len(hosts) + len(found.gateways):
        raise ValueError(f"ホストの名前（同じ名前が二つあるか、{GATEWAY_PREFIX}拠点名 という名前のホストがあります）")
    return found


def _host(record: Mapping[str, Any]) -> HostPlan:
    pools = tuple(str(pool["path"]) for pool in record.get("pools", []) if pool.get("path"))
    for pool in pools:
        if not pool.startswith(PRIVATE_PLACES) or ".." in Path(pool).parts:
            raise ValueError(f"プールの場所 {pool}（検証環境で使える場所：{'、'.join(PRIVATE_PLACES)} の下）")
    return HostPlan(_name(record["id"], "hosts[].id"), pools, _name(record.get("site", MAIN_SITE), "hosts[].site"))


def _network(record: Mapping[str, Any], hosts: tuple[str, ...], taken: tuple[str, ...]) -> NetworkPlan:
    bridge = _name(record["bridge"], "networks[].bridge")
    if len(bridge) > MAXIMUM_BRIDGE_NAME:
        raise ValueError(f"ブリッジ名 {bridge}（{len(bridge)} 文字。{MAXIMUM_BRIDGE_NAME} 文字以内）")
    subnet = str(ipaddress.IPv4Network(record["subnet"]))
    vni = record.get("vni")
    return NetworkPlan(
        str(record["id"]),
        bridge,
        int(record.get("mtu") or 1500),
        subnet,
        hosts,
        taken,
        str(record.get("site") or MAIN_SITE),
        None if vni is None else int(vni),
    )


def _name(value: object, where: str) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError(f"{where} の名前 {value!r}（半角英数字と . _ - で 63 文字以内）")
    return value


def _plain_address(text: str) -> str:
    return str(ipaddress.IPv4Interface(text).ip)
