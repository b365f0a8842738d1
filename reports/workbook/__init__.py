"""The workbook: four ledgers, the estimate form, cost tables and tidy data, from saved results only."""

from __future__ import annotations

from ..record import ReportRecord
from . import cost_tables, data_sheets, estimate, ground_sheets, isolation_sheets, ledger_sheets
from .paper import MOST_ROWS, Paper

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def render(record: ReportRecord, *, most_rows: int = MOST_ROWS) -> bytes:
    """The workbook's bytes, the same for the same record.

    Without a count or a bill their sheets are left out (the first sheet says so); the ledgers are always there.
    `most_rows` is where a long table goes on with a further sheet.
    """
    paper = Paper(footer=f"{record.estate_name}　構成 {record.layout_digest[:12]}", most_rows=most_rows)
    bill, licences = record.bill, record.licences
    ground_sheets.cover(paper, record, _contents(record))
    if bill is not None:
        estimate.estimate(paper, bill, record.estate_name)
        cost_tables.by_tenant(paper, bill)
        cost_tables.comparison(paper, bill)
    ledger_sheets.ledger_sheets(paper, record.ledgers, counted=licences is not None)
    isolation_sheets.isolation_sheets(paper, record)
    ground_sheets.grounds(paper, licences, bill)
    if bill is not None:
        data_sheets.bill_data(paper, bill)
    if licences is not None:
        data_sheets.licence_data(paper, licences)
    return paper.bytes()


def _contents(record: ReportRecord) -> list[tuple[str, str, str]]:
    lines: list[tuple[str, str, str]] = []
    if record.bill is not None:
        lines += [
            (estimate.NAME, "見積", "費目ごとの数量・単価・年度の金額と、税・税込みの合計（数式）"),
            (cost_tables.BY_TENANT, "集計", "費目ごと、年度ごとの各団体の負担額"),
            (cost_tables.COMPARISON, "集計", "現行（A）と提案（B）、削減額と削減率。増額も同じ列に示す"),
        ]
    lines += [
        (ledger_sheets.HARDWARE, "台帳", "ホスト 1 台が 1 行"),
        (ledger_sheets.INSTALLED, "台帳", "仮想サーバまたはホストに載る製品 1 つが 1 行"),
        (ledger_sheets.LICENCES, "台帳", "必要なライセンスと保有するライセンス"),
        (ledger_sheets.MEDIA, "台帳", "証書・キー・媒体"),
    ]
    if record.isolation.networks:
        lines.append((isolation_sheets.REACHABILITY, "分離", "接続を開始できるネットワークの組。ほかはすべて遮断"))
    if record.responsibilities:
        lines.append((isolation_sheets.RESPONSIBILITY, "分離", "層ごとの、所有する者・運用する者・直す者"))
    lines += [
        (ground_sheets.GROUNDS, "根拠", "規則・価格・分担方法の出典と、未確認の点"),
    ]
    if record.bill is not None or record.licences is not None:
        lines.append(
            ("データ_…", "データ", "1 行に 1 つの事実（縦長の表）。ほかのプログラムで読むためのもの。金額は円")
        )
    return lines
