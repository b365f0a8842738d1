"""Does every job have a run for each of its dates, released with the first window from that date on, and no other?"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow.compute as pc

from estate.base_records import DateRule
from estate.resolved import ResolvedJob

from . import calendar
from .findings import Findings
from .recurrence import days_of, is_anchored
from .view import DAY, JST, Ints, View, microseconds

_LONGEST_GAP = 14
"""Days before the horizon on which a run may have its date when its first window opens inside."""
_EPOCH = dt.date(1970, 1, 1)


def check(view: View) -> Findings:
    """Violations: a date of a job without its run, a run on another date, a release that is not the date's."""
    found = Findings()
    run_days = _run_days(view)
    book = _Book(view)
    none = np.zeros(0, dtype=np.int64)
    for number, job in enumerate(view.folder.estate.jobs):
        rows = view.runs_of_job.get(number, none)
        try:
            expected = book.days(job)
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
            found.add(f"{job.tenant}/{job.system}/{job.job}: 日付の規則を評価できません（{error}）")
            continue
        days = run_days[rows]
        starts = book.window_starts(job)
        release = _release(expected, starts)
        due = (release >= 0) & (release < view.horizon_us)
        name = f"{job.tenant}/{job.system}/{job.job}"
        if not book.anchored(job):
            missing = np.setdiff1d(expected[due], days)
            found.add_all(f"{name}: {_date(day)} の実行がありません" for day in missing)
        found.add_where(
            ~np.isin(days, expected),
            lambda i, rows=rows: f"{view.run_id(int(rows[i]))}: この業務の日付ではありません",  # type: ignore[misc]
        )
        wanted = _release(days, starts)
        found.add_where(
            (wanted != np.iinfo(np.int64).max) & (wanted != view.release[rows]),
            lambda i, rows=rows, wanted=wanted: (  # type: ignore[misc]
                f"{view.run_id(int(rows[i]))}: 解放 {view.moment(view.release[rows[i]])} が、その日からの最初の枠"
                f" {view.moment(wanted[i])} と違います"
            ),
        )
    return found


class _Book:
    """Days of jobs (as days since 1970) and starts of windows; equal rules are evaluated once."""

    def __init__(self, view: View) -> None:
        estate = view.folder.estate
        self._estate = estate
        zero = estate.start.astimezone(JST)
        self._zero = zero.date()
        self._midnight = microseconds(dt.datetime.combine(self._zero, dt.time(), JST), estate.start)
        self._length = -(-view.horizon_us // DAY) + 1
        self._first = self._zero - dt.timedelta(days=_LONGEST_GAP)
        self._until = self._zero + dt.timedelta(days=self._length)
        self._jobs = {(job.tenant, job.system, job.job): job for job in estate.jobs}
        self._tenants = {tenant.id: tenant for tenant in estate.tenants}
        self._vms = {vm.id: vm for vm in estate.vms}
        self._evaluated: dict[tuple[DateRule, dt.date, dt.date, frozenset[dt.date]], frozenset[dt.date]] = {}
        self._starts: dict[str, Ints] = {}

    def days(self, job: ResolvedJob) -> Ints:
        """Every day from a little before the horizon to its end on which the job has a run, in service."""
        days = self._days(job.when, job.tenant, job.system, (self._first, self._until), 0)
        for record in (job, self._tenants.get(job.tenant), self._vms.get(job.vm)):
            if record is not None and (record.from_ or record.until):
                days = frozenset(
                    day
                    for day in days
                    if (record.from_ is None or day >= record.from_) and (record.until is None or day < record.until)
                )
        return np.array(sorted((day - _EPOCH).days for day in days), dtype=np.int64)

    def anchored(self, job: ResolvedJob) -> bool:
        """Whether `days` may hold more days than the job really has."""
        rule, system = job.when, job.system
        for _ in range(50):
            if is_anchored(rule):
                return True
            if rule.relative_to is None:
                return False
            rule, system = self._named(rule.relative_to, job.tenant, system)
        return True

    def window_starts(self, job: ResolvedJob) -> Ints:
        """Starts of the job's windows, by day since 1970 (second column), sorted."""
        key = job.window.model_dump_json()
        if key not in self._starts:
            offsets = range(-_LONGEST_GAP - 2, self._length + 90)
            starts = [
                ((self._zero - _EPOCH).days + offset, self._midnight + offset * DAY + minute * 60_000_000)
                for offset in offsets
                for minute, _ in sorted(calendar.spans_of(job.window, self._zero + dt.timedelta(days=offset)))[:1]
            ]
            self._starts[key] = np.array(starts, dtype=np.int64).reshape(-1, 2)
        return self._starts[key]

    def _named(self, name: str, tenant: str, system: str) -> tuple[DateRule, str]:
        if name in self._estate.events:
            return self._estate.events[name], system
        owner, _, job = name.rpartition("/")
        return self._jobs[tenant, owner or system, job].when, owner or system

    def _days(
        self, rule: DateRule, tenant: str, system: str, span: tuple[dt.date, dt.date], depth: int
    ) -> frozenset[dt.date]:
        if depth > 50:
            raise ValueError("参照が循環しています")
        base: frozenset[dt.date] = frozenset()
        if rule.relative_to is not None:
            other, owner = self._named(rule.relative_to, tenant, system)
            # As wide as the widest offset that is in use asks for; days outside the span fall away in the end.
            reach = dt.timedelta(days=abs(int(rule.offset.split()[0])) * 31 + 40)
            base = self._days(other, tenant, owner, (span[0] - reach, span[1] + reach), depth + 1)
        key = (rule, span[0], span[1], base)
        if key not in self._evaluated:
            self._evaluated[key] = days_of(rule, span[0], span[1], lambda *_: base)
        return self._evaluated[key]


def _release(days: Ints, starts: Ints) -> Ints:
    """Start of the first window on each day or later; the largest number where there is none."""
    place = np.searchsorted(starts[:, 0], days)
    padded = np.append(starts[:, 1], np.iinfo(np.int64).max)
    return np.asarray(padded[place], dtype=np.int64)


def _run_days(view: View) -> Ints:
    """Days since 1970 in the runs' names; a negative number where there is none."""
    ids = view.folder.runs.column("run_id")
    text = pc.struct_field(pc.extract_regex(ids, r"/(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:#[0-9]+)?$"), "day")
    parsed = pc.strptime(text, format="%Y-%m-%d", unit="s", error_is_null=True)
    days = pc.fill_null(pc.divide(pc.cast(parsed, "int64"), 86_400), -(10**6))
    return np.asarray(days.to_numpy(), dtype=np.int64)


def _date(day: int) -> dt.date:
    return _EPOCH + dt.timedelta(days=int(day))
