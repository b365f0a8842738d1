"""A buyer's price list in a table: which cell means what, and every mistake with its sheet, row and column."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import LicensingError
from ..rulebook import RuleBook
from .cells import Cell, Row, Table, read_tables
from .checks import contradictions
from .records import PriceFile

HEADS: Mapping[str, tuple[str, ...]] = {
    "name": ("名称", "name"),
    "date": ("日付", "date"),
    "currency": ("通貨", "currency"),
    "tax": ("税区分", "tax"),
    "tax_rate": ("税率", "tax_rate"),
    "evidence": ("価格の種類", "evidence"),
    "rounding": ("端数", "rounding"),
    "source": ("出典", "source"),
}
"""What stands above the table, one line each: the name in the first column, the value in the second."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "rule": ("規則", "rule"),
    "options": ("オプション", "options"),
    "grade": ("等級", "grade"),
    "kind": ("種別", "kind"),
    "per": ("単位", "per"),
    "amount": ("単価", "amount", "price"),
    "maintenance_rate": ("保守率", "maintenance_rate"),
    "maintenance_amount": ("保守年額", "maintenance_amount"),
    "valid_from": ("適用開始", "valid_from"),
    "valid_to": ("適用終了", "valid_to"),
    "source": ("価格の出典", "price_source"),
}
"""The columns of the table; others are passed over. 規則, 種別 and 単価 must be there."""

_NEEDED_COLUMNS = ("rule", "kind", "amount")
_NEEDED_HEADS = ("date", "tax", "source")
_WORDS: Mapping[str, Mapping[str, str]] = {
    "kind": {"買取": "perpetual", "サブスクリプション": "subscription", "従量": "metered"},
    "per": {"ライセンス": "licence", "パック": "pack"},
    "tax": {"税抜": "exclusive", "税抜き": "exclusive", "税込": "inclusive", "税込み": "inclusive"},
    "evidence": {"例": "example", "定価": "list", "見積": "quote"},
    "rounding": {"切上げ": "up", "切捨て": "down", "四捨五入": "half-up"},
}
_CHOICES = {
    "kind": ("perpetual", "subscription", "metered"),
    "per": ("licence", "pack"),
    "tax": ("exclusive", "inclusive"),
    "evidence": ("example", "list", "quote"),
    "rounding": ("up", "down", "half-up"),
}
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,20})?", re.ASCII)
_DATE = re.compile(r"([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})", re.ASCII)
_NUMBERS = ("amount", "maintenance_rate", "maintenance_amount", "tax_rate")
_DATES = ("date", "valid_from", "valid_to")


@dataclass(frozen=True)
class _Bad(Exception):  # noqa: N818 - one cell's mistake on its way to its place, never shown by itself
    message: str


def number(text: str) -> Fraction | None:
    """Answers the number that people write as `1,234.5`, `¥1,234` or `1,234円`; None where it is none."""
    # In CP932 the yen sign is the backslash.
    plain = unicodedata.normalize("NFKC", text).strip().lstrip("¥\\").removesuffix("円").strip()
    percent = plain.endswith("%")
    plain = plain.removesuffix("%").strip()
    if "," in plain:
        if not re.fullmatch(r"-?[0-9]{1,3}(,[0-9]{3})*(\.[0-9]+)?", plain, re.ASCII):
            return None
        plain = plain.replace(",", "")
    if not _NUMBER.fullmatch(plain):
        return None
    return Fraction(plain) / 100 if percent else Fraction(plain)


def read(path: Path, book: RuleBook) -> PriceFile:
    """Answers the price list of an XLSX or CSV file.

    The table is the first one with the columns 規則, 種別 and 単価; above it stand 日付, 税区分, 出典 and more.
    Raises EstateErrors or LicensingError with every mistake, each with file, sheet, row and column.
    """
    tables = [table for table in read_tables(path) if table.rows]
    if not tables:
        raise LicensingError(f"{path}: 表が空です")
    table, header, columns = _table(path, tables)
    problems: list[str] = []
    above = _above(table, header, problems)
    prices, numbers = [], []
    for row in table.rows:
        if row.number > header.number:
            entry = _price(table, row, columns, problems)
            if entry:
                prices.append(entry)
                numbers.append(row.number)
    if problems:
        raise LicensingError(*problems)
    document = {
        "format": 1,
        "id": re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:40].strip("-") or "list",
        "name": path.stem,
        "currency": "JPY",
        "evidence": "quote",
        **above,
        "prices": prices,
    }
    try:
        file = PriceFile.model_validate(document, strict=False)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        message = (
            "値が正しくありません（「{}」）。長すぎる文字、大きすぎる数、通貨の書き方（JPY、USD）を確かめてください"
        )
        raise LicensingError(
            *(_said(table, e["loc"], message.format(str(e["input"])[:60]), numbers) for e in wrong)
        ) from None
    found = [_said(table, steps, message, numbers) for steps, message in contradictions(file, book)]
    if found:
        raise LicensingError(*found)
    return file


def _table(path: Path, tables: Sequence[Table]) -> tuple[Table, Row, dict[str, int]]:
    """The table with the needed columns, its header row, and where the columns are."""
    nearest: tuple[int, str] | None = None
    for table in tables:
        for row in table.rows:
            columns = _columns(table, row)
            missing = [COLUMNS[name][0] for name in _NEEDED_COLUMNS if name not in columns]
            if not missing:
                return table, row, columns
            if len(missing) < len(_NEEDED_COLUMNS) and (nearest is None or len(missing) < nearest[0]):
                nearest = len(missing), f"{table.where} {row.number} 行目: 列 {'、'.join(missing)} がありません"
    needed = "、".join(f"{COLUMNS[name][0]}（{COLUMNS[name][1]}）" for name in _NEEDED_COLUMNS)
    found = nearest[1] if nearest is not None else f"{path}: 価格の表が見つかりません"
    raise LicensingError(f"{found}。見出しの行に {needed} が要ります")


def _columns(table: Table, row: Row) -> dict[str, int]:
    columns: dict[str, int] = {}
    for index, cell in enumerate(row.cells):
        name = _meaning(cell, COLUMNS)
        if name is not None and name in columns:
            raise LicensingError(f"{table.where} {row.number} 行目: 列 {cell} が二度あります")
        if name is not None:
            columns[name] = index
    return columns


def _meaning(cell: Cell, names: Mapping[str, Sequence[str]]) -> str | None:
    if not isinstance(cell, str):
        return None
    text = unicodedata.normalize("NFKC", cell).strip().lower()
    return next((name for name, words in names.items() if text in words), None)


def _above(table: Table, header: Row, problems: list[str]) -> dict[str, Any]:
    above: dict[str, Any] = {}
    for row in table.rows:
        name = _meaning(row.cells[0], HEADS) if row.number < header.number else None
        value = row.cells[1] if name is not None and len(row.cells) > 1 else None
        if name is None or value is None:
            continue
        try:
            above[name] = _value(name, value)
        except _Bad as bad:
            problems.append(f"{table.where} {row.number} 行目「{row.cells[0]}」: {bad.message}")
        if name in _NEEDED_HEADS and name not in above:
            above[name] = None
    for name in _NEEDED_HEADS:
        if name not in above:
            word = HEADS[name][0]
            example = {"date": "2027-04-01", "tax": "税抜", "source": "○○社見積書"}[name]
            problems.append(
                f"{table.where} {header.number} 行目: 見出しの上に「{word}」の行がありません（例：{word} | {example}）"
            )
    return above


def _price(table: Table, row: Row, columns: Mapping[str, int], problems: list[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    bad = False
    for name, index in columns.items():
        cell = row.cells[index] if index < len(row.cells) else None
        if cell is None:
            if name in _NEEDED_COLUMNS:
                problems.append(f"{table.where} {row.number} 行目 列「{COLUMNS[name][0]}」: 値がありません")
                bad = True
            continue
        try:
            entry[name] = _value(name, cell)
        except _Bad as mistake:
            problems.append(f"{table.where} {row.number} 行目 列「{COLUMNS[name][0]}」: {mistake.message}")
            bad = True
    if bad:
        return {}
    care = {key: entry.pop(f"maintenance_{key}") for key in ("rate", "amount") if f"maintenance_{key}" in entry}
    return {**entry, **({"maintenance": care} if care else {})}


def _value(name: str, cell: Cell) -> object:
    if name in _NUMBERS:
        return _amount(cell)
    if name in _DATES:
        return _day(cell)
    text = unicodedata.normalize("NFKC", str(cell)).strip()
    if name in _CHOICES:
        word = _WORDS[name].get(text, text)
        if word not in _CHOICES[name]:
            raise _Bad(f"「{text[:60]}」は使えません。使えるもの：{'、'.join([*_WORDS[name], *_CHOICES[name]])}")
        return word
    return dict(_options(text)) if name == "options" else text


def _amount(cell: Cell) -> float:
    # NaN and infinity do not survive the way through text.
    found = number(repr(cell) if isinstance(cell, int | float) else str(cell))
    if found is None:
        raise _Bad(f"数ではありません（「{str(cell)[:60]}」）。半角の数を書いてください")
    if found < 0:
        raise _Bad(f"負の値です（{str(cell)[:60]}）。0 以上の数を書いてください")
    return float(found)


def _day(cell: Cell) -> date:
    if isinstance(cell, date):
        return cell
    written = _DATE.fullmatch(unicodedata.normalize("NFKC", str(cell)).strip())
    if written is not None:
        with suppress(ValueError):  # 2027-02-30
            return date(*map(int, written.groups()))
    raise _Bad(f"日付ではありません（「{str(cell)[:60]}」）。2027-04-01 の形で書いてください")


def _options(text: str) -> Iterable[tuple[str, object]]:
    for part in re.split(r"[;、]", text):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value):
            raise _Bad(f"「{part.strip()[:60]}」は読めません。edition=enterprise のように書き、; で区切ってください")
        found = number(value)
        if value in ("true", "false"):
            yield name, value == "true"
        elif found is not None and "%" not in value:
            yield name, int(found) if found.denominator == 1 else float(found)
        else:
            yield name, value


def _said(table: Table, steps: Sequence[str | int], message: str, numbers: Sequence[int]) -> str:
    """One line for a mistake at a path of the record: its row and column, or the line above the table."""
    if len(steps) > 1 and steps[0] == "prices" and isinstance(steps[1], int):
        names = ["_".join(map(str, steps[2:4])), *map(str, steps[2:3]), f"{'_'.join(map(str, steps[2:3]))}_rate"]
        column = next((COLUMNS[name][0] for name in names if name in COLUMNS), None)
        where = f"{table.where} {numbers[steps[1]]} 行目"
        return f"{where}: {message}" if column is None else f"{where} 列「{column}」: {message}"
    head = HEADS.get(str(steps[0])) if steps else None
    return f"{table.where}{f' 「{head[0]}」' if head else ''}: {message}"
