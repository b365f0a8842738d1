"""What a file of a split method says: parts of a cost, what each is divided by, and what happens to odd yen."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

By = Literal["equal", "population", "use", "fixed", "peak", "shapley"]
Measure = Literal["vcpu-hours", "cpu-hours", "vms"]
MethodId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=600)]

MEASURE_UNITS: dict[Measure, str] = {"vcpu-hours": "vCPU時間", "cpu-hours": "CPU時間", "vms": "台"}
"""Units as reports show them."""


def _is_ratio(text: str) -> str:
    percent = re.fullmatch(r"(100|[0-9]{1,2}(\.[0-9]{1,12})?)%", text)
    fraction = re.fullmatch(r"([0-9]{1,9})/([1-9][0-9]{0,8})", text)
    if percent is None and (fraction is None or int(fraction[1]) > int(fraction[2])):
        raise PydanticCustomError("ratio", "割合は 50%、9.5%、1/3 の形で、0 以上 1 以下を書いてください")
    return text


Ratio = Annotated[str, AfterValidator(_is_ratio)]
"""A ratio as an ordinance writes it: `50%`, `9.5%`, `1/3`. Kept as text, so that it stays exact."""


def exact(ratio: Ratio) -> Fraction:
    """Answers the ratio as a fraction: `9.5%` is 19/200."""
    return Fraction(ratio[:-1]) / 100 if ratio.endswith("%") else Fraction(ratio)


def add_up_problem(ratios: tuple[Ratio, ...]) -> str | None:
    """Answers what is wrong with ratios that must add up to 1; None where nothing is."""
    total = sum((exact(ratio) for ratio in ratios), Fraction(0))
    return None if total == 1 else f"合計が 100% になりません（{'、'.join(ratios)}、合計 {_percent(total)}）"


def as_percent(ratio: Ratio) -> str:
    """Answers the ratio in per cent, `2/5` as `40%`; as it is written where per cent would not be exact, like `1/3`."""
    shown = _percent(exact(ratio))
    return shown if exact(shown) == exact(ratio) else ratio


def _percent(ratio: Fraction) -> str:
    return f"{float(ratio * 100):.10g}%"


class MethodRecord(BaseModel):
    """Base of the records of a method file: frozen, strict, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


def _fixed_add_up(shares: dict[str, Ratio]) -> dict[str, Ratio]:
    problem = add_up_problem(tuple(shares.values()))
    if shares and problem is not None:
        raise PydanticCustomError("add_up", "固定割合の{problem}", {"problem": problem})
    return shares


class Part(MethodRecord):
    """One part of a cost and what it is divided by."""

    by: By
    """equal 均等割, population 人口割, use 実績割, fixed 固定割合, peak ピーク責任割, shapley シャープレイ値."""
    share: Ratio = "100%"
    """Part of the cost. All parts add up to 100 %."""
    measure: Measure | None = None
    """What use is measured by, over the fiscal year of the plan."""
    shares: Annotated[dict[MethodId, Ratio], AfterValidator(_fixed_add_up)] = {}
    """Fixed shares by tenant; they add up to 100 %."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.by == "use") != (self.measure is not None):
            raise PydanticCustomError("measure", "measure は by: use のときだけ、必ず書いてください")
        if (self.by == "fixed") != bool(self.shares):
            raise PydanticCustomError("shares", "shares は by: fixed のときだけ、必ず書いてください")
        return self


class TenantTakes(MethodRecord):
    """The remainder goes to one tenant, the host municipality for example."""

    tenant: MethodId


Remainder = Literal["largest-share", "first", "largest-remainder"] | TenantTakes
"""Who takes what truncation leaves: who pays most; the first tenant of the estate; those whose shares were cut most,
one unit of truncation each; or one tenant."""


def _parts_add_up(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    if not parts:
        raise PydanticCustomError("no_parts", "部分がありません。- {by: equal} のように一つ以上書いてください")
    problem = add_up_problem(tuple(part.share for part in parts))
    if problem is not None:
        raise PydanticCustomError("add_up", "部分（share）の{problem}", {"problem": problem})
    return parts


class SplitMethod(MethodRecord):
    """A method file."""

    format: Literal[1]
    id: MethodId
    name: Text
    parts: Annotated[tuple[Part, ...], AfterValidator(_parts_add_up)]
    truncate_jpy: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1
    """Each tenant's share of a year is cut down to a multiple of so many yen."""
    remainder: Remainder
    source: Text
    """The ordinance or text that the method follows."""
    evidence: Literal["P", "D", "S", "C", "unverified", "example"]
    valid_from: date | None = None
    unverified: tuple[Text, ...] = ()
    """Values of this file that the source does not give or that were not checked: the split says 未確認."""
    notes: tuple[Text, ...] = ()
    """What the reader of a bill must know, in Japanese."""
