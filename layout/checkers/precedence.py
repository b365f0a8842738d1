"""Does every run wait for its predecessors and their lags, and does the table name all that the estate demands?"""

from __future__ import annotations

from typing import Literal

import numpy as np

from .findings import Findings
from .view import DAY, SECOND, Floats, Ints, View


def check(view: View) -> Findings:
    """Violations of precedence as the table states it, and pairs that the estate demands but the table lacks."""
    found = Findings()
    run, before, lag_s, business_h = view.after
    found.add_where(before < 0, lambda i: f"{view.run_id(int(run[i]))}: 先行する実行が runs.parquet にありません")
    found.add_where(
        business_h != 0.0,
        lambda i: f"{view.run_id(int(run[i]))}: 業務時間による待ち（{business_h[i]:g} 時間）はこの版では検査できません",
    )
    found.add_where(lag_s < 0.0, lambda i: f"{view.run_id(int(run[i]))}: 待ち時間が負です（{lag_s[i]:g} 秒）")
    known = before >= 0
    run, before, lag_s = run[known], before[known], lag_s[known]
    ready = view.end[before] + lag_s * SECOND
    found.add_where(
        view.start[run] < ready - 1.01,
        lambda i: (
            f"{view.run_id(int(run[i]))}: 開始 {view.moment(view.start[run[i]])} が、先行 {view.run_id(int(before[i]))}"
            f" の終了＋待ち {view.moment(ready[i])} より前です"
        ),
    )
    _demanded(view, found, run, before, lag_s)
    return found


def _demanded(view: View, found: Findings, run: Ints, before: Ints, lag_s: Floats) -> None:
    """Every pair that the estate demands stands in the table, with its lag at least."""
    wanted, job, release, lag = _demands(view)
    if not len(wanted):
        return
    moments = np.unique(view.release)
    jobs = len(view.folder.estate.jobs) + 1

    def key(row: Ints, predecessor_job: Ints, predecessor_release: Ints) -> Ints:
        return (row * jobs + predecessor_job) * len(moments) + np.searchsorted(moments, predecessor_release)

    stated = key(run, view.job[before] % jobs, view.release[before])
    order = np.lexsort((lag_s, stated))
    stated, longest = stated[order], lag_s[order]
    demanded = key(wanted, job, release)
    # The last of equal keys has the longest lag.
    place = np.searchsorted(stated, demanded, side="right") - 1
    met = np.zeros(len(demanded), dtype=np.bool_)
    there = place >= 0
    met[there] = (stated[place[there]] == demanded[there]) & (longest[place[there]] >= lag[there] - 1e-6)
    records = view.folder.estate.jobs

    def describe(i: int) -> str:
        other = records[job[i]]
        return (
            f"{view.run_id(int(wanted[i]))}: 先行業務 {other.tenant}/{other.system}/{other.job}"
            f"（解放 {view.moment(release[i])}、待ち {lag[i]:g} 秒）との前後関係がありません"
        )

    found.add_where(~met, describe)


def _demands(view: View) -> tuple[Ints, Ints, Ints, Floats]:
    """Pairs by the estate: run, predecessor job, predecessor's release, lag in seconds.

    The predecessor is the run with the latest release not after this run's release and within so many days.
    """
    jobs = view.folder.estate.jobs
    index = {(job.tenant, job.system, job.job): number for number, job in enumerate(jobs)}
    none = np.zeros(0, dtype=np.int64)
    parts: list[tuple[Ints, Ints, Ints, Floats]] = [(none, none, none, np.zeros(0))]
    for number, job in enumerate(jobs):
        rows = view.runs_of_job.get(number, none)
        for predecessor in job.after:
            other = index.get((predecessor.tenant, predecessor.system, predecessor.job), -1)
            releases = view.release[view.runs_of_job.get(other, none)]
            if not len(releases) or not len(rows):
                continue
            # A job that waits for itself waits for an earlier run.
            side: Literal["left", "right"] = "left" if other == number else "right"
            place = np.searchsorted(releases, view.release[rows], side=side) - 1
            due = (place >= 0) & (view.release[rows] - releases[place] <= predecessor.within_days * DAY)
            count = int(due.sum())
            parts.append((rows[due], np.full(count, other), releases[place[due]], np.full(count, predecessor.lag_s)))
    row, job_index, release, lag = (np.concatenate(column) for column in zip(*parts, strict=True))
    return row.astype(np.int64), job_index.astype(np.int64), release.astype(np.int64), lag.astype(np.float64)
