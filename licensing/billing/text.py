"""The bill for a terminal: thousands of yen in columns that line up, whatever the width of the characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from layout.bill_records import BillResult, PriceListReference

from ..pricing.records import EVIDENCE
from . import tables
from .bill import thousand

_WIDEST_LABEL = 60
_MOST_COLUMNS = 10
_GRANT = {"eligible": "対象", "not": "対象外", "unknown": "不明"}
_MARKS = {"unverified": "未確認", "assumed": "仮定値"}


def text(result: BillResult, *, detail: bool = False) -> str:
    """Answers the bill as lines for a person; the verdict is the first one. `detail` adds 団体 x 年度 of every item."""
    return "\n".join(_lines(result, detail=detail)) + "\n"


def _lines(result: BillResult, *, detail: bool) -> Iterable[str]:
    yield result.verdict
    yield ""
    yield "費目 x 年度（千円、税抜）"
    yield from _table(tables.item_years(result), "契約計")
    yield from _edge(result)
    yield ""
    yield "団体 x 年度（千円、税抜）"
    yield from _table(tables.tenant_years(result), "契約計")
    yield ""
    yield "団体 x 費目（契約期間の計、千円、税抜。費目は上の番号）"
    yield from _table(tables.tenant_items(result), "計")
    if detail:
        for number, item in enumerate(result.items, 1):
            yield ""
            yield f"費目 {number} の団体 x 年度（千円、税抜）：{item.name}"
            yield from _table(tables.item_tenant_years(result, item.id), "契約計")
    yield ""
    yield "現行（A）と提案（B）の比較（契約期間の計、千円、税抜）"
    if all(tenant.current_jpy is None for tenant in result.tenants):
        yield "  構成ファイルに現行の費用（current_costs）が無いため、比較できません"
    else:
        yield from _comparison(result)
        if result.left_out is not None:
            yield f"  注意：{result.left_out}"
    yield from _over(result)
    if result.break_evens:
        yield ""
        yield "損益分岐（価格表から計算）"
        yield from (f"  {found.because}" for found in result.break_evens)
    if result.unpriced:
        yield ""
        yield "金額を出せない製品（合計に含まない。0 円ではない）"
        for product in result.unpriced:
            options = "".join(f" {name}={value}" for name, value in sorted(product.options.items()))
            marked = f"［規則の根拠 {_mark(product.evidence)}］"
            yield f"  {product.name}{options}{marked} {product.quantity:,} {product.unit}：{product.because}"
    if result.items:
        yield ""
        yield "費目の根拠と割り方"
        yield from _items(result)
    if result.price_lists:
        yield ""
        yield "価格表"
    for entry in result.price_lists:
        yield f"  {_label(entry)}（{entry.date}、{entry.currency}、{_terms(entry)}）"
        yield f"      {entry.source}"
    yield ""
    yield "注"
    yield from (f"  {note}" for note in result.method_notes)
    yield "  千円未満を四捨五入して示すため、表の数の和が合計と合わないことがあります。円の額は --json にあります。"
    yield f"  {result.notice}"


def _label(entry: PriceListReference) -> str:
    kind = f"{EVIDENCE[entry.evidence]}："
    return entry.name if entry.name.startswith(kind) else kind + entry.name


def _terms(entry: PriceListReference) -> str:
    tax = "税込み" if entry.tax == "inclusive" else "税抜き"
    if entry.exchange_rate is None:
        return tax
    return f"{tax}、1 {entry.currency} = {entry.exchange_rate} 円、為替の出典：{entry.exchange_source}"


def _edge(result: BillResult) -> Iterable[str]:
    total = tables.contract_total(result)
    yield (
        f"  契約計 {thousand(total.net)} 千円、消費税（{result.tax_rate * 100:.10g} %）{thousand(total.tax)} 千円、"
        f"税込み {thousand(total.gross)} 千円"
    )


def _items(result: BillResult) -> Iterable[str]:
    splits = {split.item: split for split in result.splits}
    lists = {entry.id: entry for entry in result.price_lists}
    for number, item in enumerate(result.items, 1):
        split = splits[item.id]
        entry = lists.get(item.price_list or "")
        grant = f"、補助・交付税措置 {_GRANT[item.grant]}" if item.category == "other" else ""
        example = "［例］" if entry is not None and entry.evidence == "example" else ""
        yield f"  {number}. {example}{item.name}"
        yield f"      {item.because}"
        if item.category == "other":
            yield f"      ［根拠 {_mark(item.basis)}］{item.source}{grant}"
        else:
            yield f"      ［規則の根拠 {_mark(item.basis)}］価格：{item.source}"
        yield f"      割り方：{split.method_name}。{split.because}"


def _mark(basis: str) -> str:
    return _MARKS.get(basis, basis)


def _comparison(result: BillResult) -> Iterable[str]:
    rows: list[tuple[str, ...]] = []
    for tenant in result.tenants:
        rows.append(_compared(tenant.name, tenant.current_jpy, tenant.proposed_jpy))
    known = [tenant for tenant in result.tenants if tenant.current_jpy is not None]
    if known:
        label = "合計" if len(known) == len(result.tenants) else f"合計（現行の分かる {len(known)} 団体）"
        rows.append(_compared(label, sum(t.current_jpy or 0 for t in known), sum(t.proposed_jpy for t in known)))
    yield from _grid([("", "現行 A", "提案 B", "削減額 A-B", "削減率", ""), *rows])


def _compared(label: str, current: int | None, proposed: int) -> tuple[str, ...]:
    if current is None:
        return (label, "不明", thousand(proposed), "-", "-", "")
    saving = current - proposed
    rate = f"{saving / current * 100:.1f} %" if current else "-"
    word = "増額" if saving < 0 else "削減" if saving > 0 else "同額"
    return (label, thousand(current), thousand(proposed), thousand(saving), rate, word)


def _over(result: BillResult) -> Iterable[str]:
    for tenant in result.tenants:
        if tenant.over_stand_alone and tenant.stand_alone_jpy is not None:
            more = tenant.licences_jpy - tenant.stand_alone_jpy
            yield (
                f"  注意：{tenant.name} のライセンス費の負担 {thousand(tenant.licences_jpy)} 千円は、"
                f"単独費用 {thousand(tenant.stand_alone_jpy)} 千円を {thousand(more)} 千円超えています"
            )


def _table(table: tables.AmountTable, total: str) -> Iterable[str]:
    """The table, ten columns at a time; the sum of each row stands at the end of the last ones."""
    for first in range(0, max(len(table.columns), 1), _MOST_COLUMNS):
        last = first + _MOST_COLUMNS >= len(table.columns)
        part = slice(first, first + _MOST_COLUMNS)
        rows = [(line.label, *map(thousand, line.amounts[part]), thousand(line.total)) for line in table.lines]
        rows.append(("合計", *map(thousand, table.totals[part]), thousand(sum(table.totals))))
        whole = [("", *table.columns[part], total), *rows]
        yield from _grid([row if last else row[:-1] for row in whole])


def _grid(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Rows with the first column at the left and the others at the right."""
    whole = [(_short(row[0]), *row[1:]) for row in rows]
    widths = [max(width(row[index]) for row in whole) for index in range(len(whole[0]))]
    for row in whole:
        cells = [_padded(row[0], widths[0], left=True)]
        cells += [_padded(cell, wide, left=False) for cell, wide in zip(row[1:], widths[1:], strict=True)]
        yield ("  " + "  ".join(cells)).rstrip()


def width(text: str) -> int:
    """Answers the columns that a text takes on a terminal: wide East Asian characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


def _padded(text: str, wide: int, *, left: bool) -> str:
    gap = " " * (wide - width(text))
    return text + gap if left else gap + text


def _short(label: str) -> str:
    """The label, shortened in its middle: its end tells editions apart."""
    if width(label) <= _WIDEST_LABEL:
        return label
    end = _kept(label[::-1], _WIDEST_LABEL // 3)[::-1]
    return f"{_kept(label, _WIDEST_LABEL - width(end) - 2)}…{end}"


def _kept(label: str, wide: int) -> str:
    kept = ""
    for character in label:
        if width(kept + character) > wide:
            break
        kept += character
    return kept
