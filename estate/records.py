"""The records of an estate file: what a planner writes down about the shared data centre.

Every record is frozen and refuses unknown keys. They are filled from JSON (`model_validate_json`), which
lets `strict` accept dates as text and lists as tuples while it refuses "3" for 3. Units are in the names.
Numbers without a published source are marked `assumed`, and reports say which results rest on them.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Basis = Literal["law", "standard", "published", "measured", "assumed"]
Confidence = Literal["high", "medium", "low"]
Segment = Literal["mynumber", "lgwan", "internet", "management", "backup"]
Shift = Literal["none", "next", "previous"]
DayType = Literal["business_day", "closed_day", "month_end", "year_end"]

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
HostPattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]|\{[0-9]{1,5}\.\.[0-9]{1,5}\}){0,60}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=400)]
_NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]+$"
Name = Annotated[str, StringConstraints(min_length=1, max_length=400, pattern=_NO_CONTROLS)]
"""One line that reads as it is written: no line breaks, escape sequences or marks that turn the text around."""
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"
TimeSpan = Annotated[str, StringConstraints(pattern=rf"^{_CLOCK}-({_CLOCK}|24:00)$")]
Offset = Annotated[str, StringConstraints(pattern=r"^[+-]?[0-9]{1,3} (days|business_days|months)$")]
Positive = Annotated[float, Field(gt=0, le=1e12)]
NonNegative = Annotated[float, Field(ge=0, le=1e15)]
Hours = Annotated[float, Field(ge=0, le=9_600)]
"""Not longer than the 400 days in which a predecessor is looked for."""
MemoryGib = Annotated[float, Field(ge=0.001, le=1e6)]
"""At least one MiB, the unit of the layout."""
Count = Annotated[int, Field(ge=1, le=100_000_000)]
OptionValue = bool | int | float | str


class Record(BaseModel):
    """Base of every record: frozen, strict, unknown keys refused, NaN and infinity refused."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        populate_by_name=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )


class Sourced(Record):
    """A record whose numbers say where they come from."""

    basis: Basis
    """law, standard, published, measured, or assumed (仮定値)."""
    source: Text
    """Where the numbers are published, or why they were assumed."""


# --- dates -----------------------------------------------------------------------------------------------------------


class DateRule(Sourced):
    """When something happens: exactly one of `date`, `rrule` and `relative_to`.

    `rrule` is RFC 5545 and is evaluated per day over the horizon. `relative_to` names an event of the catalogue or of
    the estate, or a job as `job` (same system) or `system/job` (same tenant). `only` keeps days of one kind;
    `shift` then moves a closed day. Reference dates never move: `shift: none`.
    """

    day: date | None = Field(default=None, alias="date")
    rrule: Text | None = None
    relative_to: Text | None = None
    offset: Offset = "0 days"
    only: Literal["business_day", "closed_day"] | None = None
    shift: Shift = "none"


class Event(DateRule):
    """A named date of the estate: an election, a benefit payment, a law change, a change freeze."""

    id: Id
    name: Name


class WindowException(Record):
    """Dated exception of a window: on `[from, until)` the span is another one, or none (`null`)."""

    from_: date = Field(alias="from")
    until: date
    span: TimeSpan | None


class Window(Sourced):
    """A batch window by day type. `20:00-06:00` starts on the day and ends on the next one; null is no window."""

    business_day: TimeSpan | None
    closed_day: TimeSpan | None
    month_end: TimeSpan | None = None
    """Last business day of a month; when absent the business day's span holds."""
    year_end: TimeSpan | None = None
    """29 December to 3 January; when absent the closed day's span holds."""
    exceptions: tuple[WindowException, ...] = ()


# --- catalogue -------------------------------------------------------------------------------------------------------


class ProductUse(Record):
    """A product that needs a licence, by the id of its counting rule."""

    rule: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")]
    options: dict[str, OptionValue] = {}


class HostModel(Sourced):
    """A physical server type. Capacity is sockets x cores_per_socket; threads add nothing."""

    name: Name
    sockets: Annotated[int, Field(ge=1, le=64)]
    socket_capacity: Annotated[int, Field(ge=1, le=64)]
    cores_per_socket: Annotated[int, Field(ge=1, le=1024)]
    threads_per_core: Annotated[int, Field(ge=1, le=8)] = 2
    core_factors: dict[str, Positive] = {}
    """Licence core factors by vendor, e.g. {"oracle": 0.5}."""
    io_mib_s: Positive = 2000.0


class Unit(Sourced):
    """What a job counts (residents, households, parcels …), as a ratio to residents."""

    name: Name
    per_resident: Positive


class PopulationClass(Record):
    """A size class: the first class whose `max_population` is not below the tenant's population holds."""

    id: Id
    max_population: Count


class OnlineProfile(Sourced):
    """Daytime load as shares of the peak: on days of one kind, over spans of the day."""

    name: Name
    business_day: dict[TimeSpan, Annotated[float, Field(ge=0, le=1)]]
    closed_day: dict[TimeSpan, Annotated[float, Field(ge=0, le=1)]] = {}


class Online(Sourced):
    """Online load of a role at its daily peak, in cores per 1,000 residents, shaped by a profile."""

    profile: Id
    cores_per_1000_residents: NonNegative


class RoleSize(Sourced):
    """Size of a VM role by population class (keys are class ids; every class must be named)."""

    vcpu: dict[Id, Annotated[int, Field(ge=1, le=1024)]]
    memory_gib: dict[Id, MemoryGib]
    disk_gib: dict[Id, Positive]
    """The data volume; the system volume comes from the image."""
    replicas: dict[Id, Annotated[int, Field(ge=1, le=64)]] = {}
    """Replicas by class, 1 where absent. Replicas of one role never share a host."""


class Role(Record):
    """A kind of VM in a system: ap, db, batch …"""

    name: Name
    size: RoleSize
    image: Id = "base"
    slots: Annotated[int, Field(ge=1, le=1000)] = 1
    """Job runs that a VM of this role takes at once."""
    products: tuple[ProductUse, ...] = ()
    online: Online | None = None


class Work(Sourced):
    """Work of one run: `fixed_s` without CPU, then `cpu_s_per_unit x units` core-seconds on at most `max_cores`."""

    fixed_s: NonNegative
    cpu_s_per_unit: NonNegative
    unit: Id = "residents"
    io_mib_per_unit: NonNegative = 0.0
    max_cores: Positive = 1.0
    work_cv: Annotated[float, Field(ge=0, le=10)] = 0.2
    """Coefficient of variation of the work, for the simulation's disturbances."""


class After(Record):
    """Precedence: the run waits for the latest earlier run of `job` (same tenant) and `lag_h` hours of elapsed time.

    The predecessor is the run with the latest release not after this run's release and within `within_days`.
    """

    job: Id
    system: Id | None = None
    """The predecessor's system; the job's own when absent. Ignored where the tenant does not use that system."""
    lag_h: Hours = 0.0
    lag_business_h: Hours = 0.0
    within_days: Annotated[int, Field(ge=0, le=400)] = 120


class Job(Record):
    """A batch job of a system."""

    name: Name
    kind: Literal[
        "nightly",
        "month-end",
        "year-end",
        "backup",
        "assessment",
        "trial",
        "notice",
        "print",
        "debit",
        "payment",
        "exchange",
        "registration",
        "report",
        "other",
    ]
    role: Id
    when: DateRule
    work: Work
    window: Id | None = None
    """A window of the catalogue; the system's when absent."""
    nights: Annotated[int, Field(ge=1, le=60)] = 1
    """The run may take any one of so many consecutive windows, from its date on."""
    latest: DateRule | None = None
    """Statutory or agreed latest date: the run ends by the end of the last window that starts before this date."""
    after: tuple[After, ...] = ()
    exclusive: bool = False
    """While it runs, no other run of the same system of the same tenant runs."""
    rerun_room: bool = True
    """The window must leave room for one rerun of the same length after the planned end."""


class System(Record):
    """A business system (業務システム)."""

    name: Name
    group: Text
    segment: Segment
    window: Id
    service_hours: Id
    """A window of the catalogue, read as opening hours for residents and staff."""
    restore_priority: Annotated[int, Field(ge=1, le=9)] = 5
    """1 is restored first (住民記録), 9 last."""
    roles: dict[Id, Role]
    jobs: dict[Id, Job] = {}
    shared_only: bool = False
    """Runs only where the estate file shares it (`shared`); no tenant has its own."""
    note: Text | None = None


class CatalogueEvent(DateRule):
    """A named date of the municipal year, e.g. the first due date of the resident tax."""

    name: Name


class Catalogue(Record):
    """Business systems, their jobs, host models and ratios."""

    format: Literal[1]
    host_models: dict[Id, HostModel]
    units: dict[Id, Unit]
    classes: tuple[PopulationClass, ...]
    windows: dict[Id, Window]
    online_profiles: dict[Id, OnlineProfile]
    events: dict[Id, CatalogueEvent] = {}
    systems: dict[Id, System]
    system_disk_gib: Positive = 40.0
    """Size of the system volume that is made from the image."""


# --- the estate file -------------------------------------------------------------------------------------------------


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
    uri: Annotated[str, StringConstraints(pattern=r"^[a-z+]{3,20}://[^\s\"'<>`]{1,400}$")]
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
    """Tax-exclusive; per year when running."""
    from_year: Annotated[int, Field(ge=1989, le=2200)] | None = None
    until_year: Annotated[int, Field(ge=1989, le=2200)] | None = None
    split: Text = "equal"
    grant: Literal["eligible", "not", "unknown"] = "unknown"
    tenants: tuple[Id, ...] = ()
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
    flows: tuple[Flow, ...] = ()
    policy: Policy = Policy()
    measured: tuple[Measured, ...] = ()
    note: Text | None = None
