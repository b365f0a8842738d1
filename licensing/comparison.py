"""Which of several layouts needs fewer licences and costs less: the same count on each, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from layout.comparison_records import ComparedCount, ComparedLayout, ComparedProduct, ComparisonResult, FeeCurve
from layout.licence_records import LicenceResult, Number, ProductResult
from layout.records import Layout

from . import wording
from .cells import exact
from .errors import LicensingError
from .pricing import PriceBook
from .pricing.hosts import host_cost

MOST = len(ascii_uppercase)
"""So many layouts have a letter of their own."""


@dataclass(frozen=True)
class Counted:
    """A layout, what it was called, and its licence count."""

    source: str
    layout: Layout
    result: LicenceResult


def compare(counted: Sequence[Counted], book: PriceBook, *, years: int) -> ComparisonResult:
    """Answers what the layouts need and cost, the first one being what the others are compared with.

    Raises LicensingError for fewer than two or more than 26 layouts, and for different fiscal years: prices and rule
    versions of one year say nothing of another.
    """
    if not 2 <= len(counted) <= MOST:
        raise LicensingError(f"比べる構成は 2 から {MOST} までです（{len(counted)} あります）")
    first = counted[0]
    for other in counted[1:]:
        if other.result.fiscal_year != first.result.fiscal_year:
            raise LicensingError(
                f"{other.source}: {other.result.fiscal_year} 年度の構成です。{first.source} は"
                f" {first.result.fiscal_year} 年度で、年度が違う構成は比べられません。同じ年度で計画し直してください"
            )
    named = list(zip(ascii_uppercase, counted, strict=False))
    products = tuple(_products(named, book, years))
    layouts = tuple(_layout(letter, each, products, book, years) for letter, each in named)
    equal = all(count.difference == 0 for product in products for count in product.counts) and all(
        (one.hosts_in_use, one.hosts_spare) == (layouts[0].hosts_in_use, layouts[0].hosts_spare) for one in layouts
    )
    equal = equal and len(_known_violations(layouts)) <= 1
    return ComparisonResult(
        verdict=_verdict(layouts, products, equal=equal, years=years),
        fiscal_year=first.result.fiscal_year,
        years=years,
        equal=equal,
        layouts=layouts,
        products=products,
        curves=tuple(_curves(named)),
        price_lists=book.references,
        notes=tuple(_notes(layouts)),
    )


def _key(product: ProductResult) -> tuple[str, str]:
    return product.rule, repr(sorted(product.options.items()))


def _products(named: Sequence[tuple[str, Counted]], book: PriceBook, years: int) -> Iterable[ComparedProduct]:
    found = [{_key(product): product for product in each.result.products} for _, each in named]
    for key in sorted({key for products in found for key in products}):
        known = next(products[key] for products in found if key in products)
        base: ComparedCount | None = None
        counts = []
        for (letter, _), products in zip(named, found, strict=True):
            product = products.get(key)
            cost = 0 if product is None else _cost(product, book, years)
            quantity = 0 if product is None else product.quantity
            count = ComparedCount(
                letter=letter,
                quantity=quantity,
                packs=0 if product is None and known.packs is not None else None if product is None else product.packs,
                cost_jpy=cost,
                difference=0 if base is None else _less(quantity, base.quantity),
                difference_jpy=(None if cost is None else 0 if base is None else _difference(cost, base.cost_jpy)),
            )
            base = base or count
            counts.append(count)
        yield ComparedProduct(
            rule=known.rule,
            name=known.name,
            options=known.options,
            unit=known.unit,
            pack=known.pack,
            evidence=known.evidence,
            source=known.source,
            unverified=known.unverified,
            counts=tuple(counts),
            because=book.why_unpriced(known) or "",
        )


def _less(one: Number, other: Number) -> Number:
    """The difference of two counts, exact to what their text shows."""
    return wording.number(exact(one) - exact(other))


def _difference(one: int, other: int | None) -> int | None:
    return None if other is None else one - other


def _cost(product: ProductResult, book: PriceBook, years: int) -> int | None:
    parts = book.cost(product, years)
    return None if parts is None else sum(yen for part in parts for yen in part.by_year)


def _layout(
    letter: str, each: Counted, products: Sequence[ComparedProduct], book: PriceBook, years: int
) -> ComparedLayout:
    own = [
        (product, count)
        for product in products
        for count in product.counts
        if count.letter == letter and count.quantity
    ]
    priced = [count.cost_jpy for _, count in own if count.cost_jpy is not None]
    in_use = {vm.host for vm in each.layout.vms} | {move.to_host for move in each.layout.moves}
    in_use |= {host.id for host in each.layout.hosts if host.products}
    used = [host for host in each.layout.hosts if host.id in in_use]
    spare = [host for host in each.layout.hosts if host.spare and host.id not in in_use]
    hosts_jpy, because, models = 0, [], []
    for model, number in sorted(Counter(host.model for host in [*used, *spare]).items()):
        price = host_cost(book, model, years)
        if price is None:
            models.append(f"ホスト機種 {model or '（名前なし）'}")
        else:
            hosts_jpy += price[0] * number
            because.append(f"{price[1]} x {number} 台")
    licences = sum(priced) if priced or not own else None
    known = None if models else hosts_jpy
    return ComparedLayout(
        letter=letter,
        source=each.source,
        name=each.layout.estate.name,
        layout_digest=each.result.layout_digest,
        hosts_in_use=len(used),
        hosts_spare=len(spare),
        violations=len(each.result.violations) if each.result.entitlements_known else None,
        licences_jpy=licences,
        hosts_jpy=known,
        total_jpy=None if licences is None or known is None else licences + known,
        unpriced=(*(product.rule for product, count in own if count.cost_jpy is None), *models),
        because="、".join(because),
    )


def _curves(named: Sequence[tuple[str, Counted]]) -> Iterable[FeeCurve]:
    for letter, each in named:
        known = {product.rule: product for product in each.result.products}
        for curve in each.result.findings.host_curve:
            yield FeeCurve(
                letter=letter,
                rule=curve.rule,
                name=known[curve.rule].name,
                unit=curve.unit,
                evidence=known[curve.rule].evidence,
                points=curve.points,
            )


def _verdict(layouts: Sequence[ComparedLayout], products: Sequence[ComparedProduct], *, equal: bool, years: int) -> str:
    if equal:
        return f"判定：差なし — {len(layouts)} つの構成で、必要なライセンス、ホスト、違反の数は同じです"
    differing = sum(any(count.difference for count in product.counts) for product in products)
    what = [f"{len(products)} 製品のうち {differing} 製品で必要数が違います"] if differing else []
    if len({(one.hosts_in_use, one.hosts_spare) for one in layouts}) > 1:
        what.append("ホスト " + "、".join(f"{one.letter} {_hosts(one)}" for one in layouts))
    if len(_known_violations(layouts)) > 1:
        what.append("違反 " + "、".join(f"{one.letter} {_violations(one)}" for one in layouts))
    return f"判定：差あり — {'。'.join([*what, _cheapest(layouts, products, years)])}"


def _known_violations(layouts: Sequence[ComparedLayout]) -> set[int]:
    return {one.violations for one in layouts if one.violations is not None}


def _hosts(one: ComparedLayout) -> str:
    return f"{one.hosts_in_use} 台" + (f"＋予備 {one.hosts_spare} 台" if one.hosts_spare else "")


def _violations(one: ComparedLayout) -> str:
    return "不明" if one.violations is None else f"{one.violations} 件"


def _cheapest(layouts: Sequence[ComparedLayout], products: Sequence[ComparedProduct], years: int) -> str:
    totals = [(one.total_jpy, one) for one in layouts if one.total_jpy is not None]
    sums, what = totals, "ホストとライセンス"
    if len(totals) < len(layouts):
        sums, what = [(one.licences_jpy, one) for one in layouts if one.licences_jpy is not None], "ライセンス"
    if len(sums) < len(layouts):
        return "価格が揃わないため、どれが安いかは言えません"
    # What has no price is not free: it may be left out only where every layout needs the same of it.
    unknown = [
        product.name
        for product in products
        if any(count.cost_jpy is None for count in product.counts) and any(count.difference for count in product.counts)
    ]
    if unknown:
        names = "、".join(dict.fromkeys(unknown))
        return f"価格の無い製品（{names}）の必要数が違うため、どれが安いかは言えません"
    but = "（価格の無いものを除く）" if any(one.unpriced for one in layouts) else ""
    cheapest = min(sums, key=lambda pair: pair[0])
    dearest = max(sums, key=lambda pair: pair[0])
    if cheapest[0] == dearest[0]:
        return f"{what}の {years} 年の費用はどれも {cheapest[0]:,} 円{but}"
    return (
        f"{what}の {years} 年の費用は {cheapest[1].letter} が最も安く {cheapest[0]:,} 円、"
        f"最も高い {dearest[1].letter} より {dearest[0] - cheapest[0]:,} 円少ない{but}"
    )


def _notes(layouts: Sequence[ComparedLayout]) -> Iterable[str]:
    yield "保有しているライセンスは差し引かず、必要数の全部を新しく買う価格で比べています"
    yield (
        "ホストは、仮想サーバが動くものと予備（N+1）を数えます。"
        "空きのホストは価格に入りませんが、動ける先なら必要数に入ります"
    )
    missing = sorted({name for one in layouts for name in one.unpriced})
    if missing:
        yield f"価格が無く、どの合計にも入っていないもの：{'、'.join(missing)}"
    if any(one.violations is None for one in layouts):
        yield "layout.json だけを渡したものは保有数が分からないため、違反を判定していません"
