"""From a resolved estate to a checked plan folder: runs, levelling, placement, layout, checks, write."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from importlib import metadata
from pathlib import Path

from capacity import bounds, levelling, online, placement, profile, runs
from capacity.records import Floats, Schedule
from estate.clock import JST
from estate.resolved import ResolvedEstate
from layout import checkers, folder
from layout.folder import PlanFolder
from layout.records import PLANNING_STEPS, ChangeRecord, CheckVerdict, MisfitRecord, PeakRecord, RunRecord
from layout.wareki import fiscal_year_name

from . import changes, networks, peaks, tables, wording
from .assembly import assemble
from .keeping import Keeping, lowered_reserve
from .misfits import misfit_records

Progress = Callable[[str, float], None]

LEVELLING_LIMIT_S = 300.0
"""Guard on the wall time of the levelling; its work itself is limited deterministically, far below this."""

MOST_CHANGES = 1000
"""Changes that `run.json` lists; `changes_count` has their number."""


def plan(
    estate: ResolvedEstate,
    destination: Path,
    *,
    seed: int = 0,
    keep: PlanFolder | None = None,
    moves: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
    progress: Progress = lambda step, share: None,
) -> RunRecord:
    """Plans the estate and writes the folder `destination` as a whole. Returns what `run.json` says.

    With `keep` numbers, hosts and published start times stay as that plan has them unless they must change;
    `RunRecord.changes` says what did and why. `moves` (host by VM) and `without` (hosts that are to carry nothing) go
    with it. `destination` may be the folder that is kept.

    A plan that does not fit is written too (`fits: false`), with its reasons. Raises layout.FolderError when
    `destination` cannot be written or `keep` is the plan of another estate, keeping.WishError for a move or a host
    that cannot be, and networks.AddressSpaceError when the estate is too large for 10.0.0.0/8.
    """
    timings: dict[str, float] = {}
    now = datetime.now(JST).replace(microsecond=0)
    folder.refuse_destination(destination)
    kept = None if keep is None else Keeping.of(estate, keep, moves or {}, without)
    numbering = networks.allot(estate, None if keep is None else keep.layout)

    with _timed("runs", timings, progress):
        all_runs = runs.generate(estate)
        online_load = online.table(estate)
    with _timed("earliest", timings, progress):
        earliest = levelling.earliest(all_runs, online_load)
    with _timed("levelling", timings, progress):

        def level(starts: Floats | None) -> Schedule:
            return levelling.level(
                all_runs, online_load, seed=seed, progress=progress, time_limit_s=LEVELLING_LIMIT_S, before=earliest,
                kept=starts,
            )  # fmt: skip

        planned = level(None) if kept is None else kept.level(estate, all_runs, online_load, level)
    with _timed("bounds", timings, progress):
        peak_bounds = bounds.peak_bound(all_runs, online_load)
    with _timed("placement", timings, progress):
        load = placement.vm_load(all_runs, planned, online_load)
        placed = placement.place(estate, load, seed=seed, kept=None if kept is None else kept.placement)
        if kept is not None:
            kept.require_wishes(placed)
    with _timed("profile", timings, progress):
        before = profile.slot_load(all_runs, earliest.start_s, online_load)
        after = profile.slot_load(all_runs, planned.start_s, online_load)
        profile_rows = tables.profile_table(all_runs.epoch, before, after)

    peak_records = peaks.peak_records(estate, all_runs.epoch, before, after, peak_bounds, placed)
    layout = assemble(estate, placed, numbering, peaks.bound_records(estate, peak_records, peak_bounds, placed))
    changed: tuple[ChangeRecord, ...] = ()
    if kept is not None:
        layout = kept.succeed(estate, layout, placed, now)
        changed = changes.changes(kept, estate, layout, all_runs, planned, placed)
    misfits = misfit_records(estate, all_runs, planned, placed)
    contents = folder.FolderContents(
        estate=estate,
        layout=layout,
        runs=tables.runs_table(all_runs, earliest, planned),
        online=tables.online_table(all_runs.epoch, online_load),
        profile=profile_rows,
        run=RunRecord(
            kumiai_version=metadata.version("kumiai"),
            created=now,
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
            changes=changed[:MOST_CHANGES],
            changes_count=len(changed),
            moved_vms=len(placed.relocated),
            fewest_moves="" if kept is None else placed.fewest,
            lowered_reserve=lowered_reserve(placed, site_names(estate)),
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
