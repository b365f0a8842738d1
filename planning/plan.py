"""From a resolved estate to a checked plan folder: runs, levelling, placement, layout, checks, write."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from capacity import bounds, levelling, online, placement, profile
from capacity import runs as run_generation
from capacity.records import SLOT_S
from estate.resolved import ResolvedEstate
from layout import checkers, folder
from layout.records import Bound, CheckVerdict, Layout, MisfitRecord, PeakRecord, RunRecord
from layout.wareki import fiscal_year_name

from . import networks, peaks, tables, wording
from .assembly import assemble
from .misfits import misfit_records

Progress = Callable[[str, float], None]

LEVELLING_LIMIT_S = 25.0
"""Guard on the wall time of the levelling; its work is limited deterministically well below it."""


def plan(
    estate: ResolvedEstate, destination: Path, *, seed: int = 0, progress: Progress = lambda step, share: None
) -> RunRecord:
    """Plans the estate and writes the folder `destination` as a whole. Returns what `run.json` says.

    A plan that does not fit is written too (`fits: false`), with its reasons. Raises layout.folder.FolderError when
    `destination` cannot be written.
    """
    timings: dict[str, float] = {}
    folder.check_destination(destination)

    with _timed("runs", timings, progress):
        runs = run_generation.generate(estate)
        online_load = online.table(estate)
    with _timed("earliest", timings, progress):
        earliest = levelling.earliest(runs, online_load)
    with _timed("levelling", timings, progress):
        planned = levelling.level(runs, online_load, seed=seed, progress=progress, time_limit_s=LEVELLING_LIMIT_S)
    with _timed("bounds", timings, progress):
        peak_bounds = bounds.peak_bound(runs, online_load)
    with _timed("placement", timings, progress):
        placed = placement.place(estate, placement.vm_load(runs, planned, online_load), seed=seed)
    with _timed("profile", timings, progress):
        before = profile.slot_load(runs, earliest, online_load)
        after = profile.slot_load(runs, planned, online_load)

    peak_records = peaks.peak_records(estate, runs.epoch, before, after, peak_bounds, placed)
    bound_records = peaks.bound_records(estate, peak_records, peak_bounds, placed)
    layout = assemble(estate, placed, networks.allot(estate), bound_records, generation=1)
    misfits = misfit_records(estate, runs, planned, placed)
    draft = folder.PlanFolder(
        path=destination,
        estate=estate,
        layout=layout,
        layout_digest=folder.digest(layout),
        runs=tables.runs_table(runs, earliest, planned),
        online=tables.online_table(runs.epoch, online_load),
        profile=tables.profile_table(runs.epoch, SLOT_S, before, after),
        run=_run_record(estate, layout, seed, len(runs), misfits, peak_records),
    )
    with _timed("checks", timings, progress):
        verdicts = checkers.check(draft)
    finished = replace(draft, run=_judged(draft.run, verdicts, bound_records, timings))
    folder.write(destination, finished)
    return finished.run


@contextmanager
def _timed(step: str, timings: dict[str, float], progress: Progress) -> Iterator[None]:
    started = time.perf_counter()
    progress(step, 0.0)
    yield
    progress(step, 1.0)
    timings[step] = round(time.perf_counter() - started, 3)


def _run_record(
    estate: ResolvedEstate,
    layout: Layout,
    seed: int,
    runs: int,
    misfits: tuple[MisfitRecord, ...],
    peak_records: tuple[PeakRecord, ...],
) -> RunRecord:
    libraries = ("ortools", "numpy", "pyarrow", "holidays")
    return RunRecord(
        kumiai_version=metadata.version("kumiai"),
        versions={"python": platform.python_version(), **{name: metadata.version(name) for name in libraries}},
        estate_digest=estate.digest,
        layout_digest=folder.digest(layout),
        seed=seed,
        timings_s={},
        fits=not misfits,
        verdict=wording.verdict(fiscal_year_name(estate.fiscal_year), peak_records, layout.bounds, misfits, 0),
        runs=runs,
        misfits=misfits,
        peaks=peak_records,
    )


def _judged(
    record: RunRecord, verdicts: tuple[CheckVerdict, ...], bound_records: tuple[Bound, ...], timings: dict[str, float]
) -> RunRecord:
    """The record with the checkers' verdicts: a plan that its checkers refuse is never written as fitting."""
    failed = sum(not verdict.passed for verdict in verdicts)
    if failed == 0:
        return record.model_copy(update={"checks": verdicts, "timings_s": timings})
    checker_misfits = tuple(
        MisfitRecord(kind="checker", reason=f"検査 {verdict.checker}：{verdict.violations[0]}（{verdict.count} 件）")
        for verdict in verdicts
        if not verdict.passed
    )
    misfits = record.misfits + checker_misfits
    return record.model_copy(
        update={
            "checks": verdicts,
            "timings_s": timings,
            "fits": False,
            "misfits": misfits,
            "verdict": record.verdict
            if record.misfits
            else wording.verdict("", record.peaks, bound_records, misfits, failed),
        }
    )
