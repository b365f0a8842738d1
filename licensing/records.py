"""What a licence rule file says: one product and metric, in dated versions, as data.

A rule is a point in eleven dimensions: base, scope, cap, floors, factor with the place of rounding, pack, stacking,
rights, time law, pinning, and the version that holds them. The engine knows the dimensions and no product.
"""

from __future__ import annotations

from datetime import date
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

OptionValue = bool | int | float | str
RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9_-]{0,38}[a-z0-9])?$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=600)]
Whole = Annotated[int, Field(ge=1, le=1_000_000)]

HostBase = Literal["host-core", "host-socket", "host-socket-capacity", "host"]
VmBase = Literal["vcpu", "vcpu-core", "os", "memory-mib", "number", "population"]
Base = Literal[HostBase, VmBase]
"""What is counted: on hosts their physical cores, filled sockets, sockets there is room for, or the host itself; on
VMs their vCPUs, the physical cores behind their vCPUs (`vcpu-core`: vCPUs / the host's threads per core, rounded up
per VM), the installed OS, their memory, the `number` an option says (users, say), or the residents of their tenant.
A product that sits on a host counts there as one OS with the host's cores and memory."""

_HOST_BASES = frozenset(get_args(HostBase))

Group = Literal["vm", "system", "tenant"]
"""Uses that count as one: each VM by itself, all VMs of a tenant's system, all VMs of a tenant. VMs of a layout that
names no tenants and systems are each a system of their own (of standby VMs: all of one), and all of one tenant."""

Place = Literal["none", "processor", "host", "vm", "factor-group", "product"]
"""Where a fraction is rounded up: per processor, host or VM, once per group of equal factors, once per product."""

Evidence = Literal["P", "D", "S", "C", "unverified"]
"""P vendor's words, D documentation that restates them, S secondary, C computed, unverified 未確認."""


class RuleRecord(BaseModel):
    """Base of the records of a rule file: frozen, strict, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class Scope(RuleRecord):
    """Which hosts count for a VM."""

    hosts: Literal["running", "reachable", "site", "everywhere", "ran-on"]
    """Where it runs now; also where it may be moved to; every host of its site, or of the layout, whatever it may do;
    or also where it ran in the last `window_days`."""
    window_days: Whole | None = None

    @model_validator(mode="after")
    def _window(self) -> Self:
        if (self.hosts == "ran-on") != (self.window_days is not None):
            raise ValueError("scope: window_days は hosts: ran-on のときだけ、必ず書く")
        return self


class Floors(RuleRecord):
    """Least number of base units. A product that is not in use needs none."""

    per_processor: Whole | None = None
    per_host: Whole | None = None
    per_vm: Whole | None = None
    per_product: Whole | None = None
    """Least number of licences (after factor and rounding) for the product as a whole."""
    option: Key | None = None
    """Option of the product's use: least number of licences (after factor and rounding) of the VM."""


class Points(RuleRecord):
    """One row of a vendor's table of processors."""

    model: Text
    """Model names, as a shell pattern without regard to case, e.g. `power9*`."""
    max_sockets: Whole | None
    """The row holds for servers with room for at most so many sockets; null is any number."""
    value: Annotated[float, Field(gt=0, le=1000)]


class Factor(RuleRecord):
    """What one base unit weighs."""

    by: Literal["one", "value", "per", "host-model"]
    """Always 1; the same `value` everywhere; one licence per so many base units (exact where `value` has no end, as
    for thirds); or the host model's core factor of the vendor `key`."""
    value: Annotated[float, Field(ge=0, le=1000)] | None = None
    """0 for uses that need no licence, e.g. a management node."""
    per: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    key: Key | None = None
    option: Key | None = None
    """Option of the product's use that replaces the factor."""
    points: tuple[Points, ...] = ()
    """The vendor's table for models whose host names no factor: the first row that fits holds."""
    unknown_value: Annotated[float, Field(gt=0, le=1000)] | None = None
    """What the vendor applies to models it does not know; null refuses them."""
    unknown_model: Text | None = None
    """The vendor's rule for host models that have no factor, in words."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.by == "value") != (self.value is not None):
            raise ValueError("factor: value は by: value のときだけ、必ず書く")
        if (self.by == "per") != (self.per is not None):
            raise ValueError("factor: per は by: per のときだけ、必ず書く")
        if (self.by == "host-model") != (self.key is not None and self.unknown_model is not None):
            raise ValueError("factor: key と unknown_model は by: host-model のときだけ、両方書く")
        if self.by != "host-model" and (self.points or self.unknown_value is not None):
            raise ValueError("factor: points と unknown_value は by: host-model のときだけ書く")
        return self


class Users(RuleRecord):
    """A metric of users with a minimum per licensed unit: the count is the greater of the two."""

    option: Key
    """Option of the product's use that says how many people and devices use it."""
    least_per_licence: Whole
    """So many users at least per processor, server, … that the way counts."""
    group: Group
    """VMs of one group have the same users: the greatest number counts, groups are added up."""


class Standby(RuleRecord):
    """Standby VMs of a group are free up to what its active ones count."""

    option: Key
    """Option of the product's use that says which a VM is."""
    value: OptionValue
    """Its value on standby."""


class Grade(RuleRecord):
    """A class of licence that is chosen by size: one licence, of the first grade that holds the base units."""

    up_to: Annotated[int, Field(ge=1, le=1_000_000_000)] | None
    """Most base units; null holds any number."""
    name: Text


class Tier(RuleRecord):
    """One step of a step function over the sum of a product."""

    up_to: Annotated[int, Field(ge=1, le=1_000_000_000)] | None
    """The step ends here; null goes on without end."""
    weight: Annotated[float, Field(ge=0, le=1000)]
    """What a unit above the step before weighs."""


class Pack(RuleRecord):
    """Licences are sold `size` at a time; the last pack may be part used."""

    size: Whole
    name: Text
    least: Whole | None = None
    """Least number of licences that a customer may order; it raises the packs, not the licences needed."""


class Stacking(RuleRecord):
    """One full set of a host's licences covers so many guests there; null is unlimited."""

    guests_per_set: Whole | None = None
    one_more_per_guest: bool = False
    """As many guests as licences are covered; every further guest needs one licence more."""


class Rights(RuleRecord):
    """What must be held besides the licence, and how a licence may move between hosts."""

    requires: dict[Key, OptionValue] = {}
    """Options that must have these values for the metric to be allowed at all."""
    mobility: Literal["free", "free-in-farm", "90-days", "none", "not-applicable"]
    max_socket_capacity: Whole | None = None
    """The product may not be used on a server with room for more sockets."""
    note: Text | None = None


class TimeLaw(RuleRecord):
    """How the counts of a year become one number. Peaks are those of the concurrent sum, never sums of peaks."""

    law: Literal["instant-maximum", "concurrent-peak", "hourly-meter"]
    """Enough licences at every instant; or the peak of each `period`, owed for the whole period; or the peak of each
    clock hour, added up over the hours."""
    period: Literal["month", "quarter", "fiscal-year"] | None = None

    @model_validator(mode="after")
    def _period(self) -> Self:
        if (self.law == "concurrent-peak") != (self.period is not None):
            raise ValueError("time: period は law: concurrent-peak のときだけ、必ず書く")
        return self


class Pinning(RuleRecord):
    """Whether pinning a VM to its host, or keeping it on some hosts, narrows the hosts that count."""

    narrows_reach: bool
    affinity_narrows: bool = True
    """Whether a VM's affinity to some hosts does."""
    otherwise: dict[Key, OptionValue] = {}
    """The way holds for pinned VMs that no move is planned for. Others count as if these options were theirs."""
    hard_partition_on: tuple[Key, ...] = ()
    """Hypervisors on which binding vCPUs to cores licenses these cores only."""
    note: Text | None = None


class Counting(RuleRecord):
    """One way to count. `when` names the options of a use that select it; a count adds up the ways of its uses."""

    when: dict[Key, OptionValue] = {}
    sits_on: tuple[Literal["vm", "host"], ...]
    base: Base
    threads_if_unsaid: Annotated[int, Field(ge=1, le=16)] | None = None
    """For `base: vcpu-core`: threads per core of a host in a bare layout that does not say it; null is 1."""
    scope: Scope
    cap: Literal["none", "vcpu-sum"]
    """`vcpu-sum`: a host counts no more than the vCPUs of the product's VMs on it."""
    floors: Floors
    factor: Factor
    rounding: Place
    stacking: Stacking
    rights: Rights
    pinning: Pinning
    group: Group = "vm"
    """VMs that count as one, with the greatest number among them. Only where VMs are counted."""
    units_option: Key | None = None
    """Option that says the base units of `base: number`; of `base: population` where the layout has no residents."""
    standby: Standby | None = None
    grades: tuple[Grade, ...] = ()
    tiers: tuple[Tier, ...] = ()
    """Applied to the sum of the way, before its rounding per product."""
    users: Users | None = None

    @cached_property
    def on_hosts(self) -> bool:
        """Whether hosts are counted, not VMs."""
        return self.base in _HOST_BASES

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.on_hosts:
            wrong = [
                (self.floors.per_vm is not None, "floors.per_vm"),
                (self.rounding == "vm", "rounding: vm"),
                (self.floors.per_processor is not None and self.base != "host-core", "floors.per_processor"),
                (self.rounding == "processor" and self.base != "host-core", "rounding: processor"),
                (self.cap == "vcpu-sum" and self.base != "host-core", "cap: vcpu-sum"),
                (self.cap == "vcpu-sum" and self.rounding == "processor", "cap: vcpu-sum と rounding: processor"),
                (self.stacking.guests_per_set is not None and self.rounding == "processor", "stacking と processor"),
                (self.stacking.guests_per_set is not None and self.stacking.one_more_per_guest, "stacking の二つの値"),
                (self.floors.option is not None, "floors.option"),
                (self.group != "vm", f"group: {self.group}"),
                (self.units_option is not None, "units_option"),
                (self.standby is not None, "standby"),
                (bool(self.grades), "grades"),
            ]
        else:
            wrong = [
                (self.floors.per_processor is not None, "floors.per_processor"),
                (self.floors.per_host is not None, "floors.per_host"),
                (self.rounding in ("processor", "host"), f"rounding: {self.rounding}"),
                (self.cap != "none", f"cap: {self.cap}"),
                (self.stacking.guests_per_set is not None, "stacking.guests_per_set"),
                (self.stacking.one_more_per_guest, "stacking.one_more_per_guest"),
                (self.standby is not None and self.rounding not in ("none", "vm"), "standby と rounding"),
                (self.base == "number" and self.units_option is None, "units_option の無い number"),
                (self.base not in ("number", "population") and self.units_option is not None, "units_option"),
                (self.scope.hosts != "running", f"scope: {self.scope.hosts}"),
                (self.standby is not None and self.group == "vm", "group の無い standby"),
                (bool(self.grades) and self.standby is not None, "grades と standby"),
                (bool(self.grades) and self.users is not None, "grades と users"),
                (self.rights.max_socket_capacity is not None, "rights.max_socket_capacity"),
            ]
        bad = [name for found, name in wrong if found]
        if bad:
            raise ValueError(f"base: {self.base} とは組み合わせられない：{'、'.join(bad)}")
        if self.threads_if_unsaid is not None and self.base != "vcpu-core":
            raise ValueError("threads_if_unsaid: base: vcpu-core のときだけ書く")
        if not self.sits_on:
            raise ValueError("sits_on: vm か host を書く")
        for name, ends in (("grades", [g.up_to for g in self.grades]), ("tiers", [t.up_to for t in self.tiers])):
            if ends and (
                ends[-1] is not None or any(a is None or (b is not None and b <= a) for a, b in pairwise(ends))
            ):
                raise ValueError(f"{name}: up_to は小さい順に書き、最後だけを null にする")
        return self


class Version(RuleRecord):
    """A dated version of a rule: the eleventh dimension. It holds on `[valid_from, valid_to)`."""

    valid_from: date
    valid_to: date | None
    region: Literal["worldwide", "japan", "emea", "americas"]
    evidence: Evidence
    source: Text
    unverified: tuple[Text, ...] = ()
    """Values of this version that were not checked: the count prints 未確認."""
    notes: tuple[Text, ...] = ()
    """What the reader of a count must know, in Japanese."""
    pack: Pack | None
    time: TimeLaw
    counts: tuple[Counting, ...]

    @model_validator(mode="after")
    def _dates(self) -> Self:
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} が valid_from {self.valid_from} より後でない")
        if not self.counts:
            raise ValueError("counts が空")
        return self


class Option(RuleRecord):
    """An option of a product's use: `choices`, any number above 0 where `number`, or any short `text`."""

    choices: tuple[OptionValue, ...] = ()
    number: bool = False
    text: bool = False
    default: OptionValue | None = None
    separate: bool = False
    """Uses with different values are different articles: each has a line of its own."""
    meaning: Text

    @model_validator(mode="after")
    def _values(self) -> Self:
        if [self.number, self.text, bool(self.choices)].count(True) != 1:
            raise ValueError("option: choices、number: true、text: true のどれか一つを書く")
        if self.default is not None and self.choices and self.default not in self.choices:
            raise ValueError(f"option: default {self.default} が choices に無い")
        return self


class Alternative(RuleRecord):
    """Another metric under which the vendor offers the same product: a remedy, and the other side of a break-even."""

    kind: Literal["hourly", "physical", "virtual", "users"]
    """Pay by the hour; license physical hosts so that vCPU changes are free; license VMs; license people."""
    rule: RuleId
    options: dict[Key, OptionValue] = {}
    """Options of the other rule; those of the same name that the use has are kept."""


class Rule(RuleRecord):
    """A licence rule: one product and one metric."""

    format: Literal[1]
    id: RuleId
    name: Text
    vendor: Text
    unit: Text
    """What one licence is called, e.g. コア."""
    options: dict[Key, Option] = {}
    alternatives: tuple[Alternative, ...] = ()
    versions: tuple[Version, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.versions:
            raise ValueError("versions が空")
        for number, earlier in enumerate(self.versions):
            for later in self.versions[number + 1 :]:
                if earlier.region == later.region and _overlap(earlier, later):
                    raise ValueError(f"版の期間が重なる：{earlier.valid_from} からの版と {later.valid_from} からの版")
        return self


def _overlap(a: Version, b: Version) -> bool:
    return (b.valid_to is None or a.valid_from < b.valid_to) and (a.valid_to is None or b.valid_from < a.valid_to)
