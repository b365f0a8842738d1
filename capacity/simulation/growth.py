"""In which year does a plan stop fitting when its load grows, and what breaks first?

The plan stays as it is: same hosts, same VMs, same start times. The tightest week (or what the settings name) is
simulated with the work and online load of a year, nothing disturbed, and judged: every run within its window and before
its deadline, every VM's online load served. Years are found by bisection, so a load that grows must not fit better in
a later year; where work and online load grow in opposite directions, the answer is one year of change, maybe not the
only one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from capacity.records import Floats
from estate.disturbance_records import Growth
from layout.errors import FolderError
from layout.folder import PlanFolder
from layout.growth_records import GrowthBreak, GrowthResult, GrowthYear, Limit
from layout.results import write_result
from layout.wareki import fiscal_year_name

from . import study
from .columns import SimulationInput
from .engines import Engine, engine
from .late_runs import names_of
from .records import SimulationResult
from .settings import Settings
from .week import Week

RESULT_NAME = "simulation/growth.json"
MOST_YEARS = 15
TELLABLE_S = 1e-3
_HALVINGS = 6
"""Of the year in which it breaks: to 1/64."""
_UNSERVED = 0.5
"""Share of a VM's online load that may stay unserved where the estate states none."""


@dataclass(frozen=True)
class _Judged:
    """One simulated load."""

    year: GrowthYear
    first_break: GrowthBreak | None


def years_that_fit(
    folder: PlanFolder,
    settings: Settings | None = None,
    *,
    most_years: int = MOST_YEARS,
    growth: Growth | None = None,
    progress: Callable[[str, float], None] = lambda _text, _share: None,
) -> GrowthResult:
    """The last fiscal year in which the plan still fits, and what breaks first after it.

    `growth` replaces the estate's rates. Work grows by `(1 + residents) x (1 + work)` a year, as do storage traffic,
    transfers and pages; online load by `(1 + residents) x (1 + online)`. Settings that disturb are passed over.
    Nothing is written (`write` does). Raises FolderError for an estate without rates, and for a week or night that
    cannot be simulated.
    """
    rates = growth if growth is not None else folder.estate.disturbances.growth
    if rates is None:
        raise FolderError("この計画の構成ファイルには年々の伸び（disturbances.growth）がありません")
    if most_years < 1:
        raise ValueError(f"at least one year ahead, got {most_years}")
    scale = _Scale(folder, settings or Settings(), rates)
    done: dict[float, _Judged] = {}
    steps = 2 + int(np.ceil(np.log2(most_years))) + _HALVINGS

    def judged(years: float) -> _Judged:
        if years not in done:
            progress("年ごとの負荷を模擬", min(1.0, len(done) / steps))
            done[years] = scale.judge(years)
        return done[years]

    fits_until, breaks_at = _bisected(lambda years: judged(years).year.fits, most_years)
    years = tuple(done[key].year for key in sorted(done) if key == int(key))
    first_break = None if breaks_at is None else judged(breaks_at).first_break
    base = folder.estate.fiscal_year
    return GrowthResult(
        verdict=_verdict(folder, rates, fits_until, most_years, first_break, breaks_at),
        layout_digest=folder.layout_digest,
        week=scale.week.monday,
        night=scale.week.night,
        residents_per_year=rates.residents_per_year,
        work_per_year=rates.work_per_year,
        online_per_year=rates.online_per_year,
        basis=rates.basis,
        source=rates.source,
        most_years=most_years,
        fits_until=None if fits_until is None else base + fits_until,
        beyond=fits_until == most_years,
        breaks_after_years=breaks_at,
        first_break=first_break,
        years=years,
    )


def write(folder: PlanFolder, result: GrowthResult) -> None:
    """Put the result into the plan folder as `simulation/growth.json`. Raises FolderError."""
    write_result(folder, RESULT_NAME, (result.model_dump_json(indent=1) + "\n").encode())


def grown(system: SimulationInput, work: float, online: float) -> SimulationInput:
    """The system with so much more work (storage, transfers and printing included) and online load."""
    runs = system.runs
    more = system.with_runs(
        cpu_s=runs.cpu_s * work, io_mib=runs.io_mib * work, line_mib=runs.line_mib * work, pool_s=runs.pool_s * work
    )
    return replace(more, vms=replace(more.vms, online_cores=more.vms.online_cores * online))


def _bisected(fits: Callable[[float], bool], most_years: int) -> tuple[int | None, float | None]:
    """The last whole year that fits (None: not even year 0), and when it breaks first (None: not by `most_years`)."""
    if not fits(0):
        return None, 0
    if fits(most_years):
        return most_years, None
    good, bad = 0, most_years
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    low, high = float(good), float(bad)
    for _ in range(_HALVINGS):
        half = (low + high) / 2
        low, high = (half, high) if fits(half) else (low, half)
    return good, high


class _Scale:
    """Simulates the plan's week under the load of a year."""

    def __init__(self, folder: PlanFolder, settings: Settings, rates: Growth) -> None:
        self._folder = folder
        self._rates = rates
        self._simulate: Engine = engine(settings.engine)
        self.week: Week = study.read(folder, settings)
        overload = folder.estate.disturbances.overload
        self._unserved = _UNSERVED if overload is None else overload.unserved_share

    def judge(self, years: float) -> _Judged:
        """Simulate and judge."""
        rates = self._rates
        work = ((1 + rates.residents_per_year) * (1 + rates.work_per_year)) ** years
        online = ((1 + rates.residents_per_year) * (1 + rates.online_per_year)) ** years
        result = self._simulate(grown(self.week.system, work, online))
        overrun, lateness = self._beyond(result)
        wanted = result.online_wanted_core_s
        unserved = np.zeros(len(wanted))
        np.divide(wanted - result.online_served_core_s, wanted, out=unserved, where=wanted > 0)
        year = GrowthYear(
            years=int(years),
            fiscal_year=self._folder.estate.fiscal_year + int(years),
            work_factor=work,
            online_factor=online,
            fits=bool(not overrun.any() and not lateness.any() and (unserved <= self._unserved).all()),
            windows_overrun=int((overrun > 0).sum()),
            deadlines_missed=int((lateness > 0).sum()),
            worst_overrun_s=float(overrun.max(initial=0.0)),
            worst_lateness_s=float(lateness.max(initial=0.0)),
            worst_online_unserved=float(unserved.max(initial=0.0)),
        )
        return _Judged(year, None if year.fits else self._first(overrun, lateness, unserved))

    def _beyond(self, result: SimulationResult) -> tuple[Floats, Floats]:
        """Seconds beyond window (by the end of the work) and deadline (by the end of the printing) of judged runs.

        A run that never ends counts as one that ends when the span does, and misses its deadline in any case.
        """
        week = self.week
        never = ~np.isfinite(result.end_s)
        work_end_s = np.where(never, week.length_s, result.work_end_s)
        end_s = np.where(never, np.maximum(week.length_s, week.deadline_s + 1.0), result.end_s)
        overrun, lateness = work_end_s - week.window_end_s, end_s - week.deadline_s
        kept = [np.where(week.judged & (over > TELLABLE_S), over, 0.0) for over in (overrun, lateness)]
        return kept[0], kept[1]

    def _first(self, overrun: Floats, lateness: Floats, unserved: Floats) -> GrowthBreak:
        """The limit that breaks worst: a deadline before a window before online load."""
        names = names_of(self._folder, self.week)
        ids = self.week.system.runs.ids
        if lateness.any():
            row = int(lateness.argmax())
            over_s = float(lateness[row])
            return GrowthBreak(limit="deadline", id=ids[row], label=names.run(row), over_s=over_s, share=0.0)
        if overrun.any():
            row = int(overrun.argmax())
            return GrowthBreak(limit="window", id=ids[row], label=names.run(row), over_s=float(overrun[row]), share=0.0)
        row = int(unserved.argmax())
        share = float(unserved[row])
        return GrowthBreak(
            limit="online", id=self.week.system.vms.ids[row], label=names.vm(row), over_s=0.0, share=share
        )


def _verdict(
    folder: PlanFolder,
    rates: Growth,
    fits_until: int | None,
    most_years: int,
    first_break: GrowthBreak | None,
    breaks_at: float | None,
) -> str:
    work = (1 + rates.residents_per_year) * (1 + rates.work_per_year) - 1
    online = (1 + rates.residents_per_year) * (1 + rates.online_per_year) - 1
    how = f"処理量 年{work:+.1%}、オンライン負荷 年{online:+.1%}"
    base = folder.estate.fiscal_year
    if first_break is None or breaks_at is None:
        last = fiscal_year_name(base + most_years)
        return f"判定：収まる — {how} のとき、この計画は調べた {last} まで収まります"
    if fits_until is None:
        return f"判定：収まらない — 計画の年度の負荷でも、{_broken(first_break)}"
    first = _LIMITS[first_break.limit]
    when = f"{breaks_at:.1f} 年後に {first_break.label} が最初に{first}"
    return f"判定：{fiscal_year_name(base + fits_until)}まで収まる — {how} のとき、{when}"


_LIMITS: dict[Limit, str] = {
    "window": "バッチ枠を超えます",
    "deadline": "期限を超えます",
    "online": "オンライン処理をこなせなくなります",
}


def _broken(first_break: GrowthBreak) -> str:
    if first_break.limit == "online":
        return f"{first_break.label} のオンライン処理の {first_break.share:.0%} が処理されません"
    what = "期限" if first_break.limit == "deadline" else "バッチ枠"
    return f"{first_break.label} が{what}を {first_break.over_s / 60:,.1f} 分超えます"
