"""Stationary queues: how they begin, that they end well, and that small ones agree with theory."""

from dataclasses import replace

import numpy as np
import pytest

from capacity.simulation.engines import engine
from capacity.simulation.validation import coverage, statistical, theory, weighted
from capacity.simulation.validation.checks import Figure, judged
from capacity.simulation.validation.queues import Numbered, Queue, observe, replicated
from capacity.simulation.validation.works import Constant, Exponential, Hyperexponential

FAST = engine("fast")


def found_at_the_start(queue, replications=3000):
    """Number present at 0 and their work, per replication."""
    system, first, _ = replicated(queue, replications=range(replications), runs=1, seed=3)
    begins = np.searchsorted(system.runs.vm, np.arange(replications))
    counts = first[:-1] - begins
    work = [system.runs.cpu_s[begin:end].sum() for begin, end in zip(begins, first[:-1], strict=True)]
    return counts, np.array(work)


def test_the_number_present_is_erlangs():
    counts, _ = found_at_the_start(Queue(3.2, Exponential(1.0), 4))
    shares = [(counts == number).mean() for number in range(8)]
    assert shares == pytest.approx([theory.mmc_number(3.2, 1.0, 4, number) for number in range(8)], abs=0.03)


@pytest.mark.parametrize("work", [Constant(1.0), Hyperexponential(1.0, 4.0)], ids=repr)
def test_the_work_present_is_pollaczeks(work):
    """The work that an arrival finds is its wait, first come first served; sharing holds the same work."""
    exact = theory.mg1_wait(0.6, 1.0, work.second_moment)
    for shared in (False, True):
        _, present = found_at_the_start(Queue(0.6, work, shared=shared))
        assert present.mean() == pytest.approx(exact, abs=4 * present.std() / len(present) ** 0.5)


def test_an_unknown_stationary_state_is_refused():
    with pytest.raises(ValueError, match="stationary state"):
        replicated(Queue(1.6, Constant(1.0), 2), replications=range(1), runs=1, seed=0)


def test_a_replication_does_not_depend_on_those_beside_it():
    queue = Queue(0.8, Exponential(1.0), shared=True)
    together = observe(queue, FAST, replications=range(4), runs=50, seed=1).response_means()
    alone = observe(queue, FAST, replications=[2], runs=50, seed=1).response_means()
    assert together[2] == pytest.approx(alone[0], rel=1e-9)


def test_lost_work_is_noticed():
    def lazy(system, *, record_served=False):
        result = FAST(system, record_served=record_served)
        return replace(result, host_core_s=result.host_core_s * 0.999)

    with pytest.raises(RuntimeError, match="work in is not work out"):
        observe(Queue(0.5, Constant(1.0)), lazy, replications=range(2), runs=50, seed=1)


def test_numbered_names():
    names = Numbered(1000)
    assert (len(names), names[0], names[-1]) == (1000, "0", "999")
    assert list(names[3:5]) == ["3", "4"]


SMALL = ["M/M/4 λ=3.2 μ=1 FCFS", "M/M/4 λ=3.2 μ=1 PS", "M/D/1 0.5 FCFS", "M/D/1 0.8 PS", "M/M/3 λ=10 μ=12 PS"]


@pytest.mark.parametrize("name", SMALL)
def test_small_queues_agree_with_theory(name):
    study = next(study for study in statistical.studies() if study.name == name)
    figures = study.figures(FAST, replications=20, share=0.03)
    assert [figure.case for figure in figures if not figure.covered(0.999)] == []


def test_weighted_sharing_agrees_with_theory():
    figures = statistical.weighted_figures(statistical.WEIGHTED[0], FAST, replications=10, share=0.04)
    assert [figure.case for figure in figures if not figure.covered(0.999)] == []


def test_a_ring_that_is_too_short_is_noticed(monkeypatch):
    monkeypatch.setattr(weighted, "RING", 2)
    with pytest.raises(RuntimeError, match="two runs were in one VM"):
        statistical.weighted_figures(statistical.WEIGHTED[0], FAST, replications=2, share=0.01)


def test_studies_are_apart():
    names = [study.name for study in statistical.studies()]
    assert len(set(names)) == len(names) >= 22


def faster(system, *, record_served=False):
    """An engine that serves three parts in a hundred too fast."""
    quicker = system.with_runs(cpu_s=system.runs.cpu_s * 0.97)
    result = FAST(quicker, record_served=record_served)
    return replace(result, host_core_s=result.host_core_s / 0.97)


def test_a_slightly_wrong_engine_is_found():
    study = next(study for study in statistical.studies() if study.name == "M/M/3 λ=10 μ=12 PS")
    right, wrong = (judged(study.figures(each, replications=20, share=0.1), "fast") for each in (FAST, faster))
    assert right[0].passed
    assert not all(line.passed for line in wrong)


def test_wide_intervals_prove_nothing():
    wide = Figure("wide", 1.0, np.array([0.5, 1.5, 0.7, 1.3]))
    assert wide.covered()
    assert not judged([wide], "fast")[0].passed


def test_intervals_cover_as_often_as_they_say():
    """A part of `make validate`: 40 seeds; of 40 right 95 % intervals 34 or more cover with probability 99.6 %."""
    trial = next(trial for trial in coverage.trials() if trial.name.startswith("M/D/1 0.8 FCFS"))
    share = replace(trial, runs=600).share(FAST, seeds=40)
    assert share >= 0.85


def test_intervals_over_single_runs_would_not_cover():
    """Why intervals count replications: runs of one queue are correlated."""
    queue = Queue(0.8, Exponential(1.0), shared=True)
    covered = 0
    for seed in range(40):
        observed = observe(queue, FAST, replications=[0], runs=2000, seed=seed)
        covered += Figure("single runs", 5.0, (observed.end_s - observed.ready_s)[0]).covered()
    assert covered < 30
