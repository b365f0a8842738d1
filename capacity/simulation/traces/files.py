"""The table that a CSV or Parquet file holds, as text and number columns, with the line of every row."""

from __future__ import annotations

import csv
import io
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from .mistakes import Mistakes

_LONGEST_CELL = 64 * 1024 * 1024
"""Characters; a run may wait for a million others."""

_BLOCK = 16 * 1024 * 1024


@dataclass(frozen=True)
class TableFormat:
    """A file of a trace by its name without ending, and its columns."""

    stem: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    def expected(self) -> str:
        """The columns, for a message."""
        return ", ".join(self.required) + (f"（任意：{', '.join(self.optional)}）" if self.optional else "")

    def admits(self, header: list[str]) -> bool:
        """Whether these column names are all that are needed, each once and none unknown."""
        known = set(self.required + self.optional)
        return set(self.required) <= set(header) <= known and len(set(header)) == len(header)


@dataclass(frozen=True)
class Table:
    """Columns of text (trimmed, empty where nothing stands) or of numbers (Parquet; null where nothing stands)."""

    name: str
    columns: Mapping[str, pa.Array]
    count: int
    lines: list[int] = field(default_factory=list)
    """The line of each row where it is known already."""
    data: bytes = b""
    """The file's bytes."""

    def __len__(self) -> int:
        return self.count

    def line(self, row: int) -> int:
        """The line of the CSV file at which this row ends, or the row's number in a Parquet file, from 1."""
        return self._lines[row] if self._lines else row + 1

    def text(self, column: str, row: int) -> str:
        """What stands in a cell."""
        value = self.columns[column][row].as_py()
        return "" if value is None else str(value)

    @cached_property
    def _lines(self) -> list[int]:
        if self.lines or self.name.endswith(".parquet"):
            return self.lines
        allowed = csv.field_size_limit(_LONGEST_CELL)
        try:
            reader = csv.reader(_text(self.data))
            next(reader)
            return [reader.line_num for cells in reader if cells]
        finally:
            csv.field_size_limit(allowed)


def read_table(directory: Path, wanted: TableFormat, mistakes: Mistakes, *, optional: bool = False) -> Table:
    """The table `stem.csv` or `stem.parquet` of a trace directory; empty if it is not there or cannot be read."""
    comma, parquet = directory / f"{wanted.stem}.csv", directory / f"{wanted.stem}.parquet"
    there = [path for path in (comma, parquet) if os.path.lexists(path)]
    if len(there) == 1:
        table = read_table_file(there[0], wanted, mistakes)
        if table is not None:
            return table
    elif there:
        mistakes.file(comma.name, f"{parquet.name} もあります。どちらか一方にしてください")
    elif not optional:
        mistakes.file(comma.name, "ファイルがありません")
    nothing = pa.array([], pa.large_string())
    return Table(comma.name, dict.fromkeys(wanted.required, nothing), 0)


def read_table_file(path: Path, wanted: TableFormat, mistakes: Mistakes) -> Table | None:
    """The table in a file, Parquet by the ending of its name and CSV otherwise; None if it cannot be read."""
    data = read_bytes(path, mistakes)
    if data is None:
        return None
    read = _read_parquet if path.suffix == ".parquet" else _read_csv
    return read(path.name, data, wanted, mistakes)


def read_bytes(path: Path, mistakes: Mistakes) -> bytes | None:
    """The bytes of a regular file, or None after saying why they cannot be read."""
    name = path.name
    try:
        # O_NONBLOCK: opening a named pipe must not wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        mistakes.file(name, "ファイルがありません")
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        mistakes.file(name, f"ファイルを開けません（{reason}）")
        return None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        what = "フォルダー" if stat.S_ISDIR(mode) else "通常のファイルではないもの（パイプや装置）"
        mistakes.file(name, f"{what}です。ファイルを置いてください")
        return None
    try:
        with os.fdopen(descriptor, "rb") as file:
            return file.read()
    except OSError as error:
        mistakes.file(name, f"ファイルを読めません（{error.strerror}）")
        return None


def _text(data: bytes) -> io.StringIO:
    return io.StringIO(data.decode("utf-8-sig"), newline="")


def _read_csv(name: str, data: bytes, wanted: TableFormat, mistakes: Mistakes) -> Table | None:
    columns = _plain_columns(data, wanted)
    if columns is None:
        return _read_slowly(name, data, wanted, mistakes)
    return Table(name, columns, len(next(iter(columns.values()))), data=data)


def _plain_columns(data: bytes, wanted: TableFormat) -> dict[str, pa.Array] | None:
    """The columns of a file without any peculiarity, by the fast parser; None where the exact one has to look."""
    end = data.find(b"\n")
    if b'"' in data or end < 0:
        return None
    try:
        header = [name.strip() for name in data[:end].decode("utf-8-sig").split(",")]
        if not wanted.admits(header):
            return None
        table = pa_csv.read_csv(
            pa.BufferReader(pa.py_buffer(data).slice(end + 1)),
            read_options=pa_csv.ReadOptions(column_names=header, block_size=_BLOCK),
            parse_options=pa_csv.ParseOptions(quote_char=False),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.large_string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    return {column: _trimmed(table[column].combine_chunks()) for column in header}


def _trimmed(texts: pa.Array) -> pa.Array:
    return pc.utf8_trim_whitespace(texts)


def _read_slowly(name: str, data: bytes, wanted: TableFormat, mistakes: Mistakes) -> Table | None:
    """The columns of any CSV file, or every line that is none."""
    try:
        text = _text(data)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        mistakes.file(name, f"UTF-8 の CSV として読めません（{line} 行目のバイト 0x{data[error.start]:02x}）")
        return None
    allowed = csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(text, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    wrong = False
    try:
        header = [column.strip() for column in next(reader, [])]
        if not wanted.admits(header):
            mistakes.line(name, 1, f"見出しが違います（{', '.join(header)}）。正しくは {wanted.expected()}")
            return None
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                wrong = True
                mistakes.line(name, reader.line_num, f"列数が {len(cells)} です。正しくは {len(header)}")
                continue
            rows.append(cells)
            lines.append(reader.line_num)
    except csv.Error as error:
        mistakes.line(name, reader.line_num, f"CSV として読めません（{error}）")
        return None
    finally:
        csv.field_size_limit(allowed)
    if wrong:
        return None
    cells_by_column = zip(*rows, strict=True) if rows else [()] * len(header)
    columns = {
        column: _trimmed(pa.array(cells, pa.large_string()))
        for column, cells in zip(header, cells_by_column, strict=True)
    }
    return Table(name, columns, len(rows), lines, data)


def _read_parquet(name: str, data: bytes, wanted: TableFormat, mistakes: Mistakes) -> Table | None:
    """The columns of a Parquet file."""
    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        mistakes.file(name, f"Parquet として読めません（{_first_line(error)}）")
        return None
    header = list(table.column_names)
    if not wanted.admits(header):
        mistakes.file(name, f"列が違います（{', '.join(header)}）。正しくは {wanted.expected()}")
        return None
    columns: dict[str, pa.Array] = {}
    for column in header:
        values = _plain_type(table[column])
        if values is None:
            mistakes.file(name, f"{column} の型は {table[column].type} です。文字か数の列にしてください")
        else:
            columns[column] = values
    return Table(name, columns, table.num_rows, data=data) if len(columns) == len(header) else None


def _plain_type(values: pa.ChunkedArray) -> pa.Array | None:
    """Text or float64; None for anything else. Lists of text without empty entries are joined with `;`."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        if not (pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type)):
            return None
        # Joining a list that holds an empty entry would empty the whole cell: predecessors would be lost in silence.
        if pc.list_flatten(values).null_count:
            return None
        values = pc.binary_join(values, ";")
        kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        texts = values.cast(pa.large_string()).combine_chunks()
        return _trimmed(pc.fill_null(texts, ""))
    if pa.types.is_integer(kind):
        return values.combine_chunks()
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return values.cast(pa.float64()).combine_chunks()
    return None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
