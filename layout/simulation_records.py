"""`simulation/lateness.json`: a week or a night of a plan, many times over, under disturbances."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from .records import FORMAT_VERSION, LayoutRecord

Scope = Literal["all", "site", "host", "tenant", "system", "job"]
StoppedBy = Literal["replications", "half_width", "most_replications", "interrupted"]


class Estimate(LayoutRecord):
    """A quantity over the replications."""

    mean: float
    half_width_95: float | None
    """Half the 95 % interval of the mean (Student's t over the replications' means); null for one replication."""
    p95: float
    """95th percentile over all runs of all replications."""
    p95_low: float | None = None
    """95 % interval of that percentile (Woodruff); null at an end that so few replications leave open."""
    p95_high: float | None = None


class Proportion(LayoutRecord):
    """In how many of the replications something happened."""

    share: float
    low_95: float
    """Wilson's score interval over the replications."""
    high_95: float
    happened: int


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
    missed: Proportion | None = None
    """Replications in which any run of the job ends after its deadline."""
    overran: Proportion | None = None
    """Replications in which any run of the job ends after its window."""
    rerun_room_s: Estimate | None = None
    """End of the window - end: the room that is left to do the run again, if it went wrong at the very end."""
    rerun_fits: Proportion | None = None
    """Replications in which every run of the job leaves room for a rerun as planned, before its window ends."""


class Figure(LayoutRecord):
    """One quantity of each replication, over all replications."""

    name: str
    """E.g. `mean_delay_s`, `deadline_missed`, `cpu_utilisation`; docs/simulation-statistics.md lists them."""
    scope: Scope
    id: str = ""
    """Of the site, host, tenant, system (`tenant/system`) or job (`tenant/system/job`); empty for all."""
    label: str = ""
    mean: float
    low_95: float | None
    """95 % interval of the mean; null for one replication."""
    high_95: float | None
    p95: float
    """95th percentile over the replications."""
    method: Literal["student_t", "wilson"]
    """Student's t over the replications; Wilson's score interval for probabilities."""


class LateRun(LayoutRecord):
    """A run that ended too late in the replication shown, and where its minutes went."""

    run: str
    label: str
    replication: int
    """-1: the plan as it stands, nothing disturbed."""
    planned_end: datetime
    end: datetime | None
    """Null: it never got a window."""
    overrun_s: float
    lateness_s: float
    explanation: str
    """One Japanese sentence."""
    waited_s: dict[str, float] = Field(default_factory=dict)
    """Seconds by cause: predecessor, window, slot, cpu, storage, line, print …"""


class PlanSimulation(LayoutRecord):
    """`simulation/lateness.json`: a week or a night of a plan under disturbances."""

    format_version: str = FORMAT_VERSION
    verdict: str
    layout_digest: str
    week: date
    """Monday of the week; of a night the Monday of its week."""
    replications: int
    """Finished ones, on which all figures rest."""
    seed: int
    runs: int
    """Runs that the plan starts in the week or night."""
    jobs: tuple[JobLateness, ...]
    """By mean overrun, mean lateness, then delay (95th percentile), the worst first."""
    night: date | None = None
    """The day on which the night begins; null: the whole week."""
    from_: datetime | None = Field(default=None, alias="from")
    until: datetime | None = None
    engine: str = "simpy"
    settings: dict[str, str | float | int | bool | None] = Field(default_factory=dict)
    """What was simulated: the fields of the settings that differ from their defaults."""
    stopped_by: StoppedBy = "replications"
    interrupted: bool = False
    """Ctrl-C: fewer replications than were asked for, each of them complete."""
    half_width_s: float | None = None
    """Reached half width of the figure that sequential stopping watched."""
    figures: tuple[Figure, ...] = ()
    late_runs: tuple[LateRun, ...] = ()
    """In one replication each, the worst first."""
