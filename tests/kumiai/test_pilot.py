"""The pilot through the commands: planned, levelled, accepted; the ministry's three findings on its licences."""

from pathlib import Path

import pytest

import estate
import planning
from layout import checkers, folder

PILOT = Path(__file__).parents[2] / "examples" / "pilot" / "estate.yaml"


@pytest.fixture(scope="module")
def pilot(tmp_path_factory):
    destination = tmp_path_factory.mktemp("pilot") / "plan"
    planning.plan(estate.load(PILOT), destination)
    return folder.read(destination)


def test_the_year_of_the_pilot_fits_and_its_peak_is_levelled(pilot):
    assert pilot.run.fits
    assert 150_000 <= pilot.run.runs <= 300_000
    assert all(verdict.passed for verdict in checkers.check(pilot))
    peak = next(peak for peak in pilot.run.peaks if peak.site == "nobeoka")
    assert peak.after_cores <= 0.7 * peak.before_cores
    assert peak.after_cores <= 1.3 * peak.bound_cores


def test_the_three_findings_of_the_ministry_come_out_of_the_licences(pilot, ask):
    answer = ask("license", "count", pilot.path, "--json")
    assert answer.code == 3
    found = answer.document["findings"]
    (movement,) = found["movement"]
    assert movement["pinned"] < movement["planned"] == movement["whole_site"]
    busy = {(v["vm"], v["from"][:10], v["until"][:10], v["held"], v["needed"]) for v in found["busy_season"]}
    assert busy == {
        (f"{tenant}-resident-tax-db-01", "2027-05-01", "2027-07-01", 4, 8) for tenant in ("hita", "nobeoka")
    }
    (curve,) = found["host_curve"]
    quantities = [point["quantity"] for point in curve["points"]]
    assert len(quantities) == 12
    assert quantities == sorted(set(quantities))
    for line in answer.document["products"]:
        assert line["evidence"], line["rule"]
        assert line["source"], line["rule"]
    assert "契約書が優先します" in answer.document["notice"]
