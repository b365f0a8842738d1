"""Does every run lie in a window that its job really has, on the grid, with its length right?"""

from __future__ import annotations

import json

import numpy as np

from estate.base_records import Window

from . import calendar
from .calendar import Windows
from .findings import Findings
from .view import DAY, JST, MINUTE, SECOND, Ints, View


def check(view: View) -> Findings:
    """Violations of: the window's limits, the grid of start times, the length, and the window's existence."""
    found = Findings()
    found.add_where(view.out_of_range, lambda i: f"{view.run_id(i)}: 計画期間から大きく外れた時刻があります")
    found.add_where(
        view.start < 0, lambda i: f"{view.run_id(i)}: 開始 {view.moment(view.start[i])} が計画期間より前です"
    )
    found.add_where(
        (view.start < view.window_start) | (view.end > view.window_end),
        lambda i: (
            f"{view.run_id(i)}: 実行 {view.moment(view.start[i])}〜{view.moment(view.end[i])} が"
            f"バッチ枠 {view.moment(view.window_start[i])}〜{view.moment(view.window_end[i])} に収まりません"
        ),
    )
    grid = view.folder.estate.policy.slot_minutes * MINUTE
    found.add_where(
        view.start % grid != 0,
        lambda i: f"{view.run_id(i)}: 開始 {view.moment(view.start[i])} が {grid // MINUTE} 分刻みではありません",
    )
    length = (view.fixed_s + view.cpu_length_s) * SECOND
    found.add_where(
        np.abs(view.end - view.start - length) > 1.01,
        lambda i: (
            f"{view.run_id(i)}: 終了 {view.moment(view.end[i])} が開始＋fixed_s＋cpu_s/max_cores"
            f"（{length[i] / SECOND:.6f} 秒後）と違います"
        ),
    )
    _existence(view, found)
    return found


def _existence(view: View, found: Findings) -> None:
    """The window, and its distance from the run's first one, from the estate's own record."""
    estate = view.folder.estate
    if not len(view):
        return
    first = int(min(view.release.min(), view.window_start.min()) // DAY) - 2
    last = int(max(view.deadline.max(), view.window_end.max()) // DAY) + 2
    zero = estate.start.astimezone(JST)
    midnight = (zero.hour * 3600 + zero.minute * 60 + zero.second) * SECOND
    kinds: dict[str, int] = {}
    records: list[Window] = []
    kind_of_job = np.full(len(estate.jobs), -1, dtype=np.int64)
    for index, job in enumerate(estate.jobs):
        key = json.dumps(job.window.model_dump(mode="json"), sort_keys=True)
        if key not in kinds:
            kinds[key] = len(records)
            records.append(job.window)
        kind_of_job[index] = kinds[key]
    known = np.flatnonzero(view.job >= 0)
    kind = kind_of_job[view.job[known]]
    for number, record in enumerate(records):
        exists = calendar.windows(record, zero.date(), range(first, last + 1), -midnight)
        _existence_of(view, found, known[kind == number], exists)


def _existence_of(view: View, found: Findings, rows: Ints, exists: Windows) -> None:
    """For runs of jobs with one window record: their window and their release exist, so many nights apart."""
    real = np.isin(_pair(view.window_start[rows], view.window_end[rows]), _pair(exists.start, exists.end))
    found.add_where(
        ~real,
        lambda i: (
            f"{view.run_id(int(rows[i]))}: バッチ枠 {view.moment(view.window_start[rows[i]])}〜"
            f"{view.moment(view.window_end[rows[i]])} は、この業務の枠の定義にありません"
        ),
    )
    released = np.isin(view.release[rows], exists.start)
    found.add_where(
        ~released,
        lambda i: f"{view.run_id(int(rows[i]))}: 解放 {view.moment(view.release[rows[i]])} が枠の始まりではありません",
    )
    rows = rows[real & released]
    nights = np.array([job.nights for job in view.folder.estate.jobs], dtype=np.int64)[view.job[rows]]
    first = exists.number[np.searchsorted(exists.start, view.release[rows])]
    distance = exists.number[np.searchsorted(exists.start, view.window_start[rows])] - first
    found.add_where(
        (distance < 0) | (distance >= nights),
        lambda i: (
            f"{view.run_id(int(rows[i]))}: バッチ枠 {view.moment(view.window_start[rows[i]])} は解放から"
            f" {distance[i] + 1} 番目で、許された {nights[i]} 夜の外です"
        ),
    )
    ends = np.zeros(int(exists.number.max(initial=0)) + 1, dtype=np.int64)
    np.maximum.at(ends, exists.number, exists.end)
    last = ends[np.minimum(first + nights - 1, len(ends) - 1)]
    found.add_where(
        view.deadline[rows] > last,
        lambda i: (
            f"{view.run_id(int(rows[i]))}: 期限 {view.moment(view.deadline[rows[i]])} が最後に使える枠の終わり"
            f" {view.moment(last[i])} より後です"
        ),
    )


def _pair(start: Ints, end: Ints) -> Ints:
    """One number per (start, length), exact for spans of whole seconds; others get a number no window has."""
    length = end - start
    whole = (start % SECOND == 0) & (length % SECOND == 0) & (length >= 0) & (length < 4 * DAY)
    return np.where(whole, (start // SECOND) * (4 * 86_400) + length // SECOND, np.iinfo(np.int64).min)
