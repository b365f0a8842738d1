"""Sizes of disturbances: merged from catalogue and estate file, attached to jobs, listed where they are assumed."""

import json
from pathlib import Path

import pytest

from estate import load
from estate.catalogue_reader import STANDARD, read_catalogue
from estate.disturbance_records import Disturbances, Duration, LateStart
from estate.resolved import ResolvedEstate

MINIMAL = Path(__file__).parents[1] / "cases" / "estate" / "minimal.yaml"
PILOT = Path(__file__).parents[2] / "examples" / "pilot" / "estate.yaml"
OWN = """
disturbances:
  site_loss: null
  printing: {printers: 1, pages_per_hour: 1000, pages_per_unit: 2, basis: measured, source: 印刷室の記録}
  line: {mib_s: 12.5, backup_share: 0.25, basis: assumed, source: 試験}
"""


@pytest.fixture(scope="module")
def pilot() -> ResolvedEstate:
    return load(PILOT)


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "estate.yaml"
    path.write_text(PILOT.read_text(encoding="utf-8") + OWN, encoding="utf-8")
    return load(path)


def test_every_disturbance_has_a_size_in_the_standard_catalogue():
    catalogue = read_catalogue(STANDARD).record
    assert catalogue is not None
    assert catalogue.disturbances.model_fields_set == set(Disturbances.model_fields)
    assert all(getattr(catalogue.disturbances, name) is not None for name in Disturbances.model_fields)
    assert catalogue.disturbances.service_level.availability == 0.995
    assert catalogue.disturbances.service_level.restore_h == 12


def test_a_block_of_the_estate_replaces_the_catalogues_and_null_switches_it_off(own, pilot):
    assert own.disturbances.site_loss is None
    assert own.disturbances.printing.pages_per_hour == 1000
    assert own.disturbances.host_failure == pilot.disturbances.host_failure


def test_only_jobs_that_print_have_pages_and_only_backups_use_the_line(own):
    pages = {job.kind for job in own.jobs if job.pages > 0}
    over_the_line = {job.kind for job in own.jobs if job.line_mib > 0}
    assert (pages, over_the_line) == ({"print"}, {"backup"})
    notices = next(
        job for job in own.jobs if (job.tenant, job.system, job.job) == ("hita", "resident-tax", "special-print")
    )
    assert notices.units == pytest.approx(61361 * 0.46)
    assert notices.pages == pytest.approx(2 * 61361 * 0.46)
    backup = next(job for job in own.jobs if (job.tenant, job.system, job.job) == ("hita", "resident-tax", "backup"))
    assert backup.line_mib == pytest.approx(0.25 * backup.io_mib)
    assert backup.io_mib == pytest.approx(0.4 * 61361)


def test_assumed_sizes_are_listed_where_they_stand(own):
    paths = {entry.path: entry.what for entry in own.assumptions if "disturbances" in entry.path}
    assert "estate file: disturbances.line" in paths
    assert "disturbances.host_failure" in paths
    assert paths["disturbances.host_failure"] == "乱れの大きさ：ホストの故障"
    # Off, measured and standard: not assumed.
    assert not {"disturbances.site_loss", "estate file: disturbances.printing", "disturbances.service_level"} & set(
        paths
    )


def test_a_resolved_estate_of_before_has_no_disturbances(pilot):
    written = json.loads(pilot.model_dump_json())
    del written["disturbances"]
    del written["policy"]["online"]
    for job in written["jobs"]:
        for name in ("units", "pages", "line_mib"):
            del job[name]
    read = ResolvedEstate.model_validate_json(json.dumps(written))
    assert read.disturbances == Disturbances()
    assert read.policy.online == "first"
    assert {job.pages for job in read.jobs} == {0.0}


def test_the_sizes_come_back_from_the_file_of_the_resolved_estate(own):
    read = ResolvedEstate.model_validate_json(own.model_dump_json())
    assert read.disturbances == own.disturbances
    assert read.jobs == own.jobs


def test_an_estate_with_a_catalogue_of_its_own_may_have_none():
    estate = load(MINIMAL)
    assert all(getattr(estate.disturbances, name) is None for name in Disturbances.model_fields)


def test_a_block_can_be_taken_away_by_name_only():
    late = LateStart(
        kinds=("notice",), probability=0.1, delay=Duration(median_min=1, p95_min=2), basis="assumed", source="[A] test"
    )
    mine = Disturbances(late_start=late)
    assert mine.overridden_by(Disturbances()).late_start == late
    assert mine.overridden_by(Disturbances(late_start=None)).late_start is None
