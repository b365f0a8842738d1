"""The plan folder's tables as bytes: the same table gives the same bytes, and doubtful bytes give a clear refusal."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .errors import FolderError

_ROWS_PER_GROUP = 65_536


def to_bytes(table: pa.Table, schema: pa.Schema, name: str) -> bytes:
    """The table with exactly the schema's columns, compressed; no timestamps, fixed row groups.

    Raises FolderError when a column is absent, has another type, or holds null, NaN or infinity.
    """
    plain = conform(table, schema, name).combine_chunks()
    sink = pa.BufferOutputStream()
    pq.write_table(
        plain, sink, row_group_size=_ROWS_PER_GROUP, version="2.6", compression="zstd", compression_level=3,
        data_page_version="1.0", use_dictionary=True, write_statistics=True, store_schema=True,
    )  # fmt: skip
    return bytes(sink.getvalue())


def from_bytes(data: bytes, schema: pa.Schema, name: str) -> pa.Table:
    """The table in `data` with the schema's columns; further columns are ignored. Raises FolderError."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        wanted = [column for column in schema.names if column in file.schema_arrow.names]
        # On this thread alone: a short command may end while threads of the library still start, and the C++ runtime
        # aborts the process then (https://github.com/apache/arrow/issues/34314).
        table = file.read(columns=wanted, use_threads=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        raise FolderError(f"{name}: Parquet として読めません（{_first_line(error)}）") from None
    return conform(table, schema, name)


def conform(table: pa.Table, schema: pa.Schema, name: str) -> pa.Table:
    """The schema's columns of `table`, in order, without metadata; FolderError says what is missing or wrong."""
    for field in schema:
        count = table.schema.names.count(field.name)
        if count != 1:
            found = "列がありません" if count == 0 else "同じ名前の列が複数あります"
            raise FolderError(f"{name}: {field.name}: {found}")
        column = table.column(field.name)
        if column.type != field.type:
            raise FolderError(f"{name}: {field.name}: 列の型が違います（{column.type}）。正しい型は {field.type} です")
        if column.null_count:
            raise FolderError(f"{name}: {field.name}: 空の値が {column.null_count} 件あります")
        for leaf in _leaves(column.combine_chunks()):
            if leaf.null_count:
                raise FolderError(f"{name}: {field.name}: 空の値が {leaf.null_count} 件あります")
            if pa.types.is_floating(leaf.type) and not pc.all(pc.is_finite(leaf), min_count=0).as_py():
                raise FolderError(f"{name}: {field.name}: 有限でない数値（NaN か無限大）があります")
    return table.select(schema.names).cast(schema)


def _leaves(array: pa.Array) -> list[pa.Array]:
    if isinstance(array, pa.ChunkedArray):
        return [leaf for chunk in array.chunks for leaf in _leaves(chunk)]
    if pa.types.is_list(array.type):
        return _leaves(array.flatten())
    if pa.types.is_struct(array.type):
        return [leaf for child in array.flatten() for leaf in _leaves(child)]
    return [array]


def _first_line(error: Exception) -> str:
    text = str(error).partition("\n")[0]
    return text if len(text) <= 160 else text[:159] + "…"
