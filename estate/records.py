"""The records of an estate file: what a planner writes down about the shared data centre."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .base_records import (
    Basis,
    Confidence,
    Count,
    DateRule,
    HostPattern,
    Id,
    MemoryGib,
    Name,
    NonNegative,
    Positive,
    Record,
    Segment,
    Text,
)
from .catalogue_records import ProductUse
from .disturbance_records import Disturbances


class Event(DateRule):
    """A named date of the estate: an election, a benefit payment, a law change, a change freeze."""

    id: Id
    name: Name


class Horizon(Record):
    """What is planned: the fiscal year with a lead-in before it, or a part of the year `[from, until)`."""

    lead_in_months: Annotated[int, Field(ge=0, le=12)] | None = None
    from_: date | None = Field(default=None, alias="from")
    until: date | None = None


class Site(Record):
    """A data centre."""

    id: Id
    role: Literal["primary", "backup"]
    name: Name | None = None
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]


class Pool(Record):
    """A libvirt storage pool of a host."""

    name: Id
    path: Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/-]{1,200}$")]
    kind: Literal["dir", "logical"] = "dir"


class Host(Record):
    """One host, or a row of them: `kvm{01..12}`. `{id}` in `uri` stands for each host's id."""

    id: HostPattern
    site: Id
    model: Id
    memory_gib: MemoryGib
    disk_gib: Positive
    uri: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9+]{2,19}://[A-Za-z0-9._~:/?#\[\]@+,=%&{}-]{1,400}$")]
    spare: bool = False
    """Kept empty beyond the reserve of the policy."""
    pools: tuple[Pool, ...] = (Pool(name="default", path="/var/lib/libvirt/images"),)
    products: tuple[ProductUse, ...] = ()


class Contact(Record):
    """Responsibility boundary (責任分界)."""

    owner: Name
    operator: Name


class SystemSelection(Record):
    """Which systems a tenant uses: all but `except`, or `only` these."""

    only: tuple[Id, ...] | None = None
    except_: tuple[Id, ...] = Field(default=(), alias="except")
    confidence: Confidence | None = None
    """How sure the list is (high, medium, low); absent where the tenant itself stated it."""
    source: Text | None = None


class VcpuBusy(Record):
    """More vCPU for a while: on `[from, until)` every VM of the role has `vcpu`."""

    from_: date = Field(alias="from")
    until: date
    role: Id
    vcpu: Annotated[int, Field(ge=1, le=1024)]


class RoleOverride(Record):
    """Sizes of this tenant that differ from its class."""

    vcpu: Annotated[int, Field(ge=1, le=1024)] | None = None
    memory_gib: MemoryGib | None = None
    disk_gib: Positive | None = None
    replicas: Annotated[int, Field(ge=1, le=64)] | None = None
    products: tuple[ProductUse, ...] | None = None


class JobOverride(Record):
    """Numbers or dates of this tenant's job that differ from the catalogue."""

    enabled: bool = True
    fixed_s: NonNegative | None = None
    cpu_s_per_unit: NonNegative | None = None
    max_cores: Positive | None = None
    when: DateRule | None = None
    latest: DateRule | None = None
    nights: Annotated[int, Field(ge=1, le=60)] | None = None
    window: Id | None = None


class SystemOverride(Record):
    """What one tenant does differently in one system."""

    vcpu_busy: tuple[VcpuBusy, ...] = ()
    window: Id | None = None
    roles: dict[Id, RoleOverride] = {}
    jobs: dict[Id, JobOverride] = {}
    from_: date | None = Field(default=None, alias="from")
    until: date | None = None


class Tenant(Record):
    """A municipality (団体)."""

    id: Id
    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
    """National local-government code: 6 digits, the last is the check digit."""
    name: Name
    population: Count
    """Residents, foreign residents included."""
    population_basis: Text | None = None
    site: Id | None = None
    """The first primary site when absent."""
    from_: date | None = Field(default=None, alias="from")
    until: date | None = None
    contact: Contact | None = None
    systems: SystemSelection = SystemSelection()
    overrides: dict[Id, SystemOverride] = {}


class SharedSystem(Record):
    """One VM set used by several tenants. Its size follows the sum of their populations."""

    system: Id
    tenants: Literal["all"] | tuple[Id, ...]
    site: Id | None = None
    overrides: SystemOverride | None = None


class Entitlement(Record):
    """Licences held."""

    id: Id
    rule: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")]
    quantity: NonNegative
    from_: date | None = Field(default=None, alias="from")
    until: date | None = None
    tenants: tuple[Id, ...] = ()
    """Held for these tenants' VMs only; for everybody when empty."""
    systems: tuple[Id, ...] = ()
    mobility: bool = False
    """The right to move the licence between hosts freely."""
    source: Text


class CostItem(Record):
    """Another cost item (費目) than licences."""

    id: Id
    name: Name
    phase: Text
    kind: Literal["initial", "running"]
    amount_jpy: Annotated[int, Field(ge=0)]
    """Tax-exclusive; per year when running, once in `from_year` (or the first year) when initial."""
    from_year: Annotated[int, Field(ge=1989, le=2200)] | None = None
    until_year: Annotated[int, Field(ge=1989, le=2200)] | None = None
    split: Text = "equal"
    grant: Literal["eligible", "not", "unknown"] = "unknown"
    tenants: tuple[Id, ...] = ()
    basis: Basis
    source: Text


class CurrentCost(Record):
    """What a municipality pays today (現行費用, A), so that the proposed bill (B) can be compared with it."""

    id: Id
    tenant: Id
    name: Name
    kind: Literal["initial", "running"]
    amount_jpy: Annotated[int, Field(ge=0, le=10**15)]
    """Tax-exclusive; per year when running, once in `from_year` (or the first year) when initial."""
    from_year: Annotated[int, Field(ge=1989, le=2200)] | None = None
    until_year: Annotated[int, Field(ge=1989, le=2200)] | None = None
    """The last year, included."""
    basis: Basis
    source: Text


class Endpoint(Record):
    """One side of an allowed flow."""

    tenant: Id | None = None
    segment: Segment | None = None
    system: Id | None = None
    address: Text | None = None


class Flow(Record):
    """Traffic that is allowed between networks; everything else is denied."""

    source: Endpoint
    destination: Endpoint
    protocol: Literal["tcp", "udp", "icmp"]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    reason: Text | None = None


class Policy(Record):
    """Rules of the centre."""

    spare_hosts: Annotated[int, Field(ge=0, le=1000)] = 1
    """Hosts per site that stay empty, so that any failed host's VMs find room (N+1)."""
    vcpu_overcommit: Annotated[float, Field(ge=1, le=64)] = 4.0
    memory_overcommit: Annotated[float, Field(ge=1, le=4)] = 1.0
    slot_minutes: Literal[10] = 10
    may_run_on: Literal["site", "host"] = "site"
    """Hosts a VM may be moved to: every host of its site, or only its own (pinned)."""
    backup_distance_km: NonNegative = 300.0
    separate_segments: bool = False
    """No host carries VMs of two segments."""
    anti_affinity: tuple[tuple[Text, ...], ...] = ()
    """Groups of `system/role` whose VMs of one tenant never share a host."""
    rerun_room: bool = True
    online: Literal["first", "shares"] = "first"
    """Online load of a VM is served before its batch runs, or shares with them."""


class Measured(Record):
    """The user's own measurement of a job, which replaces the catalogue's assumption."""

    tenant: Id | None = None
    system: Id
    job: Id
    fixed_s: NonNegative
    cpu_s_per_unit: NonNegative
    source: Text


class EstateFile(Record):
    """The estate file as it is written."""

    format: Literal[1]
    name: Name
    fiscal_year: Annotated[int, Field(ge=2019, le=2200)]
    horizon: Horizon = Horizon(lead_in_months=3)
    catalogue: Text = "standard"
    """`standard`, or the path of a catalogue file relative to the estate file."""
    sites: tuple[Site, ...]
    hosts: tuple[Host, ...]
    tenants: tuple[Tenant, ...]
    shared: tuple[SharedSystem, ...] = ()
    events: tuple[Event, ...] = ()
    licences: tuple[Entitlement, ...] = ()
    costs: tuple[CostItem, ...] = ()
    current_costs: tuple[CurrentCost, ...] = ()
    flows: tuple[Flow, ...] = ()
    policy: Policy = Policy()
    measured: tuple[Measured, ...] = ()
    disturbances: Disturbances = Disturbances()
    """Blocks that replace those of the catalogue, each as a whole; null switches one off."""
    note: Text | None = None
