"""What a licence rule file says: one product and metric, in dated versions, as data.

A rule is a point in eleven dimensions: base, scope, cap, floors, factor with the place of rounding, pack, stacking,
rights, time law, pinning, and the version that holds them. The engine knows the dimensions and no product.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

OptionValue = bool | int | float | str
RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9_-]{0,38}[a-z0-9])?$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=600)]
Whole = Annotated[int, Field(ge=1, le=1_000_000)]

Base = Literal["host-core", "host-socket", "host-socket-capacity", "host", "vcpu", "os"]
"""What is counted: on hosts their physical cores, filled sockets, sockets there is room for, or the host itself; on
VMs their vCPUs, or the installed OS. A product that sits on a host counts there as one OS with the host's cores."""

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

    hosts: Literal["running", "reachable", "ran-on"]
    """Where it runs now; also where it may be moved to; or also where it ran in the last `window_days`."""
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


class Factor(RuleRecord):
    """What one base unit weighs."""

    by: Literal["one", "value", "host-model"]
    """Always 1; the same `value` everywhere; or the host model's core factor of the vendor `key`."""
    value: Annotated[float, Field(ge=0, le=1000)] | None = None
    """0 for uses that need no licence, e.g. a management node."""
    key: Key | None = None
    option: Key | None = None
    """Option of the product's use that replaces the factor."""
    unknown_model: Text | None = None
    """The vendor's rule for host models that have no factor."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.by == "value") != (self.value is not None):
            raise ValueError("factor: value は by: value のときだけ、必ず書く")
        if (self.by == "host-model") != (self.key is not None and self.unknown_model is not None):
            raise ValueError("factor: key と unknown_model は by: host-model のときだけ、両方書く")
        return self


class Pack(RuleRecord):
    """Licences are sold `size` at a time; the last pack may be part used."""

    size: Whole
    name: Text
    least: Whole | None = None
    """Least number of licences that a customer may order; it raises the packs, not the licences needed."""


class Stacking(RuleRecord):
    """One full set of a host's licences covers so many guests there; null is unlimited."""

    guests_per_set: Whole | None = None


class Rights(RuleRecord):
    """What must be held besides the licence, and how a licence may move between hosts."""

    requires: dict[Key, OptionValue] = {}
    """Options that must have these values for the metric to be allowed at all."""
    mobility: Literal["free", "free-in-farm", "90-days", "none", "not-applicable"]
    note: Text | None = None


class TimeLaw(RuleRecord):
    """How the counts of a year become one number. Both are peaks of the concurrent sum, never sums of peaks."""

    law: Literal["instant-maximum", "concurrent-peak"]
    """Enough licences at every instant; or the peak of each `period`, owed for the whole period."""
    period: Literal["month", "quarter", "fiscal-year"] | None = None

    @model_validator(mode="after")
    def _period(self) -> Self:
        if (self.law == "concurrent-peak") != (self.period is not None):
            raise ValueError("time: period は law: concurrent-peak のときだけ、必ず書く")
        return self


class Pinning(RuleRecord):
    """Whether pinning a VM to its host narrows the hosts that count."""

    narrows_reach: bool
    hard_partition_on: tuple[Key, ...] = ()
    """Hypervisors on which binding vCPUs to cores licenses these cores only."""
    note: Text | None = None


class Counting(RuleRecord):
    """One way to count. `when` names the options of a use that select it; a count adds up the ways of its uses."""

    when: dict[Key, OptionValue] = {}
    sits_on: tuple[Literal["vm", "host"], ...]
    base: Base
    scope: Scope
    cap: Literal["none", "vcpu-sum"]
    """`vcpu-sum`: a host counts no more than the vCPUs of the product's VMs on it."""
    floors: Floors
    factor: Factor
    rounding: Place
    stacking: Stacking
    rights: Rights
    pinning: Pinning

    @property
    def on_hosts(self) -> bool:
        """Whether hosts are counted, not VMs."""
        return self.base not in ("vcpu", "os")

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
            ]
        else:
            wrong = [
                (self.floors.per_processor is not None, "floors.per_processor"),
                (self.floors.per_host is not None, "floors.per_host"),
                (self.rounding in ("processor", "host"), f"rounding: {self.rounding}"),
                (self.cap != "none", f"cap: {self.cap}"),
                (self.stacking.guests_per_set is not None, "stacking.guests_per_set"),
                (self.scope.hosts != "running", f"scope: {self.scope.hosts}"),
            ]
        bad = [name for found, name in wrong if found]
        if bad:
            raise ValueError(f"base: {self.base} とは組み合わせられない：{'、'.join(bad)}")
        if not self.sits_on:
            raise ValueError("sits_on: vm か host を書く")
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
    """An option of a product's use: `choices`, or any number above 0 where `number`."""

    choices: tuple[OptionValue, ...] = ()
    number: bool = False
    default: OptionValue | None = None
    separate: bool = False
    """Uses with different values are different articles: each has a line of its own."""
    meaning: Text

    @model_validator(mode="after")
    def _values(self) -> Self:
        if self.number == bool(self.choices):
            raise ValueError("option: choices か number: true のどちらか一方を書く")
        if self.default is not None and not self.number and self.default not in self.choices:
            raise ValueError(f"option: default {self.default} が choices に無い")
        return self


class Rule(RuleRecord):
    """A licence rule: one product and one metric."""

    format: Literal[1]
    id: RuleId
    name: Text
    vendor: Text
    unit: Text
    """What one licence is called, e.g. コア."""
    options: dict[Key, Option] = {}
    versions: tuple[Version, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.versions:
            raise ValueError("versions が空")
        for number, earlier in enumerate(self.versions):
            for later in self.versions[number + 1 :]:
                if earlier.region == later.region and _overlap(earlier, later):
                    raise ValueError(f"版の期間が重なる：{earlier.valid_from} からの版と {later.valid_from} からの版")
        named = {key for v in self.versions for c in v.counts for key in (*c.when, *c.rights.requires)}
        named |= {c.factor.option for v in self.versions for c in v.counts if c.factor.option is not None}
        if not named <= self.options.keys():
            raise ValueError(f"options に無い名前を使っている：{'、'.join(sorted(named - self.options.keys()))}")
        return self


def _overlap(a: Version, b: Version) -> bool:
    return (b.valid_to is None or a.valid_from < b.valid_to) and (a.valid_to is None or b.valid_from < a.valid_to)
