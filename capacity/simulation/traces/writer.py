"""Writes a trace directory from tables, as importers make them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from layout import exchange

from .mistakes import TraceError
from .reader import FORMATS, OPTIONAL_FORMATS, read

ORIGIN = "import.json"
"""Where a trace comes from: source, units, what was left out."""


_KNOWN = [
    *(f"{wanted.stem}.{ending}" for wanted in FORMATS + OPTIONAL_FORMATS for ending in ("csv", "parquet")),
    ORIGIN,
]
_KIND = "トレース"


def write_trace(destination: Path, tables: Mapping[str, pa.Table], origin: Mapping[str, Any]) -> None:
    """Make the trace directory `destination` of these tables (by file name without ending), as a whole.

    An earlier trace is replaced. Raises TraceError where `destination` holds anything else, where it cannot be
    written, or where the tables are no trace that can be read.
    """

    def fill(folder: Path) -> None:
        for stem, table in tables.items():
            exchange.write_file(folder / f"{stem}.csv", csv_bytes(table))
        text = json.dumps(origin, ensure_ascii=False, indent=2) + "\n"
        exchange.write_file(folder / ORIGIN, text.encode())
        read(folder)

    replace_folder(destination, _KNOWN, _KIND, fill)


def check_trace_replaceable(destination: Path) -> None:
    """Raise TraceError unless `destination` is absent, empty, or a trace directory."""
    check_replaceable(destination, _KNOWN, _KIND)


def replace_folder(destination: Path, known: list[str], kind: str, fill: Callable[[Path], None]) -> None:
    """Fill a new folder and put it at `destination`, in the place of one that holds nothing but `known` files."""
    check_replaceable(destination, known, kind)
    try:
        exchange.replace_folder(destination.resolve(), fill)
    except OSError as error:
        raise TraceError((f"{destination}: 書き込めません（{error.strerror}）",)) from None


def check_replaceable(destination: Path, known: list[str], kind: str) -> None:
    """Raise TraceError unless `destination` is absent or a folder that holds nothing but `known` files."""
    try:
        foreign = [path.name for path in sorted(destination.iterdir()) if path.name not in known]
    except FileNotFoundError:
        return
    except OSError as error:
        raise TraceError((f"{destination}: フォルダーとして読めません（{error.strerror}）",)) from None
    if foreign:
        raise TraceError((f"{destination}: {kind}ではない {foreign[0]} があるので置き換えません",))


def csv_bytes(table: pa.Table) -> bytes:
    """A table as CSV: shortest numbers that read back the same, quotes only where a text needs them."""
    plain = not any(
        pc.any(pc.match_substring_regex(column, '[",\r\n]')).as_py()
        for column in table.columns
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    )
    stream = io.BytesIO()
    stream.write(",".join(table.column_names).encode() + b"\n")
    options = pa_csv.WriteOptions(include_header=False, batch_size=65_536, quoting_style="none" if plain else "needed")
    pa_csv.write_csv(table, stream, options)
    return stream.getvalue()
