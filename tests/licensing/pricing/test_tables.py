"""A buyer's price list from a workbook or CSV: the same list from every form, and hostile files in one line."""

from __future__ import annotations

import csv
import io
import re
import struct
import zipfile
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from licensing import LicensingError, pricing
from licensing.pricing.tables import number, read
from licensing.rulebook import load_rules

RULES = load_rules()
SQL = "microsoft-sql-server.core-per-vm"
HEADS = [
    ["名称", "○○社見積"],
    ["日付", "2027-02-01"],
    ["税区分", "税込"],
    ["税率", "10%"],
    ["価格の種類", "見積"],
    ["端数", "切捨て"],
    ["出典", "○○社見積書 第12号"],
    [],
]
COLUMNS = ["番号", "規則", "オプション", "種別", "単位", "単価", "保守率", "保守年額", "適用開始", "価格の出典"]
ROWS = [
    ["1", SQL, "edition=standard", "買取", "パック", "429,000", "25%", "", "2027-04-01", "2 頁"],
    ["2", "sraoss-powergres.os", "", "サブスクリプション", "", "￥330,000", "", "", "", ""],
    ["3", "ibm.vpc", "", "買取", "ライセンス", "４４００００円", "", "88000", "2027/4/1", ""],
]
ENGLISH = {"番号": "no", "規則": "rule", "オプション": "options", "種別": "kind", "単位": "per", "単価": "price"}


def table(*changes: tuple[int, str, object]) -> list[list[object]]:
    """The list above with some cells changed: (row, column, value)."""
    rows: list[list[object]] = [list(row) for row in ROWS]
    for row, column, value in changes:
        rows[row][COLUMNS.index(column)] = value
    return [*HEADS, COLUMNS, *rows]


def as_csv(path: Path, rows: list[list[object]], encoding: str = "utf-8") -> Path:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def as_workbook(path: Path, rows: list[list[object]], before: tuple[str, ...] = ()) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    for name in before:
        book.create_sheet(name, 0).append(["この表は価格表ではない"])
    sheet.title = "見積"
    for row in rows:
        sheet.append(["" if cell is None else cell for cell in row])
    book.save(path)
    return path


def prices_of(path: Path) -> tuple:
    (entry,) = pricing.load([path]).lists
    return entry.file.model_dump(exclude={"id"})


def refused(path: Path) -> list[str]:
    with pytest.raises(LicensingError) as error:
        pricing.load([path])
    assert error.value.exit_code == 2
    lines = [line.replace(f"{path.parent}/", "") for line in error.value.problems]
    assert all("\n" not in line for line in lines)
    return lines


def test_every_form_gives_the_same_list(tmp_path):
    expected = prices_of(as_csv(tmp_path / "list.csv", table()))
    assert (expected["name"], expected["tax_rate"], expected["rounding"]) == ("○○社見積", 0.1, "down")
    assert [price["amount"] for price in expected["prices"]] == [429000, 330000, 440000]
    assert expected["prices"][0]["maintenance"]["rate"] == 0.25
    assert expected["prices"][2]["valid_from"] == date(2027, 4, 1)
    for encoding in ("utf-8-sig", "cp932"):
        assert prices_of(as_csv(tmp_path / "list.csv", table(), encoding)) == expected
    assert prices_of(as_workbook(tmp_path / "list.xlsx", table(), before=("表紙", "目次"))) == expected
    typed = table((0, "単価", 429000), (1, "単価", 330000.0), (0, "適用開始", datetime(2027, 4, 1)))
    assert prices_of(as_workbook(tmp_path / "list.xlsx", typed)) == expected
    english = [*HEADS, [ENGLISH.get(name, name) for name in COLUMNS], *ROWS]
    assert prices_of(as_csv(tmp_path / "list.csv", english)) == expected


MISTAKES = {
    "negative": ((0, "単価", "-429000"), "単価", "負の値です（-429000）。0 以上の数を書いてください"),
    "words": ((1, "単価", "お問い合わせ"), "単価", "数ではありません（「お問い合わせ」）"),
    "accounting minus": ((1, "単価", "△5"), "単価", "数ではありません"),
    "not a number": ((1, "単価", "nan"), "単価", "数ではありません"),
    "wrong thousands": ((1, "単価", "3,30000"), "単価", "数ではありません"),
    "no price": ((2, "単価", ""), "単価", "値がありません"),
    "no kind": ((2, "種別", ""), "種別", "値がありません"),
    "kind": ((0, "種別", "購入"), "種別", "「購入」は使えません。使えるもの：買取、サブスクリプション、従量"),
    "per": ((0, "単位", "本"), "単位", "「本」は使えません"),
    "date": ((0, "適用開始", "来年度"), "適用開始", "日付ではありません（「来年度」）"),
    "options": ((0, "オプション", "standard"), "オプション", "「standard」は読めません"),
    "rule": ((1, "規則", "sraoss-powergress.os"), "規則", "sraoss-powergres.os のことですか"),
    "option": ((0, "オプション", "editon=standard"), "オプション", "edition のことですか"),
    "packs": ((1, "単位", "パック"), "単位", "パックで売られません"),
    "both": ((2, "保守率", "20%"), "保守率", "どちらか一つ"),
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_mistake_names_sheet_row_and_column(tmp_path, name, form):
    change, column, words = MISTAKES[name]
    path = tmp_path / f"list.{form}"
    (as_csv if form == "csv" else as_workbook)(path, table(change))
    (line,) = refused(path)
    sheet = "list.csv" if form == "csv" else "list.xlsx: シート「見積」"
    # Header lines 1 to 7, an empty one, the header row, then the prices: CSV and workbook count alike.
    assert line.startswith(f"{sheet} {10 + change[0]} 行目")
    assert f"列「{column}」" in line
    assert words in line


def test_all_mistakes_of_a_table_at_once(tmp_path):
    path = as_csv(tmp_path / "list.csv", table((0, "単価", "-1"), (1, "単価", "x"), (2, "種別", "y")))
    assert [re.findall(r"(\d+) 行目", line)[0] for line in refused(path)] == ["10", "11", "12"]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_missing_columns_and_lines_above(tmp_path, form):
    path = tmp_path / f"list.{form}"
    save = as_csv if form == "csv" else as_workbook
    where = "list.csv" if form == "csv" else "list.xlsx: シート「見積」"
    without = [[cell for i, cell in enumerate(row) if COLUMNS[i] != "単価"] for row in [COLUMNS, *ROWS]]
    save(path, [*HEADS, *without])
    assert refused(path)[0].startswith(f"{where} 9 行目: 列 単価 がありません")
    save(path, [*HEADS, ["番号", "品名", "金額"], ["1", "x", "2"]])
    assert refused(path)[0].startswith("list." + form + ": 価格の表が見つかりません")
    save(path, [head for head in HEADS if head[:1] not in (["日付"], ["出典"])] + [COLUMNS, *ROWS])
    assert [line.split("「")[-1].split("」")[0] for line in refused(path)] == ["日付", "出典"]
    save(path, [*HEADS, [*COLUMNS, "単価"], *ROWS])
    assert "列 単価 が二度あります" in refused(path)[0]
    save(path, [*HEADS, COLUMNS])
    assert "価格が一つもありません" in refused(path)[0]
    save(path, [])
    assert "表が空です" in refused(path)[0]


def test_text_that_is_no_table(tmp_path):
    path = tmp_path / "list.csv"
    for data, words in (
        ("規則,単価\n".encode("utf-16"), "UTF-16"),
        (b"\x80\x81\xff\xfd", "UTF-8 でも Shift_JIS（CP932）でもありません"),
        (b"PK\x03\x04\x00\x00", "CSV ではありません"),
        ('規則,"単価\n'.encode(), "CSV として読めません"),
        (("x" * 3000 + "\n").encode(), "長すぎるセル"),
        (b"," * 300 + b"\n", "表が大きすぎます"),
        (b"a\n" * 20_001, "表が大きすぎます"),
    ):
        path.write_bytes(data)
        (line,) = refused(path)
        assert words in line


def test_a_formula_without_a_value_and_a_truth_value(tmp_path):
    path = as_workbook(tmp_path / "list.xlsx", table((0, "単価", "=1+1"), (1, "単価", True)))
    lines = refused(path)
    assert "10 行目 列「単価」: 値がありません" in lines[0]
    assert "11 行目 列「単価」: 数ではありません（「True」）" in lines[1]


def test_workbooks_that_are_damaged_or_bombs(tmp_path):
    path = as_workbook(tmp_path / "list.xlsx", table())
    whole = path.read_bytes()
    path.write_bytes(b"no workbook")
    assert "XLSX ではありません" in refused(path)[0]
    path.write_bytes(whole[: len(whole) // 2])
    assert "XLSX ではありません" in refused(path)[0]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "no workbook")
    assert "XLSX として読めません" in refused(path)[0]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (65 * 1024 * 1024))
    assert "展開すると大きすぎます" in refused(path)[0]
    # An archive that lies about its size: what is unpacked is never more than it says.
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<L", 65 * 1024 * 1024), struct.pack("<L", 1000)))
    assert "XLSX として読めません" in refused(path)[0]
    path.write_bytes(b"0" * (9 * 1024 * 1024))
    assert "大きすぎます" in refused(path)[0]
    path.unlink()
    path.mkdir()
    assert "フォルダーです" in refused(path)[0]


def test_an_entity_bomb_is_not_expanded(tmp_path):
    path = as_workbook(tmp_path / "list.xlsx", table())
    bomb = (
        '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l0 "lol">'
        + "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
        + ']><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
        '<c t="inlineStr"><is><t>&l9;</t></is></c></row></sheetData></worksheet>'
    )
    parts = {}
    with zipfile.ZipFile(path) as archive:
        parts = {part.filename: archive.read(part) for part in archive.infolist()}
    parts["xl/worksheets/sheet1.xml"] = bomb.encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    assert len(refused(path)) == 1


@given(data=st.binary(max_size=400), form=st.sampled_from(["csv", "xlsx"]))
def test_any_bytes_are_a_list_or_lines(tmp_path_factory, data, form):
    path = tmp_path_factory.mktemp("any") / f"list.{form}"
    path.write_bytes(data)
    with pytest.raises(LicensingError):
        read(path, RULES)


@given(value=st.decimals(min_value=0, max_value=10**12, places=4, allow_nan=False))
def test_numbers_read_as_they_are_written(value):
    assert number(f"{value:,}") == number(f"¥{value}") == number(f"{value}円") == number(str(value))
    assert float(number(str(value)) or 0) == float(value)
