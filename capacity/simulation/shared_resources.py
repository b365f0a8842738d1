"""What a week's runs share beside hosts: windows in which they may start, lines to the backup site, printers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from capacity.calendar import Calendar
from capacity.records import Floats
from estate.base_records import Window
from estate.resolved import ResolvedJob
from layout.folder import FolderContents

from .records import Line, SlotPool, WindowCalendar
from .settings import Settings

WINDOWS_AFTER_DAYS = 62
"""Windows that a late run may still wait for; longer closures than New Year's do not exist."""
_SAME_S = 1e-3

Spans = list[tuple[float, float]]


def windows_of_runs(
    folder: FolderContents, jobs: Sequence[ResolvedJob | None], seconds: dict[str, Floats], start: datetime
) -> tuple[list[int | None], tuple[WindowCalendar, ...]]:
    """For each run the calendar in which it may take its slot, and the calendars.

    A run that is late may start in any later window of its job, not only in the one that the plan chose. A run that the
    plan itself starts outside its window, or whose job the estate does not know, waits for none.
    """
    calendar = Calendar(folder.estate.start, folder.estate.end)
    first = (start + timedelta(seconds=float(seconds["start"].min()))).date() - timedelta(days=2)
    until = start.date() + timedelta(days=WINDOWS_AFTER_DAYS)
    offset_s = (start - calendar.start).total_seconds()
    spans_of: dict[Window, Spans] = {}
    calendars: list[WindowCalendar] = []
    numbers: dict[tuple[Window, tuple[float, float] | None], int] = {}
    of_runs: list[int | None] = []
    for row, job in enumerate(jobs):
        own = (float(seconds["window_start"][row]), float(seconds["window_end"][row]))
        if job is None or not own[0] - _SAME_S <= seconds["start"][row] < own[1]:
            of_runs.append(None)
            continue
        if job.window not in spans_of:
            found = calendar.window_spans(job.window, first, until)
            spans_of[job.window] = [
                (opens - offset_s, closes - offset_s)
                for opens, closes in zip(found.start_s.tolist(), found.end_s.tolist(), strict=True)
            ]
        key = (job.window, None if _among(spans_of[job.window], own) else own)
        if key not in numbers:
            numbers[key] = len(calendars)
            windows = _joined([*spans_of[job.window], *([] if key[1] is None else [own])])
            calendars.append(WindowCalendar(f"calendar-{len(calendars) + 1}", tuple(windows)))
        of_runs.append(numbers[key])
    return of_runs, tuple(calendars)


def lines_of(folder: FolderContents, settings: Settings) -> tuple[tuple[Line, ...], dict[str, int]]:
    """A line from every site to the backup site, and the line of each host that uses one."""
    line = folder.estate.disturbances.line
    if line is None or not settings.line or all(site.role != "backup" for site in folder.estate.sites):
        return (), {}
    far = [site.id for site in folder.estate.sites if site.role != "backup"]
    lines = tuple(Line(site, settings.line_mib_s or line.mib_s) for site in far)
    return lines, {host.id: far.index(host.site) for host in folder.layout.hosts if host.site in far}


def printers(
    folder: FolderContents, jobs: Sequence[ResolvedJob | None], settings: Settings
) -> tuple[tuple[SlotPool, ...], list[float]]:
    """The centre's printers as one pool, and how long each run prints, in seconds."""
    printing = folder.estate.disturbances.printing
    if printing is None or not settings.printing:
        return (), [0.0] * len(jobs)
    pool = SlotPool("printers", settings.printers or printing.printers)
    return (pool,), [0.0 if job is None else 3600.0 * job.pages / printing.pages_per_hour for job in jobs]


def _among(spans: Spans, own: tuple[float, float]) -> bool:
    return any(abs(opens - own[0]) <= _SAME_S and abs(closes - own[1]) <= _SAME_S for opens, closes in spans)


def _joined(spans: Spans) -> Spans:
    """The spans in order of time, those that overlap made one."""
    joined: Spans = []
    for opens, closes in sorted(spans):
        if joined and opens < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], closes))
        elif closes > opens:
            joined.append((opens, closes))
    return joined
