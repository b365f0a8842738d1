"""What stands in the cells of a table: numbers in their range, names of rows, references to other tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from capacity.records import Bools, Floats, Ints

from .files import Table
from .mistakes import Mistakes

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


SMALLEST, LARGEST = 1e-9, 1e15
"""Of numbers that mean something: a work of 1e15 core-seconds at 1e-9 cores still has a finite end."""


@dataclass(frozen=True)
class Range:
    """Which numbers a column takes, and how that is said."""

    text: str
    low: float = -math.inf
    low_allowed: bool = True
    whole: bool = False

    def holds(self, values: Floats) -> Bools:
        """Which values are in the range."""
        above = values >= self.low if self.low_allowed else values >= self.low + SMALLEST
        whole = values == np.floor(values) if self.whole else True
        return above & (np.abs(values) <= LARGEST) & whole

    def said(self, column: str, text: str) -> str:
        """What is wrong with a cell that is not in the range."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if LARGEST < abs(value) < math.inf or (not self.low_allowed and 0 < value < SMALLEST):
            return f"{column} の大きさは {SMALLEST:g} から {LARGEST:g} までです（{text}）"
        return f"{column} は{self.text}です（{text or '空'}）"


ANY = Range("数")
NOT_NEGATIVE = Range(" 0 以上の数", 0.0)
POSITIVE = Range(" 0 より大きい数", 0.0, low_allowed=False)


class Names(Sequence[str]):
    """Names of rows, kept as the file's text until somebody asks for one."""

    def __init__(self, texts: pa.Array) -> None:
        self.texts = texts

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return list(self)[index]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return str(self.texts[index if index >= 0 else index + len(self)].as_py())

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts.to_pylist())


def texts(table: Table, column: str) -> pa.Array:
    """A column as text; empty where the table has no such column."""
    if column not in table.columns:
        return pa.array([""] * len(table), pa.large_string())
    values = table.columns[column]
    return values if pa.types.is_large_string(values.type) else pc.fill_null(values.cast(pa.large_string()), "")


def identifiers(table: Table, mistakes: Mistakes) -> Names:
    """The names of a table's rows: each there once, without `;`."""
    names = texts(table, "id")
    unusable = pc.or_(pc.equal(names, ""), pc.match_substring(names, ";")).to_numpy(zero_copy_only=False)
    mistakes.rows(table, unusable, lambda row: f"id が空か「;」を含みます（{names[row].as_py()}）")
    encoded = names.dictionary_encode()
    if len(encoded.dictionary) < len(names):
        codes = encoded.indices.to_numpy()
        first = np.unique(codes, return_index=True)[1][codes]
        again = (first != np.arange(len(codes))) & ~unusable
        mistakes.rows(
            table,
            again,
            lambda row: f"id {names[row].as_py()} は {table.line(int(first[row]))} 行目にもあります",
        )
    return Names(names)


def references(table: Table, column: str, known: Names, mistakes: Mistakes, *, may_be_empty: bool = False) -> Ints:
    """The rows that a column names; -1 where it may be empty and is (or the table has no such column)."""
    names = texts(table, column)
    rows = row_of(names, known)
    wrong = rows < 0
    if may_be_empty:
        wrong &= ~pc.equal(names, "").to_numpy(zero_copy_only=False)
    mistakes.rows(table, wrong, lambda row: undefined(column, names[row].as_py()))
    return rows


def row_of(names: pa.Array, known: Names) -> Ints:
    """The row of each name, -1 for names that are not there."""
    found = pc.fill_null(pc.index_in(names, value_set=known.texts), -1)
    return np.array(found, dtype=np.int64)


def undefined(column: str, name: str) -> str:
    """What is said of a name that no row bears."""
    return f"{column} の {name or '（空）'} は定義されていません"


def numbers(table: Table, column: str, wanted: Range, mistakes: Mistakes, *, empty: float | None = None) -> Floats:
    """The numbers of a column; `empty` stands for empty cells and absent columns, None where there must be a number."""
    if column not in table.columns:
        return np.full(len(table), math.nan if empty is None else empty)
    values, wrong = in_range(table.columns[column], wanted, empty)
    mistakes.rows(table, wrong, lambda row: wanted.said(column, table.text(column, row)))
    return values


def in_range(cells: pa.Array, wanted: Range, empty: float | None) -> tuple[Floats, Bools]:
    """Numbers (1 in place of wrong ones), and which cells are wrong."""
    values, is_empty = _parsed(cells)
    if empty is None:
        wrong = ~wanted.holds(values)
    else:
        wrong = ~wanted.holds(values) & ~is_empty
        values[is_empty] = empty
    values[wrong] = 1.0
    # -0 is 0, also where it is written down again.
    return values + 0.0, wrong


def _parsed(cells: pa.Array) -> tuple[Floats, Bools]:
    """Numbers, NaN where a cell holds none, and which cells are empty."""
    if not pa.types.is_large_string(cells.type):
        nothing = cells.is_null().to_numpy(zero_copy_only=False)
        return np.array(cells.cast(pa.float64(), safe=False).fill_null(math.nan), dtype=np.float64), nothing
    nothing = pc.equal(cells, "").to_numpy(zero_copy_only=False)
    if nothing.all():
        return np.full(len(cells), math.nan), nothing
    if nothing.any():
        cells = pc.if_else(pa.array(nothing), "nan", cells)
    try:
        return np.array(cells.cast(pa.float64()), dtype=np.float64), nothing
    except pa.ArrowInvalid:
        good = pc.match_substring_regex(cells, _NUMBER).to_numpy(zero_copy_only=False)
        values = np.full(len(cells), math.nan)
        values[good] = [float(text) for text in cells.filter(pa.array(good)).to_pylist()]
        return values, nothing
