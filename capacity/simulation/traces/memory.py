"""How much memory a trace takes, before it is read: from the lines and bytes of its files alone."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

BASE_BYTES = 200 * 1024**2
"""Programs and libraries."""
BYTES_PER_ROW = 600
"""Columns, results and what the engine keeps; measured: 450 a run (of a million), 300 a step of demand."""
BYTES_PER_BYTE = 2
"""The file's own bytes, and its names as text."""

_BLOCK = 1 << 24


def needed(directory: Path) -> int:
    """Bytes at most for the whole simulation of the trace in this directory; what cannot be read counts nothing."""
    return BASE_BYTES + sum(_of_file(path) for path in sorted(directory.glob("*")) if path.is_file())


def _of_file(path: Path) -> int:
    try:
        if path.suffix == ".csv":
            return BYTES_PER_ROW * _lines(path) + BYTES_PER_BYTE * path.stat().st_size
        if path.suffix == ".parquet":
            metadata = pq.ParquetFile(path).metadata
            groups = (metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
            return int(BYTES_PER_ROW * metadata.num_rows + BYTES_PER_BYTE * sum(groups))
    except (OSError, pa.ArrowException):
        return 0  # the reader says what is wrong with it
    return 0


def _lines(path: Path) -> int:
    count = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            count += block.count(b"\n")
    return count
