"""The first sheet, which says what the workbook holds and lacks, and 根拠: what every number rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from layout.bill_records import BillResult
from layout.licence_records import LicenceResult
from layout.wareki import fiscal_year_name

from ..evidence import LEGEND, PRICE_EVIDENCE, of_rule
from ..ledgers import written
from ..money import change_sentence, price_notes, sums, taxed_total
from ..record import ReportRecord
from .paper import Cell, Column, Paper, Sheet

COVER, GROUNDS = "表紙", "根拠"
_GAP = (Column(""), Column(""))


def cover(paper: Paper, record: ReportRecord, contents: Sequence[tuple[str, str, str]]) -> None:
    """Totals first, then what is missing, then the list of sheets."""
    title = f"{record.estate_name}　{fiscal_year_name(record.fiscal_year)} ライセンスと費用"
    notes = () if record.bill is None else price_notes(record.bill)
    sheet = paper.sheet(COVER, title, (LEGEND, *notes))
    columns = (Column("項目", width=34), Column("値", "thousand", width=24), Column("説明", width=70))
    sheet.heads(columns)
    texts = ["text", "text", "text"]
    money = ["text", "thousand", "text"]
    sheet.cells(("計画", "適合" if record.fits else "不適合", record.verdict), texts)
    if record.licences is not None:
        sheet.cells(("ライセンスの計数", f"{len(record.licences.products)} 製品", record.licences.verdict), texts)
    bill = record.bill
    if bill is not None:
        total, taxed = sums(bill, bill.items)[-1], taxed_total(bill)
        sheet.cells(("契約期間の合計（税抜き、千円）", total, bill.verdict), money)
        sheet.cells(
            ("契約期間の合計（税込み、千円）", taxed, f"{bill.years} 年、消費税は合計から計算して切り捨て"), money
        )
        sheet.cells(("現行 A と提案 B", f"{len(bill.tenants)} 団体", change_sentence(bill)), texts)
        without = "、".join(product.name for product in bill.unpriced)
        sheet.cells(("価格のない製品", f"{len(bill.unpriced)} 件", without or "ありません"), texts)
    for line in record.missing:
        sheet.cells(("まだないもの", "—", line), texts)
    sheet.block("シートの一覧", (Column("シート"), Column("種類"), Column("説明")), contents)


def grounds(paper: Paper, licences: LicenceResult | None, bill: BillResult | None) -> None:
    """Every rule with its mark, source and what is unverified; price lists; methods; break-evens."""
    sheet = paper.sheet(GROUNDS, "根拠", (LEGEND, *(bill.method_notes if bill is not None else ())))
    columns = (
        Column("規則", width=34), Column("製品", width=32), Column("選択肢", width=20),
        Column("数量", "number", width=12), Column("単位", width=12), Column("根拠", width=10),
        Column("出典", width=46), Column("規則の\n有効開始", "date", width=13), Column("未確認の点", width=24),
        Column("数え方", width=34), Column("注", width=46),
    )  # fmt: skip
    products = licences.products if licences is not None else ()
    sheet.table(
        columns,
        [
            (
                product.rule, product.name, written(product.options), product.quantity, product.unit,
                of_rule(product.evidence, product.unverified), product.source, product.valid_from,
                "、".join(product.unverified), product.because, "　".join(product.notes),
            )
            for product in products
        ],
        freeze_columns=1,
    )  # fmt: skip
    if bill is None:
        return
    _prices(sheet, bill)
    _methods(sheet, bill)
    sheet.block(
        "損益の分かれ目（価格表から計算した値で、定数ではありません）",
        (
            Column("規則"),
            Column("比べる規則"),
            Column("増やすもの"),
            Column("分かれ目", "number"),
            *_GAP,
            Column("説明"),
        ),
        [(line.rule, line.other, line.variable, line.at, None, None, line.because) for line in bill.break_evens],
    )


def _prices(sheet: Sheet, bill: BillResult) -> None:
    sheet.block(
        "価格表",
        (
            Column("記号"), Column("名前"), Column("種類"), Column("日付", "date"), Column("通貨"),
            Column("換算（円）", "number"), Column("出典"), Column("税"), Column("換算の出典"),
        ),
        [
            (
                prices.id, prices.name, PRICE_EVIDENCE[prices.evidence], prices.date, prices.currency,
                prices.exchange_rate, prices.source, "税抜き" if prices.tax == "exclusive" else "税込み",
                prices.exchange_source,
            )
            for prices in bill.price_lists
        ],
    )  # fmt: skip


def _methods(sheet: Sheet, bill: BillResult) -> None:
    used = Counter(split.method for split in bill.splits)
    rows: dict[str, tuple[Cell, ...]] = {}
    for split in bill.splits:
        cut = f"{split.truncate_jpy:,} 円未満切り捨て" if split.truncate_jpy > 1 else "1 円未満切り捨て"
        row = (split.method, split.method_name, cut, used[split.method], None, None, split.source)
        rows.setdefault(split.method, row)
    sheet.block(
        "分担の方法",
        (Column("方法"), Column("名前"), Column("端数"), Column("使う費目の数", "number"), *_GAP,
         Column("出典（条例など）")),
        list(rows.values()),
    )  # fmt: skip
