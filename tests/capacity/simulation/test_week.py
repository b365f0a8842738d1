"""A week of a plan folder: what is simulated, how late jobs are, and what is written."""

import dataclasses
import json
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from capacity.simulation import replications
from capacity.simulation.estimates import estimate
from capacity.simulation.lateness import lateness_by_job
from capacity.simulation.reference import simulate
from capacity.simulation.settings import Settings
from capacity.simulation.study import simulate_plan, write
from capacity.simulation.week import read_week, tightest_monday
from layout.errors import FolderError
from layout.folder import assemble
from layout.records import MoveRecord
from layout.results import read_result
from tests.layout.builder import Builder
from tests.layout.builder import write as write_folder

MONDAY = date(2027, 5, 31)  # last business day of May: the exclusive closing runs on 1 June at 01:00


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("plan") / "plan")


def starts_in_week(folder):
    days = [row["start"].date() for row in folder.runs.to_pylist()]
    return sum(MONDAY <= day < MONDAY + timedelta(days=7) for day in days)


def changed(folder, edit):
    """The folder with the rows of its runs edited."""
    rows = folder.runs.to_pylist()
    for row in rows:
        edit(row)
    contents = Builder().contents()
    table = pa.Table.from_pylist(rows, schema=folder.runs.schema)
    return assemble(folder.path, dataclasses.replace(contents, runs=table))


def test_undisturbed_week_is_the_plan(folder):
    week = read_week(folder, MONDAY)
    assert len(week.keys) == starts_in_week(folder) > 4
    assert week.judged.all()
    result = simulate(week.system)
    assert result.end_s == pytest.approx(week.planned_end_s, rel=0, abs=1e-6)
    assert (result.start_s == week.system.runs.release_s).all()


def test_runs_from_before_the_week_take_room_but_are_not_judged(folder):
    def late_on_sunday(row):
        if row["job"] == "nightly" and row["start"].date() == MONDAY - timedelta(days=1):
            length = row["end"] - row["start"]
            row["start"] = row["start"].replace(hour=23, minute=50)
            row["end"] = row["start"] + length

    week = read_week(changed(folder, late_on_sunday), MONDAY)
    early = np.flatnonzero(~week.judged)
    assert len(early) == 4
    assert all(week.system.runs.release_s[row] == -600.0 for row in early)


def test_exclusive_runs_wait_for_what_the_plan_puts_before_them(folder):
    def long_backup(row):
        if row["job"] == "backup" and row["tenant"] == "t00" and row["system"] == "s01":
            row["cpu_s"] = 6 * 3600.0

    week = read_week(changed(folder, long_backup), MONDAY)
    result = simulate(week.system)
    rows = {name: row for row, name in enumerate(week.system.runs.ids)}
    backup, closing = rows["t00/s01/backup/2027-05-31"], rows["t00/s01/closing/2027-05-31"]
    assert result.start_s[closing] == result.end_s[backup] > week.system.runs.release_s[closing]
    other = rows["t00/s00/closing/2027-05-31"]
    assert result.start_s[other] == week.system.runs.release_s[other]


def test_vcpu_follows_its_dates(folder):
    vms = [vm.id for vm in folder.layout.vms]
    row = vms.index("t00-s00-ap-01")
    busy = read_week(folder, date(2027, 5, 17)).system
    assert busy.vms.vcpu[row] == 8.0
    steps = busy.changes
    assert (row, 7 * 86400.0, 4.0) in zip(steps.vcpu_vm, steps.vcpu_at_s, steps.vcpu, strict=True)
    assert read_week(folder, MONDAY).system.vms.vcpu[row] == 4.0


def test_a_week_without_runs_is_refused(folder):
    with pytest.raises(FolderError, match="2028-01-03 からの週には処理がありません"):
        read_week(folder, date(2028, 1, 3))


def test_tightest_week_is_that_of_the_highest_peak(folder):
    monday = tightest_monday(folder)
    assert monday.weekday() == 0
    highest = max(folder.run.peaks, key=lambda peak: peak.after_cores)
    assert monday <= highest.after_at.date() < monday + timedelta(days=7)


def test_result_is_reproducible_and_named_after_its_layout(folder, monkeypatch):
    heard = []

    def settings(**fields):
        return Settings(engine="simpy", replications=4, **{"week": MONDAY, "seed": 7, **fields})

    result = simulate_plan(folder, settings(), progress=lambda _, share: heard.append(share), workers=1)
    assert heard[-1] == 1.0
    monkeypatch.setattr(replications, "WORTH_WORKERS", {"simpy": 0})
    again = simulate_plan(folder, settings(week=MONDAY + timedelta(days=3)), workers=2)
    assert again.model_copy(update={"settings": result.settings}) == result
    assert simulate_plan(folder, settings(seed=8), workers=1).jobs != result.jobs
    write(folder, result)
    document = json.loads(read_result(folder, "simulation/lateness.json"))
    assert document["layout_digest"] == folder.layout_digest
    assert (document["week"], document["replications"], document["runs"]) == ("2027-05-31", 4, starts_in_week(folder))
    assert len(document["jobs"]) == 12
    about = f"令和9年5月31日からの週 {starts_in_week(folder)} 件を 4 回模擬し"
    assert document["verdict"] == f"判定：遅れなし — {about}、枠と期限を超えた処理はありません"


def test_lateness_is_counted_against_deadline_window_and_plan(folder):
    week = read_week(folder, MONDAY)
    row = week.system.runs.ids.index("t01/s01/closing/2027-05-31")
    late = dataclasses.replace(week, deadline_s=week.planned_end_s + 100.0, window_end_s=week.planned_end_s + 60.0)
    ends = np.tile(week.planned_end_s, (2, 1))
    ends[:, row] += [80.0, 160.0]
    worst = lateness_by_job(late, ends)[0]
    assert (worst.tenant, worst.system, worst.job, worst.runs) == ("t01", "s01", "closing", 1)
    assert worst.lateness_s == estimate(np.array([[0.0], [60.0]]))
    assert worst.overrun_s == estimate(np.array([[20.0], [100.0]]))
    assert worst.delay_s.mean == pytest.approx(120.0)
    assert (worst.late_share, worst.overrun_share) == (0.5, 1.0)


def test_interval_is_students_over_the_replications_means():
    found = estimate(np.array([[1.0, 3.0], [5.0, 7.0], [3.0, 5.0]]))
    assert found.mean == pytest.approx(4.0)
    assert found.half_width_95 == pytest.approx(4.30265273 * 2.0 / 3**0.5)
    assert found.p95 == pytest.approx(np.percentile([1, 3, 5, 7, 3, 5], 95))
    assert stats.t.ppf(0.975, 2) == pytest.approx(4.30265273)
    assert estimate(np.array([[1.0, 3.0]])).half_width_95 is None


@pytest.mark.parametrize(
    ("days", "begins", "moves"), [(-40, "new", 0), (3, "old", 1), (40, "old", 0)], ids=["before", "within", "after"]
)
def test_a_planned_move_finds_the_vm_on_its_old_host(folder, days, begins, moves):
    contents = Builder().contents()
    vm = contents.layout.vms[0]
    old = next(host.id for host in contents.layout.hosts if host.id != vm.host)
    at = next(row["start"] for row in folder.runs.to_pylist() if row["start"].date() == MONDAY) + timedelta(days=days)
    move = MoveRecord(vm=vm.id, at=at, from_host=old, to_host=vm.host)
    layout = contents.layout.model_copy(update={"moves": (move,)})
    week = read_week(assemble(folder.path, dataclasses.replace(contents, layout=layout)), MONDAY)
    names = [host.id for host in contents.layout.hosts]
    assert names[int(week.system.vms.host[0])] == {"old": old, "new": vm.host}[begins]
    assert len(week.system.changes.move_vm) == moves
