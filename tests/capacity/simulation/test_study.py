"""The study of a plan folder: nights, windows, load, common random numbers, workers, and stopping early."""

import dataclasses
import json
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest

from capacity.simulation import replications, study
from capacity.simulation.disturbance import VaryingWork, standard_normal
from capacity.simulation.engines import engine
from capacity.simulation.measures import Quantity
from capacity.simulation.night import busiest_night, read_night
from capacity.simulation.replications import Trial, only_runs_differ, replicate
from capacity.simulation.settings import Settings
from capacity.simulation.streams import RunStreams, StreamKey
from capacity.simulation.study import NothingFinishedError, simulate_plan
from capacity.simulation.week import read_week
from estate.disturbance_records import Disturbances
from layout.errors import FolderError
from layout.simulation_records import PlanSimulation
from tests.layout.builder import write as write_folder

MONDAY = date(2027, 5, 31)
NIGHT = date(2027, 5, 31)  # the exclusive closing runs on 1 June at 01:00
JST = timezone(timedelta(hours=9))
PLAIN = Settings(night=NIGHT, replications=12, seed=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("plan") / "plan")


def by_name(result, name, scope="all", id_=""):
    (found,) = [f for f in result.figures if (f.name, f.scope, f.id) == (name, scope, id_)]
    return found


def test_a_night_goes_from_noon_to_noon(folder):
    night = read_night(folder, NIGHT)
    noon = datetime(2027, 5, 31, 12, tzinfo=JST)
    expected = sum(noon <= row["start"] < noon + timedelta(days=1) for row in folder.runs.to_pylist())
    assert (night.night, night.start, int(night.judged.sum())) == (NIGHT, noon, expected)
    assert night.monday == MONDAY
    assert (night.planned_start_s[night.judged] >= 0).all()
    assert (night.planned_start_s < 86400.0).all()


def test_the_busiest_night_has_the_most_work(folder):
    work = {}
    for row in folder.runs.to_pylist():
        day = (row["start"] - timedelta(hours=12)).astimezone(JST).date()
        work[day] = work.get(day, 0.0) + row["cpu_s"]
    assert work[busiest_night(folder)] == pytest.approx(max(work.values()))


def test_nights_without_runs_are_refused(folder):
    for day in (date(2029, 1, 3), date(1, 1, 1), date(9999, 12, 31)):
        with pytest.raises(FolderError, match=r"の夜には処理がありません$"):
            read_night(folder, day)


def test_engines_and_workers_give_the_same_result(folder, monkeypatch):
    monkeypatch.setattr(replications, "WORTH_WORKERS", {"simpy": 0, "fast": 0})
    fast = simulate_plan(folder, PLAIN, workers=1)
    assert simulate_plan(folder, PLAIN, workers=3) == fast
    slow = simulate_plan(folder, PLAIN.model_copy(update={"engine": "simpy"}), workers=2)
    assert slow.verdict == fast.verdict
    for one, other in zip(fast.figures, slow.figures, strict=True):
        assert (one.name, one.scope, one.id) == (other.name, other.scope, other.id)
        assert one.mean == pytest.approx(other.mean, abs=1e-5)
        assert one.p95 == pytest.approx(other.p95, abs=1e-5)


def test_more_replications_begin_with_the_fewer(folder):
    week = read_night(folder, NIGHT)
    trial = study.trial_of(folder, week, PLAIN)
    few = replications.Replicated.joined(list(replicate(trial, 5, 1)))
    many = replications.Replicated.joined(list(replicate(trial, 9, 1)))
    assert (many.ends[:5] == few.ends).all()
    assert (many.values[:5] == few.values).all()


def test_a_prepared_system_answers_as_one_built_anew(folder):
    """What only changes columns of runs takes the short way; the long way gives the same."""
    from capacity.simulation import fast

    trial = study.trial_of(folder, read_night(folder, NIGHT), PLAIN)
    for replication in range(5):
        system = trial.disturbed(replication)
        assert only_runs_differ(system, trial.system)
        expected = fast.simulate(system).end_s
        found = trial.run(range(replication, replication + 1)).ends[0]
        assert found.tolist() == expected[trial.rows].tolist()


def test_only_runs_differ_sees_every_other_part(folder):
    system = read_night(folder, NIGHT).system
    assert only_runs_differ(system.with_runs(cpu_s=system.runs.cpu_s * 2, release_s=system.runs.release_s + 1), system)
    assert not only_runs_differ(system.with_runs(fixed_s=system.runs.fixed_s + 1), system)
    assert not only_runs_differ(dataclasses.replace(system, online_first=False), system)
    for part in ("hosts", "vms", "online", "changes", "centre"):
        other = dataclasses.replace(system, **{part: dataclasses.replace(getattr(system, part))})
        assert not only_runs_differ(other, system)


def test_one_disturbance_more_leaves_the_numbers_of_the_others(folder):
    """Common random numbers: the work of a run is the same whether or not runs fail or start late."""
    week = read_night(folder, NIGHT)
    off = {"late_start": False, "failed_run": False, "host_failure": False}
    calm = study.trial_of(folder, week, PLAIN.model_copy(update=off)).disturbed(3)
    rough = study.trial_of(folder, week, PLAIN).disturbed(3)
    assert (calm.runs.cpu_s == rough.runs.cpu_s).all()
    assert (calm.runs.cpu_s != week.system.runs.cpu_s).any()


def test_work_varies_as_the_coefficient_says():
    count = 20_000
    keys = [StreamKey(442046, 1, day, 1) for day in range(count)]
    draws = RunStreams(keys, 1).draws(0)
    week_like = np.full(count, 100.0)

    class System:
        class runs:  # noqa: N801  (stands for a field)
            cpu_s = week_like

        def with_runs(self, cpu_s):
            return cpu_s

    work = VaryingWork(np.full(count, 0.3))(System(), draws, 0)
    assert work.mean() == pytest.approx(100.0, abs=4 * 30 / np.sqrt(count))
    assert work.std() == pytest.approx(30.0, rel=0.03)
    assert np.log(work).std() == pytest.approx(np.sqrt(np.log(1.09)), rel=0.03)
    assert (VaryingWork(np.zeros(count))(System(), draws, 0) == 100.0).all()
    assert np.isfinite(standard_normal(np.array([0.0, 1.0 - 2.0**-53]))).all()


def test_load_factor_scales_work(folder):
    one, two = (read_night(folder, NIGHT, Settings(load_factor=factor)).system.runs for factor in (1.0, 2.0))
    for column in ("cpu_s", "io_mib", "line_mib", "pool_s"):
        assert getattr(two, column) == pytest.approx(2 * getattr(one, column))
    assert (two.fixed_s == one.fixed_s).all()


def test_a_late_run_waits_for_the_next_window_of_its_job(folder):
    night = read_night(folder, NIGHT)
    runs, centre = night.system.runs, night.system.centre
    assert (runs.calendar >= 0).any()
    for row in np.flatnonzero(runs.calendar >= 0).tolist():
        number = int(runs.calendar[row])
        part = slice(int(centre.window_ptr[number]), int(centre.window_ptr[number + 1]))
        opens, closes = centre.window_open_s[part], centre.window_close_s[part]
        start = night.planned_start_s[row]
        assert ((opens <= start + 1e-3) & (start < closes)).any()
        assert closes[-1] > night.length_s + 30 * 86400.0
    late = night.system.with_runs(release_s=runs.release_s + 5 * 3600.0)
    from capacity.simulation import fast

    result = fast.simulate(late)
    for row in np.flatnonzero(runs.calendar >= 0).tolist():
        part = slice(int(centre.window_ptr[runs.calendar[row]]), int(centre.window_ptr[runs.calendar[row] + 1]))
        inside = (centre.window_open_s[part] <= result.start_s[row] + 1e-7) & (
            result.start_s[row] < centre.window_close_s[part]
        )
        assert inside.any()
    assert (read_night(folder, NIGHT, Settings(windows=False)).system.runs.calendar == -1).all()


def test_every_figure_has_its_interval_and_order(folder):
    result = simulate_plan(folder, PLAIN)
    assert len({(f.name, f.scope, f.id) for f in result.figures}) == len(result.figures)
    for figure in result.figures:
        assert figure.low_95 <= figure.mean <= figure.high_95
        assert (figure.method == "wilson") == (figure.name in CHANCES)
    for job in result.jobs:
        assert job.missed.low_95 <= job.missed.share <= job.missed.high_95
        assert job.overran.low_95 <= job.overran.share <= job.overran.high_95
        assert job.delay_s.p95_low is None or job.delay_s.p95_low <= job.delay_s.p95
    assert by_name(result, "worst_delay_s").mean >= by_name(result, "mean_delay_s").mean


CHANCES = {"deadline_missed", "window_overrun", "rerun_room_lost"}


def test_figures_of_jobs_and_of_all_agree(folder):
    result = simulate_plan(folder, PLAIN)
    runs = sum(job.runs for job in result.jobs)
    assert runs == result.runs
    mean = sum(job.delay_s.mean * job.runs for job in result.jobs) / runs
    assert by_name(result, "mean_delay_s").mean == pytest.approx(mean, abs=1e-6)
    anywhere = by_name(result, "deadline_missed").mean
    assert anywhere >= max(job.missed.share for job in result.jobs)
    tenants = [f.mean for f in result.figures if (f.name, f.scope) == ("deadline_missed", "tenant")]
    assert max(tenants) <= anywhere <= sum(tenants) + 1e-12


def test_counts_of_late_runs_are_those_of_the_jobs(folder):
    result = simulate_plan(folder, PLAIN.model_copy(update={"load_factor": 6.0}))
    late = sum(job.late_share * job.runs for job in result.jobs)
    overrun = sum(job.overrun_share * job.runs for job in result.jobs)
    assert late > 0
    assert overrun > 0
    assert by_name(result, "late_runs").mean == pytest.approx(late)
    assert by_name(result, "overrun_runs").mean == pytest.approx(overrun)
    overruns = [job.overrun_s.mean for job in result.jobs]
    assert overruns == sorted(overruns, reverse=True)


def test_a_run_that_was_done_again_does_not_lack_room_for_it(folder):
    settings = PLAIN.model_copy(update={"load_factor": 6.0})
    night = study.read(folder, settings)
    (lateness,) = [m for m in study.measures_of(folder, night) if Quantity("room_short_runs") in m.quantities]
    result = engine("fast")(night.system)
    short, lost = (lateness.quantities.index(Quantity(*name)) for name in NO_ROOM)
    once = lateness(night.system, result, 0)
    assert once[short] > 0
    again = lateness(night.system, dataclasses.replace(result, attempts=np.full_like(result.attempts, 2)), 0)
    assert again[short] == 0.0
    assert once[lost] == again[lost] == 1.0


NO_ROOM = (("room_short_runs",), ("rerun_room_lost", "all", "", "chance"))


def test_utilisation_is_work_over_capacity(folder):
    settings = PLAIN.model_copy(update={"vary_work": False, "replications": 2, "host_failure": False})
    result = simulate_plan(folder, settings)
    for figure in result.figures:
        if figure.name in ("cpu_utilisation", "online_unserved"):
            assert 0.0 <= figure.mean <= 1.0 + 1e-9
    hosts = [f.mean for f in result.figures if (f.name, f.scope) == ("cpu_utilisation", "host")]
    assert max(hosts) > 0


def test_sequential_stopping_names_its_reason(folder):
    settings = PLAIN.model_copy(update={"until_half_width_s": 1e6, "replications": 10})
    result = simulate_plan(folder, settings)
    assert (result.stopped_by, result.replications) == ("half_width", 10)
    assert result.half_width_s <= 1e6
    hard = PLAIN.model_copy(update={"until_half_width_s": 1e-9, "replications": 10, "most_replications": 15})
    assert simulate_plan(folder, hard).stopped_by == "most_replications"


def test_a_stop_keeps_what_is_finished(folder, monkeypatch):
    monkeypatch.setattr(replications, "CHUNK_RUNS", {"simpy": 1, "fast": 1})
    asked = iter([False, False, True])
    result = simulate_plan(folder, PLAIN, workers=1, stop=lambda: next(asked))
    assert (result.interrupted, result.stopped_by, result.replications) == (True, "interrupted", 3)
    assert "3 回模擬（中断）し" in result.verdict
    shorter = simulate_plan(folder, PLAIN.model_copy(update={"replications": 3}), workers=1)
    assert result.figures == shorter.figures


def test_nothing_finished_is_told(folder, monkeypatch):
    monkeypatch.setattr(study, "replicate", lambda *_: (_ for _ in ()))
    with pytest.raises(NothingFinishedError):
        simulate_plan(folder, PLAIN)


def test_more_than_the_memory_holds_is_refused_up_front(folder, monkeypatch):
    monkeypatch.setattr(study, "MOST_NUMBERS", 20)
    with pytest.raises(FolderError, match=r"^反復 12 回 × .* 件は多すぎます"):
        simulate_plan(folder, PLAIN)


def test_the_result_is_a_document_of_the_contract(folder):
    result = simulate_plan(folder, PLAIN)
    assert PlanSimulation.model_validate_json(result.model_dump_json()) == result
    assert json.loads(result.model_dump_json())["from"] == "2027-05-31T12:00:00+09:00"
    assert result.settings == {"night": "2027-05-31", "replications": 12, "seed": 5}


def test_a_trial_travels_to_a_worker(folder):
    import pickle

    week = read_week(folder, MONDAY)
    trial = study.trial_of(folder, week, Settings(replications=2))
    there = pickle.loads(pickle.dumps(trial))  # noqa: S301  (our own bytes)
    assert isinstance(there, Trial)
    assert (there.run(range(2)).ends == trial.run(range(2)).ends).all()


def with_sizes(folder):
    """The folder of an estate that gives disturbances a size."""
    sizes = Disturbances.model_validate_json(
        json.dumps(
            {
                "host_failure": {
                    **SOURCE, "per_host_year": 0.1, "detection_min": 2, "restart_min": 5, "parallel_restarts": 2,
                    "repair": {"median_min": 360, "p95_min": 600},
                },
                "failed_run": {**SOURCE, "probability": 0.5, "delay": {"median_min": 20, "p95_min": 90}},
            }
        )
    )  # fmt: skip
    return dataclasses.replace(folder, estate=folder.estate.model_copy(update={"disturbances": sizes}))


SOURCE = {"basis": "assumed", "source": "test"}


def test_a_host_that_fails_costs_attempts(folder):
    sized = with_sizes(folder)
    host = folder.layout.hosts[0].id
    quiet = PLAIN.model_copy(update={"failed_run": False, "host_failure": False})
    failing = quiet.model_copy(update={"failed_host": host, "failed_host_at": datetime(2027, 6, 1, 1, 5, tzinfo=JST)})
    calm, rough = simulate_plan(sized, quiet), simulate_plan(sized, failing)
    assert by_name(calm, "further_attempts").mean == 0
    assert by_name(rough, "further_attempts").mean > 0
    assert by_name(rough, "worst_delay_s").mean > by_name(calm, "worst_delay_s").mean
    slow = simulate_plan(sized, failing.model_copy(update={"engine": "simpy", "replications": 3}))
    fast = simulate_plan(sized, failing.model_copy(update={"replications": 3}))
    assert [f.mean for f in slow.figures] == pytest.approx([f.mean for f in fast.figures], abs=1e-5)


def test_the_probability_of_a_failed_run_is_found_again(folder):
    settings = PLAIN.model_copy(update={"host_failure": False, "replications": 200})
    result = simulate_plan(with_sizes(folder), settings)
    attempts = by_name(result, "further_attempts")
    assert attempts.low_95 <= 0.5 * result.runs <= attempts.high_95
    rare = settings.model_copy(update={"failed_run_probability": 0.0})
    assert by_name(simulate_plan(with_sizes(folder), rare), "further_attempts").mean == 0


def test_late_runs_come_with_their_explanation(folder):
    result = simulate_plan(with_sizes(folder), PLAIN.model_copy(update={"load_factor": 4.0}))
    assert result.late_runs
    for late in result.late_runs:
        assert late.overrun_s > 0 or late.lateness_s > 0
        assert late.explanation.endswith("。")
