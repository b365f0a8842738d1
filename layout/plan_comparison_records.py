"""What `kumiai compare` answers: the same week or night of several plans under the same random numbers."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from .records import FORMAT_VERSION, LayoutRecord
from .simulation_records import Scope, StoppedBy


class ComparedPlan(LayoutRecord):
    """One of the plans; the first is what the others are compared with."""

    name: str
    """Its folder's path as given."""
    layout_digest: str
    runs: int
    """Runs that the plan starts in the week or night."""
    jobs_only_here: int
    """Jobs of these runs that the first plan does not have (of the first plan: jobs that another one lacks)."""


class PairedDifference(LayoutRecord):
    """One figure of a plan minus that of the first plan, replication by replication."""

    plan: str
    name: str
    scope: Scope
    id: str = ""
    label: str = ""
    first: float
    """Mean over the replications of the first plan …"""
    other: float
    """… and of this one; a probability where `name` is one."""
    first_half_width_95: float | None = None
    other_half_width_95: float | None = None
    """Half the 95 % intervals of these two (Student's t over the replications); null for one replication."""
    difference: float
    low_95: float | None
    """95 % interval of the mean difference (Student's t over the paired replications); null for one replication."""
    high_95: float | None
    differs: bool
    """The interval leaves out 0."""


class PlanComparison(LayoutRecord):
    """The answer of `kumiai compare`."""

    format_version: str = FORMAT_VERSION
    verdict: str
    week: date
    night: date | None = None
    from_: datetime = Field(alias="from")
    until: datetime
    replications: int
    stopped_by: StoppedBy
    seed: int
    equal: bool
    """No figure differs."""
    plans: tuple[ComparedPlan, ...]
    differences: tuple[PairedDifference, ...]
    """Plan by plan, the overall figures first, then sites, tenants, hosts and jobs."""
