"""Plans compared under the same random numbers: equal plans do not differ, different ones do, intervals are paired."""

import dataclasses
from datetime import date

import pyarrow as pa
import pytest

from capacity.simulation.comparison import compare_plans
from capacity.simulation.settings import Settings
from capacity.simulation.study import NothingFinishedError
from layout.errors import FolderError
from layout.folder import assemble
from tests.layout.builder import Builder
from tests.layout.builder import write as write_folder

MONDAY = date(2027, 5, 31)
SETTINGS = Settings(engine="simpy", week=MONDAY, replications=6, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("plan") / "plan")


def changed(folder, edit):
    """The folder with the rows of its runs edited; rows for which `edit` says False are left out."""
    rows = [row for row in folder.runs.to_pylist() if edit(row) is not False]
    table = pa.Table.from_pylist(rows, schema=folder.runs.schema)
    return assemble(folder.path, dataclasses.replace(Builder().contents(), runs=table))


def test_a_plan_does_not_differ_from_itself(folder):
    result = compare_plans([folder, folder], ["a", "b"], SETTINGS)
    assert result.equal
    assert all(item.difference == item.low_95 == item.high_95 == 0 for item in result.differences)
    assert result.verdict.startswith("判定：差なし — 令和9年5月31日からの週を同じ乱数で 6 回ずつ模擬し")
    assert (result.replications, [plan.jobs_only_here for plan in result.plans]) == (6, [0, 0])


def test_more_work_of_one_job_shows_in_that_job_only(folder):
    def longer(row):
        if row["job"] == "backup" and row["tenant"] == "t00":
            row["cpu_s"] *= 1.5

    result = compare_plans([folder, changed(folder, longer)], ["a", "b"], SETTINGS)
    assert not result.equal
    assert result.verdict.startswith("判定：差あり")
    ends = {item.id: item for item in result.differences if item.name == "end_s"}
    differing = {id_ for id_, item in ends.items() if item.differs}
    assert differing == {id_ for id_ in ends if id_.startswith("t00/") and id_.endswith("/backup")}
    backup = ends["t00/s00/backup"]
    assert backup.low_95 < backup.difference < backup.high_95
    assert backup.difference == pytest.approx(backup.other - backup.first)


def test_common_random_numbers_narrow_the_interval(folder):
    """The work of every run differs from replication to replication by 20 %; the difference of plans does not."""

    def longer(row):
        if row["job"] == "backup":
            row["fixed_s"] += 60.0

    result = compare_plans([folder, changed(folder, longer)], ["a", "b"], SETTINGS)
    backups = [item for item in result.differences if item.name == "end_s" and item.id.endswith("/backup")]
    assert backups
    for item in backups:
        assert item.difference == pytest.approx(60.0, abs=1e-6)
        assert item.high_95 - item.low_95 < 1e-6


def test_jobs_of_one_plan_only_are_counted_and_not_compared(folder):
    short = changed(folder, lambda row: row["job"] != "closing")
    result = compare_plans([folder, short], ["a", "b"], SETTINGS)
    closing = {row["tenant"] + row["system"] for row in folder.runs.to_pylist() if row["job"] == "closing"}
    assert [plan.jobs_only_here for plan in result.plans] == [len(closing), 0]
    assert not any(item.id.endswith("/closing") for item in result.differences)


def test_plans_with_other_tightest_weeks_are_refused_in_one_line(folder):
    peaks = tuple(peak.model_copy(update={"tightest_week": "2027-04-12"}) for peak in folder.run.peaks)
    other = dataclasses.replace(folder, run=folder.run.model_copy(update={"peaks": peaks}))
    settings = SETTINGS.model_copy(update={"week": "tightest"})
    with pytest.raises(
        FolderError, match=r"^最も厳しい週が計画によって違います（a は .*、b は 2027-04-12）。.*--week 日付.*$"
    ):
        compare_plans([folder, other], ["a", "b"], settings)
    assert compare_plans([folder, other], ["a", "b"], SETTINGS).equal


def test_two_plans_with_names_are_needed(folder):
    with pytest.raises(ValueError, match="two or more plans"):
        compare_plans([folder], ["a"], SETTINGS)
    with pytest.raises(ValueError, match="two or more plans"):
        compare_plans([folder, folder], ["a"], SETTINGS)


def test_a_stop_leaves_what_all_plans_have_finished(folder):
    asked = iter([False, False, True, True])
    result = compare_plans([folder, folder], ["a", "b"], SETTINGS, workers=1, stop=lambda: next(asked))
    assert (result.stopped_by, result.replications) == ("interrupted", 1)


def test_nothing_finished_is_told(folder, monkeypatch):
    monkeypatch.setattr("capacity.simulation.study.replicate", lambda *_: (_ for _ in ()))
    with pytest.raises(NothingFinishedError):
        compare_plans([folder, folder], ["a", "b"], SETTINGS)
