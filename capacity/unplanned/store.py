"""The simulated runs of a site as a Parquet file, written piece by piece.

One row per run, ordered by tenant, system, job and date, which together are the run's id. Names are dictionary-encoded
and times are stored as differences, so that a run takes some eight bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from capacity.records import Floats, Ints
from capacity.simulation.records import SimulationResult

from .columns import Member
from .figures import ROUNDING_S
from .groups import GroupSystem

ROWS_PER_PIECE = 500_000
_NAME = pa.dictionary(pa.int16(), pa.string())
_TIME = pa.timestamp("us", tz="Asia/Tokyo")
SCHEMA = pa.schema(
    [
        ("tenant", _NAME),
        ("system", _NAME),
        ("job", _NAME),
        ("date", pa.date32()),
        ("ready", _TIME),
        ("start", _TIME),
        ("end", _TIME),
        ("late", pa.bool_()),
    ]
)
_EPOCH = date(1970, 1, 1).toordinal()


def write_site(path: Path, made: GroupSystem, site: int, result: SimulationResult, start: datetime) -> None:
    """Write the runs of the group's site number `site`; times count from `start`. Raises OSError."""
    unfinished = path.with_name(f".{path.name}")
    origin_us = round(start.timestamp() * 1_000_000)
    try:
        with pq.ParquetWriter(
            unfinished, SCHEMA, version="2.6", compression="zstd", compression_level=1,
            use_dictionary=["tenant", "system", "job"],
            column_encoding=dict.fromkeys(("date", "ready", "start", "end"), "DELTA_BINARY_PACKED"),
        ) as writer:  # fmt: skip
            for piece in _pieces(made, site):
                writer.write_table(_table(piece, made, result, origin_us))
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


_Piece = list[tuple[Member, Ints, Ints]]
"""Members with the places in their template, by job and date, and the rows of the group there."""


def _pieces(made: GroupSystem, site: int) -> Iterator[_Piece]:
    piece: _Piece = []
    count = 0
    for number, (member, rows) in enumerate(zip(made.runs.members, made.runs.rows, strict=True)):
        template = member.template
        first = int(made.runs.first_vm[number])
        here = made.vm_site[first : first + len(template.vms)] == site
        if not here.any():
            continue
        places = np.lexsort((template.day, template.job))
        places = places[here[template.vm[places]]]
        piece.append((member, places, rows[places]))
        count += len(places)
        if count >= ROWS_PER_PIECE:
            yield piece
            piece, count = [], 0
    if piece:
        yield piece


def _table(piece: _Piece, made: GroupSystem, result: SimulationResult, origin_us: int) -> pa.Table:
    rows = np.concatenate([rows for _, _, rows in piece])
    names: dict[str, dict[str, int]] = {"tenant": {}, "system": {}, "job": {}}
    codes: dict[str, list[Ints]] = {"tenant": [], "system": [], "job": []}
    days: list[Ints] = []
    for member, places, _ in piece:
        template = member.template
        job = template.job[places]
        days.append(template.day[places] - _EPOCH)
        tenant = names["tenant"].setdefault(member.id, len(names["tenant"]))
        codes["tenant"].append(np.full(len(places), tenant, dtype=np.int64))
        for column in ("system", "job"):
            known = names[column]
            of_job = np.array([known.setdefault(getattr(each, column), len(known)) for each in template.jobs])
            codes[column].append(of_job[job])
    end_s = result.end_s[rows]
    columns = [
        *(_named(codes[column], names[column]) for column in ("tenant", "system", "job")),
        pa.array(np.concatenate(days).astype(np.int32), type=pa.date32()),
        *(_moments(values[rows], origin_us) for values in (result.ready_s, result.start_s)),
        _moments(end_s, origin_us),
        pa.array(end_s > made.deadline_s[rows] + ROUNDING_S),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _named(codes: list[Ints], names: dict[str, int]) -> pa.DictionaryArray:
    indices = pa.array(np.concatenate(codes).astype(np.int16))
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(names), type=pa.string()))


def _moments(seconds: Floats, origin_us: int) -> pa.Array:
    """Microseconds; what never happens is empty."""
    never = ~np.isfinite(seconds)
    micro = np.rint(np.where(never, 0.0, seconds) * 1e6).astype(np.int64) + origin_us
    return pa.array(micro, mask=never if never.any() else None).cast(_TIME)
