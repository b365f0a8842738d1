"""What the disturbances need to know of the job behind each run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from capacity.records import Bools, Floats
from estate.base_records import JobKind
from estate.resolved import ResolvedEstate, ResolvedJob

JobKey: TypeAlias = tuple[str, str, str]
"""Tenant, system and job, by id."""


@dataclass(frozen=True)
class JobsOfRuns:
    """Per run, in row order: its job's kind, storage traffic, pages and line traffic."""

    kind: tuple[JobKind | str, ...]
    io_mib: Floats
    pages: Floats
    line_mib: Floats

    def of_kinds(self, kinds: Sequence[JobKind]) -> Bools:
        """Which runs belong to jobs of these kinds; all where none is named."""
        wanted = frozenset(kinds)
        return np.array([not wanted or kind in wanted for kind in self.kind], dtype=np.bool_)


def jobs_of_runs(estate: ResolvedEstate, keys: Sequence[JobKey]) -> JobsOfRuns:
    """The jobs behind runs of these keys. Raises KeyError for a job that the estate does not have."""
    by_key: dict[JobKey, ResolvedJob] = {(job.tenant, job.system, job.job): job for job in estate.jobs}
    jobs = [by_key[key] for key in keys]
    return JobsOfRuns(
        kind=tuple(job.kind for job in jobs),
        io_mib=np.array([job.io_mib for job in jobs], dtype=np.float64),
        pages=np.array([job.pages for job in jobs], dtype=np.float64),
        line_mib=np.array([job.line_mib for job in jobs], dtype=np.float64),
    )
