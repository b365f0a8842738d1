"""What a plan costs over its contract, and who pays what: licences, maintenance and the estate's other costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from estate.resolved import ResolvedEstate
from layout.bill_records import (
    NOTHING_DEDUCTED,
    BillItem,
    BillResult,
    BreakEven,
    PriceListReference,
    TenantBill,
    UnpricedProduct,
)
from layout.folder import PlanFolder
from layout.licence_records import LicenceResult

from ..contract import require_years
from ..errors import LicensingError
from ..pricing import PriceBook
from ..splitting import CoalitionCost, Coalitions, MethodBook, grounds, members_of, split
from . import break_even
from .current import tenant_bills
from .items import COMMON, cost_items, licence_items, part_price

DEFAULT_YEARS = 5
"""The ministry's cases run 5 to 10 years."""
LICENCE_SPLIT = "use"
"""Licences are shared by use unless the caller says otherwise."""
TAX_RATE = Fraction(1, 10)
"""Consumption tax (消費税及び地方消費税), 10 % since 2019-10-01."""


def bill(
    plan: PlanFolder,
    licences: LicenceResult,
    book: PriceBook,
    *,
    years: int = DEFAULT_YEARS,
    methods: MethodBook,
    licence_split: str = LICENCE_SPLIT,
    tax_rate: Fraction = TAX_RATE,
    rules_dir: Path | None = None,
) -> BillResult:
    """Answers the bill of a plan over `years` years from its fiscal year: items, shares, A against B.

    Every later year needs what the fiscal year needs; `licences` is the count of that year by the rules of
    `rules_dir` too. Money inside is without tax. Raises LicensingError for a contract of other than 1 to 30 years, a
    tax rate outside 0 to 1, and a split method that does not exist or cannot divide its item.
    """
    require_years(years)
    if not 0 <= tax_rate <= 1:
        raise LicensingError(f"--tax-rate: 税率は 0 から 1 までです（{float(tax_rate):g}）。10 % は 0.10 です")
    first = plan.layout.estate.fiscal_year
    contract = tuple(range(first, first + years))
    priced, unpriced = licence_items(licences.products, plan.layout, plan.estate, book, contract, licence_split)
    items = (*priced, *cost_items(plan.estate, contract))
    ground = grounds(plan, _alone(plan, licences, priced, book, years, rules_dir))
    for item in items:
        methods.method(item.split, f"費目 {item.id} の split")
    splits = tuple(split(item, methods.method(item.split, item.id), ground) for item in items)
    tenants = tenant_bills(ground.parties, splits, plan.estate.current_costs, contract)
    found = break_even.find(licences.products, plan.layout, book, years)
    return BillResult(
        layout_digest=plan.layout_digest,
        verdict=_verdict(items, unpriced, tenants, book, years),
        fiscal_year=first,
        years=years,
        tax_rate=float(tax_rate),
        method_notes=(*_notes(items, licences, book, years), *ground.notes),
        price_lists=_used(book, items, found),
        items=items,
        unpriced=unpriced,
        splits=splits,
        tenants=tenants,
        break_evens=found,
    )


def payers(estate: ResolvedEstate) -> tuple[str, ...]:
    """Answers who may pay: the municipalities, in the order of the estate."""
    return tuple(tenant.id for tenant in estate.tenants if tenant.id != COMMON)


def residents(estate: ResolvedEstate) -> dict[str, int]:
    """Answers the population of every tenant, which packages by population count."""
    return {tenant.id: tenant.population for tenant in estate.tenants}


def _alone(
    plan: PlanFolder,
    licences: LicenceResult,
    items: Sequence[BillItem],
    book: PriceBook,
    years: int,
    rules_dir: Path | None,
) -> Callable[[BillItem], CoalitionCost | None]:
    """What each licence item would cost for some tenants alone: the same layout with their VMs only."""
    products = {_article(product.rule, product.options): product for product in licences.products}
    coalitions = Coalitions(
        plan.layout,
        fiscal_year=plan.layout.estate.fiscal_year,
        shared=members_of(plan.estate),
        rules_dir=rules_dir,
        residents=residents(plan.estate),
    )
    of = {item.id: products[_article(item.rule or "", item.options)] for item in items}

    def cost(item: BillItem) -> CoalitionCost | None:
        return coalitions.cost(of[item.id], part_price(item, book, years)) if item.id in of else None

    return cost


def _article(rule: str, options: Mapping[str, object]) -> str:
    return repr((rule, sorted(options.items())))


def _used(book: PriceBook, items: Sequence[BillItem], found: Sequence[BreakEven]) -> tuple[PriceListReference, ...]:
    """The lists behind an amount or a break-even."""
    compared = {rule for pair in found for rule in (pair.rule, pair.other)}
    used = {item.price_list for item in items}
    used |= {entry.file.id for entry in book.lists if any(price.rule in compared for price in entry.file.prices)}
    return tuple(entry.reference for entry in book.lists if entry.file.id in used)


def _verdict(
    items: Sequence[BillItem],
    unpriced: Sequence[UnpricedProduct],
    tenants: Sequence[TenantBill],
    book: PriceBook,
    years: int,
) -> str:
    total = sum(item.total_jpy for item in items)
    said = [f"判定：{years} 年間の総額 {thousand(total)} 千円（税抜{_example(items, book)}）"]
    if unpriced:
        said.append(f"金額を出せない製品 {len(unpriced)} 件の費用は入っていない")
    known = [tenant for tenant in tenants if tenant.current_jpy is not None]
    if not known:
        return f"{'、'.join(said)} — 現行の費用（A）が無いため比較しません"
    current = sum(tenant.current_jpy or 0 for tenant in known)
    proposed = sum(tenant.proposed_jpy for tenant in known)
    who = "" if len(known) == len(tenants) else f"現行が分かる {len(known)} 団体では"
    rises = sum(tenant.proposed_jpy > (tenant.current_jpy or 0) for tenant in known)
    more = f"、費用が増える団体 {rises}" if rises else ""
    return f"{'、'.join(said)} — {who}現行（A）{thousand(current)} 千円に対し{change(current, proposed)}{more}"


def change(current: int, proposed: int) -> str:
    """Answers A against B in words: a rise is called 増額 as plainly as a saving 削減."""
    rate = f"（{abs(current - proposed) / current * 100:.1f} %）" if current else ""
    if proposed == current:
        return "同額"
    word = "削減" if proposed < current else "増額"
    return f" {thousand(abs(current - proposed))} 千円の{word}{rate}"


def thousand(yen: int) -> str:
    """Answers yen as thousands of yen, half a thousand away from zero."""
    whole = (abs(yen) + 500) // 1000
    return f"{-whole if yen < 0 else whole:,}"


def _example(items: Sequence[BillItem], book: PriceBook) -> str:
    used = {item.price_list for item in items}
    examples = any(entry.evidence == "example" and entry.id in used for entry in book.references)
    return "、価格は例" if examples else ""


def _notes(items: Sequence[BillItem], licences: LicenceResult, book: PriceBook, years: int) -> list[str]:
    notes = ["金額は税抜きです。消費税は合計にだけ加え、1 円未満を切り捨てます。"]
    if _example(items, book):
        notes.append("価格は例です。実際の価格ではありません。発注の前に販売元の見積で置き換えてください（--prices）。")
    if years > 1:
        notes.append(f"2 年目からのライセンスは {licences.fiscal_year} 年度の必要数が続くものとして計算しています。")
    notes.append(NOTHING_DEDUCTED)
    return notes
