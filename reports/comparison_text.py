"""The comparison of layouts for a terminal: columns stand under one another, Japanese characters take two places."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from layout.comparison_records import ComparedProduct, ComparisonResult

from .comparison_page import options, signed, yen
from .evidence import PRICE_EVIDENCE, mark
from .figures import count


def text(result: ComparisonResult) -> str:
    """Answers the comparison as lines; the verdict is the first one."""
    return "\n".join(line.rstrip() for line in _lines(result)) + "\n"


def _lines(result: ComparisonResult) -> Iterable[str]:
    yield result.verdict
    yield ""
    yield f"構成（{result.fiscal_year} 年度、{result.years} 年契約、税抜き）"
    yield from _aligned(
        [
            ["", "使用中", "予備", "違反", "ホスト（円）", "ライセンス（円）", "合計（円）", "構成"],
            *(
                [
                    one.letter,
                    f"{one.hosts_in_use} 台",
                    f"{one.hosts_spare} 台",
                    "不明" if one.violations is None else f"{one.violations} 件",
                    yen(one.hosts_jpy),
                    yen(one.licences_jpy),
                    yen(one.total_jpy),
                    one.source,
                ]
                for one in result.layouts
            ),
        ],
        left={0, 7},
    )
    yield ""
    yield "製品ごとの必要数と費用（円）"
    yield from _aligned([_heads(result), *_rows(result)], left={0, 1})
    for product in result.products:
        unchecked = "［未確認］" if product.unverified else ""
        yield f"  {product.name}{options(product)}：［根拠 {mark(product.evidence)}］{unchecked}{product.source}"
        if product.because:
            yield f"      {product.because}"
    if result.curves:
        yield ""
        yield "ホストが増えるとライセンスも増える（仮想サーバが動けるホストの数：必要数）"
        for curve in sorted(result.curves, key=lambda curve: (curve.rule, curve.letter)):
            points = "、".join(f"{point.hosts} 台 {count(point.quantity)}" for point in curve.points)
            yield f"  {curve.name}［根拠 {mark(curve.evidence)}］ {curve.letter}：{points} {curve.unit}"
    yield ""
    yield "価格の出典"
    for entry in result.price_lists:
        rate = "" if entry.exchange_rate is None else f"、1 {entry.currency} = {entry.exchange_rate:g} 円"
        yield f"  {entry.name}［{PRICE_EVIDENCE[entry.evidence]}］（{entry.date}{rate}）：{entry.source}"
    yield from (f"  {one.letter} のホスト：{one.because}" for one in result.layouts if one.because)
    yield from (f"  {note}" for note in result.notes)
    yield ""
    yield result.notice


def _heads(result: ComparisonResult) -> list[str]:
    letters = [one.letter for one in result.layouts]
    cells = [text for letter in letters for text in (letter, f"{letter}（円）")]
    return ["製品", "単位", *cells, *(text for letter in letters[1:] for text in (f"{letter}−A", f"{letter}−A（円）"))]


def _rows(result: ComparisonResult) -> Iterable[list[str]]:
    for product in result.products:
        cells = [text for each in product.counts for text in (count(each.quantity), yen(each.cost_jpy))]
        for each in product.counts[1:]:
            cells.append("同じ" if not each.difference else signed(each.difference))
            cells.append("—" if each.difference_jpy is None else signed(each.difference_jpy))
        yield [_short(product), product.unit, *cells]
    letters = {one.letter: one for one in result.layouts}
    sums = [text for one in letters.values() for text in ("", yen(one.licences_jpy))]
    first = result.layouts[0].licences_jpy
    for one in result.layouts[1:]:
        known = one.licences_jpy is not None and first is not None
        sums += ["", signed((one.licences_jpy or 0) - (first or 0)) if known else "—"]
    yield ["ライセンスの合計", "", *sums]


def _short(product: ComparedProduct) -> str:
    return f"{product.rule}{options(product)}"


def _aligned(rows: Sequence[Sequence[str]], *, left: set[int]) -> Iterable[str]:
    widths = [max(_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (
            cell + " " * (width - _width(cell)) if column in left else " " * (width - _width(cell)) + cell
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  " + "  ".join(cells)


def _width(cell: str) -> int:
    """Places on the screen."""
    return sum(2 if unicodedata.east_asian_width(char) in "FW" else 1 for char in cell)
