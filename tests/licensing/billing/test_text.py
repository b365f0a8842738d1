"""The bill on a terminal: columns that line up whatever the width of the characters, and what every page must say."""

from __future__ import annotations

import pytest

from layout.licence_records import CONTRACT_PREVAILS
from layout.records import Product
from licensing import billing, pricing
from licensing.billing.bill import change, thousand
from licensing.billing.text import width
from tests.licensing.billing.plans import bill, cost, current, plan

ORACLE = Product(rule="oracle-database-enterprise.processor")
SQL = Product(rule="microsoft-sql-server.core-per-vm", options={"edition": "enterprise"})


@pytest.fixture(scope="module")
def result():
    of = plan(
        {"db": [ORACLE, SQL], "ap": [Product(rule="nec-webotx.machine")]},
        [cost("operation", 1_234_567_890, split="population"), cost("long", 1, name="とても長い名前の費目" * 10)],
        [current("t00", 10_000_000_000), current("t01", 1)],
    )
    return bill(of, pricing.load(), years=12)


def blocks(text: str, title: str) -> list[str]:
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(title)) + 1
    return lines[start : lines.index("", start)]


@pytest.mark.parametrize("title", ["団体 x 年度", "団体 x 費目"])
def test_columns_line_up(result, title):
    rows = blocks(billing.text(result), title)
    parts = {width(row) for row in rows}
    assert len(parts) == (2 if "年度" in title else 1)  # twelve years are ten and two


def test_every_item_by_tenant_and_year(result):
    text = billing.text(result, detail=True)
    for number, item in enumerate(result.items, 1):
        rows = blocks(text, f"費目 {number} の団体 x 年度（千円、税抜）：{item.name}")
        assert [row.split()[0] for row in rows[1:5]] == ["t00", "t01", "t02", "合計"]
        assert rows[4].split()[1] == thousand(item.years[0].amount_jpy)


def test_figures_end_below_their_year(result):
    rows = blocks(billing.text(result), "費目 x 年度")[:-1]
    ten = [row for row in rows if width(row) == width(rows[0])]
    assert len(ten) == len(result.items) + 2
    assert ten[0].endswith("2036 年度")
    assert all(row[-1].isdigit() for row in ten[1:])


def test_what_every_page_says(result):
    text = billing.text(result)
    assert text.startswith("判定：12 年間の総額 ")
    assert "価格は例" in text.splitlines()[0]
    assert CONTRACT_PREVAILS in text
    assert "価格は例です。実際の価格ではありません。" in text
    for item in result.items:
        assert item.because in text
        assert item.source in text
    assert "［例］" in text
    assert "規則の根拠 P" in text
    assert "金額を出せない製品（合計に含まない。0 円ではない）" in text
    assert [f"{product.name}［規則の根拠 {product.evidence}］" in text for product in result.unpriced] == [True]
    assert result.left_out is not None
    assert "注意：金額を出せない製品 1 件（" in "".join(blocks(text, "現行（A）と提案（B）の比較"))
    for pair in result.break_evens:
        assert pair.because.count("［根拠 ") == 2 or pair.at is None
        assert pair.because in text
    assert "不明" in text


def test_long_names_keep_their_end(result):
    rows = blocks(billing.text(result), "費目 x 年度")
    assert any("…" in row and "edition=enterprise" in row for row in rows)


@pytest.mark.parametrize(
    ("yen", "shown"), [(0, "0"), (499, "0"), (500, "1"), (-500, "-1"), (-499, "0"), (1_234_567, "1,235")]
)
def test_thousands_of_yen(yen, shown):
    assert thousand(yen) == shown.replace("-0", "0")


def test_a_change_in_words():
    assert change(2000, 1000) == " 1 千円の削減（50.0 %）"
    assert change(1000, 2000) == " 1 千円の増額（100.0 %）"
    assert change(1000, 1000) == "同額"
    assert change(0, 1000) == " 1 千円の増額"
