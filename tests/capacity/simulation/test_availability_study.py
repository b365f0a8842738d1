"""Availability with intervals: against the years themselves, and against the promise."""

from dataclasses import replace

import numpy as np
import pytest

from capacity.simulation.availability_study import availability, ratio, write
from capacity.simulation.outage_years import outage_years
from capacity.simulation.settings import Settings
from estate.disturbance_records import Disturbances, Duration, HostFailure, ServiceLevel
from kumiai.availability import lines
from layout.errors import FolderError
from layout.folder import assemble
from layout.results import read_result
from tests.layout.builder import Builder
from tests.layout.builder import write as write_folder

SOURCE = {"basis": "assumed", "source": "[A] test"}
FAILING = HostFailure(
    per_host_year=2.0,
    detection_min=2.0,
    restart_min=5.0,
    parallel_restarts=50,
    repair=Duration(median_min=60.0, p95_min=60.0),
    **SOURCE,
)


def folder_of(path, target=0.995, restore_h=12.0, failing=FAILING):
    contents = Builder().contents()
    level = ServiceLevel(availability=target, restore_h=restore_h, **SOURCE)
    sizes = Disturbances(host_failure=failing, service_level=level)
    return assemble(path, replace(contents, estate=contents.estate.model_copy(update={"disturbances": sizes})))


def test_figures_are_those_of_the_years(tmp_path):
    folder = folder_of(tmp_path / "plan")
    result = availability(folder, Settings(seed=3), years=50)
    years = outage_years(folder, 50, seed=3)
    shares = dict(
        zip(((s.tenant, s.system) for s in years.services), years.availability.mean(axis=0).tolist(), strict=True)
    )
    assert {(entry.tenant, entry.system): entry.availability for entry in result.systems} == pytest.approx(shares)
    assert [entry.availability for entry in result.systems] == pytest.approx(sorted(shares.values()))
    for entry in result.systems:
        assert entry.half_width_95 > 0
        assert entry.restore_h == pytest.approx(7 / 60, rel=0.05)
        assert entry.service_h == pytest.approx(years.services[0].time.total_s / 3600)
    assert {entry.tenant for entry in result.tenants} == {"t00", "t01"}
    assert result.host_failures_per_year == years.host_failures.mean()


def test_the_promise_is_judged(tmp_path):
    kept = availability(folder_of(tmp_path / "plan"), years=5)
    assert kept.verdict.startswith("判定：目標を満たす — 令和9年度（2027年度）を 5 回模擬し、")
    assert all(entry.target_met.share == 1.0 for entry in kept.systems)
    low = availability(folder_of(tmp_path / "plan", target=1.0), years=5)
    assert low.verdict.startswith("判定：目標を下回る — ")
    slow = availability(folder_of(tmp_path / "plan", restore_h=0.01), years=5)
    assert slow.verdict.startswith("判定：復旧が遅い — ")
    assert any("平均復旧時間 7.0 分" in line for line in lines(kept))


def test_settings_replace_the_rate(tmp_path):
    never = availability(folder_of(tmp_path / "plan"), Settings(host_failures_per_year=0.0), years=2)
    assert never.host_failures_per_year == 0
    assert all((entry.availability, entry.restore_h) == (1.0, None) for entry in never.systems)


def test_without_a_size_there_is_no_answer(tmp_path):
    with pytest.raises(FolderError, match="host_failure"):
        availability(folder_of(tmp_path / "plan", failing=None), years=2)


def test_the_result_goes_into_the_folder(tmp_path):
    folder = write_folder(tmp_path / "plan")
    sizes = Disturbances(host_failure=FAILING)
    frail = replace(folder, estate=folder.estate.model_copy(update={"disturbances": sizes}))
    result = availability(frail, years=2)
    write(frail, result)
    assert read_result(folder, "simulation/availability.json").decode() == result.model_dump_json(indent=1) + "\n"
    assert result.verdict.startswith("判定：目標なし")


def test_intervals_of_a_ratio_cover_it():
    """Of 300 samples of 40 years each, about 95 in 100 intervals hold the true mean of 2 per count."""
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(300):
        counts = rng.poisson(3.0, 40).astype(float)
        totals = np.array([rng.exponential(2.0, int(count)).sum() for count in counts])
        mean, half = ratio(totals, counts)
        covered += abs(mean - 2.0) <= half
    assert 0.91 * 300 <= covered <= 0.985 * 300
    assert ratio(np.zeros(3), np.zeros(3)) == (None, None)
    assert ratio(np.array([4.0]), np.array([2.0])) == (2.0, None)
