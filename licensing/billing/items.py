"""The lines of a bill: priced licences and the estate's other costs, each with its yen per contract year."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil

from estate.resolved import ResolvedEstate
from layout.bill_records import BillItem, UnpricedProduct, YearAmount
from layout.licence_records import Number, ProductResult
from layout.records import Layout

from ..lines import lines_of
from ..pricing import PARTS, PriceBook, PricedPart

COMMON = "common"
_PHASES = {"purchase": "調達", "maintenance": "保守", "subscription": "運用", "metered": "運用"}


def licence_items(
    products: Iterable[ProductResult],
    layout: Layout,
    estate: ResolvedEstate,
    book: PriceBook,
    contract: Sequence[int],
    split: str,
) -> tuple[tuple[BillItem, ...], tuple[UnpricedProduct, ...]]:
    """Answers what the licences cost in the contract's years, and the products that have no amount, with the reason.

    `split` is the id of the split method of every licence item.
    """
    items: list[BillItem] = []
    unpriced: list[UnpricedProduct] = []
    users = _users_of(layout, estate, book)
    for product in products:
        parts = book.cost(product, len(contract))
        if parts is None:
            unpriced.append(_unpriced(product, book.why_unpriced(product) or ""))
            continue
        its = users[_article(product.rule, product.options)]
        items.extend(_licence_item(product, part, its, contract, split) for part in parts)
    return tuple(items), tuple(unpriced)


def part_price(item: BillItem, book: PriceBook, years: int) -> Callable[[ProductResult], int]:
    """Answers what a licence item would cost over the contract for another count of the same product."""

    def price(product: ProductResult) -> int:
        parts = book.cost(product, years) or ()
        return sum(sum(part.by_year) for part in parts if item_id(product, part) == item.id)

    return price


def item_id(product: ProductResult, part: PricedPart) -> str:
    """Answers the id of a licence item: rule, separate options, price list, part and grade."""
    options = [f"{name}={value}" for name, value in sorted(product.options.items())]
    grade = [] if part.grade is None else [part.grade]
    return "/".join([product.rule, *options, part.price_list, part.part, *grade])


def cost_items(estate: ResolvedEstate, contract: Sequence[int]) -> tuple[BillItem, ...]:
    """Answers the estate's other cost items in the contract's years.

    An initial one falls into its `from_year`, or the first year; a running one into every year from `from_year` to
    `until_year`, both included.
    """
    members = {name for tenant in estate.tenants if tenant.id == COMMON for name in tenant.members}
    items = []
    for cost in estate.costs:
        amounts = yearly(cost.kind, cost.amount_jpy, cost.from_year, cost.until_year, contract)
        named = {name for tenant in cost.tenants for name in (members if tenant == COMMON else (tenant,))}
        span = (
            "毎年度"
            if cost.kind == "running" and cost.from_year is None and cost.until_year is None
            else "、".join(f"{year} 年度" for year, amount in zip(contract, amounts, strict=True) if amount)
        )
        items.append(
            BillItem(
                id=cost.id,
                name=cost.name,
                phase=cost.phase,
                kind=cost.kind,
                category="other",
                years=year_amounts(contract, amounts),
                tenants=tuple(tenant.id for tenant in estate.tenants if tenant.id in named),
                split=cost.split,
                grant=cost.grant,
                basis=cost.basis,
                source=cost.source,
                because=f"構成ファイルの費目 {cost.id}：{cost.amount_jpy:,} 円（{span or '契約の期間に入らない'}）",
            )
        )
    return tuple(items)


def yearly(
    kind: str, amount: int, from_year: int | None, until_year: int | None, contract: Sequence[int]
) -> tuple[int, ...]:
    """Answers the yen of a cost in every year of the contract."""
    first = contract[0] if from_year is None else from_year
    if kind == "initial":
        return tuple(amount if year == first else 0 for year in contract)
    # Without an end it runs on; without a beginning it has always run.
    return tuple(
        amount if (from_year is None or from_year <= year) and (until_year is None or year <= until_year) else 0
        for year in contract
    )


def year_amounts(contract: Sequence[int], amounts: Sequence[int]) -> tuple[YearAmount, ...]:
    """Answers the amounts with their years."""
    return tuple(YearAmount(year=year, amount_jpy=amount) for year, amount in zip(contract, amounts, strict=True))


def _licence_item(
    product: ProductResult, part: PricedPart, users: tuple[str, ...], contract: Sequence[int], split: str
) -> BillItem:
    quantity = product.quantity if part.grade is None else _of_grade(product, part.grade)
    whole = product.packs
    if whole is None and part.part != "metered" and Fraction(str(quantity)).denominator != 1:
        whole = ceil(quantity)  # half a licence is bought whole
    options = "".join(f" {name}={value}" for name, value in sorted(product.options.items()))
    grade = f"（{part.grade}）" if part.grade is not None else ""
    return BillItem(
        id=item_id(product, part),
        name=f"{PARTS[part.part]}：{product.name}{options}{grade}",
        phase=_PHASES[part.part],
        kind=part.kind,
        category=part.category,
        rule=product.rule,
        options=product.options,
        quantity=quantity,
        unit=product.unit,
        packs=whole,
        unit_price_jpy=part.unit_price_jpy,
        years=year_amounts(contract, part.by_year),
        tenants=users,
        split=split,
        basis=product.evidence,
        source=part.source,
        price_list=part.price_list,
        because=part.because,
    )


def _of_grade(product: ProductResult, grade: str) -> Number:
    return next(found.quantity for found in product.grades if found.grade == grade)


def _users_of(layout: Layout, estate: ResolvedEstate, book: PriceBook) -> Mapping[str, tuple[str, ...]]:
    """By article, the tenants whose VMs have it; nobody in particular where a host or a shared VM has it."""
    found: dict[str, tuple[str, ...]] = {}
    for line in lines_of(layout, book.rules):
        tenants = {seat.owner.tenant for seat in line.vms}
        shared = bool(line.hosts) or COMMON in tenants
        found[_article(line.rule.id, line.options)] = (
            () if shared else tuple(tenant.id for tenant in estate.tenants if tenant.id in tenants)
        )
    return found


def _article(rule: str, options: Mapping[str, object]) -> str:
    return repr((rule, sorted(options.items())))


def _unpriced(product: ProductResult, because: str) -> UnpricedProduct:
    return UnpricedProduct(
        rule=product.rule,
        name=product.name,
        options=product.options,
        quantity=product.quantity,
        unit=product.unit,
        evidence=product.evidence,
        because=because,
    )
