"""The user's job logs: one row per run that has ended."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from capacity.records import Floats
from capacity.simulation.traces.cells import NOT_NEGATIVE, POSITIVE, numbers, texts
from capacity.simulation.traces.files import Table, TableFormat, read_table_file
from capacity.simulation.traces.mistakes import Mistakes
from estate.clock import JST

JOB_LOG = TableFormat("jobs", ("job", "tenant", "start", "end", "units"), ("system", "cpu_s", "cores"))

_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
"""As the estate writes its ids (estate/base_records.py)."""


@dataclass(frozen=True)
class LoggedRun:
    """One run of a job as it was measured."""

    place: str
    """`file:line`."""
    tenant: str
    """Empty where the log names none."""
    system: str
    job: str
    start: datetime
    duration_s: float
    units: float
    cores: float | None
    cpu_s: float | None


@dataclass(frozen=True)
class JobLog:
    """The rows of one or several files."""

    runs: tuple[LoggedRun, ...]
    source: str
    """File names with their digests."""


def read_job_logs(paths: Sequence[Path]) -> JobLog:
    """All rows of CSV (or Parquet) job logs. Raises TraceError with every mistake by file and line."""
    mistakes = Mistakes()
    runs: list[LoggedRun] = []
    sources: list[str] = []
    for path in paths:
        table = read_table_file(path, JOB_LOG, mistakes)
        if table is not None:
            runs += _rows(table, mistakes)
            sources.append(f"{printable(path.name)}（sha256 {hashlib.sha256(table.data).hexdigest()[:16]}…）")
    mistakes.check()
    return JobLog(tuple(runs), "、".join(sources))


def printable(name: str) -> str:
    """A file's name as it may stand in a document: no controls, not long."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:60]


def moment(text: str) -> datetime | None:
    """An ISO 8601 time; Japan's clock where it names no other. None for anything else."""
    try:
        found = datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        return None
    if found.year in (1, 9999):
        # Another clock's time would leave the calendar.
        return None
    return found.astimezone(JST) if found.tzinfo else found.replace(tzinfo=JST)


def _rows(table: Table, mistakes: Mistakes) -> list[LoggedRun]:
    names = {column: texts(table, column).to_pylist() for column in ("job", "tenant", "system", "start", "end")}
    jobs = [_job(system, job) for system, job in zip(names["system"], names["job"], strict=True)]
    mistakes.rows(
        table,
        np.array([job is None for job in jobs], dtype=np.bool_),
        lambda row: (
            f"job は「業務/ジョブ」の id です（{names['job'][row] or '空'}）。system の列に業務を書くこともできます"
        ),
    )
    mistakes.rows(
        table,
        np.array([bool(tenant) and not _ID.fullmatch(tenant) for tenant in names["tenant"]], dtype=np.bool_),
        lambda row: f"tenant は団体の id か空です（{names['tenant'][row]}）",
    )
    starts, ends = _moments(table, "start", names["start"], mistakes), _moments(table, "end", names["end"], mistakes)
    durations = [
        (end - start).total_seconds() if start and end else 0.0 for start, end in zip(starts, ends, strict=True)
    ]
    mistakes.rows(
        table,
        np.array([duration < 0 for duration in durations], dtype=np.bool_),
        lambda row: f"end（{names['end'][row]}）が start（{names['start'][row]}）より前です",
    )
    units = numbers(table, "units", NOT_NEGATIVE, mistakes)
    cores = _optional(numbers(table, "cores", POSITIVE, mistakes, empty=np.nan))
    cpu_s = _optional(numbers(table, "cpu_s", NOT_NEGATIVE, mistakes, empty=np.nan))
    return [
        LoggedRun(
            f"{printable(table.name)}:{table.line(row)}",
            tenant,
            job[0],
            job[1],
            start,
            duration,
            count,
            run_cores,
            run_cpu_s,
        )
        for row, (tenant, job, start, duration, count, run_cores, run_cpu_s) in enumerate(
            zip(names["tenant"], jobs, starts, durations, units.tolist(), cores, cpu_s, strict=True)
        )
        if job is not None and start is not None
    ]


def _job(system: str, job: str) -> tuple[str, str] | None:
    """System and job by id; both may stand in the job's cell, as `system/job`."""
    if not system:
        system, _, job = job.partition("/")
    return (system, job) if _ID.fullmatch(system) and _ID.fullmatch(job) else None


def _moments(table: Table, column: str, cells: list[str], mistakes: Mistakes) -> list[datetime | None]:
    found = [moment(cell) for cell in cells]
    mistakes.rows(
        table,
        np.array([when is None for when in found], dtype=np.bool_),
        lambda row: f"{column} は日時です（{cells[row] or '空'}）。例 2026-06-07T22:00:00+09:00",
    )
    return found


def _optional(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]
