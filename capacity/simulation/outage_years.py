"""A year of failures many times over: availability and time to restore of every system, without simulating a run."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from capacity.records import Floats, Ints
from estate.disturbance_records import HostFailure
from layout.folder import FolderContents

from .availability import Outages, Service, fiscal_year, outages, services
from .disturbances.failover import failover
from .disturbances.fleet import fleet_of
from .disturbances.host_failure import draws_needed, host_stops


@dataclass(frozen=True)
class OutageYears:
    """Years x systems; the systems are those of `services`."""

    services: tuple[Service, ...]
    service_s: Floats
    """Per system: its service seconds in the year."""
    outages: Outages
    stranded: Ints
    """Per year: VMs that found no room and waited for the repair of their host."""
    host_failures: Ints
    """Per year."""

    @property
    def availability(self) -> Floats:
        """Years x systems: share of the service seconds that was served."""
        return self.outages.availability(np.broadcast_to(self.service_s, self.outages.down_s.shape))

    def of_tenants(self) -> dict[str, Floats]:
        """Per tenant and year: the share of the service seconds of all its systems that was served."""
        tenants = np.array([service.tenant for service in self.services])
        found = {}
        for tenant in dict.fromkeys(tenants.tolist()):
            mine = tenants == tenant
            total_s = float(self.service_s[mine].sum())
            lost_s = self.outages.down_s[:, mine].sum(axis=1)
            found[tenant] = np.asarray(1.0 - lost_s / total_s if total_s > 0 else np.ones(len(lost_s)))
        return found

    def restore_h(self) -> Floats:
        """Per system: mean hours until it served again, over all outages of all years; NaN where there was none."""
        count = self.outages.count.sum(axis=0)
        total_s = self.outages.restore_s.sum(axis=0)
        mean_h = np.divide(total_s / 3600.0, count, out=np.full(len(count), np.nan), where=count > 0)
        return np.asarray(mean_h, dtype=np.float64)


def outage_years(
    folder: FolderContents,
    years: int,
    *,
    seed: int = 0,
    record: HostFailure | None = None,
    progress: Callable[[str, float], None] = lambda _text, _share: None,
) -> OutageYears:
    """The fiscal year of the estate `years` times with failing hosts, each host with its own stream of draws.

    `record` replaces the estate's host failures. Without any, nothing fails. The loss of a site is not among them: it
    is a scenario of its own (the standard counts large disasters apart from availability).
    """
    failing = record if record is not None else folder.estate.disturbances.host_failure
    origin, year_s = fiscal_year(folder)
    served = services(folder, origin, 0.0, year_s)
    fleet = fleet_of(folder)
    found: list[Outages] = []
    stranded, stops = np.zeros(years, dtype=np.int64), np.zeros(years, dtype=np.int64)
    nothing = outages(served, ())
    for year in range(years):
        progress("故障の年", year / years)
        if failing is None:
            found.append(nothing)
            continue
        gaps, repairs = host_draws(fleet.host_ids, draws_needed(failing, year_s), seed=seed, replication=year)
        of_year = host_stops(failing, 0.0, year_s, gaps, repairs)
        after = failover(fleet, of_year, host_failure=failing)
        found.append(outages(served, after.relocations) if after.relocations else nothing)
        stranded[year], stops[year] = len(after.stranded), len(of_year)
    return OutageYears(
        services=served,
        service_s=np.array([service.time.total_s for service in served]),
        outages=Outages(
            down_s=np.array([outage.down_s for outage in found]).reshape(years, len(served)),
            count=np.array([outage.count for outage in found], dtype=np.int64).reshape(years, len(served)),
            restore_s=np.array([outage.restore_s for outage in found]).reshape(years, len(served)),
            longest_s=np.array([outage.longest_s for outage in found]).reshape(years, len(served)),
        ),
        stranded=stranded,
        host_failures=stops,
    )


def host_draws(hosts: Sequence[str], draws: int, *, seed: int, replication: int) -> tuple[Floats, Floats]:
    """Uniform gaps and repairs, hosts x draws; a host's stream goes by its name, so that others do not disturb it."""
    table = np.empty((2, len(hosts), draws))
    for row, host in enumerate(hosts):
        key = (zlib.crc32(b"host-failure"), zlib.crc32(host.encode()), replication)
        table[:, row] = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key))).random(
            (2, draws)
        )
    return table[0], table[1]
