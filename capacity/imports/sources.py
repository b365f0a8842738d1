"""The files that importers read: bytes with a digest, Parquet columns, and every mistake with its place."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from capacity.records import Floats
from capacity.simulation.traces.files import read_bytes
from capacity.simulation.traces.mistakes import Mistakes


class SourceFile:
    """A file of a source: its name, bytes and SHA-256."""

    def __init__(self, path: Path, mistakes: Mistakes) -> None:
        data = read_bytes(path, mistakes)
        mistakes.check()
        # A name that is not UTF-8 comes with lone surrogates, which no table and no document takes.
        self.name = os.fsencode(path.name).decode(errors="replace")
        self.data = data if data is not None else b""

    @property
    def described(self) -> str:
        """Name and digest."""
        return f"{self.name}（sha256 {hashlib.sha256(self.data).hexdigest()}）"

    def line(self, row: int) -> int:
        """A row's number, from 1, for files without lines."""
        return row + 1

    def text(self, mistakes: Mistakes) -> str:
        """The file's text. Raises TraceError where it is not UTF-8."""
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = self.data.count(b"\n", 0, error.start) + 1
            mistakes.line(self.name, line, f"UTF-8 の文書ではありません（バイト 0x{self.data[error.start]:02x}）")
            mistakes.check()
            raise

    def number_columns(self, names: tuple[str, ...], mistakes: Mistakes) -> dict[str, Floats]:
        """Number columns of a Parquet file. Raises TraceError where it is none, or they are not there."""
        try:
            table = pq.ParquetFile(pa.BufferReader(self.data)).read()
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            mistakes.file(self.name, f"Parquet として読めません（{reason}）")
            mistakes.check()
            raise
        columns: dict[str, Floats] = {}
        for name in names:
            if table.column_names.count(name) != 1:
                mistakes.file(self.name, f"列 {name} がありません（{', '.join(table.column_names)}）")
                continue
            kind = table[name].type
            if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
                mistakes.file(self.name, f"{name} の型は {kind} です。数の列が要ります")
                continue
            values = table[name].cast(pa.float64(), safe=False).combine_chunks().fill_null(float("nan"))
            columns[name] = np.array(values, dtype=np.float64)
            wrong = ~np.isfinite(columns[name])
            mistakes.rows(self, wrong, lambda row, name=name: f"{name} に数がありません")  # type: ignore[misc]  # bound now
        mistakes.check()
        return columns
