"""Work as it may turn out: each run's own stream of random numbers, so that nothing else disturbs it."""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass
from datetime import date

import numpy as np

from capacity.records import Floats

_RUN_ID = re.compile(r"^(?P<job>.+)/(?P<day>\d{4}-\d{2}-\d{2})(#(?P<sequence>\d+))?$")


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


def disturbed_work(
    cpu_s: Floats, work_cv: Floats, keys: tuple[StreamKey, ...], *, seed: int, replication: int
) -> Floats:
    """Core-seconds of each run in one replication: planned work times a lognormal factor of mean 1.

    The factor's coefficient of variation is the run's `work_cv`: sigma^2 = ln(1 + cv^2), mu = -sigma^2 / 2.
    """
    factors = np.ones(len(cpu_s))
    for row, key in enumerate(keys):
        if work_cv[row] > 0:
            sigma = math.sqrt(math.log1p(float(work_cv[row]) ** 2))
            stream = np.random.Generator(
                np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key.spawn_key(replication)))
            )
            factors[row] = math.exp(sigma * stream.standard_normal() - sigma * sigma / 2)
    return np.asarray(cpu_s * factors, dtype=np.float64)
