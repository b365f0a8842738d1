"""Moving the job in time: possible, impossible, unknown; and that the plan's checkers accept what is proposed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest

import licensing
from layout.checkers import capacity, deadlines, exclusivity, precedence, rerun, slots, windows
from layout.checkers.view import look
from layout.tables import RUNS
from licensing.remedies import with_remedies
from licensing.remedies.changed_layouts import without_changes
from tests.licensing.remedies.plans import at, held
from tests.licensing.remedies.seasons import FIRST, GROWING, LAST, SQL, Season

CHECKERS = (windows, deadlines, precedence, slots, exclusivity, rerun, capacity)


def problems(plan) -> list[str]:
    view = look(plan)
    return [line for checker in CHECKERS for line in checker.check(view).verdict(checker.__name__).violations]


def retiming(plan):
    """The plan's remedies of its one busy-season violation, and the option `retime`."""
    assert problems(plan) == []
    counted = licensing.count(plan.layout, fiscal_year=2027, entitlements=plan.estate.entitlements)
    (remedies,) = with_remedies(plan, counted, None, years=5).remedies
    assert (remedies.vm, remedies.from_, remedies.until) == (GROWING, at(5, 10), at(5, 24))
    return remedies, next(option for option in remedies.options if option.kind == "retime")


def applied(plan, option):
    """The plan with the runs where the remedy puts them, and without the temporary vCPUs: by the record alone."""
    moved = {run.run: run for run in option.runs}
    rows = []
    for row in plan.runs.to_pylist():
        if (run := moved.get(row["run_id"])) is not None:
            assert run.planned == row["start"]
            row |= {"start": run.start, "end": run.end, "max_cores": min(row["max_cores"], 4.0)}
        rows.append(row)
    changes = {vm.id: vm.vcpu_changes for vm in plan.layout.vms if vm.id == GROWING}
    return replace(plan, runs=pa.Table.from_pylist(rows, schema=RUNS), layout=without_changes(plan.layout, changes))


def test_runs_that_have_room_stay_where_they_are():
    # 1300 s at 8 cores, 2300 s at 4: the backup at 21:10 waits for 20:38:20 + 30 minutes.
    plan = Season(cpu_s=8000).plan()
    remedies, option = retiming(plan)
    assert (option.feasible, option.quantity, option.cost_jpy, remedies.cheapest) == (True, 0, 0, "retime")
    assert len(option.runs) == (LAST - FIRST).days
    assert all(run.start == run.planned and run.end - run.start == timedelta(seconds=2300) for run in option.runs)


def test_a_run_moves_forward_so_that_its_successor_can_stay():
    # Planned 20:30, 30 minutes at 8 cores, the backup at 21:30. At 4 cores it takes 55 minutes: it must start at 20:00.
    plan = Season(cpu_s=12000, nightly_at=30, backup_at=90, days=14).plan()
    _, option = retiming(plan)
    assert option.feasible
    assert {(run.planned.hour, run.planned.minute) for run in option.runs} == {(20, 30)}
    business = [run for run in option.runs if run.start.weekday() < 5]
    assert {(run.start.hour, run.start.minute) for run in business} == {(20, 0)}


@pytest.mark.parametrize(
    "season",
    [
        Season(cpu_s=8000),
        Season(cpu_s=12000, nightly_at=30, backup_at=90, days=14),
        Season(cpu_s=12000, nightly_at=0, backup_at=120, second=True),
        Season(cpu_s=30000, backup_at=240),
    ],
)
def test_the_checkers_accept_what_is_proposed(season):
    plan = season.plan()
    _, option = retiming(plan)
    assert option.feasible
    after = applied(plan, option)
    assert problems(after) == []
    recount = licensing.count(after.layout, fiscal_year=2027, entitlements=plan.estate.entitlements)
    assert recount.violations == ()


def test_a_run_that_does_not_fit_its_window_alone_is_a_proof():
    # 338 minutes at 4 cores, twice that for a rerun, in a window of 600 minutes.
    plan = Season(cpu_s=80000, backup_at=240).plan()
    season = replace(plan, runs=without_business_backups(plan.runs))
    _, option = retiming(season)
    assert not option.feasible
    assert "できない" in option.because
    assert "t00/s00/nightly/2027-05-10 は vCPU 4 では 338 分かかり" in option.because


def without_business_backups(runs):
    """The nightly run alone after the season, where it would be too long too."""
    rows = [row for row in runs.to_pylist() if row["window_start"].date() < LAST]
    return pa.Table.from_pylist(rows, schema=RUNS)


def test_a_successor_that_stays_is_no_proof():
    # 55 minutes at 4 cores from 20:00 and 30 minutes of lag end at 21:25; the backup, on another VM, starts at 21:00.
    _, option = retiming(Season(cpu_s=12000, nightly_at=0, backup_at=60, days=14).plan())
    assert not option.feasible
    assert "不明" in option.because
    assert "できない" not in option.because


def test_a_day_load_above_the_normal_size_is_a_proof():
    plan = Season(cpu_s=8000).plan()
    online = plan.online.to_pylist()
    rows = [row | {"cores": 5.0} if row["vm"] == GROWING and row["from"] < at(5, 24) else row for row in online]
    loaded = replace(plan, online=pa.Table.from_pylist(rows, schema=plan.online.schema))
    _, option = retiming(loaded)
    assert not option.feasible
    assert "日中の負荷だけで通常の vCPU 4 を超える" in option.because


def test_a_shortage_that_is_not_of_the_season_is_not_mended_by_time():
    plan = Season(cpu_s=8000).plan()
    entitlements = (held(SQL, 4),)
    plan = replace(plan, estate=plan.estate.model_copy(update={"entitlements": entitlements}))
    counted = licensing.count(plan.layout, fiscal_year=2027, entitlements=entitlements)
    results = with_remedies(plan, counted, None, years=5).remedies
    for remedies in results:
        option = remedies.options[-1]
        # The season's 4 need not be bought any more; what is short the whole year still is.
        assert (option.kind, option.feasible, option.quantity, option.packs) == ("retime", True, 4, 2)
        assert remedies.options[0].quantity == 8
    assert {option.cost_jpy for remedies in results for option in remedies.options} == {None}
