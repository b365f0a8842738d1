"""The report's sections on money: what it costs, who pays what, A against B, and ways out of violations."""

from __future__ import annotations

from layout.bill_records import SPLIT_BASES, BillItem, BillResult, ItemSplit, TenantBill
from layout.licence_records import LicenceResult, RemedyResult, ViolationRemedies
from layout.wareki import fiscal_year_name

from .evidence import LEGEND, PRICE_EVIDENCE, mark, of_rule
from .figures import count, number, period, share
from .ledgers import written
from .markup import Markup, Part, join, table, tag
from .money import (
    CATEGORIES,
    GRANTS,
    KINDS,
    amounts,
    change,
    change_sentence,
    price_notes,
    sums,
    tax,
    thousand,
    years_of,
)
from .record import ReportRecord

REMEDIES = {
    "buy-peak": "最大の数を買う",
    "hourly": "時間単位で払う",
    "physical": "物理コアで買う",
    "pin": "動ける範囲を狭める",
    "retime": "時間をずらす",
}
MOST_COLUMNS = 12
"""Municipalities that a table has room for side by side."""
MOST_SPLITS = 200
"""Items whose shares the page lists; the workbook has them all."""


def bill_section(record: ReportRecord) -> Markup:
    """Totals, items by year, municipalities by year, A against B, shares, what has no price, break-evens."""
    bill = record.bill
    if bill is None:
        return tag("p", "費用と負担の計算はまだありません。", tag("span", "kumiai license split", class_="mono"),
                   " を実行すると、次の報告書に入ります。", class_="note")  # fmt: skip
    years = years_of(bill)
    return join(
        (
            tag("p", bill.verdict),
            tag("p", tag("strong", bill.notice), class_="note"),
            *(tag("p", note, class_="note") for note in price_notes(bill)),
            tag(
                "p",
                f"契約期間は{fiscal_year_name(years[0])}から{fiscal_year_name(years[-1])}までの {bill.years} 年"
                f"（{12 * bill.years} か月）。金額は税抜き、千円未満を四捨五入して示すので、"
                "表示の合計が合わないことがあります。",
                class_="soft",
            ),
            _unpriced(bill),
            _items(bill),
            tag("p", LEGEND, class_="soft"),
            _tenants(bill),
            _comparison(bill),
            _splits(bill),
            _break_evens(bill),
            _price_lists(bill),
        )
    )


def remedy_section(record: ReportRecord) -> Markup:
    """The ways out of each violation, side by side, the cheapest named. Empty where there are none."""
    licences = record.licences
    if licences is None or not licences.remedies:
        return Markup("")
    names = {product.rule: product.name for product in licences.products}
    return join(
        (
            tag("p", tag("strong", licences.notice), class_="note"),
            tag(
                "p",
                "費用は契約期間の合計（税抜き、円）です。「—」は、できないか、価格がないために金額を出せないものです。",
            ),
            *(_remedies(case, names, licences) for case in licences.remedies),
        )
    )  # fmt: skip


def _heads(bill: BillResult) -> tuple[str, ...]:
    return (*(f"{year}年度" for year in years_of(bill)), "契約期間計")


def _unpriced(bill: BillResult) -> Markup:
    if not bill.unpriced:
        return tag("p", "すべての製品に価格があります。")
    return table(
        f"価格のない製品 {number(len(bill.unpriced))} 件（合計に含みません。0 円ではありません）",
        ("製品", "数量", "単位", "規則の根拠", "理由"),
        (
            (
                join((product.name, tag("span", _rule(product.rule, product.options), class_="id"))),
                count(product.quantity),
                product.unit,
                mark(product.evidence),
                product.because,
            )
            for product in bill.unpriced
        ),
        numbers=(1,),
    )


def _items(bill: BillResult) -> Markup:
    rows: list[tuple[Part, ...]] = [
        (
            join((item.name, tag("span", _basis(item), class_="id"))),
            tag("span", CATEGORIES[item.category], tag("span", KINDS[item.kind], class_="id"), class_="keep"),
            tag("span", GRANTS[item.grant], class_="keep"),
            tag("span", mark(item.basis), class_="keep"),
            *_money(sums(bill, [item])),
        )
        for item in bill.items
    ]
    total = sums(bill, bill.items)
    for category, name in CATEGORIES.items():
        chosen = [item for item in bill.items if item.category == category]
        if chosen:
            rows.append((tag("strong", f"{name} 小計"), "", "", "", *_money(sums(bill, chosen), strong=True)))
    levy = [tax(yen, bill.tax_rate) for yen in total]
    gross = [net + extra for net, extra in zip(total, levy, strict=True)]
    rows += [
        (tag("strong", "合計（税抜き）"), "", "", "", *_money(total, strong=True)),
        (f"消費税（{bill.tax_rate * 100:g} %、列の合計から、切り捨て）", "", "", "", *_money(levy)),
        (tag("strong", "税込み合計"), "", "", "", *_money(gross, strong=True)),
    ]
    heads = ("費目", "区分", "交付金等", "根拠", *_heads(bill))
    return table("費目 × 年度（千円）", heads, rows, numbers=range(4, len(heads)))


def _basis(item: BillItem) -> str:
    parts = [item.because]
    if item.price_list is not None:
        parts.append(f"価格表：{item.price_list}")
    return "　".join(parts)


def _tenants(bill: BillResult) -> Markup:
    rows: list[tuple[Part, ...]] = []
    for tenant in bill.tenants:
        owed = amounts(tenant.years)
        values = [owed.get(year, 0) for year in years_of(bill)]
        rows.append((_tenant(tenant), *_money([*values, sum(values)])))
    if bill.tenants:
        rows.append((tag("strong", "計"), *_money(sums(bill, bill.items), strong=True)))
    heads = ("団体", *_heads(bill))
    return table("団体 × 年度（千円）", heads, rows, numbers=range(1, len(heads)))


def _tenant(tenant: TenantBill) -> Markup:
    return join((tenant.name, tag("span", f"{number(tenant.population)} 人、{tenant.months} か月", class_="id")))


def _comparison(bill: BillResult) -> Markup:
    rows = [
        (
            tenant.name,
            "—" if tenant.current_jpy is None else thousand(tenant.current_jpy),
            thousand(tenant.proposed_jpy),
            "—" if tenant.saving_jpy is None else thousand(tenant.saving_jpy),
            "—" if tenant.saving_rate is None else f"{number(100 * tenant.saving_rate, 1)} %",
            _change(tenant),
            thousand(tenant.licences_jpy),
            "—" if tenant.stand_alone_jpy is None else thousand(tenant.stand_alone_jpy),
            tag("strong", "単独より高い", class_="bad-text") if tenant.over_stand_alone else _alone(tenant),
        )
        for tenant in bill.tenants
    ]
    return join(
        (
            tag("p", tag("strong", "現行（A）と提案（B）："), change_sentence(bill)),
            table(
                "現行（A）と提案（B）の比較（契約期間の合計、千円）",
                (
                    "団体", "現行 A", "提案 B", "削減額 A − B", "削減率", "増減", "うちライセンス",
                    "その単独費用", "単独費用との比較",
                ),
                rows,
                numbers=(1, 2, 3, 4, 6, 7),
            ),
            *(tag("p", note, class_="soft") for note in bill.method_notes),
        )
    )  # fmt: skip


def _change(tenant: TenantBill) -> Markup:
    word = change(tenant)
    return tag("strong", word, class_={"増額": "bad-text", "削減": "good-text"}.get(word))


def _alone(tenant: TenantBill) -> str:
    return "不明" if tenant.stand_alone_jpy is None else "単独以下"


def _splits(bill: BillResult) -> Markup:
    items = {item.id: item for item in bill.items}
    names = {tenant.tenant: tenant.name for tenant in bill.tenants}
    shown = bill.splits[:MOST_SPLITS]
    parts: list[Part] = [tag("h3", "費目ごとの分担"), _side_by_side(bill, items)]
    if len(shown) < len(bill.splits):
        parts.append(
            tag("p", f"{len(bill.splits)} 費目のうち {len(shown)} 費目です。すべては表計算の報告書にあります。")
        )
    parts += [_split(items[split.item], split, names) for split in shown]
    return join(parts)


def _side_by_side(bill: BillResult, items: dict[str, BillItem]) -> Markup | None:
    """What every municipality pays of every item; None where there are too many of them."""
    if not bill.splits or len(bill.tenants) > MOST_COLUMNS:
        return None
    rows = []
    for split in bill.splits:
        item = items[split.item]
        paid = {line.tenant: sum(year.amount_jpy for year in line.years) for line in split.shares}
        owed = [thousand(paid[tenant.tenant]) if tenant.tenant in paid else "—" for tenant in bill.tenants]
        name = join((item.name, tag("span", f"{split.method_name}、根拠 {mark(item.basis)}", class_="id")))
        rows.append((name, *owed, tag("strong", thousand(item.total_jpy))))
    heads = ("費目と分担方法", *(tenant.name for tenant in bill.tenants), "計")
    return table(
        "費目 × 団体（契約期間の合計、千円。「—」は負担しない団体）", heads, rows, numbers=range(1, len(heads))
    )


def _split(item: BillItem, split: ItemSplit, names: dict[str, str]) -> Markup:
    remainder = (
        f"残り {number(split.remainder_jpy)} 円は{names.get(split.remainder_to, split.remainder_to)}が負担。"
        if split.remainder_to is not None
        else ""
    )
    cut = f"{number(split.truncate_jpy)} 円未満切り捨て。" if split.truncate_jpy > 1 else "1 円未満切り捨て。"
    rows = []
    for line in split.shares:
        bases = "、".join(
            f"{SPLIT_BASES[element.by]} {share(element.ratio, 1, 2)}（{count(element.quantity)} {element.unit}）"
            for element in line.elements
        )
        interval = "" if line.interval_jpy is None else "〜".join(thousand(yen) for yen in line.interval_jpy)
        rows.append(
            (
                names.get(line.tenant, line.tenant),
                share(line.ratio, 1, 2),
                bases,
                thousand(sum(year.amount_jpy for year in line.years)),
                "—" if line.stand_alone_jpy is None else thousand(line.stand_alone_jpy),
                interval or "—",
            )
        )
    return tag(
        "details",
        tag(
            "summary",
            f"{item.name}：{split.method_name}（{thousand(item.total_jpy)} 千円、{len(split.shares)} 団体）",
        ),
        tag("p", f"{split.because}　{cut}{remainder}出典：{split.source}", class_="soft"),
        table(
            f"{item.name} の分担（根拠 {mark(item.basis)}、契約期間の合計、千円）",
            ("団体", "割合", "割合の内訳", "負担額", "単独費用", "95 % 区間"),
            rows,
            numbers=(1, 3, 4, 5),
        ),
    )  # fmt: skip


def _break_evens(bill: BillResult) -> Markup:
    if not bill.break_evens:
        return Markup("")
    return table(
        "損益の分かれ目（価格表から計算した値で、定数ではありません）",
        ("いまの規則", "比べる規則", "増やすもの", "安くなる最初の値", "説明"),
        (
            (
                tag("span", line.rule, class_="mono"),
                tag("span", line.other, class_="mono"),
                line.variable,
                "—" if line.at is None else count(line.at),
                line.because,
            )
            for line in bill.break_evens
        ),
        numbers=(3,),
    )


def _price_lists(bill: BillResult) -> Markup:
    return table(
        "使った価格表",
        ("価格表", "種類", "日付", "通貨", "換算（円）", "税", "出典"),
        (
            (
                join((prices.name, tag("span", prices.id, class_="id"))),
                PRICE_EVIDENCE[prices.evidence],
                tag("span", prices.date.isoformat(), class_="keep"),
                tag("span", prices.currency, class_="keep"),
                "—" if prices.exchange_rate is None else count(prices.exchange_rate),
                tag("span", "税抜き" if prices.tax == "exclusive" else "税込み", class_="keep"),
                join((prices.source, tag("span", prices.exchange_source or "", class_="id"))),
            )
            for prices in bill.price_lists
        ),
        numbers=(4,),
    )  # fmt: skip


def _remedies(case: ViolationRemedies, names: dict[str, str], licences: LicenceResult) -> Markup:
    product = names.get(case.rule, case.rule)
    evidence = next(
        (of_rule(each.evidence, each.unverified) for each in licences.products if each.rule == case.rule), "—"
    )
    what = case.vm or case.host or "製品全体"
    return table(
        f"{product}：{what}、{period(case.from_, case.until)}（根拠 {evidence}）— {case.because}",
        ("対応策", "できるか", "追加の数", "費用（円）", "説明"),
        (_remedy(option, cheapest=option.kind == case.cheapest) for option in case.options),
        numbers=(2, 3),
    )  # fmt: skip


def _remedy(option: RemedyResult, *, cheapest: bool) -> tuple[Part, ...]:
    name = REMEDIES[option.kind]
    return (
        tag("strong", f"{name}（最も安い）", class_="good-text") if cheapest else name,
        "できる" if option.feasible else "できない",
        "—" if option.quantity is None else f"{count(option.quantity)} {option.unit or ''}",
        "—" if option.cost_jpy is None else number(option.cost_jpy),
        option.because,
    )


def _rule(rule: str, options: dict[str, bool | int | float | str]) -> str:
    return f"{rule}（{written(options)}）" if options else rule


def _money(values: list[int], *, strong: bool = False) -> tuple[Part, ...]:
    texts = [thousand(value) for value in values]
    return tuple(tag("strong", text) for text in texts) if strong else tuple(texts)
