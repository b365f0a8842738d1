"""The workbook: read back by another library it has the bill to the yen, and nothing of a name becomes a formula."""

from __future__ import annotations

import io
import json
import os
import re
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest

from layout import folder
from layout.bill_records import BillResult
from layout.licence_records import CONTRACT_PREVAILS
from reports import workbook
from reports.ledgers import ledgers
from reports.record import gather
from tests.reports import folders

GOLDEN = Path(__file__).parents[1] / "golden" / "reports" / "workbook.json"
LEDGERS = ("ハードウェア台帳", "導入ソフトウェア台帳", "ライセンス台帳", "ライセンス関連部材台帳")
ISOLATION = ("通信の可否", "責任分界")
MONEY = ("見積内訳書", "費目×年度×団体", "A対B")
DATA = (
    "データ_負担額",
    "データ_分担の根拠",
    "データ_団体",
    "データ_価格なし",
    "データ_計数の内訳",
    "データ_違反",
    "データ_対応策",
)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return gather(folders.write(tmp_path_factory.mktemp("plan") / "out"))


@pytest.fixture(scope="module")
def data(record):
    return workbook.render(record)


def opened(data: bytes, *, values: bool = True):
    return openpyxl.load_workbook(io.BytesIO(data), data_only=values)


def rows(sheet) -> list[list]:
    return [list(row) for row in sheet.iter_rows(values_only=True)]


def table(sheet) -> list[dict]:
    """The main table by its heads: the row that is repeated on every page."""
    head = int(re.match(r"\$(\d+)", sheet.print_title_rows)[1])
    heads, *lines = rows(sheet)[head - 1 :]
    return [dict(zip(heads, line, strict=True)) for line in lines]


def test_the_cells_are_the_golden_ones(record):
    """KUMIAI_UPDATE_GOLDEN=1 writes them anew. The digest is masked: it follows every byte of the layout."""
    masked = workbook.render(replace(record, layout_digest="0" * 64))
    cells = {
        sheet.title: [[str(value) if value is not None else None for value in row] for row in rows(sheet)]
        for sheet in opened(masked, values=False)
    }
    if os.environ.get("KUMIAI_UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(cells, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    assert cells == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_the_same_record_gives_the_same_bytes(record, data):
    assert workbook.render(record) == data


def test_every_sheet_is_there_and_says_that_the_contract_prevails(data):
    book = opened(data)
    assert book.sheetnames == ["表紙", *MONEY, *LEDGERS, *ISOLATION, "根拠", *DATA]
    for sheet in book:
        texts = [value for row in rows(sheet) for value in row if isinstance(value, str)]
        assert any("契約書が優先します" in text for text in texts), sheet.title
        assert any("根拠" in text for text in texts), sheet.title
        assert CONTRACT_PREVAILS in sheet.oddHeader.right.text


def test_every_sheet_is_ready_to_print(data):
    book = opened(data)
    for sheet in book:
        assert sheet.page_setup.orientation == "landscape"
        assert str(sheet.page_setup.paperSize) in (sheet.PAPERSIZE_A3, sheet.PAPERSIZE_A4), sheet.title
        assert sheet.page_setup.fitToHeight == 0
        assert re.fullmatch(r"\$\d+:\$\d+", sheet.print_title_rows), sheet.title
        assert sheet.freeze_panes is not None
        assert "&P" in sheet.oddFooter.center.text
    # Five years are read on one sheet of paper; a row of the cover or of a comparison needs no large one.
    assert [pages(book[name]) for name in ("見積内訳書", "A対B", "表紙")] == [("8", 1), ("9", 1), ("9", 1)]


def pages(sheet):
    """Paper's number (9 A4, 8 A3) and how many of them lie side by side."""
    return str(sheet.page_setup.paperSize), sheet.page_setup.fitToWidth or 1


def test_the_estimate_has_the_bill_to_the_yen(record, data):
    lines = table(opened(data)["見積内訳書"])
    years = [f"{year}年度\n（千円）" for year in range(2027, 2032)]
    total = next(head for head in lines[0] if head and head.startswith("契約期間計"))
    items = [line for line in lines if line["番号"] and line["区分"] != "価格なし"]
    order = ("licence", "maintenance", "other")
    wanted = sorted(record.bill.items, key=lambda item: order.index(item.category))
    assert [line[total] for line in items] == [item.total_jpy for item in wanted]
    assert [[line[year] for year in years] for line in items] == [
        [year.amount_jpy for year in item.years] for item in wanted
    ]
    named = {line["費目"]: line for line in lines if not line["番号"]}
    # By hand: net 619,720,561 + 4 x 113,728,560; the tax of the sum, 0.1 yen cut off.
    assert named["合計（税抜き）"][total] == 1_074_634_801
    assert named["消費税（列の合計から、切り捨て）"][total] == 107_463_480
    assert named["税込み合計"][total] == 1_182_098_281
    assert named["1 か月あたり（税込み、切り捨て）"][total] == 19_701_638
    assert "60 か月" in total


def test_sums_are_formulas_that_carry_their_values(data):
    formulas, values = opened(data, values=False), opened(data)
    found = 0
    for sheet in formulas:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    found += 1
                    assert isinstance(values[sheet.title][cell.coordinate].value, int | float), cell.coordinate
    assert found > 100
    estimate = formulas["見積内訳書"]
    texts = {str(cell.value) for row in estimate.iter_rows() for cell in row if cell.data_type == "f"}
    assert any(text.startswith("=SUM(") for text in texts)
    assert any(text.startswith("=ROUNDDOWN(") for text in texts)
    assert any(re.fullmatch(r"=G(\d+)\*I\1", text) for text in texts)


def test_yen_inside_thousand_yen_on_display(data):
    sheet = opened(data)["見積内訳書"]
    cells = [cell for row in sheet.iter_rows() for cell in row if cell.value == 495_648_000]
    assert cells
    assert all(cell.number_format.startswith("#,##0,;") for cell in cells)


def test_what_has_no_price_is_named_and_in_no_sum(record, data):
    lines = table(opened(data)["見積内訳書"])
    unpriced = [line for line in lines if line["区分"] == "価格なし"]
    assert [line["費目"] for line in unpriced] == [product.name for product in record.bill.unpriced] != []
    assert all(line["2027年度\n（千円）"] == "価格なし" for line in unpriced)
    assert [line["根拠"] for line in unpriced] == ["未確認"]
    assert [line["根拠"] for line in table(opened(data)["データ_価格なし"])] == ["未確認"]


def test_shares_add_up_by_item_year_and_municipality(record, data):
    tidy = table(opened(data)["データ_負担額"])
    assert sum(line["金額（円・税抜き）"] for line in tidy) == sum(item.total_jpy for item in record.bill.items)
    by_tenant: dict[str, int] = defaultdict(int)
    for line in tidy:
        by_tenant[line["団体ID"]] += line["金額（円・税抜き）"]
    assert by_tenant == {tenant.tenant: tenant.proposed_jpy for tenant in record.bill.tenants}
    wide = [line for line in table(opened(data)["費目×年度×団体"]) if line["費目"] == "団体の計"]
    assert {line["団体の記号"]: line["契約期間計\n（千円）"] for line in wide} == by_tenant


def test_example_prices_say_so_wherever_there_is_money(data):
    book = opened(data)
    for name in ("表紙", *MONEY):
        assert any("実際の価格ではありません" in str(value) for row in rows(book[name]) for value in row), name
    kinds = {(line["価格表"], line["価格の種類"]) for line in table(book["データ_負担額"])}
    assert kinds == {("example-2026", "例（実際の価格ではありません）"), (None, None)}


def test_rises_stand_beside_savings(data):
    lines = table(opened(data)["A対B"])
    assert [(line["団体"], line["増減"]) for line in lines] == [("延岡市", "削減"), ("日田市", "増額"), ("計", "削減")]
    assert lines[1]["削減額 A−B\n（千円）"] == 300_000_000 - 438_755_200
    assert lines[1]["削減率"] == pytest.approx(-138_755_200 / 300_000_000)
    assert lines[1]["単独費用との比較"] == "単独より高い負担です"


def test_a_municipality_without_a_current_cost_is_in_no_saving(record):
    tenants = (
        record.bill.tenants[0].model_copy(update={"current_jpy": None, "saving_jpy": None, "saving_rate": None}),
        record.bill.tenants[1],
    )
    bill = record.bill.model_copy(update={"tenants": tenants})
    lines = table(opened(workbook.render(replace(record, bill=bill)))["A対B"])
    assert lines[0]["増減"] == "現行不明"
    assert lines[0]["削減額 A−B\n（千円）"] is None
    assert lines[2]["団体"] == "現行が分かる 1 団体の計"
    assert lines[2]["提案 B\n（千円）"] == tenants[1].proposed_jpy
    assert lines[3]["提案 B\n（千円）"] == sum(tenant.proposed_jpy for tenant in tenants)


def test_the_ledgers_leave_open_what_the_buyer_knows(record, data):
    book = opened(data)
    asked = {
        "ライセンス台帳": ("版", "購入日", "購入元", "購入部署", "証書番号", "保有部署", "保管場所"),
        "ハードウェア台帳": ("製造番号", "購入日", "管理部署"),
        "導入ソフトウェア台帳": ("版", "導入日"),
        "ライセンス関連部材台帳": ("管理番号", "保管場所"),
    }
    for name, heads in asked.items():
        lines = table(book[name])
        assert lines
        for head in heads:
            assert {line[f"{head}\n【要記入】"] for line in lines} == {None}
    licences = table(book["ライセンス台帳"])
    known = ("製造元", "製品", "エディション", "ライセンスの種類", "形態", "条件", "数量")
    assert [licences[0][head] for head in known] == [
        "Microsoft", "Microsoft SQL Server（仮想マシン単位のコアライセンス）", "Standard", "コア単位", "2 コアパック",
        "合計 16 = 16 コア", 16,
    ]  # fmt: skip
    assert [line["根拠"] for line in licences] == ["D", "P", "未確認"]
    assert len(table(book["ハードウェア台帳"])) == 6
    assert len(table(book["導入ソフトウェア台帳"])) == len(record.ledgers.installed) == 12


def test_a_rule_with_a_value_that_nobody_checked_is_marked_on_every_sheet(record, tmp_path):
    plan = folders.write(tmp_path / "out")
    first, *others = record.licences.products
    changed = first.model_copy(update={"unverified": ("x86 の換算係数",)})
    licences = record.licences.model_copy(update={"products": (changed, *others)})
    book = opened(workbook.render(replace(record, licences=licences, ledgers=ledgers(plan, licences))))
    for name in ("ライセンス台帳", "データ_計数の内訳", "根拠"):
        rule = "計数の規則" if "台帳" in name else "規則"
        marks = {line["根拠"] for line in table(book[name]) if line[rule] == first.rule}
        assert marks == {"D・未確認"}, name


def test_what_has_no_price_does_not_look_like_a_saving(record, data):
    for name in ("見積内訳書", "A対B", "表紙"):
        told = {cell for row in rows(opened(data)[name]) for cell in row}
        assert record.bill.left_out in told, name


def test_data_sheets_are_tidy(data):
    book = opened(data)
    for name in DATA:
        heads, *lines = rows(book[name])
        assert None not in heads
        assert Counter(heads).most_common(1)[0][1] == 1
        assert all(line[-1] == CONTRACT_PREVAILS for line in lines)
    remedies = table(book["データ_対応策"])
    assert [line["対応策"] for line in remedies if line["最も安い"] == "はい"] == [
        "動ける範囲を狭める",
        "時間単位で払う",
    ]
    assert {line["根拠"] for line in remedies} == {"P", "D"}


def test_long_tables_go_on_with_a_further_sheet(record):
    book = opened(workbook.render(record, most_rows=20))
    parts = [sheet for sheet in book.sheetnames if sheet.startswith("データ_負担額")]
    assert parts == ["データ_負担額", "データ_負担額_2", "データ_負担額_3", "データ_負担額_4"]
    assert sum(book[part].max_row - 1 for part in parts) == 60
    assert max(sheet.max_row for sheet in book if sheet.title.startswith("データ_")) == 20
    assert book["データ_負担額_4"].cell(1, 1).value == "費目ID"
    ledger = [sheet for sheet in book.sheetnames if sheet.startswith("導入ソフトウェア台帳")]
    numbers = [line["番号"] for part in ledger for line in table(book[part])]
    assert len(ledger) == 2
    assert numbers == list(range(1, 13))


@pytest.mark.parametrize(
    "attack", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x.invalid","y")', "=cmd|' /c'!A0"]
)
def test_a_name_never_becomes_a_formula(record, attack):
    tenants = tuple(tenant.model_copy(update={"name": attack}) for tenant in record.bill.tenants)
    items = tuple(item.model_copy(update={"name": attack, "because": attack}) for item in record.bill.items)
    bill = record.bill.model_copy(update={"tenants": tenants, "items": items})
    plain = opened(workbook.render(record), values=False)
    book = opened(workbook.render(replace(record, bill=bill, estate_name=attack)), values=False)
    seen = 0
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.value == attack:
                    seen += 1
                    assert cell.data_type == "s"
                    assert cell.quotePrefix, cell.coordinate
                # Formulas stand only where they stood before.
                if cell.data_type == "f":
                    assert plain[sheet.title][cell.coordinate].data_type == "f", (sheet.title, cell.coordinate)
    assert seen > 100
    assert not any(sheet._hyperlinks for sheet in book)


def test_hostile_names_are_shown_and_hidden_characters_too(tmp_path):
    book = opened(workbook.render(gather(folders.hostile(tmp_path / "out"))))
    shown = folders.HOSTILE.replace("\u202e", "\\u202e")
    texts = [str(value) for sheet in book for row in rows(sheet) for value in row if value is not None]
    assert sum(shown in text for text in texts) > 30
    assert not any("\u202e" in text for text in texts)


def test_without_a_bill_and_a_count_the_ledgers_still_come(tmp_path):
    record = gather(folder.write(tmp_path / "out", folders.contents()))
    book = opened(workbook.render(record))
    assert book.sheetnames == ["表紙", *LEDGERS, *ISOLATION, "根拠"]
    cover = [value for row in rows(book["表紙"]) for value in row if value]
    assert any("kumiai license split" in text for text in cover)
    assert any("kumiai license count" in text for text in cover)


def test_an_empty_bill_has_no_circular_sums(record):
    bill = record.bill.model_copy(update={"items": (), "splits": (), "unpriced": (), "break_evens": ()})
    zero = tuple(
        tenant.model_copy(update={"proposed_jpy": 0, "years": (), "current_jpy": None, "saving_jpy": None})
        for tenant in record.bill.tenants
    )
    book = opened(workbook.render(replace(record, bill=bill.model_copy(update={"tenants": zero}))), values=False)
    for name in MONEY:
        for row in book[name].iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    assert not re.search(rf"(?<![A-Z0-9]){cell.coordinate}(?![0-9])", cell.value), cell.value
                    spans = re.findall(r"([A-Z]+)\$?(\d+):\$?[A-Z]+\$?(\d+)", cell.value)
                    assert all(int(first) <= int(last) for _, first, last in spans), cell.value


def test_a_long_contract_has_a_column_per_year(record):
    document = json.loads((folders.CASES / "bill.json").read_text(encoding="utf-8")) | {"layout_digest": "0" * 64}
    document["years"] = 10
    for holder in [*document["items"], *document["tenants"], *(s for p in document["splits"] for s in p["shares"])]:
        holder["years"] += [{"year": 2032 + n, "amount_jpy": 0} for n in range(5)]
    bill = BillResult.model_validate_json(json.dumps(document))
    lines = table(opened(workbook.render(replace(record, bill=bill)))["見積内訳書"])
    assert [head for head in lines[0] if head and "年度" in head][-1] == "2036年度\n（千円）"
    assert any(head and "120 か月" in head for head in lines[0])
