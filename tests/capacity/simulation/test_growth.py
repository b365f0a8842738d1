"""In which year a plan stops fitting: against judging every year, and by hand."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from capacity.simulation.engines import engine
from capacity.simulation.growth import grown, years_that_fit
from capacity.simulation.settings import Settings
from capacity.simulation.week import read_week
from estate.disturbance_records import Disturbances, Growth
from kumiai.growth import lines
from layout.errors import FolderError
from layout.folder import assemble
from tests.layout.builder import Builder

MONDAY = date(2027, 5, 31)
SETTINGS = Settings(week=MONDAY, engine="simpy")


def rates(work, online=0.0, residents=0.0):
    return Growth(
        residents_per_year=residents, work_per_year=work, online_per_year=online, basis="assumed", source="[A] test"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return assemble(tmp_path_factory.mktemp("plan") / "plan", Builder().contents())


def last_year_that_fits(folder, work, most):
    """Every year simulated and judged anew."""
    week = read_week(folder, MONDAY, SETTINGS)
    fits = []
    for years in range(most + 1):
        result = engine("simpy")(week.system.with_runs(cpu_s=week.system.runs.cpu_s * (1 + work) ** years))
        late = (result.work_end_s > week.window_end_s + 1e-3) | (result.end_s > week.deadline_s + 1e-3)
        fits.append(not late[week.judged].any())
    return fits.index(False) - 1 if False in fits else most


@pytest.mark.parametrize("work", [0.3, 0.6])
def test_bisection_finds_the_year_that_judging_every_year_finds(folder, work):
    known = last_year_that_fits(folder, work, 15)
    assert 0 < known < 15
    found = years_that_fit(folder, SETTINGS, growth=rates(work))
    assert found.fits_until == 2027 + known
    assert known < found.breaks_after_years <= known + 1
    assert not found.beyond
    assert found.first_break.limit in ("deadline", "window")
    assert f"{2027 + known}年度）まで収まる" in found.verdict
    assert [year.fits for year in found.years] == [year.fiscal_year <= 2027 + known for year in found.years]


def test_what_shrinks_fits_as_far_as_one_looks(folder):
    found = years_that_fit(folder, SETTINGS, most_years=4, growth=rates(0.02, residents=-0.05))
    assert (found.fits_until, found.beyond, found.breaks_after_years, found.first_break) == (2031, True, None, None)
    assert "調べた 令和13年度（2031年度） まで収まります" in found.verdict


def test_a_plan_that_does_not_fit_now_says_so(folder):
    found = years_that_fit(folder, SETTINGS.model_copy(update={"load_factor": 40.0}), growth=rates(0.1))
    assert (found.fits_until, found.breaks_after_years) == (None, 0)
    assert found.verdict.startswith("判定：収まらない — 計画の年度の負荷でも、")
    assert lines(found)[0] == found.verdict


def test_online_load_that_is_not_served_breaks_the_plan_too(folder):
    found = years_that_fit(folder, SETTINGS, growth=rates(0.0, online=1.0), most_years=10)
    assert found.first_break.limit == "online"
    assert found.first_break.share > 0.5
    # Wanted cores above twice the VM's four vCPU: more than half is not served.
    peak = max(
        row["cores"] for row in folder.online.to_pylist() if row["vm"] == found.first_break.id
    )  # fmt: skip
    assert peak * 2.0**found.breaks_after_years > 8.0
    assert "最初にオンライン処理をこなせなくなります" in found.verdict


def test_all_of_the_work_grows(folder):
    system = read_week(folder, MONDAY).system
    more = grown(system, 2.0, 3.0)
    for name in ("cpu_s", "io_mib", "line_mib", "pool_s"):
        assert np.array_equal(getattr(more.runs, name), 2.0 * getattr(system.runs, name))
    assert np.array_equal(more.runs.fixed_s, system.runs.fixed_s)
    assert np.array_equal(more.vms.online_cores, 3.0 * system.vms.online_cores)


def test_without_rates_there_is_no_answer(folder):
    with pytest.raises(FolderError, match=r"disturbances\.growth"):
        years_that_fit(folder, SETTINGS)
    with pytest.raises(ValueError, match="at least one year"):
        years_that_fit(folder, SETTINGS, most_years=0, growth=rates(0.1))


def test_the_estates_own_rates_are_taken(folder):
    estate = folder.estate.model_copy(update={"disturbances": Disturbances(growth=rates(0.6))})
    found = years_that_fit(replace(folder, estate=estate), SETTINGS)
    assert found.work_per_year == 0.6
    assert found.basis == "assumed"
    assert any("（仮定値）" in line for line in lines(found))
