"""`simulation/growth.json`: in which year a plan stops fitting when the load grows."""

from __future__ import annotations

from datetime import date
from typing import Literal

from .records import FORMAT_VERSION, LayoutRecord

Limit = Literal["window", "deadline", "online"]
"""A run ends after its window; after its deadline; too much of a VM's online load is not served."""


class GrowthYear(LayoutRecord):
    """The plan under the load of one year, simulated once with nothing disturbed."""

    years: int
    """After the plan's fiscal year; 0 is the plan's own."""
    fiscal_year: int
    work_factor: float
    online_factor: float
    fits: bool
    windows_overrun: int
    """Runs that end after their window."""
    deadlines_missed: int
    """Runs that end after their deadline, or never."""
    worst_overrun_s: float
    worst_lateness_s: float
    worst_online_unserved: float
    """Largest share of a VM's online load that is not served."""


class GrowthBreak(LayoutRecord):
    """What breaks first."""

    limit: Limit
    id: str
    """Of the run, or of the VM (online)."""
    label: str
    over_s: float
    """By how much; 0 for online."""
    share: float
    """Unserved share; 0 for runs."""


class GrowthResult(LayoutRecord):
    """`simulation/growth.json`."""

    format_version: str = FORMAT_VERSION
    verdict: str
    layout_digest: str
    week: date
    night: date | None
    residents_per_year: float
    work_per_year: float
    online_per_year: float
    basis: str
    """Of these rates."""
    source: str
    most_years: int
    """Looked at: so many years after the plan's."""
    fits_until: int | None
    """Last fiscal year that fits; null where even the plan's own does not."""
    beyond: bool
    """The plan still fits in the last year that was looked at."""
    breaks_after_years: float | None
    """When the first limit breaks, if the load grows evenly within a year (to 1/64 year); null where none does."""
    first_break: GrowthBreak | None
    """What breaks then."""
    years: tuple[GrowthYear, ...]
    """The years that were simulated, in order."""
