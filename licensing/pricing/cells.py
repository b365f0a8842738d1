"""The cells of a buyer's workbook (XLSX) or CSV, read with doubt: bounded in size, never a formula, never a macro."""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from estate.file_bytes import read_bytes

from ..errors import LicensingError

MOST_ROWS, MOST_COLUMNS, LONGEST_CELL = 20_000, 200, 2_000
_MOST_UNPACKED = 64 * 1024 * 1024
"""Bytes. A list of 20,000 prices takes about a tenth."""
_MOST_PARTS = 2_000

Cell = str | int | float | date | None


@dataclass(frozen=True)
class Row:
    """One row of a table, counted from 1 as the spreadsheet program does."""

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """One sheet, or a CSV file."""

    where: str
    """The file, and the sheet where there are several."""
    rows: tuple[Row, ...]


def read_tables(path: Path) -> tuple[Table, ...]:
    """Answers the sheets of an XLSX file, or the one table of a CSV file; empty rows are left out.

    Raises EstateErrors where the file cannot be read, LicensingError where it is no such table or is too large.
    """
    data = read_bytes(path, "XLSX か CSV のファイル")
    return _workbook(path, data) if path.suffix.lower() == ".xlsx" else (_csv(path, data),)


def _csv(path: Path, data: bytes) -> Table:
    text = _text(path, data)
    rows: list[Row] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            _bounds(str(path), len(rows) + 1, len(cells), max(map(len, cells), default=0))
            if any(cell.strip() for cell in cells):
                # Where a cell holds line breaks, the line is the last one of the row.
                rows.append(Row(reader.line_num, tuple(cell.strip() or None for cell in cells)))
    except csv.Error as error:
        raise LicensingError(f"{path}:{reader.line_num}: CSV として読めません（{error}）") from None
    return Table(str(path), tuple(rows))


def _text(path: Path, data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise LicensingError(f"{path}: 文字コードが UTF-16 です。UTF-8 か Shift_JIS（CP932）で保存してください")
    for encoding in ("utf-8-sig", "cp932"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            raise LicensingError(f"{path}: CSV ではありません（文字でないデータがあります）")
        return text
    raise LicensingError(f"{path}: 文字コードが UTF-8 でも Shift_JIS（CP932）でもありません")


def _workbook(path: Path, data: bytes) -> tuple[Table, ...]:
    import openpyxl

    _refuse_bomb(path, data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl tells which decorations of a sheet it passes over
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
            try:
                return tuple(_sheet(path, sheet.title, sheet) for sheet in book.worksheets)
            finally:
                book.close()
    except LicensingError:
        raise
    except Exception as error:
        # A damaged workbook makes openpyxl raise whatever its parts raise: KeyError, ParseError, ValueError, …
        raise LicensingError(f"{path}: XLSX として読めません（{type(error).__name__}）。保存し直してください") from None


def _sheet(path: Path, title: str, sheet: object) -> Table:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

    where = f"{path}: シート「{title}」"
    if not isinstance(sheet, ReadOnlyWorksheet):
        return Table(where, ())
    sheet.reset_dimensions()  # what the file says about its size may be wrong
    rows: list[Row] = []
    # The stubs say that only a sheet for writing has rows.
    every: Iterator[tuple[object, ...]] = sheet.iter_rows(values_only=True)  # type: ignore[misc]
    for number, values in enumerate(every, 1):
        cells = tuple(_cell(value) for value in values)
        longest = max((len(cell) for cell in cells if isinstance(cell, str)), default=0)
        _bounds(where, number, len(cells), longest)
        if any(cell is not None for cell in cells):
            rows.append(Row(number, cells))
    return Table(where, tuple(rows))


def _cell(value: object) -> Cell:
    if isinstance(value, datetime):
        return value.date()
    if value is None or (isinstance(value, int | float | date) and not isinstance(value, bool)):
        return value
    return str(value).strip() or None


def _refuse_bomb(path: Path, data: bytes) -> None:
    """Raises LicensingError for an archive that unpacks to more than a price list can need."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise LicensingError(f"{path}: XLSX ではありません（ZIP として開けません）") from None
    if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > _MOST_UNPACKED:
        raise LicensingError(
            f"{path}: 展開すると大きすぎます（部品 {len(parts):,} 個、{sum(p.file_size for p in parts):,} バイト）。"
            f"上限は {_MOST_PARTS:,} 個、{_MOST_UNPACKED:,} バイトです"
        )


def _bounds(where: str, rows: int, columns: int, longest: int) -> None:
    if rows > MOST_ROWS or columns > MOST_COLUMNS:
        raise LicensingError(f"{where}: 表が大きすぎます。{MOST_ROWS:,} 行、{MOST_COLUMNS} 列までにしてください")
    if longest > LONGEST_CELL:
        raise LicensingError(f"{where} {rows} 行目: 文字が長すぎるセルがあります（{longest:,} 字）")
