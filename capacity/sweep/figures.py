"""The figures of one simulation as a table, and its Parquet bytes: equal figures give equal bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from layout.simulation_records import JobLateness, PlanSimulation

SCHEMA = pa.schema(
    [
        pa.field("scope", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("figure", pa.string(), nullable=False),
        pa.field("mean", pa.float64(), nullable=False),
        pa.field("low_95", pa.float64()),
        pa.field("high_95", pa.float64()),
        pa.field("method", pa.string(), nullable=False),
        pa.field("p95", pa.float64()),
        pa.field("replications", pa.int64(), nullable=False),
    ]
)
"""One row per figure; interval and percentile are those over the replications of this one simulation."""

MERGED_SCHEMA = pa.schema(
    [
        pa.field("scenario", pa.string(), nullable=False),
        pa.field("plan", pa.string(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        *SCHEMA,
    ]
)
_ROWS_PER_GROUP = 65_536
_Row: TypeAlias = tuple[str, str, str, str, float, float | None, float | None, str, float | None]


def table(result: PlanSimulation) -> pa.Table:
    """One row per figure, in the order of the simulation: those of all, sites and tenants, then those of jobs."""
    rows = [(f.scope, f.id, f.label, f.name, f.mean, f.low_95, f.high_95, f.method, f.p95) for f in result.figures] + [
        row for job in result.jobs for row in _rows_of_job(job)
    ]
    columns = zip(*((*row, result.replications) for row in rows), strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA) if rows else SCHEMA.empty_table()


def _rows_of_job(job: JobLateness) -> Iterator[_Row]:
    who = "job", f"{job.tenant}/{job.system}/{job.job}", job.label
    for name, found in (("delay_s", job.delay_s), ("overrun_s", job.overrun_s), ("lateness_s", job.lateness_s)):
        half = found.half_width_95
        low, high = (None, None) if half is None else (found.mean - half, found.mean + half)
        yield *who, name, found.mean, low, high, "student_t", found.p95
    if job.missed is not None:
        yield *who, "deadline_missed", job.missed.share, job.missed.low_95, job.missed.high_95, "wilson", None


def to_bytes(figures: pa.Table) -> bytes:
    """The table as a Parquet file without anything that differs between two makings."""
    sink = pa.BufferOutputStream()
    with _writer(sink, figures.schema) as writer:
        writer.write_table(figures.combine_chunks(), row_group_size=_ROWS_PER_GROUP)
    return bytes(sink.getvalue())


def from_bytes(data: bytes) -> pa.Table:
    """The table of such a file. Raises ValueError where it is no such file."""
    try:
        found = pq.ParquetFile(pa.BufferReader(data)).read()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(str(error)) from None
    if found.schema != SCHEMA:
        raise ValueError(f"columns are {found.schema.names}, expected {SCHEMA.names}")
    return found


def write_merged(path: Path, parts: Iterator[tuple[str, str, int, pa.Table]]) -> None:
    """All figures in one file: each part is a scenario's name, its plan as written, the seed and the figures.

    Memory holds one row group, however many parts there are.
    """
    waiting: list[pa.Table] = []
    rows = 0
    with _writer(path, MERGED_SCHEMA) as writer:
        for scenario, plan, seed, figures in parts:
            count = figures.num_rows
            keys = [pa.repeat(scenario, count), pa.repeat(plan, count), pa.repeat(pa.scalar(seed, pa.int64()), count)]
            waiting.append(pa.Table.from_arrays([*keys, *figures.columns], schema=MERGED_SCHEMA))
            rows += count
            if rows >= _ROWS_PER_GROUP:
                writer.write_table(pa.concat_tables(waiting).combine_chunks(), row_group_size=_ROWS_PER_GROUP)
                waiting, rows = [], 0
        if rows:
            writer.write_table(pa.concat_tables(waiting).combine_chunks(), row_group_size=_ROWS_PER_GROUP)


def _writer(sink: object, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        sink, schema, version="2.6", compression="zstd", compression_level=3, data_page_version="1.0",
        use_dictionary=True, write_statistics=True, store_schema=True,
    )  # fmt: skip
