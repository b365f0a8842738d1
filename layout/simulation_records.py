"""`simulation/lateness.json`: one week of a plan under disturbed work."""

from __future__ import annotations

from datetime import date

from .records import FORMAT_VERSION, LayoutRecord


class Estimate(LayoutRecord):
    """A quantity over the replications."""

    mean: float
    half_width_95: float | None
    """Half the 95 % interval of the mean (Student's t over the replications' means); null for one replication."""
    p95: float
    """95th percentile over all runs of all replications."""


class JobLateness(LayoutRecord):
    """One job of one tenant in the week; seconds."""

    tenant: str
    system: str
    job: str
    label: str = ""
    """The names of tenant, system and job, as people say them."""
    runs: int
    """Runs of the job that the plan starts in the week."""
    lateness_s: Estimate
    """max(0, end - deadline)."""
    overrun_s: Estimate
    """max(0, end - end of the window the planned run lies in)."""
    delay_s: Estimate
    """end - planned end; negative where the work turned out less."""
    late_share: float
    """Share of the simulated runs that end after their deadline."""
    overrun_share: float
    """Share of the simulated runs that end after their window."""


class WeekSimulation(LayoutRecord):
    """`simulation/lateness.json`: one week of a plan under disturbed work."""

    format_version: str = FORMAT_VERSION
    verdict: str
    layout_digest: str
    week: date
    """Its Monday."""
    replications: int
    seed: int
    runs: int
    """Runs that the plan starts in the week."""
    jobs: tuple[JobLateness, ...]
    """By overrun (95th percentile), then delay, the worst first."""
