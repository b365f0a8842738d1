"""The one entry: a week or night of a plan folder under the settings' circumstances, as often as they ask for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from capacity.records import Floats
from layout.errors import FolderError
from layout.folder import FolderContents, PlanFolder
from layout.results import write_result
from layout.simulation_records import Figure, PlanSimulation, StoppedBy

from .disturbance import Disturbance, VaryingWork
from .disturbances import of_week
from .estimates import counted, half_width
from .late_runs import late_runs
from .lateness import labels, lateness_by_job, verdict
from .measures import Lateness, Measure, Quantity, Utilisation
from .night import busiest_night, read_night
from .replications import Replicated, Trial, replicate
from .settings import Settings
from .shared_resources import WINDOWS_AFTER_DAYS
from .stopping import StoppingRule
from .week import Week, monday_of, read_week, tightest_monday

RESULT_NAME = "simulation/lateness.json"
DAY_S = 86_400.0
MOST_NUMBERS = 500_000_000
"""Ends of runs that are kept at once: 4 GB."""


class NothingFinishedError(Exception):
    """The simulation was stopped before its first replication was complete."""


def simulate_plan(
    folder: PlanFolder,
    settings: Settings | None = None,
    *,
    progress: Callable[[str, float], None] = lambda _text, _share: None,
    workers: int = 2,
    stop: Callable[[], bool] = lambda: False,
) -> PlanSimulation:
    """How late each job of the week or night is, how full hosts are, what is missed, each with its interval.

    Nothing is written (`write` does). The result depends on folder and settings only, not on `workers`. `stop` is asked
    now and then: when it says so, the replications that are complete become the result, marked `interrupted`. Raises
    FolderError for a week or night that cannot be simulated, NothingFinishedError when `stop` came too early.
    """
    chosen = settings or Settings()
    finished = replicated(folder, chosen, progress=progress, workers=workers, stop=stop)
    week, trial, done = finished.week, finished.trial, finished.done
    ends = finished.ends
    jobs = lateness_by_job(week, ends, labels(folder.estate))
    interrupted = finished.stopped_by == "interrupted"
    # The replication with the worst overrun is the one that is explained.
    worst = int(np.argmax((ends - week.window_end_s[trial.rows]).max(axis=1, initial=0.0)))
    late = late_runs(folder, week, trial.disturbed(worst), replication=worst, engine_name=chosen.engine)
    watched = trial.quantities.index(Quantity(chosen.until_figure))
    return PlanSimulation(
        verdict=verdict(week, ends, jobs, interrupted=interrupted),
        layout_digest=folder.layout_digest,
        week=week.monday,
        night=week.night,
        from_=week.start,
        until=week.start + timedelta(seconds=week.length_s),
        engine=chosen.engine,
        settings=stated(chosen),
        replications=len(done),
        stopped_by=finished.stopped_by,
        interrupted=interrupted,
        half_width_s=half_width(done.values[:, watched]),
        seed=chosen.seed,
        runs=int(week.judged.sum()),
        jobs=jobs,
        figures=figures(trial.quantities, done.values, names_of(folder)),
        late_runs=late,
    )


@dataclass(frozen=True)
class Finished:
    """The replications of a plan that are complete, and why there are no more."""

    week: Week
    trial: Trial
    done: Replicated
    stopped_by: StoppedBy

    @property
    def ends(self) -> Floats:
        """Ends of the judged runs (replication x run); what never ends, ends at the horizon."""
        return np.minimum(self.done.ends, horizon_of(self.week))


def replicated(
    folder: FolderContents,
    settings: Settings,
    *,
    progress: Callable[[str, float], None] = lambda _text, _share: None,
    workers: int = 2,
    stop: Callable[[], bool] = lambda: False,
) -> Finished:
    """The replications that the settings ask for, as `simulate_plan` says."""
    week = read(folder, settings)
    trial = trial_of(folder, week, settings)
    rule = StoppingRule.of(settings)
    if rule.most * max(1, len(trial.rows)) > MOST_NUMBERS:
        raise FolderError(
            f"反復 {rule.most:,} 回 × {len(trial.rows):,} 件は多すぎます（合わせて {MOST_NUMBERS:,} まで）。"
            "反復回数を減らすか、--night で夜を選んでください"
        )
    watched = trial.quantities.index(Quantity(settings.until_figure))
    parts: list[Replicated] = []
    finished = 0
    stopped_by: StoppedBy | None = None
    portions = replicate(trial, rule.most, workers)
    try:
        for portion in portions:
            parts.append(portion)
            finished += len(portion)
            progress("模擬", finished / rule.most)
            seen = np.concatenate([part.values[:, watched] for part in parts])
            reached = _stops_at(rule, seen, finished - len(portion))
            if reached is not None:
                finished, stopped_by = reached, rule.verdict(seen[:reached])
                break
            if stop():
                stopped_by = "interrupted"
                break
    finally:
        portions.close()
    if not finished or stopped_by is None:
        raise NothingFinishedError
    done = Replicated.joined(parts)
    return Finished(week, trial, Replicated(done.ends[:finished], done.values[:finished]), stopped_by)


def write(folder: PlanFolder, result: PlanSimulation) -> None:
    """Put the result into the plan folder as `simulation/lateness.json`. Raises FolderError."""
    write_result(folder, RESULT_NAME, (result.model_dump_json(indent=1) + "\n").encode())


def read(folder: FolderContents, settings: Settings) -> Week:
    """The week or night that the settings name. Raises FolderError."""
    if settings.night is not None:
        day = busiest_night(folder) if settings.night == "busiest" else settings.night
        return read_night(folder, day, settings)
    monday = tightest_monday(folder) if settings.week == "tightest" else monday_of(settings.week)
    return read_week(folder, monday, settings)


def trial_of(folder: FolderContents, week: Week, settings: Settings) -> Trial:
    """What is replicated: the week's system, the disturbances that are on, and what is measured."""
    return Trial(
        system=week.system,
        keys=week.keys,
        seed=settings.seed,
        engine=settings.engine,
        disturbances=disturbances_of(folder, week, settings),
        measures=measures_of(folder, week),
        rows=np.flatnonzero(week.judged),
    )


def disturbances_of(folder: FolderContents, week: Week, settings: Settings) -> tuple[Disturbance, ...]:
    """The disturbances that are on, in the order in which they change the system. Raises FolderError."""
    found: list[Disturbance] = []
    if settings.vary_work and settings.work_cv_factor > 0:
        found.append(VaryingWork(settings.work_cv_factor * week.work_cv))
    return (*found, *of_week.disturbances_of(folder, week, settings))


def measures_of(folder: FolderContents, week: Week) -> tuple[Measure, ...]:
    """What is read off every replication."""
    site_of_host = [host.site for host in folder.layout.hosts]
    site_of_vm = [vm.site for vm in folder.layout.vms]
    site_of_run = [site_of_vm[row] for row in week.system.runs.vm.tolist()]
    return (Lateness(week, site_of_run, horizon_of(week)), Utilisation(week, site_of_host, site_of_vm))


def horizon_of(week: Week) -> float:
    """Seconds after which a run counts as never ended: by then every window that it could wait for has closed."""
    return week.length_s + (WINDOWS_AFTER_DAYS + 1) * DAY_S


def figures(
    quantities: tuple[Quantity, ...], values: Floats, names: dict[tuple[str, str], str] | None = None
) -> tuple[Figure, ...]:
    """Every quantity over the replications (replication x quantity), with its 95 % interval."""
    spoken = names or {}
    found = []
    for quantity, column in zip(quantities, values.T, strict=True):
        mean = float(column.mean())
        low: float | None
        high: float | None
        if quantity.kind == "chance":
            share = counted(int((column > 0.5).sum()), len(column))
            mean, low, high = share.share, share.low_95, share.high_95
        else:
            half = half_width(column)
            low, high = (None, None) if half is None else (mean - half, mean + half)
        found.append(
            Figure(
                name=quantity.name,
                scope=quantity.scope,
                id=quantity.id,
                label=spoken.get((quantity.scope, quantity.id), quantity.id),
                mean=mean,
                low_95=low,
                high_95=high,
                p95=float(np.percentile(column, 95)),
                method="wilson" if quantity.kind == "chance" else "student_t",
            )
        )
    return tuple(found)


def stated(settings: Settings) -> dict[str, str | float | int | bool | None]:
    """The fields that differ from their defaults, as JSON writes them."""
    fields: dict[str, str | float | int | bool | None] = json.loads(settings.model_dump_json(exclude_defaults=True))
    return fields


def _stops_at(rule: StoppingRule, watched: Floats, already: int) -> int | None:
    """The first number of replications beyond `already` at which the rule stops."""
    return next((n for n in range(already + 1, len(watched) + 1) if rule.verdict(watched[:n]) is not None), None)


def names_of(folder: FolderContents) -> dict[tuple[str, str], str]:
    """What sites, tenants and systems are called, by scope and id."""
    sites = {("site", site.id): site.name or site.id for site in folder.estate.sites}
    tenants = {("tenant", tenant.id): tenant.name for tenant in folder.estate.tenants}
    systems = {("system", f"{system.tenant}/{system.id}"): system.name for system in folder.estate.systems}
    return {**sites, **tenants, **systems}
