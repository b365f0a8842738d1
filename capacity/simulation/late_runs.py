"""The runs that were late in one replication, each with its explanation."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from layout.folder import FolderContents
from layout.simulation_records import LateRun

from .columns import SimulationInput
from .engines import EngineName, engine
from .explanation import TELLABLE_S, Explanation, explain
from .explanation_text import Names, by_size, sentence
from .lateness import labels
from .week import Week

UNDISTURBED = -1


def late_runs(
    folder: FolderContents,
    week: Week,
    system: SimulationInput,
    *,
    replication: int = UNDISTURBED,
    engine_name: EngineName = "fast",
    at_most: int = 50,
) -> tuple[LateRun, ...]:
    """The judged runs of the week that end after their window or deadline, the worst first, at most so many.

    `system` is the week's as it was disturbed in the `replication` (`Trial.disturbed`), or the week's own.
    """
    result = engine(engine_name)(system, record_served=True)
    beyond_s = np.maximum(result.end_s - week.window_end_s, result.end_s - week.deadline_s)
    late = np.flatnonzero(week.judged & (beyond_s > TELLABLE_S))
    rows = late[np.argsort(-beyond_s[late], kind="stable")][:at_most].tolist()
    if not rows:
        return ()
    explained = explain(
        system, result, planned_start_s=week.planned_start_s, planned_end_s=week.planned_end_s, rows=rows
    )
    names = names_of(folder, week)
    return tuple(_record(week, entry, float(result.end_s[entry.run]), names, replication) for entry in explained)


def names_of(folder: FolderContents, week: Week) -> Names:
    """Runs by tenant, system, job and planned day; VMs by id."""
    spoken = labels(folder.estate)

    def run(row: int) -> str:
        key = (week.tenant[row], week.system_id[row], week.job[row])
        begins = week.start + timedelta(seconds=float(week.planned_start_s[row]))
        return f"{spoken.get(key, ' '.join(key))}（{begins.month}月{begins.day}日 {begins:%H:%M} 開始予定）"

    return Names(run=run, vm=lambda row: str(week.system.vms.ids[row]))


def _record(week: Week, explanation: Explanation, end_s: float, names: Names, replication: int) -> LateRun:
    row = explanation.run
    ends = np.isfinite(end_s)
    latest_s = end_s if ends else week.length_s
    return LateRun(
        run=week.system.runs.ids[row],
        label=names.run(row),
        replication=replication,
        planned_end=week.start + timedelta(seconds=float(week.planned_end_s[row])),
        end=week.start + timedelta(seconds=end_s) if ends else None,
        overrun_s=max(0.0, latest_s - float(week.window_end_s[row])),
        lateness_s=max(0.0, latest_s - float(week.deadline_s[row])),
        explanation=sentence(explanation, names),
        waited_s={name: seconds for name, seconds in by_size(explanation.causes) if np.isfinite(seconds)},
    )
