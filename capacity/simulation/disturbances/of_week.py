"""The disturbances of a planned week or night, as its settings and its estate say them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property

import numpy as np

from capacity.records import Bools, Ints
from estate.base_records import JobKind
from estate.clock import JST
from estate.disturbance_records import FailedRun, HostFailure, LateStart, SiteLoss
from estate.findings import maybe
from estate.problems import shown
from layout.errors import FolderError
from layout.folder import FolderContents

from ..columns import SimulationInput, VmChanges
from ..disturbance import Disturbance
from ..records import Relocation
from ..settings import Settings
from ..streams import Draws, generator
from ..week import AFTERMATH_S, Week
from .emergency import emergency_load, with_more_online
from .failover import HostStop, PlannedMove, SiteStop, failover
from .fleet import Fleet, fleet_of
from .host_failure import YEAR_S, draws_needed, host_stops
from .late_start import released_s
from .reruns import failures

DAY_S = 86_400.0


@dataclass(frozen=True)
class LateStarts:
    """Runs that follow a check by the staff are released late now and then."""

    record: LateStart
    follows_check: Bools

    def __call__(self, system: SimulationInput, draws: Draws, replication: int) -> SimulationInput:
        """Other `release_s`."""
        runs = system.runs
        return system.with_runs(
            release_s=released_s(runs.release_s, self.follows_check, self.record, draws.late_start, draws.late_delay)
        )


@dataclass(frozen=True)
class FailedRuns:
    """Runs fail on their way now and then, and are done again."""

    record: FailedRun
    may_fail: Bools

    def __call__(self, system: SimulationInput, draws: Draws, replication: int) -> SimulationInput:
        """Other `failed_cpu_s` and `rerun_delay_s`."""
        found = failures(
            system.runs.cpu_s, self.may_fail, self.record, draws.failure, draws.failure_point, draws.rerun_delay
        )
        return system.with_runs(failed_cpu_s=found.failed_cpu_s, rerun_delay_s=found.rerun_delay_s)


@dataclass(frozen=True)
class Emergency:
    """The online load after a disaster: the same in every replication."""

    loaded: SimulationInput
    """The planned system with this load: only its VMs' load differs."""

    def __call__(self, system: SimulationInput, draws: Draws, replication: int) -> SimulationInput:
        """Other online classes."""
        return replace(system, vms=self.loaded.vms, online=self.loaded.online)


@dataclass(frozen=True)
class Stops:
    """Hosts and sites that stop: those that are said to (`given`), and others at random."""

    fleet: Fleet
    given: tuple[HostStop | SiteStop, ...]
    random_hosts: bool
    random_sites: bool
    host_failure: HostFailure | None
    site_loss: SiteLoss | None
    line_mib_s: float | None
    seed: int
    day: date
    until_s: float

    def __call__(self, system: SimulationInput, draws: Draws, replication: int) -> SimulationInput:
        """Relocations; the system itself where nothing stops."""
        stops = [*self.given, *self._hosts(replication), *self._sites(replication)]
        if not stops:
            return system
        found = failover(
            self.fleet,
            stops,
            planned=_planned_moves(system),
            host_failure=self.host_failure,
            site_loss=self.site_loss,
            line_mib_s=self.line_mib_s,
        )
        return replace(system, changes=with_relocations(system.changes, found.relocations))

    def _hosts(self, replication: int) -> tuple[HostStop, ...]:
        record = self.host_failure
        if not self.random_hosts or record is None or record.per_host_year == 0:
            return ()
        shape = (2, self._draws)
        draws = [
            generator(self.seed, "host", host, self.day, replication).random(shape) for host in self.fleet.host_ids
        ]
        table = np.array(draws).reshape(len(draws), *shape)
        return host_stops(record, 0.0, self.until_s, table[:, 0], table[:, 1])

    @cached_property
    def _draws(self) -> int:
        return 0 if self.host_failure is None else draws_needed(self.host_failure, self.until_s)

    def _sites(self, replication: int) -> tuple[SiteStop, ...]:
        record = self.site_loss
        if not self.random_sites or record is None or record.per_site_year == 0:
            return ()
        found = []
        for site in dict.fromkeys(self.fleet.host_site):
            if site in self.fleet.backup_sites:
                continue
            draw = generator(self.seed, "site", site, self.day, replication).random()
            at_s = -np.log1p(-draw) * YEAR_S / record.per_site_year
            if at_s < self.until_s:
                found.append(SiteStop(site, float(at_s), float(at_s) + DAY_S * record.return_days))
        return tuple(found)


def disturbances_of(folder: FolderContents, week: Week, settings: Settings) -> tuple[Disturbance, ...]:
    """What the settings switch on and the estate gives a size to, work (`vary_work`) apart.

    Raises FolderError for a host or site that the plan does not have, a moment outside the simulated time, and an
    event that is asked for by name although the estate gives it no size.
    """
    found: list[Disturbance] = []
    sizes = folder.estate.disturbances
    late = sizes.late_start
    if settings.late_start and late is not None:
        chance = _given(settings.late_start_probability, late.probability)
        found.append(LateStarts(late.model_copy(update={"probability": chance}), _of_kinds(week, late.kinds)))
    failed = sizes.failed_run
    if settings.failed_run and failed is not None:
        chance = _given(settings.failed_run_probability, failed.probability)
        plain = np.diff(week.system.runs.demand_ptr) == 0
        may_fail = _of_kinds(week, failed.kinds) & plain
        found.append(FailedRuns(failed.model_copy(update={"probability": chance}), may_fail))
    if settings.emergency or settings.emergency_from is not None:
        found.append(_emergency(folder, week, settings))
    stops = _stops(folder, week, settings)
    if stops.given or stops.random_hosts or stops.random_sites:
        found.append(stops)
    return tuple(found)


def with_relocations(changes: VmChanges, relocations: Sequence[Relocation]) -> VmChanges:
    """The changes with these relocations in place of the ones they have."""
    moves = sorted(relocations, key=lambda move: move.at_s)
    return replace(
        changes,
        move_vm=np.array([move.vm for move in moves], dtype=np.int64),
        move_at_s=np.array([move.at_s for move in moves], dtype=np.float64),
        move_until_s=np.array([move.until_s for move in moves], dtype=np.float64),
        move_to_host=np.array([move.to_host for move in moves], dtype=np.int64),
        move_keeps_work=np.array([move.keeps_work for move in moves], dtype=np.bool_),
    )


def _given(stated: float | None, otherwise: float) -> float:
    return otherwise if stated is None else stated


def _of_kinds(week: Week, kinds: Sequence[JobKind]) -> Bools:
    """Runs of jobs of these kinds; all where none is named."""
    wanted = frozenset(kinds)
    return np.array([not wanted or kind in wanted for kind in week.kind], dtype=np.bool_)


def _planned_moves(system: SimulationInput) -> list[PlannedMove]:
    changes = system.changes
    live: Ints = np.flatnonzero(changes.move_keeps_work)
    return [
        PlannedMove(int(changes.move_vm[row]), float(changes.move_at_s[row]), int(changes.move_to_host[row]))
        for row in live
    ]


def _emergency(folder: FolderContents, week: Week, settings: Settings) -> Disturbance:
    record = folder.estate.disturbances.emergency
    if record is None:
        raise FolderError("この計画の構成ファイルには災害後の負荷（disturbances.emergency）の大きさがありません")
    if settings.emergency_cores_per_1000 is not None:
        record = record.model_copy(update={"cores_per_1000_residents": settings.emergency_cores_per_1000})
    first = settings.emergency_from
    disaster = week.start if first is None else datetime(first.year, first.month, first.day, tzinfo=JST)
    loads = emergency_load(record, folder.estate, folder.layout, monday=week.start, disaster=disaster)
    until_s = week.length_s + AFTERMATH_S
    seen = [load for load in loads if load.from_s < until_s and load.until_s > 0]
    return Emergency(with_more_online(week.system, seen))


def _stops(folder: FolderContents, week: Week, settings: Settings) -> Stops:
    sizes = folder.estate.disturbances
    host_failure, site_loss = sizes.host_failure, sizes.site_loss
    if host_failure is not None and settings.host_failures_per_year is not None:
        host_failure = host_failure.model_copy(update={"per_host_year": settings.host_failures_per_year})
    if site_loss is not None and settings.site_losses_per_year is not None:
        site_loss = site_loss.model_copy(update={"per_site_year": settings.site_losses_per_year})
    line = sizes.line
    return Stops(
        fleet=replace(fleet_of(folder), vm_host=week.system.vms.host),
        given=(*_given_host(folder, week, settings, host_failure), *_given_site(folder, week, settings, site_loss)),
        random_hosts=settings.host_failure and host_failure is not None,
        random_sites=settings.site_loss and site_loss is not None,
        host_failure=host_failure,
        site_loss=site_loss,
        line_mib_s=None if line is None else _given(settings.line_mib_s, line.mib_s),
        seed=settings.seed,
        day=week.start.date(),
        until_s=week.length_s + AFTERMATH_S,
    )


def _given_host(
    folder: FolderContents, week: Week, settings: Settings, record: HostFailure | None
) -> tuple[HostStop, ...]:
    name = settings.failed_host
    if name is None:
        return ()
    host = next((row for row, host in enumerate(folder.layout.hosts) if host.id == name), None)
    if host is None:
        known = maybe(name, (host.id for host in folder.layout.hosts))
        raise FolderError(f"failed_host: ホスト{shown(name)}は layout.json にありません{known}")
    if record is None:
        raise FolderError("この計画の構成ファイルにはホストの故障（disturbances.host_failure）の大きさがありません")
    at_s = _moment_s(folder, week, settings.failed_host_at, folder.layout.hosts[host].site, "failed_host_at")
    return (HostStop(host, at_s, at_s + 60.0 * record.repair.median_min),)


def _given_site(
    folder: FolderContents, week: Week, settings: Settings, record: SiteLoss | None
) -> tuple[SiteStop, ...]:
    name = settings.lost_site
    if name is None:
        return ()
    sites = {host.site for host in folder.layout.hosts}
    if name not in sites:
        raise FolderError(f"lost_site: 拠点{shown(name)}のホストは layout.json にありません{maybe(name, sites)}")
    if record is None:
        raise FolderError("この計画の構成ファイルには拠点の喪失（disturbances.site_loss）の大きさがありません")
    at_s = _moment_s(folder, week, settings.lost_site_at, name, "lost_site_at")
    return (SiteStop(name, at_s, at_s + DAY_S * record.return_days),)


def _moment_s(folder: FolderContents, week: Week, moment: datetime | None, site: str, field: str) -> float:
    """Seconds since the beginning: the moment, or the site's planned peak where it lies within, or 0."""
    if moment is not None:
        at_s = (moment - week.start).total_seconds()
        if not 0 <= at_s < week.length_s + AFTERMATH_S:
            begins, ends = week.start, week.start + timedelta(seconds=week.length_s)
            about = f"模擬する期間（{begins.isoformat()} から {ends.isoformat()}）"
            raise FolderError(f"{field}: {moment.isoformat()} は{about}の外です")
        return at_s
    peaks = [(peak.after_at - week.start).total_seconds() for peak in folder.run.peaks if peak.site == site]
    return next((at_s for at_s in peaks if 0 <= at_s < week.length_s), 0.0)
