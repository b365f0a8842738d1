"""データ_…: long tables, one fact per row, heads in the first row, yen as whole numbers, for other programs."""

from __future__ import annotations

from collections.abc import Iterator

from layout.bill_records import SPLIT_BASES, BillResult
from layout.licence_records import LicenceResult

from ..bill_section import REMEDIES
from ..evidence import PRICE_EVIDENCE, mark, of_rule
from ..ledgers import written
from ..money import CATEGORIES, GRANTS, KINDS, price_evidence, years_of
from .paper import Cell, Column, Moment, Paper

_Row = tuple[Cell, ...]


def bill_data(paper: Paper, bill: BillResult) -> None:
    """Items x years x tenants, shares by basis, tenants, unpriced products."""
    paper.tidy("データ_負担額", _PAYMENT_COLUMNS, _payments(bill))
    paper.tidy("データ_分担の根拠", _ELEMENT_COLUMNS, _elements(bill))
    paper.tidy("データ_団体", _TENANT_COLUMNS, _tenants(bill))
    paper.tidy("データ_価格なし", _UNPRICED_COLUMNS, _unpriced(bill))


def licence_data(paper: Paper, licences: LicenceResult) -> None:
    """Details with their reasons, violations, remedies, and the series where it was asked for."""
    evidence = {product.rule: of_rule(product.evidence, product.unverified) for product in licences.products}
    paper.tidy("データ_計数の内訳", _DETAIL_COLUMNS, _details(licences))
    paper.tidy("データ_違反", _VIOLATION_COLUMNS, _violations(licences, evidence))
    paper.tidy("データ_対応策", _REMEDY_COLUMNS, _remedies(licences, evidence))
    if any(product.series is not None for product in licences.products):
        paper.tidy("データ_時系列", _SERIES_COLUMNS, _series(licences))


_PAYMENT_COLUMNS = (
    Column("費目ID"), Column("費目"), Column("区分"), Column("初期・経常"), Column("段階"), Column("規則"),
    Column("分担方法"), Column("年度", "year"), Column("団体ID"), Column("団体"), Column("金額（円・税抜き）", "yen"),
    Column("交付金等"), Column("根拠"), Column("価格表"), Column("価格の種類"),
)  # fmt: skip


def _payments(bill: BillResult) -> Iterator[_Row]:
    names = {tenant.tenant: tenant.name for tenant in bill.tenants}
    items = {item.id: item for item in bill.items}
    for split in bill.splits:
        item = items[split.item]
        for share in split.shares:
            amounts = {year.year: year.amount_jpy for year in share.years}
            for year in years_of(bill):
                yield (
                    item.id, item.name, CATEGORIES[item.category], KINDS[item.kind], item.phase, item.rule,
                    split.method, year, share.tenant, names.get(share.tenant, share.tenant), amounts.get(year, 0),
                    GRANTS[item.grant], mark(item.basis), item.price_list,
                    PRICE_EVIDENCE.get(price_evidence(bill, item)),
                )  # fmt: skip


_ELEMENT_COLUMNS = (
    Column("費目ID"), Column("費目"), Column("分担方法ID"), Column("分担方法"), Column("団体ID"), Column("団体"),
    Column("負担割合", "ratio"), Column("要素"), Column("要素の割合", "ratio"), Column("要素の量", "number"),
    Column("要素の単位"), Column("端数の単位（円）", "yen"), Column("残りの負担者"), Column("残り（円）", "yen"),
    Column("単独費用（円）", "yen"), Column("区間下（円）", "yen"), Column("区間上（円）", "yen"), Column("根拠"),
    Column("方法の出典"),
)  # fmt: skip


def _elements(bill: BillResult) -> Iterator[_Row]:
    names = {tenant.tenant: tenant.name for tenant in bill.tenants}
    items = {item.id: item for item in bill.items}
    for split in bill.splits:
        item = items[split.item]
        for share in split.shares:
            low, high = share.interval_jpy or (None, None)
            for element in share.elements:
                yield (
                    item.id, item.name, split.method, split.method_name, share.tenant,
                    names.get(share.tenant, share.tenant), share.ratio, SPLIT_BASES[element.by], element.ratio,
                    element.quantity, element.unit, split.truncate_jpy, split.remainder_to, split.remainder_jpy,
                    share.stand_alone_jpy, low, high, mark(item.basis), split.source,
                )  # fmt: skip


_TENANT_COLUMNS = (
    Column("団体ID"), Column("団体"), Column("人口", "number"), Column("月数", "number"), Column("年度", "year"),
    Column("提案B（円・税抜き）", "yen"), Column("契約期間の現行A（円）", "yen"),
    Column("契約期間の提案B（円）", "yen"), Column("契約期間の削減額（円）", "yen"), Column("単独より高い"),
    Column("根拠"),
)  # fmt: skip


def _tenants(bill: BillResult) -> Iterator[_Row]:
    for tenant in bill.tenants:
        amounts = {year.year: year.amount_jpy for year in tenant.years}
        for year in years_of(bill):
            yield (
                tenant.tenant, tenant.name, tenant.population, tenant.months, year, amounts.get(year, 0),
                tenant.current_jpy, tenant.proposed_jpy, tenant.saving_jpy,
                "はい" if tenant.over_stand_alone else "いいえ", "費目ごとの根拠はデータ_負担額",
            )  # fmt: skip


_UNPRICED_COLUMNS = (
    Column("規則"), Column("製品"), Column("選択肢"), Column("数量", "number"), Column("単位"), Column("理由"),
    Column("根拠"),
)  # fmt: skip


def _unpriced(bill: BillResult) -> Iterator[_Row]:
    for product in bill.unpriced:
        yield (product.rule, product.name, written(product.options), product.quantity, product.unit, product.because,
               mark(product.evidence))  # fmt: skip


_DETAIL_COLUMNS = (
    Column("規則"), Column("製品"), Column("選択肢"), Column("ホスト"), Column("仮想サーバ"), Column("数量", "number"),
    Column("単位"), Column("級"), Column("理由"), Column("この数になる始め", "moment"), Column("終わり", "moment"),
    Column("時間の法則"), Column("根拠"), Column("出典"), Column("未確認の点"),
)  # fmt: skip


def _details(licences: LicenceResult) -> Iterator[_Row]:
    for product in licences.products:
        for line in product.details:
            yield (
                product.rule, product.name, written(product.options), line.host, line.vm, line.quantity, product.unit,
                line.grade, line.because, Moment(product.at), Moment(product.until), product.law,
                of_rule(product.evidence, product.unverified), product.source, "、".join(product.unverified),
            )  # fmt: skip


_VIOLATION_COLUMNS = (
    Column("規則"), Column("仮想サーバ"), Column("ホスト"), Column("足りないホスト"), Column("始め", "moment"),
    Column("終わり", "moment"), Column("保有", "number"), Column("必要", "number"), Column("不足", "number"),
    Column("単位"), Column("繁忙期"), Column("理由"), Column("根拠"),
)  # fmt: skip


def _violations(licences: LicenceResult, evidence: dict[str, str]) -> Iterator[_Row]:
    for line in licences.violations:
        yield (
            line.rule, line.vm, line.host, "、".join(line.hosts), Moment(line.from_), Moment(line.until), line.held,
            line.needed, line.needed - line.held, line.unit, "はい" if line.busy_season else "いいえ", line.because,
            evidence.get(line.rule, ""),
        )  # fmt: skip


_REMEDY_COLUMNS = (
    Column("規則"), Column("仮想サーバ"), Column("ホスト"), Column("始め", "moment"), Column("終わり", "moment"),
    Column("対応策"), Column("できる"), Column("最も安い"), Column("追加の数量", "number"), Column("単位"),
    Column("契約期間の費用（円）", "yen"), Column("理由"), Column("根拠"),
)  # fmt: skip


def _remedies(licences: LicenceResult, evidence: dict[str, str]) -> Iterator[_Row]:
    for case in licences.remedies:
        for option in case.options:
            yield (
                case.rule, case.vm, case.host, Moment(case.from_), Moment(case.until), REMEDIES[option.kind],
                "はい" if option.feasible else "いいえ", "はい" if option.kind == case.cheapest else "いいえ",
                option.quantity, option.unit, option.cost_jpy, option.because, evidence.get(case.rule, ""),
            )  # fmt: skip


_SERIES_COLUMNS = (
    Column("規則"), Column("製品"), Column("始め", "moment"), Column("終わり", "moment"), Column("数量", "number"),
    Column("単位"), Column("根拠"),
)  # fmt: skip


def _series(licences: LicenceResult) -> Iterator[_Row]:
    for product in licences.products:
        for step in product.series or ():
            yield (product.rule, product.name, Moment(step.from_), Moment(step.until), step.quantity, product.unit,
                   of_rule(product.evidence, product.unverified))  # fmt: skip
