"""From a resolved estate to a checked plan folder: runs, levelling, placement, layout, checks, write."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from importlib import metadata
from pathlib import Path

from capacity import bounds, levelling, online, placement, profile, runs
from estate.clock import JST
from estate.resolved import ResolvedEstate
from layout import checkers, folder
from layout.records import PLANNING_STEPS, CheckVerdict, MisfitRecord, PeakRecord, RunRecord
from layout.wareki import fiscal_year_name

from . import networks, peaks, tables, wording
from .assembly import assemble
from .misfits import misfit_records

Progress = Callable[[str, float], None]

LEVELLING_LIMIT_S = 300.0
"""Guard on the wall time of the levelling; its work itself is limited deterministically, far below this."""


def plan(
    estate: ResolvedEstate, destination: Path, *, seed: int = 0, progress: Progress = lambda step, share: None
) -> RunRecord:
    """Plans the estate and writes the folder `destination` as a whole. Returns what `run.json` says.

    A plan that does not fit is written too (`fits: false`), with its reasons. Raises layout.FolderError when
    `destination` cannot be written, and networks.AddressSpaceError when the estate is too large for 10.0.0.0/8.
    """
    timings: dict[str, float] = {}
    folder.refuse_destination(destination)
    numbering = networks.allot(estate)

    with _timed("runs", timings, progress):
        all_runs = runs.generate(estate)
        online_load = online.table(estate)
    with _timed("earliest", timings, progress):
        earliest = levelling.earliest(all_runs, online_load)
    with _timed("levelling", timings, progress):
        planned = levelling.level(
            all_runs, online_load, seed=seed, progress=progress, time_limit_s=LEVELLING_LIMIT_S, before=earliest
        )
    with _timed("bounds", timings, progress):
        peak_bounds = bounds.peak_bound(all_runs, online_load)
    with _timed("placement", timings, progress):
        placed = placement.place(estate, placement.vm_load(all_runs, planned, online_load), seed=seed)
    with _timed("profile", timings, progress):
        before = profile.slot_load(all_runs, earliest.start_s, online_load)
        after = profile.slot_load(all_runs, planned.start_s, online_load)
        profile_rows = tables.profile_table(all_runs.epoch, before, after)

    peak_records = peaks.peak_records(estate, all_runs.epoch, before, after, peak_bounds, placed)
    layout = assemble(
        estate, placed, numbering, peaks.bound_records(estate, peak_records, peak_bounds, placed), generation=1
    )
    misfits = misfit_records(estate, all_runs, planned, placed)
    contents = folder.FolderContents(
        estate=estate,
        layout=layout,
        runs=tables.runs_table(all_runs, earliest, planned),
        online=tables.online_table(all_runs.epoch, online_load),
        profile=profile_rows,
        run=RunRecord(
            kumiai_version=metadata.version("kumiai"),
            created=datetime.now(JST).replace(microsecond=0),
            versions=_versions(),
            estate_digest=estate.digest,
            layout_digest="",  # the folder names it when it is assembled
            seed=seed,
            timings_s={},
            fits=not misfits,
            verdict=wording.verdict(
                fiscal_year_name(estate.fiscal_year), peak_records, layout.bounds, misfits, site_names(estate)
            ),
            runs=len(all_runs),
            misfits=misfits,
            peaks=peak_records,
        ),
    )
    with _timed("checks", timings, progress):
        verdicts = checkers.check(folder.assemble(destination, contents))
    record = _judged(contents.run, verdicts, peak_records, timings)
    written = folder.write(destination, replace(contents, run=record))
    return written.run


@contextmanager
def _timed(step: str, timings: dict[str, float], progress: Progress) -> Iterator[None]:
    started = time.perf_counter()
    progress(PLANNING_STEPS[step], 0.0)
    yield
    progress(PLANNING_STEPS[step], 1.0)
    timings[step] = round(time.perf_counter() - started, 3)


def site_names(estate: ResolvedEstate) -> dict[str, str]:
    """What people call the sites, by id."""
    return {site.id: site.name or site.id for site in estate.sites}


def _versions() -> dict[str, str]:
    libraries = ("ortools", "numpy", "pyarrow", "holidays", "python-dateutil", "pydantic")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in libraries}}


def _judged(
    record: RunRecord,
    verdicts: tuple[CheckVerdict, ...],
    peak_records: tuple[PeakRecord, ...],
    timings: dict[str, float],
) -> RunRecord:
    """The record with the checkers' verdicts: a plan that its checkers refuse is never written as fitting."""
    refused = tuple(
        MisfitRecord(
            kind="checker", reason=f"独立検査 {verdict.checker}：{verdict.violations[0]}（{verdict.count} 件）"
        )
        for verdict in verdicts
        if not verdict.passed
    )
    judged = record.model_copy(update={"checks": verdicts, "timings_s": timings})
    if not refused or not record.fits:
        return judged
    verdict = wording.verdict("", peak_records, (), refused, {})
    return judged.model_copy(update={"fits": False, "misfits": refused, "verdict": verdict})
