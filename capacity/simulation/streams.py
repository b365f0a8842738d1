"""Random numbers by key: each run has its own stream in each replication, so that nothing else disturbs it.

A run's stream is numpy's `Generator(PCG64(SeedSequence(seed, spawn_key=(tenant code, crc32(system/job), day, sequence,
replication))))`. Thousands of runs times a thousand replications would spend minutes in numpy's objects, so the same
bits are computed here for all runs at once by compiled code: SeedSequence after O'Neill's `seed_seq_fe`, PCG64 (XSL RR
128/64) after pcg-random.org. Only the replication, the last word of the key, changes between replications: what comes
before it is mixed once.

Every purpose takes its own place in the stream, used or not: switching one disturbance off changes no other.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from capacity.records import Floats

_RUN_ID = re.compile(r"^(?P<job>.+)/(?P<day>\d{4}-\d{2}-\d{2})(#(?P<sequence>\d+))?$")

PURPOSES: Final = ("work", "late_start", "late_delay", "failure", "failure_point", "rerun_delay")
"""Draws of a run's stream, in this order. New purposes go to the end."""

_POOL = 4
_INIT_A, _MULT_A = np.uint32(0x43B0D7E5), np.uint32(0x931E8875)
_INIT_B, _MULT_B = np.uint32(0x8B51F9DD), np.uint32(0x58F38DED)
_MIX_L, _MIX_R = np.uint32(0xCA01F9DD), np.uint32(0x4973F715)
_XSHIFT = np.uint32(16)
_PCG_HIGH, _PCG_LOW = np.uint64(0x2360ED051FC65DA4), np.uint64(0x4385DF649FCCF645)

Words = npt.NDArray[np.uint32]
_compiled = numba.njit(cache=True, nogil=True)


@dataclass(frozen=True, slots=True)
class StreamKey:
    """What names the random numbers of one run: tenant code, system/job, day, and its number on that day."""

    tenant_code: int
    job_digest: int
    day: int
    sequence: int

    def spawn_key(self, replication: int) -> tuple[int, int, int, int, int]:
        """Key of the run's stream in one replication (DESIGN 6)."""
        return (self.tenant_code, self.job_digest, self.day, self.sequence, replication)


def stream_key(run_id: str, tenant: str, system: str, job: str, tenant_code: str | None) -> StreamKey:
    """Key of a run named `tenant/system/job/date` or `…#2`; tenants without a code go by the digest of their id.

    Raises ValueError for a run id of another form.
    """
    parts = _RUN_ID.match(run_id)
    if parts is None:
        raise ValueError(f"run id {run_id}: expected tenant/system/job/date")
    return StreamKey(
        tenant_code=int(tenant_code) if tenant_code else zlib.crc32(tenant.encode()),
        job_digest=zlib.crc32(f"{system}/{job}".encode()),
        day=date.fromisoformat(parts["day"]).toordinal(),
        sequence=int(parts["sequence"] or 1),
    )


def generator(seed: int, kind: str, name: str, day: date, replication: int) -> np.random.Generator:
    """The stream of something that is no run (`kind`: host, site), e.g. when host `kvm01` fails in a replication."""
    key = (zlib.crc32(kind.encode()), zlib.crc32(name.encode()), day.toordinal(), 0, replication)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


@dataclass(frozen=True)
class Draws:
    """Uniform numbers in [0, 1) of one replication, one per run and purpose."""

    work: Floats
    late_start: Floats
    """Whether the run is released late."""
    late_delay: Floats
    failure: Floats
    """Whether it fails."""
    failure_point: Floats
    rerun_delay: Floats


class RunStreams:
    """The streams of these runs under one seed."""

    def __init__(self, keys: Sequence[StreamKey], seed: int) -> None:
        """Raise ValueError for a negative seed or one of more than 128 bits, or key parts outside 32 bits."""
        if not 0 <= seed < 2**128:
            raise ValueError(f"seed must be in [0, 2**128), got {seed}")
        root = np.array([(seed >> (32 * word)) & 0xFFFFFFFF for word in range(_POOL)], dtype=np.uint32)
        parts = np.array([key.spawn_key(0)[:-1] for key in keys], dtype=np.int64).reshape(len(keys), 4)
        if ((parts < 0) | (parts >= 2**32)).any():
            raise ValueError("parts of stream keys must be in [0, 2**32)")
        self._pools = np.empty((len(keys), _POOL), dtype=np.uint32)
        self._hash_constant = np.uint32(_mix_keys(root, parts.astype(np.uint32), self._pools))

    def uniforms(self, replication: int, count: int = len(PURPOSES)) -> Floats:
        """The first `count` numbers of `Generator.random()` of every run's stream: an array (count, runs)."""
        if not 0 <= replication < 2**32:
            raise ValueError(f"replication must be in [0, 2**32), got {replication}")
        out = np.empty((count, len(self._pools)), dtype=np.float64)
        _fill(self._pools, self._hash_constant, np.uint32(replication), out)
        return out

    def draws(self, replication: int) -> Draws:
        """The numbers of one replication by purpose."""
        return Draws(*self.uniforms(replication))


@_compiled
def _hashed(value: np.uint32, constant: np.uint32) -> tuple[np.uint32, np.uint32]:
    value = np.uint32(value ^ constant)
    constant = np.uint32(constant * _MULT_A)
    value = np.uint32(value * constant)
    return np.uint32(value ^ (value >> _XSHIFT)), constant


@_compiled
def _mixed(x: np.uint32, y: np.uint32) -> np.uint32:
    result = np.uint32(np.uint32(_MIX_L * x) - np.uint32(_MIX_R * y))
    return np.uint32(result ^ (result >> _XSHIFT))


@_compiled
def _mix_keys(root: Words, parts: Words, pools: Words) -> np.uint32:
    """Fill the pool of each run with the seed and all of its key but the replication; the hash constant reached."""
    constant = _INIT_A
    for run in range(len(pools)):
        constant = _INIT_A
        pool = pools[run]
        for word in range(_POOL):
            pool[word], constant = _hashed(root[word], constant)
        for source in range(_POOL):
            for target in range(_POOL):
                if source != target:
                    value, constant = _hashed(pool[source], constant)
                    pool[target] = _mixed(pool[target], value)
        for word in range(parts.shape[1]):
            for target in range(_POOL):
                value, constant = _hashed(parts[run, word], constant)
                pool[target] = _mixed(pool[target], value)
    return constant


@_compiled
def _high_of_product(a: np.uint64, b: np.uint64) -> np.uint64:
    """The upper 64 bits of the product of two 64-bit numbers."""
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    a_low, a_high, b_low, b_high = a & mask, a >> half, b & mask, b >> half
    middle = a_high * b_low + ((a_low * b_low) >> half)
    other = a_low * b_high + (middle & mask)
    return a_high * b_high + (middle >> half) + (other >> half)


@_compiled
def _stepped(high: np.uint64, low: np.uint64, inc_high: np.uint64, inc_low: np.uint64) -> tuple[np.uint64, np.uint64]:
    """state * multiplier + increment, modulo 2**128."""
    new_high = _high_of_product(low, _PCG_LOW) + high * _PCG_LOW + low * _PCG_HIGH
    new_low = low * _PCG_LOW
    total = new_low + inc_low
    carry = np.uint64(1) if total < new_low else np.uint64(0)
    return new_high + inc_high + carry, total


@_compiled
def _fill(pools: Words, hash_constant: np.uint32, replication: np.uint32, out: Floats) -> None:
    one, bits = np.uint64(1), np.uint64(64)
    pool = np.empty(_POOL, dtype=np.uint32)
    words = np.empty(4, dtype=np.uint64)
    for run in range(len(pools)):
        constant = hash_constant
        for target in range(_POOL):
            value, constant = _hashed(replication, constant)
            pool[target] = _mixed(pools[run, target], value)
        constant = _INIT_B
        for word in range(8):
            data = np.uint32(pool[word % _POOL] ^ constant)
            constant = np.uint32(constant * _MULT_B)
            data = np.uint32(data * constant)
            data = np.uint32(data ^ (data >> _XSHIFT))
            if word % 2 == 0:
                words[word // 2] = np.uint64(data)
            else:
                words[word // 2] |= np.uint64(data) << np.uint64(32)
        inc_high = (words[2] << one) | (words[3] >> np.uint64(63))
        inc_low = (words[3] << one) | one
        low = inc_low + words[1]
        high = inc_high + words[0] + (one if low < inc_low else np.uint64(0))
        high, low = _stepped(high, low, inc_high, inc_low)
        for draw in range(len(out)):
            high, low = _stepped(high, low, inc_high, inc_low)
            turn = high >> np.uint64(58)
            crossed = high ^ low
            turned = (crossed >> turn) | (crossed << ((bits - turn) & np.uint64(63)))
            out[draw, run] = np.float64(turned >> np.uint64(11)) * (1.0 / 9007199254740992.0)
