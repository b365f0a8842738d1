"""The records of what goes otherwise than planned: how often, how large, and where the number comes from.

One block per disturbance, each with one basis and source, in the catalogue (`disturbances:`). The estate file may give
a block of its own, which replaces the catalogue's as a whole; `null` switches a disturbance off.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base_records import Id, JobKind, NonNegative, Positive, Record, Sourced

Probability = Annotated[float, Field(ge=0, le=1)]
Minutes = Annotated[float, Field(gt=0, le=43_200)]
"""More than nothing, at most 30 days."""
Wait = Annotated[float, Field(ge=0, le=43_200)]
GrowthRate = Annotated[float, Field(ge=-0.5, le=1)]
"""Change per year: 0.03 is 3 % more every year."""
Parallel = Annotated[int, Field(ge=1, le=1000)]


class Duration(Record):
    """A lognormal duration, by the two points a person can state."""

    median_min: Minutes
    p95_min: Minutes
    """19 of 20 last no longer; not below the median (equal: always the median)."""


class LateStart(Sourced):
    """Runs that wait for a check by the staff and so may be released late."""

    kinds: tuple[JobKind, ...]
    """Jobs of these kinds follow a check."""
    probability: Probability
    """That a run of these kinds is released late at all."""
    delay: Duration


class FailedRun(Sourced):
    """Runs that fail on their way and are done again from the beginning."""

    kinds: tuple[JobKind, ...] = ()
    """Empty: jobs of every kind."""
    probability: Probability
    """Per run."""
    work_from: Probability = 0.0
    """The failure strikes somewhere in this part of the work, evenly: from this share of `cpu_s` on …"""
    work_until: Probability = 1.0
    """… until this one."""
    delay: Duration
    """From the failure until the rerun begins."""


class HostFailure(Sourced):
    """A host that stops: its VMs restart on others, spare hosts first."""

    per_host_year: Annotated[float, Field(ge=0, le=365)]
    """Failures of one host in a year."""
    detection_min: Wait
    """From the failure until the first VM is started elsewhere."""
    restart_min: Minutes
    """From the start of a VM until its system serves."""
    parallel_restarts: Parallel
    """So many VMs of the site are started at once."""
    repair: Duration
    """Until the host is back: so long waits what finds no room elsewhere."""


class SiteLoss(Sourced):
    """A whole site that is lost: its VMs restart at the backup site, by restore priority."""

    per_site_year: Annotated[float, Field(ge=0, le=12)]
    decision_h: Annotated[float, Field(ge=0, le=720)]
    """From the loss until the first VM is started at the backup site: judgement, call-out, checks."""
    restart_min: Minutes
    parallel_restarts: Parallel
    transfer_share: Probability
    """Share of a VM's data volumes that must come over the line to the backup site before it starts."""
    return_days: Annotated[float, Field(gt=0, le=3650)]
    """Until the site is back: so long stays down what finds no room at the backup site."""


class Emergency(Sourced):
    """Online load after a disaster: applications for 罹災証明 and what comes with them."""

    systems: tuple[Id, ...]
    """Systems that carry the load; each VM in proportion to its ordinary online load."""
    profile: Id
    """Online profile that shapes the day. Closed days count as business days: the counters stay open."""
    cores_per_1000_residents: NonNegative
    """Per system, at the peak of the worst day, on top of the ordinary load."""
    by_day: tuple[Probability, ...]
    """Share of that peak, day by day from the disaster on."""


class Printing(Sourced):
    """The printers of the centre, which the jobs of kind `print` share."""

    printers: Annotated[int, Field(ge=1, le=1000)]
    pages_per_hour: Positive
    """Of one printer."""
    pages_per_unit: NonNegative
    """Pages per unit of the job (taxpayers, insured …)."""


class BackupLine(Sourced):
    """The line from each site to the backup site."""

    mib_s: Positive
    backup_share: Probability
    """Share of the storage traffic of jobs of kind `backup` that goes over the line in the same run."""


class Growth(Sourced):
    """How load grows from year to year. Rates multiply: work = residents x work per unit."""

    residents_per_year: GrowthRate
    work_per_year: GrowthRate
    """Work of a run per unit."""
    online_per_year: GrowthRate
    """Online load per resident."""


class ServiceLevel(Sourced):
    """What the operator promises."""

    availability: Probability
    """Least share of the service hours of a year."""
    restore_h: Positive
    """Longest time until a system serves again."""


class Overload(Sourced):
    """From when on a plan does not fit because of its online load."""

    unserved_share: Probability
    """Share of a VM's online load that is not served."""


class Disturbances(Record):
    """Everything that may go otherwise than planned; what is null does not happen.

    Work varies by the `work_cv` of each job.
    """

    late_start: LateStart | None = None
    failed_run: FailedRun | None = None
    host_failure: HostFailure | None = None
    site_loss: SiteLoss | None = None
    emergency: Emergency | None = None
    printing: Printing | None = None
    line: BackupLine | None = None
    growth: Growth | None = None
    service_level: ServiceLevel | None = None
    overload: Overload | None = None

    def overridden_by(self, other: Disturbances) -> Disturbances:
        """These, with the blocks that `other` names (null included) in their place."""
        return self.model_copy(update={name: getattr(other, name) for name in other.model_fields_set})
