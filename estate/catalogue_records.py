"""The records of a catalogue: business systems, their jobs, host models and ratios."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .base_records import (
    Count,
    DateRule,
    Hours,
    Id,
    JobKind,
    MemoryGib,
    Name,
    NonNegative,
    OptionValue,
    Positive,
    Record,
    Segment,
    Sourced,
    Text,
    TimeSpan,
    Window,
)
from .disturbance_records import Disturbances


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
    kind: JobKind
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
    disturbances: Disturbances = Disturbances()
