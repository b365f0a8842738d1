"""Plans side by side under the same random numbers: paired differences, each with its interval.

A run has the same numbers in every plan that has it (streams by key), so chance that is common to the plans cancels
out, and far fewer replications tell two plans apart than with independent ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np

from capacity.records import Floats
from layout.errors import FolderError
from layout.folder import PlanFolder
from layout.plan_comparison_records import ComparedPlan, PairedDifference, PlanComparison
from layout.simulation_records import Scope, StoppedBy
from layout.wareki import wareki

from .estimates import half_width
from .lateness import JobKey, labels
from .measures import TELLABLE_S, beyond
from .night import busiest_night
from .settings import Settings
from .study import Finished, NothingFinishedError, names_of, replicated
from .week import Week, monday_of, tightest_monday

_ORDER: tuple[Scope, ...] = ("all", "site", "tenant", "host", "system", "job")
_LEAST = {"online_unserved": 1e-6, "cpu_utilisation": 1e-6}
"""Differences of shares below this are rounding; of seconds, below a millisecond."""

Key = tuple[str, Scope, str]
Table = dict[Key, Floats]
EndsByRun = dict[str, tuple[JobKey, Floats]]
"""Name, scope and id of a figure."""


def compare_plans(
    folders: Sequence[PlanFolder],
    names: Sequence[str],
    settings: Settings,
    *,
    progress: Callable[[str, float], None] = lambda _text, _share: None,
    workers: int = 2,
    stop: Callable[[], bool] = lambda: False,
) -> PlanComparison:
    """The same week or night of every plan, and how the later ones differ from the first.

    Every plan has as many replications as the one that finished fewest. Raises FolderError for plans whose tightest
    weeks (or busiest nights) are not the same one, unless a date is given, and for a plan without runs in it;
    ValueError for fewer than two plans; NothingFinishedError when `stop` came before a replication was complete.
    """
    if len(folders) < 2 or len(folders) != len(names):
        raise ValueError(f"expected two or more plans with a name each, got {len(folders)} and {len(names)}")
    dated = _dated(folders, names, settings)
    done: list[Finished] = []
    for number, folder in enumerate(folders):
        done.append(
            replicated(folder, dated, progress=_part_of(progress, number, len(folders)), workers=workers, stop=stop)
        )
    count = min(len(one.done) for one in done)
    if count == 0:
        raise NothingFinishedError
    tables = [_table(one, count) for one in done]
    ends = [_ends_by_run(one, count) for one in done]
    spoken = {**names_of(folders[0]), **{("job", "/".join(key)): text for key, text in _job_labels(folders).items()}}
    differences = tuple(
        difference
        for name, table, its_ends in zip(names[1:], tables[1:], ends[1:], strict=True)
        for difference in _differences(name, *_with_mean_ends(tables[0], table, ends[0], its_ends), spoken)
    )
    week = done[0].week
    stopped: StoppedBy = "interrupted" if any(one.stopped_by == "interrupted" for one in done) else done[0].stopped_by
    equal = not any(difference.differs for difference in differences)
    jobs = [_jobs(one) for one in done]
    shared = jobs[0].intersection(*jobs[1:])
    return PlanComparison(
        verdict=_verdict(week, count, differences),
        week=week.monday,
        night=week.night,
        from_=week.start,
        until=week.start + timedelta(seconds=week.length_s),
        replications=count,
        stopped_by=stopped,
        seed=settings.seed,
        equal=equal,
        plans=tuple(
            ComparedPlan(
                name=name,
                layout_digest=folder.layout_digest,
                runs=int(one.week.judged.sum()),
                jobs_only_here=len(own - shared if number == 0 else own - jobs[0]),
            )
            for number, (name, folder, one, own) in enumerate(zip(names, folders, done, jobs, strict=True))
        ),
        differences=differences,
    )


def _dated(folders: Sequence[PlanFolder], names: Sequence[str], settings: Settings) -> Settings:
    """The settings with the date of the week or night in them. Raises FolderError where plans disagree on it."""
    if settings.night is not None:
        if settings.night != "busiest":
            return settings
        found = [busiest_night(folder) for folder in folders]
        field, what, option = "night", "最も混む夜", "--night 日付"
    elif settings.week == "tightest":
        found = [tightest_monday(folder) for folder in folders]
        field, what, option = "week", "最も厳しい週", "--week 日付"
    else:
        return settings.model_copy(update={"week": monday_of(settings.week)})
    if len(set(found)) > 1:
        listed = "、".join(f"{name} は {day.isoformat()}" for name, day in zip(names, found, strict=True))
        raise FolderError(f"{what}が計画によって違います（{listed}）。同じ期間を {option} で指定してください")
    return settings.model_copy(update={field: found[0]})


def _part_of(progress: Callable[[str, float], None], number: int, count: int) -> Callable[[str, float], None]:
    return lambda text, share: progress(f"{text} {number + 1}/{count}", (number + share) / count)


def _table(finished: Finished, count: int) -> Table:
    """All figures of a plan, and of each job how late its runs end (seconds, the worst of the runs)."""
    quantities, values = finished.trial.quantities, finished.done.values[:count]
    columns: Table = {
        (quantity.name, quantity.scope, quantity.id): column
        for quantity, column in zip(quantities, values.T, strict=True)
    }
    week, ends = finished.week, finished.ends[:count]
    rows_of: dict[JobKey, list[int]] = {}
    judged = np.flatnonzero(week.judged)
    for column_of_run, row in enumerate(judged.tolist()):
        rows_of.setdefault((week.tenant[row], week.system_id[row], week.job[row]), []).append(column_of_run)
    for key, of_job in rows_of.items():
        rows, end_s, name = judged[of_job], ends[:, of_job], "/".join(key)
        columns["worst_overrun_s", "job", name] = np.max(beyond(end_s, week.window_end_s[rows]), axis=1)
        columns["worst_lateness_s", "job", name] = np.max(beyond(end_s, week.deadline_s[rows]), axis=1)
    return columns


def _ends_by_run(finished: Finished, count: int) -> EndsByRun:
    """Per judged run, by its id: its job, and its end in each replication (seconds)."""
    week, ends = finished.week, finished.ends[:count]
    return {
        week.system.runs.ids[row]: ((week.tenant[row], week.system_id[row], week.job[row]), ends[:, column])
        for column, row in enumerate(np.flatnonzero(week.judged).tolist())
    }


def _with_mean_ends(first: Table, other: Table, first_ends: EndsByRun, other_ends: EndsByRun) -> tuple[Table, Table]:
    """Both tables with each job's mean end over the runs that both plans have: like is set against like."""
    by_job: dict[JobKey, list[str]] = {}
    for run, (job, _) in first_ends.items():
        if run in other_ends:
            by_job.setdefault(job, []).append(run)
    keys: dict[JobKey, Key] = {job: ("end_s", "job", "/".join(job)) for job in by_job}
    return (
        {**first, **{keys[job]: np.mean([first_ends[run][1] for run in runs], axis=0) for job, runs in by_job.items()}},
        {**other, **{keys[job]: np.mean([other_ends[run][1] for run in runs], axis=0) for job, runs in by_job.items()}},
    )


def _differences(plan: str, first: Table, other: Table, spoken: dict[tuple[str, str], str]) -> list[PairedDifference]:
    common = [key for key in first if key in other]
    common.sort(key=lambda key: _ORDER.index(key[1]))
    found = []
    for name, scope, id_ in common:
        one, two = first[name, scope, id_], other[name, scope, id_]
        pairs = two - one
        mean, half = float(pairs.mean()), half_width(pairs)
        least = _LEAST.get(name, TELLABLE_S)
        found.append(
            PairedDifference(
                plan=plan,
                name=name,
                scope=scope,
                id=id_,
                label=spoken.get((scope, id_), id_),
                first=float(one.mean()),
                other=float(two.mean()),
                first_half_width_95=half_width(one),
                other_half_width_95=half_width(two),
                difference=mean,
                low_95=None if half is None else mean - half,
                high_95=None if half is None else mean + half,
                differs=abs(mean) > max(least, half or 0.0),
            )
        )
    return found


def _jobs(finished: Finished) -> set[JobKey]:
    week = finished.week
    return {(week.tenant[row], week.system_id[row], week.job[row]) for row in np.flatnonzero(week.judged).tolist()}


def _job_labels(folders: Sequence[PlanFolder]) -> dict[JobKey, str]:
    return {key: text for folder in reversed(folders) for key, text in labels(folder.estate).items()}


def _verdict(week: Week, count: int, differences: Sequence[PairedDifference]) -> str:
    span = f"{wareki(week.monday)}からの週" if week.night is None else f"{wareki(week.night)}の夜"
    about = f"{span}を同じ乱数で {count:,} 回ずつ模擬し"
    differing = [difference for difference in differences if difference.differs]
    if not differing:
        return f"判定：差なし — {about}、どの数値にも差がありません"
    return f"判定：差あり — {about}、{len(differences):,} 個の数値のうち {len(differing):,} 個に差があります"
