"""Records of `layout.json`, `estate.json` and `run.json`, format version 1.0.

Readers ignore unknown keys of the same major version, and refuse another major version (`folder.py`).
Intervals are `[from, until)`, ISO 8601 with +09:00. Sizes are MiB for memory, GiB for disks.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

FORMAT_VERSION = "1.0"

PLANNING_STEPS = {
    "runs": "実行の列挙",
    "earliest": "最早開始",
    "levelling": "平準化",
    "bounds": "下限の証明",
    "placement": "配置",
    "profile": "負荷の集計",
    "checks": "独立検査",
}
"""The steps of planning, as `timings_s` of `run.json` names them and as people call them."""


class LayoutRecord(BaseModel):
    """Base of every record of a plan folder: frozen; unknown keys are ignored so that a newer 1.x can be read."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="ignore",
        allow_inf_nan=False,
        populate_by_name=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )


class EstateReference(LayoutRecord):
    """The estate that a layout was planned from."""

    name: str
    digest: str
    fiscal_year: int


class Product(LayoutRecord):
    """A product that sits on a VM or a host, by the id of its counting rule."""

    rule: str
    options: dict[str, bool | int | float | str] = {}


class StoragePool(LayoutRecord):
    """A libvirt storage pool."""

    name: str
    path: str
    kind: str


class HostRecord(LayoutRecord):
    """A physical host. Capacity for CPU work is sockets x cores_per_socket.

    What a licence count does not need may be left out of a bare layout; a plan folder has everything.
    """

    id: str
    site: str = ""
    model: str = ""
    sockets: int
    socket_capacity: int
    cores_per_socket: int
    threads_per_core: int = 1
    core_factors: dict[str, float] = {}
    memory_mib: int = 0
    disk_gib: float = 0.0
    io_mib_s: float = 0.0
    uri: str = ""
    spare: bool = False
    """Empty reserve (N+1): nothing is placed here, VMs of a failed host restart here."""
    pools: tuple[StoragePool, ...] = ()
    products: tuple[Product, ...] = ()

    @property
    def cores(self) -> int:
        """Physical cores."""
        return self.sockets * self.cores_per_socket


class HostSet(LayoutRecord):
    """A named set of hosts, so that large layouts stay small."""

    id: str
    hosts: tuple[str, ...]


class VcpuInterval(LayoutRecord):
    """On `[from, until)` the VM has `vcpu` instead of its normal number."""

    from_: datetime = Field(alias="from")
    until: datetime
    vcpu: int


class DiskRecord(LayoutRecord):
    """A volume of a VM. `name` is the libvirt volume name, unique per pool."""

    name: str
    size_gib: float
    pool: str
    protect: bool
    base_image: str | None = None
    """Id of the image the volume starts from; empty data volumes have none."""


class VmRecord(LayoutRecord):
    """One VM in its place."""

    id: str
    tenant: str = ""
    system: str = ""
    role: str = ""
    site: str = ""
    segment: str = ""
    host: str
    may_run_on: str
    """Id of a host set."""
    pinned: bool = False
    vcpu: int
    vcpu_max: int
    vcpu_changes: tuple[VcpuInterval, ...] = ()
    weight: float = 1.0
    memory_mib: int = 0
    disks: tuple[DiskRecord, ...] = ()
    image: str = ""
    network: str = ""
    mac: str = ""
    address: str = ""
    slots: int = 1
    anti_affinity: tuple[str, ...] = ()
    affinity: tuple[str, ...] = ()
    restore_priority: int = 5
    from_: datetime | None = Field(default=None, alias="from")
    until: datetime | None = None
    products: tuple[Product, ...] = ()


class ImageRecord(LayoutRecord):
    """A base image. `digest` is sha256 where known at planning time, else empty (checked at deployment)."""

    id: str
    digest: str = ""


class MoveRecord(LayoutRecord):
    """A planned move of a VM."""

    vm: str
    at: datetime
    from_host: str
    to_host: str


class NetworkRecord(LayoutRecord):
    """One isolated network of a tenant's segment on a site."""

    id: str
    tenant: str
    segment: str
    site: str
    bridge: str
    vlan: int | None
    vni: int
    subnet: str
    gateway: str
    mtu: int = 1500


class FlowEnd(LayoutRecord):
    """One side of an allowed flow."""

    tenant: str | None = None
    segment: str | None = None
    system: str | None = None
    address: str | None = None


class FlowRecord(LayoutRecord):
    """Allowed traffic; everything else is denied."""

    source: FlowEnd
    destination: FlowEnd
    protocol: str
    port: int | None = None


class Bound(LayoutRecord):
    """What the plan reached against a proven lower bound: `gap = (plan - lower_bound) / lower_bound`."""

    site: str
    resource: Literal["cpu_peak_cores", "hosts"]
    lower_bound: float
    plan: float
    gap: float
    proof: str
    """How the bound was proven, in one sentence."""


class Layout(LayoutRecord):
    """`layout.json`."""

    format_version: str = FORMAT_VERSION
    estate: EstateReference
    generation: int
    lineage: tuple[str, ...] = ()
    """Digests of the layouts that this one was planned from with `--keep`, the oldest first; the newest is the one
    it keeps. A stack built from a layout that is neither this one nor of its lineage was built from another plan."""
    hosts: tuple[HostRecord, ...]
    host_sets: tuple[HostSet, ...]
    vms: tuple[VmRecord, ...]
    images: tuple[ImageRecord, ...] = ()
    moves: tuple[MoveRecord, ...] = ()
    networks: tuple[NetworkRecord, ...] = ()
    flows: tuple[FlowRecord, ...] = ()
    bounds: tuple[Bound, ...] = ()


class CheckVerdict(LayoutRecord):
    """Verdict of one checker."""

    checker: str
    passed: bool
    violations: tuple[str, ...] = ()
    """One line each, Japanese; at most 20 are kept, `count` has the number."""
    count: int = 0


class MisfitRecord(LayoutRecord):
    """Why a plan does not fit: what, where, and by how much."""

    reason: str
    """One Japanese sentence for the planner."""
    kind: Literal["window", "host", "capacity", "memory", "disk", "vcpu", "anti_affinity", "deadline", "checker"]
    tenant: str | None = None
    system: str | None = None
    job: str | None = None
    at: datetime | None = None
    minutes: float | None = None


class PeakRecord(LayoutRecord):
    """CPU peak of a site: largest delivered core-seconds per 600 s slot / 600, before and after levelling."""

    site: str
    before_cores: float
    before_at: datetime
    after_cores: float
    after_at: datetime
    bound_cores: float
    capacity_cores: float
    """Cores of the hosts in use (reserve not counted)."""
    tightest_week: str
    """Monday of the week that holds the peak slot after levelling, ISO date."""

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated properties
    @property
    def gap(self) -> float:
        """`(after_cores - bound_cores) / bound_cores`; 0 where nothing runs."""
        return (self.after_cores - self.bound_cores) / self.bound_cores if self.bound_cores else 0.0


class ChangeRecord(LayoutRecord):
    """What a plan made with `--keep` has otherwise than the plan that it keeps, and why."""

    kind: Literal["host", "vm", "network", "address", "size", "disk", "time", "flow", "image"]
    change: Literal["added", "removed", "changed"]
    subject: str
    """The VM, host, network or run by id."""
    what: str
    """The field that changed, such as `host`, `memory_mib` or `start`; empty for what was added or removed."""
    before: str = ""
    after: str = ""
    reason: str
    """One Japanese sentence."""
    runbook: str = ""
    """The runbook that carries the change out on standing VMs; empty where `kumiai deploy` does."""


class ReserveRecord(LayoutRecord):
    """A site that keeps fewer hosts empty than `policy.spare_hosts` says, as somebody asked of a plan with `--keep`."""

    site: str
    wanted: int
    """`policy.spare_hosts`."""
    kept: int
    reason: str
    """One Japanese sentence."""


class RunRecord(LayoutRecord):
    """`run.json`: how the folder came to be, and whether it fits."""

    format_version: str = FORMAT_VERSION
    kumiai_version: str
    created: datetime | None = None
    """When the plan was made."""
    versions: dict[str, str]
    estate_digest: str
    """Of the estate file and the catalogue as they were read."""
    layout_digest: str
    """sha256 of layout.json's bytes; every later result names it."""
    estate_json_digest: str = ""
    """sha256 of estate.json's bytes: what was resolved is what is read later."""
    seed: int
    timings_s: dict[str, float]
    fits: bool
    interrupted: bool = False
    verdict: str
    """The first line of every result: answers the question in one Japanese sentence."""
    runs: int
    misfits: tuple[MisfitRecord, ...] = ()
    peaks: tuple[PeakRecord, ...] = ()
    checks: tuple[CheckVerdict, ...] = ()
    changes: tuple[ChangeRecord, ...] = ()
    """Only of a plan made with `--keep`; the first 1,000."""
    changes_count: int = 0
    moved_vms: int = 0
    """VMs on another host than in the plan that is kept."""
    fewest_moves: Literal["", "proven", "for this reserve", "unproven"] = ""
    """Of a plan made with `--keep`: whether it is proven that these start times allow no plan that moves fewer VMs;
    or none that keeps the same hosts empty."""
    lowered_reserve: tuple[ReserveRecord, ...] = ()
