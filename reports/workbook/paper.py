"""Sheets as every part of the workbook writes them: safe text, yen shown in thousands, ready to print."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from io import BytesIO
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_rowcol_to_cell
from xlsxwriter.worksheet import Worksheet

from estate.clock import JST
from layout.licence_records import CONTRACT_PREVAILS

from ..markup import visible

MOST_ROWS = 1_048_576
"""Rows of a sheet in the file format."""
MOST_TEXT = 32_000
"""Characters that are written of one text; a cell holds 32,767."""
OPEN_MARK = "【要記入】"
NOTICE_HEAD = "注意：契約書が優先します"
_A4, _A3 = 9, 8
_WIDEST = 46
_LINE_HEIGHT = 14
_A4_WIDTH, _A3_WIDTH = 210, 297
"""Columns' widths that a sheet across still shows readably."""
_TEXTS = ("title", "block", "plain", "notice", "text", "data", "sum_text")
RISKY = frozenset("=+-@")
"""First characters that make spreadsheets take a text for a formula."""
# Nothing of the moment of writing may enter the file: equal input gives equal bytes.
_CREATED = datetime(2000, 1, 1)
_FONT = {"font_name": "游ゴシック", "font_size": 10, "valign": "top"}
_LINE = {"border": 1, "border_color": "#B8C0C8"}
_THOUSANDS = "#,##0,;[Red]-#,##0,;0"
_FORMATS: dict[str, dict[str, Any]] = {
    "title": {"bold": True, "font_size": 15, "font_color": "#27506B"},
    "block": {"bold": True, "font_size": 11, "font_color": "#27506B"},
    "plain": {},
    "notice": {"bold": True, "font_color": "#8A5A00"},
    "head": {"bold": True, "bg_color": "#E7EDF2", "text_wrap": True, "valign": "vcenter", "align": "center", **_LINE},
    "open_head": {"bold": True, "bg_color": "#FFF2CC", "text_wrap": True, "valign": "vcenter", "align": "center",
                  **_LINE},
    "text": {"text_wrap": True, "align": "left", "indent": 1, **_LINE},
    "data": {"align": "left", "indent": 1, **_LINE},
    "open": {"bg_color": "#FFF9E5", **_LINE},
    "number": {"num_format": "#,##0.###", **_LINE},
    "whole": {"num_format": "#,##0", **_LINE},
    "year": {"num_format": "0", **_LINE},
    "yen": {"num_format": "#,##0", **_LINE},
    "thousand": {"num_format": _THOUSANDS, **_LINE},
    "rate": {"num_format": "0.0%;[Red]-0.0%;0.0%", **_LINE},
    "ratio": {"num_format": "0.0000", **_LINE},
    "date": {"num_format": "yyyy-mm-dd", "align": "left", **_LINE},
    "moment": {"num_format": "yyyy-mm-dd hh:mm", "align": "left", **_LINE},
    "sum_text": {"bold": True, "bg_color": "#F2F5F7", "text_wrap": True, "align": "left", "indent": 1, **_LINE},
    "sum_thousand": {"bold": True, "bg_color": "#F2F5F7", "num_format": _THOUSANDS, **_LINE},
    "sum_rate": {"bold": True, "bg_color": "#F2F5F7", "num_format": "0.0%;[Red]-0.0%;0.0%", **_LINE},
}  # fmt: skip


@dataclass(frozen=True)
class Formula:
    """A formula (without `=`) and the value it has."""

    text: str
    value: float | str


@dataclass(frozen=True)
class Moment:
    """A moment as Japan's clocks show it; the file format knows no time zone."""

    at: datetime


Cell = str | int | float | date | Moment | Formula | None


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, the format of its cells, and whether the buyer fills it in.

    A block's column without a head is left out: the block then lies under the main table's columns.
    """

    head: str
    format: str = "text"
    open: bool = False
    width: float = 13


class Paper:
    """A workbook in the making. `bytes()` ends it."""

    def __init__(self, *, footer: str, most_rows: int = MOST_ROWS) -> None:
        self._buffer = BytesIO()
        self._book = xlsxwriter.Workbook(
            self._buffer,
            {
                "in_memory": True,
                "strings_to_numbers": False,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "default_date_format": "yyyy-mm-dd",
            },
        )
        self._book.set_properties({"created": _CREATED, "comments": CONTRACT_PREVAILS})
        self._book.set_calc_mode("auto")
        self._formats = {name: self._book.add_format({**_FONT, **look}) for name, look in _FORMATS.items()}
        # Stays text when somebody edits the cell: without the mark it would become a formula then.
        for name in _TEXTS:
            look = {**_FONT, **_FORMATS[name], "quote_prefix": True}
            self._formats[f"quoted_{name}"] = self._book.add_format(look)
        self._footer = visible(footer).replace("&", "&&")[:80]
        self.most_rows = most_rows

    def sheet(self, name: str, title: str | None, notes: Iterable[str] = ()) -> Sheet:
        """A new sheet; with a title also the contract's sentence and notes above its tables."""
        sheet = Sheet(self._book.add_worksheet(name), self._formats, name)
        raw = sheet.raw
        raw.set_landscape()
        raw.set_paper(_A4)
        raw.fit_to_pages(1, 0)
        raw.set_margins(left=0.4, right=0.4, top=0.7, bottom=0.6)
        raw.hide_gridlines(2)
        raw.set_header(f"&L&9{name}&R&9{CONTRACT_PREVAILS}")
        raw.set_footer(f"&L&9{self._footer}&C&9&P / &N ページ&R&9{name}")
        if title is not None:
            sheet.line(title, "title")
            sheet.line(CONTRACT_PREVAILS, "notice")
            for note in notes:
                sheet.line(note, "plain")
        return sheet

    def tidy(self, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
        """A long table from the first row on, with a filter; continued on `NAME_2`, … where a sheet is full.

        The last column repeats the contract's sentence, so that it goes with every row that leaves the workbook.
        """
        columns = (*columns, Column(NOTICE_HEAD))
        formats = ["data" if column.format == "text" else column.format for column in columns]
        sheet, part = self._tidy_sheet(name, columns), 1
        for row in rows:
            if sheet.row >= self.most_rows:
                sheet.close_table(columns)
                part += 1
                sheet = self._tidy_sheet(f"{name}_{part}", columns)
            sheet.cells((*row, CONTRACT_PREVAILS), formats)
        sheet.close_table(columns)

    def _tidy_sheet(self, name: str, columns: Sequence[Column]) -> Sheet:
        sheet = self.sheet(name, None)
        sheet.grows = True
        sheet.heads(columns, freeze_columns=1)
        return sheet

    def bytes(self) -> bytes:
        """The finished file."""
        self._book.close()
        return self._buffer.getvalue()


class Sheet:
    """One sheet, written from the top to the bottom."""

    def __init__(self, raw: Worksheet, formats: dict[str, Any], name: str) -> None:
        self.raw = raw
        self.name = name
        self.row = 0
        """The next row, from 0."""
        self.grows = False
        """Columns grow with their texts; otherwise texts are wrapped and rows grow."""
        self._formats = formats
        self._widths: dict[int, float] = {}
        self._head_row = 0
        self._frozen = 0

    def line(self, text: str, format_: str = "plain") -> None:
        """A line of text over the sheet's width."""
        self.raw.set_row(self.row, 24 if format_ == "title" else _LINE_HEIGHT + 2)
        self._text(0, clipped(text), format_)
        self.row += 1

    def heads(self, columns: Sequence[Column], *, freeze_columns: int = 0) -> None:
        """The head of the sheet's main table: repeated on every printed page and kept in sight."""
        for index, column in enumerate(columns):
            width = min(_width(column.head) + 4, _WIDEST) if self.grows else column.width
            self._widths[index] = width
            self.raw.set_column(index, index, width)
        self._write_heads(columns)
        self._head_row = self.row - 1
        self.raw.repeat_rows(self._head_row)
        self.raw.freeze_panes(self.row, freeze_columns)
        self._frozen = freeze_columns

    def cells(self, values: Sequence[Cell], formats: Sequence[str]) -> None:
        """One row; a cell whose format is empty is left out."""
        lines = 1
        for index, (value, format_) in enumerate(zip(values, formats, strict=True)):
            if format_:
                lines = max(lines, self._cell(index, value, format_))
        self._grow_row(lines)
        self.row += 1

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, freeze_columns: int = 0) -> None:
        """The sheet's main table, with a filter."""
        self.heads(columns, freeze_columns=freeze_columns)
        for row in rows:
            self.cells(row, [column.format for column in columns])
        self.close_table(columns)

    def block(self, title: str, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
        """A further table below what is there, with its own title and head, in the main table's columns."""
        self.row += 1
        self.line(title, "block")
        self._write_heads(columns)
        formats = [column.format if column.head else "" for column in columns]
        for row in rows:
            self.cells(row, formats)

    def close_table(self, columns: Sequence[Column], *, last: int | None = None) -> None:
        """Ends the main table with its filter; a wide one is printed on A3, a wider one over several pages with its
        first columns repeated.

        `last` is its last row where sums follow, which are not filtered.
        """
        width = sum(self._widths.values())
        large = width > _A4_WIDTH and not self.grows
        if large:
            self.raw.set_paper(_A3)
        most = _A3_WIDTH if large else _A4_WIDTH
        again = sum(self._widths[index] for index in range(self._frozen))
        pages = 1 if width <= most else math.ceil((width - again) / (most - again))
        self.raw.fit_to_pages(pages, 0)
        if pages > 1 and self._frozen:
            self.raw.repeat_columns(0, self._frozen - 1)
        last = self.row - 1 if last is None else last
        self.raw.autofilter(self._head_row, 0, max(last, self._head_row), len(columns) - 1)

    def _write_heads(self, columns: Sequence[Column]) -> None:
        lines = 1
        for index, column in enumerate(columns):
            if not column.head:
                continue
            text = f"{column.head}\n{OPEN_MARK}" if column.open else column.head
            self.raw.write_string(self.row, index, text, self._formats["open_head" if column.open else "head"])
            lines = max(lines, self._lines(index, text))
        self._grow_row(lines)
        self.row += 1

    def _grow_row(self, lines: int) -> None:
        if lines > 1 and not self.grows:
            self.raw.set_row(self.row, min(_LINE_HEIGHT * lines + 3, 400))

    def _lines(self, index: int, text: str) -> int:
        """Lines that a wrapped text takes in its column."""
        room = max(self._widths.get(index, 13) - 2, 2)
        # A full-width character of this size takes a little less than two columns.
        return sum(max(1, math.ceil(_width(part) * 0.95 / room)) for part in text.split("\n"))

    def at(self, column: int, row: int | None = None, *, fixed: bool = False) -> str:
        """The address of a cell of the current (or another) row."""
        return str(xl_rowcol_to_cell(self.row if row is None else row, column, row_abs=fixed, col_abs=fixed))

    def _cell(self, index: int, value: Cell, name: str) -> int:
        """Writes a cell; answers the lines of its text."""
        look = self._formats[name]
        match value:
            case None:
                self.raw.write_blank(self.row, index, None, look)
            case Formula(text, result):
                self.raw.write_formula(self.row, index, f"={text}", look, result)
            case str():
                text = clipped(value)
                self._text(index, text, name)
                if not self.grows:
                    return self._lines(index, text)
                self._widen(index, min(_width(text) + 3, _WIDEST))
            case Moment(at):
                self.raw.write_datetime(self.row, index, at.astimezone(JST).replace(tzinfo=None), look)
                self._widen(index, 18)
            case date():
                self.raw.write_datetime(self.row, index, value, look)
            case int() | float():
                # A format with decimals would show a whole number with a lonely point.
                whole = name == "number" and float(value).is_integer()
                self.raw.write_number(self.row, index, value, self._formats["whole"] if whole else look)
                self._widen(index, len(f"{value:,}") + 3)
        return 1

    def _text(self, index: int, text: str, name: str) -> None:
        risky = text[:1] in RISKY and name in _TEXTS
        self.raw.write_string(self.row, index, text, self._formats[f"quoted_{name}" if risky else name])

    def _widen(self, index: int, width: float) -> None:
        if self.grows and width > self._widths.get(index, 0):
            self._widths[index] = width
            self.raw.set_column(index, index, width)


@lru_cache(maxsize=1 << 16)
def clipped(text: str) -> str:
    """A text that a cell can hold, control and direction characters shown by their code; says where it was cut."""
    text = visible(text)
    return text if len(text) <= MOST_TEXT else text[:MOST_TEXT] + "…（長いので以下を省きました）"


@lru_cache(maxsize=1 << 16)
def _width(text: str) -> float:
    """Columns that a text takes: full-width characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WFA" else 1 for char in text)
