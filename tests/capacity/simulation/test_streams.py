"""Streams: the same bits as numpy's own objects, and that nothing but its own key decides a number."""

import zlib
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.simulation.streams import PURPOSES, RunStreams, StreamKey, generator, stream_key

WORD = st.integers(0, 2**32 - 1)
KEYS = st.lists(st.builds(StreamKey, WORD, WORD, WORD, WORD), min_size=1, max_size=5)


def numpys(key, seed, replication, count):
    sequence = np.random.SeedSequence(seed, spawn_key=key.spawn_key(replication))
    return np.random.Generator(np.random.PCG64(sequence)).random(count)


@settings(max_examples=500, deadline=None)
@given(KEYS, st.integers(0, 2**63 - 1) | st.integers(0, 2**128 - 1), WORD, st.integers(1, 9))
def test_bits_are_numpys(keys, seed, replication, count):
    found = RunStreams(keys, seed).uniforms(replication, count)
    assert found.shape == (count, len(keys))
    for row, key in enumerate(keys):
        assert found[:, row].tolist() == numpys(key, seed, replication, count).tolist()


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**64 - 1, 2**127])
def test_bits_are_numpys_at_the_edges_of_words(seed):
    key = StreamKey(0, 2**32 - 1, 0, 0)
    for replication in (0, 1, 2**32 - 1):
        found = RunStreams([key], seed).uniforms(replication, 3)[:, 0]
        assert found.tolist() == numpys(key, seed, replication, 3).tolist()


def test_key_is_made_as_the_design_says():
    key = stream_key("hita/resident-tax/assessment/2027-06-07#2", "hita", "resident-tax", "assessment", "442046")
    assert key.spawn_key(5) == (442046, zlib.crc32(b"resident-tax/assessment"), 740139, 2, 5)
    first = stream_key("common/a/b/2027-06-07", "common", "a", "b", None)
    assert (first.tenant_code, first.sequence) == (zlib.crc32(b"common"), 1)


def test_a_run_id_of_another_form_is_refused():
    with pytest.raises(ValueError, match="expected tenant/system/job/date"):
        stream_key("hita/resident-tax", "hita", "resident-tax", "x", None)


@pytest.mark.parametrize("key", [StreamKey(-1, 0, 0, 0), StreamKey(0, 2**32, 0, 0)])
def test_keys_beyond_a_word_are_refused(key):
    with pytest.raises(ValueError, match="stream keys"):
        RunStreams([key], 0)


def test_seeds_and_replications_out_of_range_are_refused():
    for seed in (-1, 2**128):
        with pytest.raises(ValueError, match="seed"):
            RunStreams([], seed)
    for replication in (-1, 2**32):
        with pytest.raises(ValueError, match="replication"):
            RunStreams([], 0).uniforms(replication)


def test_other_runs_and_purposes_do_not_disturb():
    keys = [StreamKey(442046, 7, day, 1) for day in range(5)]
    together = RunStreams(keys, 3)
    assert RunStreams(keys[3:], 3).uniforms(4).tolist() == together.uniforms(4)[:, 3:].tolist()
    assert together.uniforms(4, 2).tolist() == together.uniforms(4, 9)[:2].tolist()
    draws = together.draws(4)
    assert [getattr(draws, purpose).tolist() for purpose in PURPOSES] == together.uniforms(4).tolist()


def test_numbers_are_uniform_and_unrelated():
    keys = [StreamKey(442046, 7, day, 1) for day in range(200)]
    streams = RunStreams(keys, 11)
    numbers = np.array([streams.uniforms(replication) for replication in range(200)])
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert np.histogram(numbers, 10, (0, 1))[0] == pytest.approx(np.full(10, numbers.size / 10), rel=0.02)
    by_purpose = np.corrcoef(numbers.transpose(1, 0, 2).reshape(len(PURPOSES), -1))
    assert np.abs(by_purpose - np.eye(len(PURPOSES))).max() < 4 / np.sqrt(40_000)
    by_replication = np.corrcoef(numbers[:-1, 0].ravel(), numbers[1:, 0].ravel())[0, 1]
    assert abs(by_replication) < 4 / np.sqrt(40_000)


def test_hosts_and_sites_have_their_own_streams():
    day = date(2027, 6, 7)
    first = generator(1, "host", "kvm01", day, 0).random()
    assert generator(1, "host", "kvm01", day, 0).random() == first
    others = [("site", "kvm01", day, 0), ("host", "kvm02", day, 0), ("host", "kvm01", day, 1)]
    assert all(generator(1, *other).random() != first for other in others)
