"""The comparison of layouts as one HTML page: no script, nothing fetched, every name escaped."""

from __future__ import annotations

from itertools import groupby

from layout.comparison_records import ComparedCount, ComparedProduct, ComparisonResult
from layout.wareki import fiscal_year_name

from .comparison_charts import HOSTS_COLOUR, LICENCES_COLOUR, fees, hosts_and_yen
from .evidence import LEGEND, PRICE_EVIDENCE, mark
from .figures import count, number
from .html import POLICY
from .markup import Markup, Part, join, table, tag
from .style import CSS


def render(result: ComparisonResult) -> str:
    """The page. The same record gives the same text."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", "構成の比較：ライセンスとホスト"),
        tag("style", Markup(CSS)),
    )
    body = tag(
        "body",
        tag(
            "header",
            tag("p", result.verdict, class_="verdict"),
            tag(
                "h1", f"構成の比較：ライセンスとホスト（{fiscal_year_name(result.fiscal_year)}、{result.years} 年契約）"
            ),
            tag("p", tag("strong", result.notice), class_="note"),
        ),
        tag(
            "main",
            tag("h2", "構成"),
            _layouts(result),
            _yen_chart(result),
            tag("h2", "製品ごとの必要数と費用"),
            _products(result),
            tag("p", LEGEND, class_="soft"),
            tag("h2", "ホストが増えるとライセンスも増える"),
            _curves(result),
            tag("h2", "価格の出典"),
            _prices(result),
            tag("ul", *(tag("li", note) for note in result.notes)),
        ),
        tag("footer", "　".join(f"{one.letter}：構成 {one.layout_digest[:12]}" for one in result.layouts)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='ja')}\n"


def _layouts(result: ComparisonResult) -> Markup:
    return table(
        "比べた構成（税抜き）",
        (
            "記号",
            "構成",
            "使用中のホスト",
            "予備",
            "違反",
            "ホストの費用（円）",
            "ライセンスの費用（円）",
            "合計（円）",
        ),
        (
            (
                one.letter,
                join((one.source, tag("span", one.name, class_="id"))),
                number(one.hosts_in_use),
                number(one.hosts_spare),
                "不明" if one.violations is None else number(one.violations),
                yen(one.hosts_jpy),
                yen(one.licences_jpy),
                join((yen(one.total_jpy), tag("span", "価格の無いものを除く", class_="id") if one.unpriced else None)),
            )
            for one in result.layouts
        ),
        numbers=range(2, 8),
    )


def _yen_chart(result: ComparisonResult) -> Markup:
    chart = hosts_and_yen(result.layouts, result.years)
    if chart is None:
        return tag("p", "ホストの機種の価格が価格表（hosts）に無いため、図は描けません。", class_="note")
    legend = tag(
        "ul",
        *(
            tag("li", tag("i", style=f"background:{colour}"), name)
            for colour, name in ((HOSTS_COLOUR, "ホスト"), (LICENCES_COLOUR, "ライセンス"))
        ),
        class_="legend",
    )
    return tag("figure", tag("figcaption", "ホストの台数と、ホストとライセンスの費用"), chart, legend)


def _products(result: ComparisonResult) -> Markup:
    letters = [one.letter for one in result.layouts]
    heads = ["製品と規則", "単位", "根拠", *(f"{letter} の数と費用（円）" for letter in letters)]
    heads += [f"{letter} − A" for letter in letters[1:]]
    return table(
        "年度内に必要な数と、契約期間の費用",
        heads,
        (
            (
                join(
                    (
                        product.name,
                        tag("span", product.rule, options(product), class_="id"),
                        *(tag("span", "未確認：", text, class_="id") for text in product.unverified),
                        tag("span", "出典：", product.source, class_="id"),
                    )
                ),
                tag("span", product.unit, class_="keep"),
                mark(product.evidence),
                *(_cell(product, each) for each in product.counts),
                *(_difference(each) for each in product.counts[1:]),
            )
            for product in result.products
        ),
        numbers=range(3, len(heads)),
    )


def _cell(product: ComparedProduct, each: ComparedCount) -> Markup:
    packs = None if each.packs is None else f"{product.pack or '組'} × {count(each.packs)}"
    return join(
        (
            tag("strong", count(each.quantity)),
            None if packs is None else tag("span", packs, class_="id"),
            tag("span", yen(each.cost_jpy), class_="id"),
        )
    )


def _difference(each: ComparedCount) -> Part:
    changed = tag("strong", signed(each.difference)) if each.difference else "同じ"
    if each.difference_jpy is None:
        return changed
    return join((changed, tag("span", f"{signed(each.difference_jpy)} 円", class_="id")))


def _curves(result: ComparisonResult) -> Markup:
    if not result.curves:
        return tag("p", "動けるホストの数で必要数が変わる製品はありません。")
    parts: list[Markup] = []
    ordered = sorted(result.curves, key=lambda curve: curve.rule)
    for index, (_, found) in enumerate(groupby(ordered, key=lambda curve: curve.rule)):
        curves = list(found)
        first = curves[0]
        longest = max(len(curve.points) for curve in curves)
        caption = f"{first.name}（{first.unit}、根拠 {mark(first.evidence)}）"
        parts.append(tag("figure", tag("figcaption", caption), fees(curves, f"fees-{index}")))
        parts.append(
            table(
                f"{first.name}：仮想サーバが動けるホストの数と必要数（{first.unit}）",
                ("構成", *(f"{hosts} 台" for hosts in range(1, longest + 1))),
                (
                    (
                        curve.letter,
                        *(count(point.quantity) for point in curve.points),
                        *[""] * (longest - len(curve.points)),
                    )
                    for curve in curves
                ),
                numbers=range(1, longest + 1),
            )
        )
    return join(parts)


def _prices(result: ComparisonResult) -> Markup:
    return join(
        (
            table(
                "使った価格表",
                ("価格表", "種類", "日付", "通貨と為替", "出典"),
                (
                    (
                        entry.name,
                        PRICE_EVIDENCE[entry.evidence],
                        entry.date.isoformat(),
                        entry.currency + ("" if entry.exchange_rate is None else f"（1 = {entry.exchange_rate:g} 円）"),
                        entry.source,
                    )
                    for entry in result.price_lists
                ),
            ),
            *(
                tag("p", f"{one.letter} のホスト：{one.because}", class_="soft")
                for one in result.layouts
                if one.because
            ),
        )
    )


def options(product: ComparedProduct) -> str:
    """The options that make the product an article of its own."""
    return "".join(f" {name}={value}" for name, value in sorted(product.options.items()))


def yen(amount: int | None) -> str:
    """Yen with separators, or that there is no price."""
    return "価格なし" if amount is None else number(amount)


def signed(value: float) -> str:
    """A difference with its sign."""
    return f"+{count(value)}" if value > 0 else count(value)
