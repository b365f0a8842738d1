"""A planned week is disturbed as its settings and its estate say."""

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest

from capacity.simulation.disturbances.of_week import FailedRuns, LateStarts, Stops, disturbances_of
from capacity.simulation.records import Relocation
from capacity.simulation.service_time import service_time
from capacity.simulation.settings import Settings
from capacity.simulation.streams import RunStreams
from capacity.simulation.study import simulate_plan, trial_of
from capacity.simulation.validity import check
from capacity.simulation.week import read_week
from estate.disturbance_records import (
    Disturbances,
    Duration,
    Emergency,
    FailedRun,
    HostFailure,
    LateStart,
    SiteLoss,
)
from estate.records import Site
from layout.errors import FolderError
from layout.folder import assemble
from tests.layout.builder import Builder

JST = timezone(timedelta(hours=9))
MONDAY = date(2027, 5, 31)
SOURCE = {"basis": "assumed", "source": "[A] test"}
ALWAYS = Duration(median_min=10.0, p95_min=10.0)
SIZES = Disturbances(
    late_start=LateStart(kinds=("backup",), probability=0.5, delay=ALWAYS, **SOURCE),
    failed_run=FailedRun(kinds=("nightly",), probability=0.5, delay=ALWAYS, **SOURCE),
    host_failure=HostFailure(
        per_host_year=1.0, detection_min=2.0, restart_min=5.0, parallel_restarts=8, repair=ALWAYS, **SOURCE
    ),
    site_loss=SiteLoss(
        per_site_year=0.0,
        decision_h=1.0,
        restart_min=10.0,
        parallel_restarts=4,
        transfer_share=0.0,
        return_days=2.0,
        **SOURCE,
    ),
    emergency=Emergency(systems=("s00",), profile="day", cores_per_1000_residents=2.0, by_day=(1.0,), **SOURCE),
)
QUIET = {"host_failure": False, "vary_work": False, "late_start": False, "failed_run": False}


def folder_of(tmp_path, sizes=SIZES):
    contents = Builder().contents()
    estate = contents.estate.model_copy(update={"disturbances": sizes})
    return assemble(tmp_path / "plan", replace(contents, estate=estate))


@pytest.fixture
def folder(tmp_path):
    return folder_of(tmp_path)


def disturbed(folder, replication=0, **settings):
    chosen = Settings(week=MONDAY, engine="simpy", **settings)
    week = read_week(folder, MONDAY, chosen)
    system = trial_of(folder, week, chosen).disturbed(replication)
    check(system)
    return week, system


def test_an_estate_without_sizes_is_never_disturbed(tmp_path):
    folder = folder_of(tmp_path, Disturbances())
    week = read_week(folder, MONDAY)
    assert disturbances_of(folder, week, Settings(site_loss=True)) == ()


def test_late_starts_and_failures_strike_the_kinds_that_the_estate_names(folder):
    week, system = disturbed(folder, host_failure=False, vary_work=False)
    late_s = system.runs.release_s - week.planned_start_s
    kinds = np.array(week.kind)
    assert set(kinds[late_s > 0]) == {"backup"}
    assert set(np.round(late_s[late_s > 0], 6)) == {600.0}
    assert 0 < (late_s > 0).sum() < (kinds == "backup").sum()
    fails = np.isfinite(system.runs.failed_cpu_s)
    assert set(kinds[fails]) == {"nightly"}
    assert (system.runs.failed_cpu_s[fails] <= system.runs.cpu_s[fails]).all()
    assert set(system.runs.rerun_delay_s[fails]) == {600.0}


def test_settings_replace_the_estates_chances_and_switch_things_off(folder):
    week, system = disturbed(folder, host_failure=False, late_start_probability=1.0, failed_run_probability=0.0)
    assert ((system.runs.release_s > week.planned_start_s) == (np.array(week.kind) == "backup")).all()
    assert np.isinf(system.runs.failed_cpu_s).all()
    week, system = disturbed(folder, **QUIET)
    assert system is week.system


def test_a_disturbance_uses_its_own_draws_only(folder):
    settings = Settings(week=MONDAY, host_failure=False)
    week = read_week(folder, MONDAY, settings)
    late, failed = disturbances_of(folder, week, settings)
    assert isinstance(late, LateStarts)
    assert isinstance(failed, FailedRuns)
    draws = RunStreams(week.keys, 3).draws(1)
    other = replace(draws, work=1 - draws.work, failure=1 - draws.failure)
    assert np.array_equal(late(week.system, draws, 1).runs.release_s, late(week.system, other, 1).runs.release_s)


def test_a_host_that_is_said_to_fail_sends_its_vms_to_the_spare_host(folder):
    name = folder.layout.vms[0].host
    moment = datetime(2027, 6, 1, 1, 0, tzinfo=JST)
    week, system = disturbed(folder, failed_host=name, failed_host_at=moment, **QUIET)
    rows = [row for row, vm in enumerate(folder.layout.vms) if vm.host == name]
    changes = system.changes
    assert sorted(changes.move_vm.tolist()) == rows
    spare = [row for row, host in enumerate(folder.layout.hosts) if host.spare]
    assert set(changes.move_to_host.tolist()) <= set(spare)
    at_s = (moment - week.start).total_seconds()
    assert set(changes.move_at_s.tolist()) == {at_s}
    assert changes.move_until_s.min() == at_s + 7 * 60.0
    assert not changes.move_keeps_work.any()


def test_planned_moves_stay_but_not_of_vms_that_were_restarted(folder):
    settings = Settings(week=MONDAY, failed_host=folder.layout.vms[0].host, **QUIET)
    week = read_week(folder, MONDAY, settings)
    (stops,) = disturbances_of(folder, week, settings)
    assert isinstance(stops, Stops)
    other = next(row for row, vm in enumerate(folder.layout.vms) if vm.host != folder.layout.vms[0].host)
    free = next(
        row for row, host in enumerate(folder.layout.hosts)
        if not host.spare and host.id not in (folder.layout.vms[0].host, folder.layout.vms[other].host)
    )  # fmt: skip
    from capacity.simulation.disturbances.of_week import with_relocations

    planned = [Relocation(0, 90_000.0, 90_000.0, free, True), Relocation(other, 90_000.0, 90_000.0, free, True)]
    moving = replace(week.system, changes=with_relocations(week.system.changes, planned))
    draws = RunStreams(week.keys, 0).draws(0)
    changes = stops(moving, draws, 0).changes
    live = [int(vm) for vm, keeps in zip(changes.move_vm, changes.move_keeps_work, strict=True) if keeps]
    assert live == [other]


def test_a_lost_site_without_a_backup_site_waits_until_it_is_back(folder):
    _, system = disturbed(folder, lost_site="dc", **QUIET)
    assert len(system.changes.move_vm) == len(folder.layout.vms)
    assert (system.changes.move_until_s - system.changes.move_at_s >= 2 * 86400.0).all()


def test_a_lost_site_is_a_peak_in_lateness(folder):
    result = simulate_plan(
        folder, Settings(week=MONDAY, engine="simpy", replications=2, lost_site="dc", **QUIET), workers=1
    )
    assert result.late_runs
    assert all("ホストの故障" in run.explanation or "先行" in run.explanation for run in result.late_runs[:3])


def test_availability_of_a_week_counts_each_systems_service_hours(folder):
    moment = datetime(2027, 6, 1, 1, 0, tzinfo=JST)
    host = next(vm.host for vm in folder.layout.vms if vm.role == "db" and vm.tenant == "t00")
    alone = {vm.tenant for vm in folder.layout.vms if vm.role == "db" and vm.host == host}
    settings = Settings(week=MONDAY, engine="simpy", replications=1, failed_host=host, failed_host_at=moment, **QUIET)
    figures = simulate_plan(folder, settings, workers=1).figures
    shares = {figure.id: figure.mean for figure in figures if figure.name == "availability"}
    for tenant in ("t00", "t01"):
        down = [vm for vm in folder.layout.vms if vm.role == "db" and (vm.tenant, vm.host) == (tenant, host)]
        served = [system for system in folder.estate.systems if system.tenant == tenant]
        # The builder's systems serve in their batch window, which is open at one in the night: 7 minutes are lost.
        hours = sum(span_h(folder, system) for system in served)
        assert shares[tenant] == pytest.approx(1 - len(down) * 7 / 60 / hours, abs=1e-9)
    assert alone
    assert shares[""] < 1.0


def span_h(folder, system):
    start = datetime(MONDAY.year, MONDAY.month, MONDAY.day, tzinfo=JST)
    return service_time(system.service_hours, start, 0.0, 7 * 86400.0).total_s / 3600


def test_random_host_failures_are_the_same_in_every_system_of_a_seed(folder):
    quiet = {name: value for name, value in QUIET.items() if name != "host_failure"}
    settings = {"host_failures_per_year": 100.0, **quiet}
    _, one = disturbed(folder, replication=4, **settings)
    _, again = disturbed(folder, replication=4, load_factor=2.0, **settings)
    _, other = disturbed(folder, replication=5, **settings)
    assert len(one.changes.move_at_s) > 0
    assert np.array_equal(one.changes.move_at_s, again.changes.move_at_s)
    assert not np.array_equal(one.changes.move_at_s, other.changes.move_at_s)


def test_random_losses_of_a_site(folder):
    quiet = {**QUIET, "site_loss": True}
    _, often = disturbed(folder, site_losses_per_year=12.0, replication=3, **quiet)
    lost = [disturbed(folder, site_losses_per_year=12.0, replication=row, **quiet)[1] for row in range(30)]
    share = np.mean([len(system.changes.move_vm) > 0 for system in lost])
    # Twelve a year over the nine days that are looked at: 1 - exp(-12 x 9 / 365.25) = 0.256.
    assert 0.05 < share < 0.55
    week = read_week(folder, MONDAY)
    assert len(often.changes.move_vm) in (0, len(week.system.vms))


def test_the_load_after_a_disaster_begins_where_it_is_said_to(folder):
    week, system = disturbed(folder, emergency_from=MONDAY + timedelta(days=1), **QUIET)
    more = system.vms.online_class != week.system.vms.online_class
    assert {folder.layout.vms[row].system for row in np.flatnonzero(more)} == {"s00"}
    row = int(np.flatnonzero(more)[0])
    own = int(system.vms.online_class[row])
    steps = slice(int(system.online.ptr[own]), int(system.online.ptr[own + 1]))
    before = int(week.system.vms.online_class[row])
    old = slice(int(week.system.online.ptr[before]), int(week.system.online.ptr[before + 1]))
    assert system.online.level[steps].max() > week.system.online.level[old].max()


def test_what_cannot_be_is_named(folder, tmp_path):
    week = read_week(folder, MONDAY)
    with pytest.raises(FolderError, match="failed_host: ホスト「nowhere」は"):
        disturbances_of(folder, week, Settings(failed_host="nowhere"))
    with pytest.raises(FolderError, match="lost_site: 拠点「nowhere」"):
        disturbances_of(folder, week, Settings(lost_site="nowhere"))
    late = datetime(2027, 7, 1, tzinfo=JST)
    with pytest.raises(FolderError, match="failed_host_at: 2027-07-01T00:00:00\\+09:00 は模擬する期間"):
        disturbances_of(folder, week, Settings(failed_host="kvm01", failed_host_at=late))
    bare = folder_of(tmp_path, Disturbances())
    for settings in (Settings(failed_host="kvm01"), Settings(lost_site="dc"), Settings(emergency=True)):
        with pytest.raises(FolderError, match="大きさがありません"):
            disturbances_of(bare, week, settings)


def test_a_backup_site_takes_what_it_can(tmp_path):
    contents = Builder().contents()
    estate = contents.estate.model_copy(
        update={
            "disturbances": SIZES,
            "sites": (*contents.estate.sites, Site(id="far", role="backup", latitude=40.0, longitude=140.0)),
        }
    )
    hosts = (*contents.layout.hosts[:-1], contents.layout.hosts[-1].model_copy(update={"site": "far"}))
    layout = contents.layout.model_copy(update={"hosts": hosts})
    folder = assemble(tmp_path / "plan", replace(contents, estate=estate, layout=layout))
    _, system = disturbed(folder, lost_site="dc", **QUIET)
    up_early = system.changes.move_until_s - system.changes.move_at_s < 2 * 86400.0
    assert up_early.any()
    assert set(system.changes.move_to_host[up_early].tolist()) == {len(hosts) - 1}
