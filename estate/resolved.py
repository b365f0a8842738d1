"""The resolved estate: catalogue and estate file merged, one record per host, VM and job that exists.

This is what every other room works on. Nothing in it refers to the catalogue any more: sizes are this
tenant's, work is `cpu_s` for this tenant's units, windows and date rules are attached to the job.
"""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from .base_records import Basis, Confidence, DateRule, Record, Segment, Window
from .catalogue_records import HostModel, OnlineProfile, ProductUse
from .disturbance_records import Disturbances
from .records import Contact, CostItem, CurrentCost, Entitlement, Flow, Policy, Pool, Site


class ResolvedHost(Record):
    """One physical host."""

    id: str
    site: str
    model_id: str
    model: HostModel
    memory_gib: float
    disk_gib: float
    uri: str
    spare: bool
    pools: tuple[Pool, ...]
    products: tuple[ProductUse, ...]

    @property
    def cores(self) -> int:
        """Physical cores: the host's capacity for CPU work."""
        return self.model.sockets * self.model.cores_per_socket


class Disk(Record):
    """A volume of a VM."""

    name: str
    size_gib: float
    protect: bool
    """Holds residents' data: never deleted or replaced by the infrastructure program."""


class VcpuChange(Record):
    """On `[from, until)` the VM has `vcpu`."""

    from_: datetime = Field(alias="from")
    until: datetime
    vcpu: int


class ResolvedVm(Record):
    """One VM before placement."""

    id: str
    """`tenant-system-role-nn`, unique in the estate, at most 63 characters."""
    tenant: str
    """A tenant's id, or `common` for shared systems."""
    system: str
    role: str
    replica: int
    site: str
    segment: Segment
    vcpu: int
    vcpu_changes: tuple[VcpuChange, ...]
    memory_gib: float
    disks: tuple[Disk, ...]
    image: str
    slots: int
    products: tuple[ProductUse, ...]
    anti_affinity: tuple[str, ...]
    """Names of groups; two VMs of one group never share a host."""
    online_cores: float
    """Online load at the daily peak, in cores."""
    online_profile: str | None
    restore_priority: int
    from_: date | None = Field(alias="from")
    until: date | None


class Predecessor(Record):
    """Precedence with its predecessor named in full."""

    tenant: str
    system: str
    job: str
    lag_s: float
    lag_business_h: float
    within_days: int


class ResolvedJob(Record):
    """One job of one tenant's system, with this tenant's work."""

    tenant: str
    system: str
    job: str
    name: str
    kind: str
    vm: str
    """The VM that runs it: the first replica of the job's role."""
    when: DateRule
    latest: DateRule | None
    window: Window
    nights: int
    after: tuple[Predecessor, ...]
    fixed_s: float
    cpu_s: float
    io_mib: float
    max_cores: float
    work_cv: float
    exclusive: bool
    rerun_room: bool
    basis: Basis
    """Basis of the work."""
    source: str
    from_: date | None = Field(alias="from")
    until: date | None
    units: float = 0.0
    """How many of what the job counts (taxpayers, households …)."""
    pages: float = 0.0
    """Pages to print after the work."""
    line_mib: float = 0.0
    """To send over the line to the backup site while it works."""


class ResolvedSystem(Record):
    """A system as one tenant uses it."""

    tenant: str
    id: str
    name: str
    group: str
    segment: Segment
    site: str
    service_hours: Window
    restore_priority: int
    confidence: Confidence | None
    vms: tuple[str, ...]
    members: tuple[str, ...] = ()
    """Of a shared system: the tenants that use it."""


class ResolvedTenant(Record):
    """A municipality; `common` stands for all users of the shared systems."""

    id: str
    code: str | None
    name: str
    population: int
    population_basis: str | None
    site: str
    from_: date | None = Field(alias="from")
    until: date | None
    contact: Contact | None
    members: tuple[str, ...] = ()
    """For `common`: the tenants that use it."""


class Assumption(Record):
    """One number (or group of numbers) without a published source, for the list of 仮定値."""

    path: str
    """Where it stands, e.g. `systems.resident-tax.jobs.assessment.work`."""
    what: str
    basis: Basis
    source: str


class ResolvedEstate(Record):
    """Everything the planner knows, ready to be planned."""

    name: str
    digest: str
    """sha256 over the estate file and the catalogue as read."""
    fiscal_year: int
    start: datetime
    """Start of the horizon with its lead-in, +09:00."""
    end: datetime
    sites: tuple[Site, ...]
    hosts: tuple[ResolvedHost, ...]
    tenants: tuple[ResolvedTenant, ...]
    systems: tuple[ResolvedSystem, ...]
    vms: tuple[ResolvedVm, ...]
    jobs: tuple[ResolvedJob, ...]
    online_profiles: dict[str, OnlineProfile]
    events: dict[str, DateRule]
    """Named dates that date rules may refer to (catalogue and estate)."""
    entitlements: tuple[Entitlement, ...]
    costs: tuple[CostItem, ...]
    current_costs: tuple[CurrentCost, ...] = ()
    flows: tuple[Flow, ...]
    policy: Policy
    disturbances: Disturbances = Disturbances()
    assumptions: tuple[Assumption, ...]
    warnings: tuple[str, ...] = ()
