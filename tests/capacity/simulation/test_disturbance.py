"""Disturbed work: its distribution, and that nothing but its own key decides it."""

import zlib

import numpy as np
import pytest

from capacity.simulation.disturbance import disturbed_work, stream_key


def keys(count, code="442046", job="resident-tax/assessment"):
    system, name = job.split("/")
    return tuple(
        stream_key(f"hita/{job}/2027-06-{1 + k % 30:02d}#{1 + k // 30}", "hita", system, name, code)
        for k in range(count)
    )


def test_key_is_made_as_the_design_says():
    key = stream_key("hita/resident-tax/assessment/2027-06-07#2", "hita", "resident-tax", "assessment", "442046")
    assert key.spawn_key(5) == (442046, zlib.crc32(b"resident-tax/assessment"), 740139, 2, 5)
    first = stream_key("common/a/b/2027-06-07", "common", "a", "b", None)
    assert (first.tenant_code, first.sequence) == (zlib.crc32(b"common"), 1)


def test_a_run_id_of_another_form_is_refused():
    with pytest.raises(ValueError, match="expected tenant/system/job/date"):
        stream_key("hita/resident-tax", "hita", "resident-tax", "x", None)


def test_factors_have_mean_1_and_the_stated_variation():
    count = 20_000
    work = disturbed_work(np.full(count, 100.0), np.full(count, 0.3), keys(count), seed=1, replication=0)
    assert work.mean() == pytest.approx(100.0, abs=4 * 30 / np.sqrt(count))
    assert work.std() == pytest.approx(30.0, rel=0.03)
    assert np.log(work).std() == pytest.approx(np.sqrt(np.log(1.09)), rel=0.03)


def test_other_runs_replications_and_tenants_do_not_disturb():
    cpu, cv = np.full(5, 10.0), np.full(5, 0.2)
    alone = disturbed_work(cpu[:2], cv[:2], keys(5)[3:], seed=1, replication=4)
    together = disturbed_work(cpu, cv, keys(5), seed=1, replication=4)
    assert alone.tolist() == together[3:].tolist()
    others = [
        disturbed_work(cpu, cv, keys(5), seed=1, replication=5),
        disturbed_work(cpu, cv, keys(5), seed=2, replication=4),
        disturbed_work(cpu, cv, keys(5, code="442038"), seed=1, replication=4),
    ]
    assert all(not np.isin(other, together).any() for other in others)


def test_without_variation_the_work_is_as_planned():
    cpu = np.array([3.0, 0.0])
    assert disturbed_work(cpu, np.zeros(2), keys(2), seed=1, replication=0).tolist() == [3.0, 0.0]
