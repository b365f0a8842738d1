"""Tables of the folder: times exact to the microsecond, and a profile that is the sum of its runs."""

import json
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

import estate
from capacity import levelling, online, profile, runs
from capacity.records import Placement
from planning import peaks, tables
from tests.planning.random_estate import estate as random_estate

JST = timezone(timedelta(hours=9))
EPOCH = datetime(2027, 5, 31, tzinfo=JST)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs, online load and both schedules of a random estate."""
    path = tmp_path_factory.mktemp("tables")
    document, catalogue = random_estate(5)
    (path / "estate.yaml").write_text(json.dumps(document), encoding="utf-8")
    (path / "catalogue.yaml").write_text(json.dumps(catalogue), encoding="utf-8")
    resolved = estate.load(path / "estate.yaml")
    found, load = runs.generate(resolved), online.table(resolved)
    earliest = levelling.earliest(found, load)
    planned = levelling.level(found, load, seed=0, progress=lambda step, share: None, time_limit_s=5.0, before=earliest)
    return resolved, found, load, earliest, planned


@pytest.mark.parametrize("seconds", [0.0, 0.1, 1 / 3, 600.0, 86_399.999999, 366 * 86_400.0 + 1e-6, -1.5])
def test_moments_are_exact_to_the_microsecond(seconds):
    (moment,) = tables.moments(EPOCH, np.array([seconds])).to_pylist()
    assert moment == EPOCH + timedelta(microseconds=round(seconds * 1e6))
    assert moment.utcoffset() == timedelta(hours=9)


def test_rows_are_the_runs(made):
    _, found, _, earliest, planned = made
    table = tables.runs_table(found, earliest, planned)
    assert table.num_rows == len(found) > 100
    for row in range(0, len(found), 17):
        written = table.slice(row, 1).to_pylist()[0]
        assert written["run_id"] == found.run_ids[row]
        assert "/".join(written[key] for key in ("tenant", "system", "job")) == found.job_names[found.job[row]]
        assert written["vm"] == found.vm_names[found.vm[row]]
        assert written["start"] == EPOCH + timedelta(seconds=float(planned.start_s[row]))
        assert written["earliest_start"] == EPOCH + timedelta(seconds=float(earliest.start_s[row]))
        length = timedelta(seconds=float(found.fixed_s[row] + found.cpu_s[row] / found.max_cores[row]))
        assert abs(written["end"] - written["start"] - length) <= timedelta(microseconds=1)
        assert written["window_start"] <= written["start"] <= written["end"] <= written["window_end"]
        before = found.after_run[found.after_ptr[row] : found.after_ptr[row + 1]]
        assert [after["run"] for after in written["after"]] == [found.run_ids[index] for index in before]


def test_the_profile_is_the_sum_of_runs_and_online_load(made):
    _, found, load, earliest, planned = made
    before = profile.slot_load(found, earliest.start_s, load)
    after = profile.slot_load(found, planned.start_s, load)
    table = tables.profile_table(found.epoch, before, after)
    delivered = found.cpu_s.sum() + ((load.until_s - load.from_s) * load.cores).sum()
    for column in ("before", "after"):
        assert table[column].to_numpy().sum() * 600 == pytest.approx(delivered, rel=1e-9)
    assert all(row["before"] > 0 or row["after"] > 0 for row in table.to_pylist())
    slots = [(row["slot"] - EPOCH).total_seconds() / 600 for row in table.to_pylist()]
    assert all(slot == int(slot) for slot in slots)


def test_online_rows_are_the_online_load(made):
    _, found, load, _, _ = made
    table = tables.online_table(found.epoch, load)
    assert table.num_rows == len(load.vm) > 0
    first = table.slice(0, 1).to_pylist()[0]
    assert first["vm"] == load.vm_names[load.vm[0]]
    assert first["from"] == EPOCH + timedelta(seconds=float(load.from_s[0]))
    assert first["cores"] == load.cores[0]


def slot_load(*sites):
    """Load of one tenant per site, by slot."""
    return profile.SlotLoad(tuple(name for name, _ in sites), ("t",), np.array([[cores] for _, cores in sites]))


HOSTS = ("h1", "h2")
PLACED = Placement(  # two hosts on `east`, one of them in use and one in reserve
    vm_names=("v1", "v2", "v3"),
    host_names=HOSTS,
    host=np.array([0, 0, -1]),
    reserve=("h2",),
    lower_bound={"east": 1, "west": 0},
    used={"east": 2, "west": 0},
    proof={"east": "測った", "west": ""},
    misfits=(),
)


def test_peaks_name_slot_week_and_the_cores_in_use(made):
    resolved, *_ = made
    sites = tuple(resolved.sites[0].model_copy(update={"id": name}) for name in ("east", "west"))
    hosts = tuple(resolved.hosts[0].model_copy(update={"id": name, "site": "east"}) for name in HOSTS)
    small = resolved.model_copy(update={"sites": sites, "hosts": hosts})
    before = slot_load(("east", [9.0, 1.0, 1.0]), ("west", [0.0] * 3))
    after = slot_load(("east", [3.0, 4.0, 4.0]), ("west", [0.0] * 3))
    (peak,) = peaks.peak_records(small, EPOCH, before, after, {"east": (3.5, "証明"), "west": (0.0, "")}, PLACED)
    assert (peak.site, peak.before_cores, peak.after_cores, peak.bound_cores) == ("east", 9.0, 4.0, 3.5)
    assert (peak.before_at, peak.after_at) == (EPOCH, EPOCH + timedelta(minutes=10))
    assert peak.capacity_cores == hosts[0].cores
    assert peak.tightest_week == "2027-05-31"
    cpu, count = peaks.bound_records(small, (peak,), {"east": (3.5, "証明")}, PLACED)
    assert (cpu.resource, cpu.lower_bound, cpu.plan, cpu.gap, cpu.proof) == (
        "cpu_peak_cores", 3.5, 4.0, pytest.approx(0.5 / 3.5), "証明",
    )  # fmt: skip
    assert (count.resource, count.lower_bound, count.plan, count.gap) == ("hosts", 1.0, 2.0, 1.0)


def test_the_tightest_week_begins_on_monday(made):
    resolved, *_ = made
    load = np.zeros((len(resolved.sites), 1, 6 * 144 + 1))
    load[0, 0, -1] = 1.0  # Sunday 6 June 00:00
    after = profile.SlotLoad(tuple(site.id for site in resolved.sites), ("t",), load)
    resolved = resolved.model_copy(
        update={"hosts": tuple(resolved.hosts[0].model_copy(update={"id": name}) for name in HOSTS)}
    )
    bounds = {site.id: (1.0, "") for site in resolved.sites}
    (peak,) = peaks.peak_records(resolved, EPOCH, after, after, bounds, PLACED)
    assert peak.after_at == datetime(2027, 6, 6, tzinfo=JST)
    assert peak.tightest_week == "2027-05-31"
