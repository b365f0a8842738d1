"""The base of every record of the estate, and the field types, dates and windows that records share.

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
CENTRE_SEGMENTS = ("management", "backup")
"""Segments of the centre itself: no tenant opens a connection to them."""
Shift = Literal["none", "next", "previous"]
DayType = Literal["business_day", "closed_day", "month_end", "year_end"]
JobKind = Literal[
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
