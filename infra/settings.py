"""The configuration of a stack: `plan`, `domain_type`, `uris`, `start`, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from infra.refusal import RefusalError, some
from layout import FolderError, connections
from layout.records import Layout

DomainType = Literal["kvm", "qemu"]
DOMAIN_TYPES: tuple[DomainType, ...] = ("kvm", "qemu")
KEYS = ("plan", "domain_type", "uris", "start")
ALL, NONE = "all", "none"


@dataclass(frozen=True)
class Settings:
    """Where the plan is, what runs the guests, and which hosts are reached otherwise than the plan says."""

    plan: Path
    domain_type: DomainType = "kvm"
    uris: Mapping[str, str] = field(default_factory=dict)
    """Host to libvirt URI, only for the hosts that the file names."""
    uris_file: Path | None = None
    start: str = ALL
    """Which VMs are started when they are created: `all`, `none`, or ids with commas between."""

    def starts(self, vm: str) -> bool:
        """Whether this VM is started when it is created. Later, whether it runs is not Pulumi's business."""
        return self.start == ALL or (self.start != NONE and vm in self.start.split(","))

    @property
    def image_folders(self) -> tuple[Path, ...]:
        """Where base images are looked for, in this order: `images/` beside the file of URIs, then in the plan."""
        beside = () if self.uris_file is None else (self.uris_file.parent / "images",)
        return (*beside, self.plan / "images")


def read(config: Mapping[str, str], base: Path) -> Settings:
    """Settings from the stack's configuration; relative paths start at `base`. Raises RefusalError."""
    unknown = sorted(set(config) - set(KEYS))
    if unknown:
        raise RefusalError(f"設定「{some(unknown)}」はありません。使える設定は {'、'.join(KEYS)} です")
    if not config.get("plan"):
        raise RefusalError("設定「plan」がありません。pulumi config set plan 計画フォルダー で指定してください")
    given = config.get("uris")
    uris_file = base / Path(given).expanduser() if given else None
    return Settings(
        plan=base / Path(config["plan"]).expanduser(),
        domain_type=domain_type(config.get("domain_type", "kvm")),
        uris={} if uris_file is None else read_uris(uris_file),
        uris_file=uris_file,
        start=config.get("start") or ALL,
    )


def require_known(start: str, layout: Layout) -> None:
    """Raises RefusalError where `start` names a VM that the plan does not have."""
    unknown = [] if start in {ALL, NONE} else sorted(set(start.split(",")) - {vm.id for vm in layout.vms})
    if unknown:
        raise RefusalError(
            f"start「{some(unknown)}」：この計画にない仮想サーバです（{ALL}、{NONE}、または id をコンマでつないで指定）"
        )


def domain_type(text: str) -> DomainType:
    """`kvm` or `qemu`. Raises RefusalError."""
    for known in DOMAIN_TYPES:
        if text == known:
            return known
    raise RefusalError(f"domain_type「{text}」は使えません。kvm か qemu を指定してください")


def read_uris(path: Path) -> dict[str, str]:
    """The file host -> libvirt URI. Raises RefusalError."""
    try:
        return connections.read_uris(path)
    except FolderError as error:
        raise RefusalError(str(error)) from None
