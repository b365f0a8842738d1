"""What the report says of isolation: who may open a connection to whom, and who answers for each layer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from layout import reachability
from layout.folder import PlanFolder
from layout.reachability import Cell

SEGMENTS = {
    "mynumber": "マイナンバー利用事務系",
    "lgwan": "LGWAN 接続系",
    "internet": "インターネット接続系",
    "management": "管理",
    "backup": "バックアップ",
}

Source = Literal["stated", "assumed", "unknown"]
SOURCES: dict[Source, str] = {"stated": "", "assumed": "（仮定）", "unknown": "【要記入】"}


@dataclass(frozen=True)
class NetworkLine:
    """A network, its number in the matrix, and the networks whose subnet overlaps its own."""

    number: int
    id: str
    tenant: str
    segment: str
    site: str
    subnet: str
    vms: int
    overlaps: tuple[str, ...]


@dataclass(frozen=True)
class RefusedLine:
    """A flow that opens nothing, and why."""

    number: int
    text: str
    reason: str


@dataclass(frozen=True)
class Isolation:
    """Every network, and every pair between which a connection may be opened; all others are denied."""

    networks: tuple[NetworkLine, ...]
    outside: tuple[str, ...]
    allowed: tuple[Cell, ...]
    refused: tuple[RefusedLine, ...]


@dataclass(frozen=True)
class Party:
    """Who, and whether the estate file says so."""

    name: str
    source: Source

    @property
    def text(self) -> str:
        """The name with its mark."""
        return self.name + SOURCES[self.source]


@dataclass(frozen=True)
class Layer:
    """One layer of the whole, from the building to the data."""

    name: str
    holds: str
    owner: Party
    operator: Party
    repairer: Party
    runbooks: tuple[str, ...]
    """The procedures by which the operator repairs it."""


@dataclass(frozen=True)
class Responsibility:
    """The layers of all tenants that have the same operator."""

    tenants: tuple[str, ...]
    operator: str | None
    """None where the estate file does not say."""
    layers: tuple[Layer, ...]


def isolation(plan: PlanFolder) -> Isolation:
    """Reachability between the plan's networks, with the names that readers know."""
    found = reachability.matrix(plan.layout)
    overlapping = reachability.overlaps(plan.layout)
    tenants = {tenant.id: tenant.name for tenant in plan.estate.tenants}
    sites = {site.id: site.name or site.id for site in plan.estate.sites}
    vms = Counter(vm.network for vm in plan.layout.vms)
    return Isolation(
        networks=tuple(
            NetworkLine(
                number,
                network.id,
                tenants.get(network.tenant, network.tenant),
                SEGMENTS.get(network.segment, network.segment),
                sites.get(network.site, network.site),
                network.subnet,
                vms[network.id],
                overlapping.get(network.id, ()),
            )
            for number, network in enumerate(plan.layout.networks, 1)
        ),
        outside=found.outside,
        allowed=found.cells,
        refused=tuple(RefusedLine(each.number, each.text, each.refusal) for each in found.refused),
    )


def responsibilities(plan: PlanFolder) -> tuple[Responsibility, ...]:
    """One table per operator. The estate file names owner and operator of a tenant; all the rest is assumed."""
    by_operator: dict[str | None, list[tuple[str, str | None]]] = {}
    for tenant in plan.estate.tenants:
        if tenant.members:
            continue  # the shared systems are the centre's, on behalf of their users
        contact = tenant.contact
        operator, owner = (None, None) if contact is None else (contact.operator, contact.owner)
        by_operator.setdefault(operator, []).append((tenant.name, owner))
    found = []
    for operator, members in by_operator.items():
        owners = {owner for _, owner in members}
        if operator is None:
            owning = Party("団体", "unknown")
        else:
            owning = Party(str(next(iter(owners))) if len(owners) == 1 else "各団体", "stated")
        found.append(Responsibility(tuple(name for name, _ in members), operator, _layers(owning, operator)))
    return tuple(found)


def _layers(owner: Party, operator: str | None) -> tuple[Layer, ...]:
    centre = Party("運用者", "unknown") if operator is None else Party(operator, "stated")
    centre_too = centre if operator is None else Party(operator, "assumed")
    owner_too = owner if owner.source == "unknown" else Party(owner.name, "assumed")
    building = Party("データセンターの事業者", "assumed")
    maker = Party(f"{centre.name}（部品は機器の保守事業者）", "unknown" if operator is None else "assumed")
    carrier = Party("通信事業者", "assumed")
    vendor = Party("業務システムの事業者", "assumed")
    restoring = Party(
        f"{centre.name}が戻し、{owner.name}が内容を確かめる", "unknown" if operator is None else "assumed"
    )
    return (
        Layer("施設", "建物、電源、空調、入退室", building, building, building, ()),
        Layer("ホスト", "物理サーバ、ディスク", centre_too, centre, maker, ("replace-host", "evacuate-host")),
        Layer("仮想化基盤", "KVM、libvirt、プール", centre_too, centre, centre, ("add-host", "restart-host-vms")),
        Layer("ネットワーク", "団体ごとの区画、通信の許可", centre_too, centre, centre, ("apply-network",)),
        Layer("庁舎までの回線", "団体の庁舎とセンターの間", owner_too, carrier, carrier, ()),
        Layer("VM の OS", "基本イメージ、修正プログラム", centre_too, centre, centre, ("restore-vm",)),
        Layer("ミドルウェア", "データベースなど", owner_too, centre, centre_too, ("restore-vm",)),
        Layer("業務システム", "アプリケーション、設定", owner, vendor, vendor, ("year-switch",)),
        Layer("データ", "住民の情報、バックアップ", owner, centre, restoring, ("restore-vm", "export-tenant-data")),
    )
