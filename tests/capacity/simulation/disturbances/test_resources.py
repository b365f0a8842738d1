"""Storage, printers and lines of a planned system."""

import numpy as np
import pytest

from capacity.simulation.columns import SimulationInput
from capacity.simulation.disturbances.jobs import JobsOfRuns, jobs_of_runs
from capacity.simulation.disturbances.resources import with_resources
from capacity.simulation.records import SimulatedHost, SimulatedRun, SimulatedVm
from capacity.simulation.validity import check
from estate.disturbance_records import BackupLine, Disturbances, Printing
from estate.records import Site
from layout.records import HostRecord
from tests.layout.builder import Builder

SOURCE = {"basis": "assumed", "source": "[A] test"}
BOTH = Disturbances(
    printing=Printing(printers=2, pages_per_hour=1800.0, pages_per_unit=1.0, **SOURCE),
    line=BackupLine(mib_s=10.0, backup_share=1.0, **SOURCE),
)
SITES = (
    Site(id="dc", role="primary", latitude=32.0, longitude=131.0),
    Site(id="far", role="backup", latitude=35.0, longitude=139.0),
)


def a_host(name, site, io_mib_s):
    return HostRecord(id=name, site=site, sockets=1, socket_capacity=1, cores_per_socket=4, io_mib_s=io_mib_s)


HOSTS = (a_host("h0", "dc", 200.0), a_host("h1", "far", 0.0))
JOBS = JobsOfRuns(("backup", "print"), np.array([50.0, 5.0]), np.array([0.0, 900.0]), np.array([25.0, 0.0]))


def plain():
    runs = [SimulatedRun("r0", 0, 0.0, 10.0), SimulatedRun("r1", 1, 0.0, 10.0)]
    return SimulationInput.of(
        [SimulatedHost("h0", 4.0), SimulatedHost("h1", 4.0)], [SimulatedVm("v0", 0), SimulatedVm("v1", 1)], runs
    )


def test_every_resource_is_shared_as_the_records_say():
    system = with_resources(plain(), JOBS, HOSTS, SITES, BOTH)
    check(system)
    assert system.hosts.io_mib_s.tolist() == [200.0, np.inf]
    assert system.hosts.line.tolist() == [0, -1]
    assert (list(system.centre.line_ids), system.centre.line_mib_s.tolist()) == (["dc"], [10.0])
    assert (list(system.centre.pool_ids), system.centre.pool_slots.tolist()) == (["printers"], [2])
    assert system.runs.io_mib.tolist() == [50.0, 5.0]
    assert system.runs.line_mib.tolist() == [25.0, 0.0]
    assert system.runs.pool.tolist() == [-1, 0]
    assert system.runs.pool_s.tolist() == [0.0, 1800.0]


def test_what_is_switched_off_takes_no_time():
    system = with_resources(plain(), JOBS, HOSTS, SITES, Disturbances())
    assert len(system.centre.pool_slots) == 0
    assert len(system.centre.line_mib_s) == 0
    assert system.runs.line_mib.tolist() == [0.0, 0.0]
    assert system.runs.pool.tolist() == [-1, -1]


def test_without_a_backup_site_there_is_no_line():
    system = with_resources(plain(), JOBS, HOSTS, SITES[:1], BOTH)
    assert system.hosts.line.tolist() == [-1, -1]
    check(system)


def test_jobs_of_runs_are_found_by_key():
    estate = Builder().contents().estate
    keys = [(job.tenant, job.system, job.job) for job in estate.jobs[:3]]
    found = jobs_of_runs(estate, [*keys, keys[0]])
    assert found.kind == tuple(job.kind for job in (*estate.jobs[:3], estate.jobs[0]))
    assert found.of_kinds(()).all()
    assert found.of_kinds(("assessment",)).tolist() == [kind == "assessment" for kind in found.kind]
    with pytest.raises(KeyError):
        jobs_of_runs(estate, [("nobody", "no", "job")])
