"""The report's section on licences: what is needed, what is missing, what the ministry found."""

from __future__ import annotations

from datetime import datetime

from layout.licence_records import LicenceResult, MovementResult, ProductResult, ViolationResult

from .evidence import LEGEND, of_rule
from .figures import count, period
from .markup import Markup, Part, join, table, tag
from .record import ReportRecord


def licence_section(record: ReportRecord) -> Markup:
    """Products, violations, findings; or that nothing was counted yet."""
    licences = record.licences
    if licences is None:
        return tag("p", "ライセンスの計数はまだありません。", tag("span", "kumiai license count", class_="mono"),
                   " を実行すると、次の報告書に入ります。", class_="note")  # fmt: skip
    names = {product.rule: product.name for product in licences.products}
    return join(
        (
            tag("p", licences.verdict, class_="alarm" if licences.violations else None),
            tag("p", tag("strong", licences.notice), class_="note"),
            _products(licences),
            tag("p", LEGEND, class_="soft"),
            *(_details(product) for product in licences.products if product.details),
            _violations(licences, names),
            _findings(licences, names),
        )
    )


def _products(licences: LicenceResult) -> Markup:
    return table(
        "年度内に必要な数",
        ("製品と規則", "必要数", "単位", "この数になる期間", "根拠", "数え方と出典"),
        (
            (
                join((product.name, tag("span", product.rule, class_="id"))),
                tag("strong", count(product.quantity)),
                tag("span", product.unit, _packs(product), class_="keep"),
                _period(product.at, product.until),
                of_rule(product.evidence, product.unverified),
                _reasons(product),
            )
            for product in licences.products
        ),
        numbers=(1,),
    )


def _period(start: datetime, until: datetime) -> Markup:
    """A period that breaks between its two dates only."""
    first, last = period(start, until).split("から")
    return join((tag("span", first, "から", class_="keep"), " ", tag("span", last, class_="keep")))


def _packs(product: ProductResult) -> Markup | None:
    if product.packs is None:
        return None
    return tag("span", f"{product.pack or '組'} × {count(product.packs)}", class_="id")


def _reasons(product: ProductResult) -> Markup:
    parts: list[Part] = [product.because, tag("span", "出典：", product.source, class_="id")]
    parts += [tag("span", "未確認：", text, class_="id") for text in product.unverified]
    parts += [tag("span", "注：", text, class_="id") for text in product.notes]
    return join(parts)


def _details(product: ProductResult) -> Markup:
    return tag(
        "details",
        tag("summary", f"{product.name} の内訳（{len(product.details)} 行）"),
        table(
            f"{product.name} の内訳",
            ("計算", f"数（{product.unit}）"),
            ((line.because, count(line.quantity)) for line in product.details),
            numbers=(1,),
        ),
    )


def _violations(licences: LicenceResult, names: dict[str, str]) -> Markup:
    if not licences.entitlements_known:
        return tag("p", "保有数が分からないので、不足は調べていません。", class_="note")
    if not licences.violations:
        return tag("p", "保有数を超える期間はありません。")
    return table(
        "保有数が足りない期間",
        ("期間", "製品", "対象", "保有", "必要", "不足", "単位"),
        (
            (
                _period(line.from_, line.until),
                names.get(line.rule, line.rule),
                _target(line),
                count(line.held),
                count(line.needed),
                tag("strong", count(line.needed - line.held), class_="bad-text"),
                tag("span", line.unit, class_="keep"),
            )
            for line in licences.violations
        ),
        numbers=(3, 4, 5),
    )


def _target(line: ViolationResult) -> Markup:
    what = line.vm if line.vm is not None else f"ホスト {len(line.hosts)} 台：{'、'.join(line.hosts)}"
    return join((what, tag("span", "繁忙期だけ vCPU が増える期間", class_="id") if line.busy_season else None))


def _findings(licences: LicenceResult, names: dict[str, str]) -> Markup:
    findings = licences.findings
    busy = [
        f"{period(line.from_, line.until)}、{line.vm} に {count(line.needed)} {line.unit}が要り、"
        f"保有は {count(line.held)} です（{names.get(line.rule, line.rule)}）。"
        for line in findings.busy_season
    ]
    curves = [
        table(
            f"{names.get(curve.rule, curve.rule)}：VM が動けるホストの数と必要数",
            ("ホスト（台）", *(count(point.hosts) for point in curve.points)),
            [(f"必要数（{curve.unit}）", *(count(point.quantity) for point in curve.points))],
            numbers=range(1, len(curve.points) + 1),
        )
        for curve in findings.host_curve
    ]
    return join(
        (
            tag("h3", "総務省の実証が挙げた三つの問題を、この構成に当てはめる"),
            tag("h4", "1. 仮想サーバーが移動できると、移動元と移動先の両方にライセンスが要る"),
            _movement(findings.movement, names) if findings.movement else tag("p", "当てはまる製品はありません。"),
            tag("h4", "2. 繁忙期に vCPU を増やすと、保有数を超えることがある"),
            tag("ul", *(tag("li", line) for line in busy), class_="findings")
            if busy
            else tag("p", "当てはまる期間はありません。"),
            tag("h4", "3. ホストが増えると、ライセンスも増える"),
            join(curves) if curves else tag("p", "当てはまる製品はありません。"),
        )
    )


def _movement(lines: tuple[MovementResult, ...], names: dict[str, str]) -> Markup:
    def cell(quantity: float, hosts: int, unit: str) -> Markup:
        return join((f"{count(quantity)} {unit}", tag("span", f"ホスト {hosts} 台", class_="id")))

    return table(
        "移動できる範囲と必要数",
        ("製品", "今のホストに固定した場合", "この計画", "拠点の全ホストへ動ける場合"),
        (
            (
                names.get(line.rule, line.rule),
                cell(line.pinned, line.hosts_pinned, line.unit),
                cell(line.planned, line.hosts_planned, line.unit),
                cell(line.whole_site, line.hosts_whole_site, line.unit),
            )
            for line in lines
        ),
        numbers=(1, 2, 3),
    )
