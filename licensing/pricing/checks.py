"""Contradictions of a price list that types cannot express, with the path of each: for files and for tables alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import combinations, pairwise, product

from ..errors import LicensingError, did_you_mean
from ..records import Rule
from ..rulebook import RuleBook, complete_options
from .records import Price, PriceFile

Finding = tuple[tuple[str | int, ...], str]


def contradictions(file: PriceFile, book: RuleBook) -> Iterable[Finding]:
    """Answers every contradiction of a list with itself and with the rules that it prices."""
    if not re.fullmatch(r"[A-Z]{3}", file.currency):
        yield ("currency",), f"通貨は ISO 4217 の半角 3 字（JPY、USD など）で書いてください（{file.currency[:60]}）"
    if file.tax == "inclusive" and file.tax_rate is None:
        yield ("tax",), "tax: inclusive（税込み）には tax_rate（例 0.10）が要ります"
    if file.tax == "exclusive" and file.tax_rate is not None:
        yield ("tax_rate",), "tax: exclusive（税抜き）に tax_rate は要りません。どちらかを直してください"
    if file.currency == "JPY" and file.exchange is not None:
        yield ("exchange",), "円の価格表に為替（exchange）は要りません。除くか、currency を直してください"
    if not file.prices and not file.hosts:
        yield ("prices",), "価格が一つもありません"
    for index, price in enumerate(file.prices):
        yield from (((*("prices", index), *path), message) for path, message in _alone(price))
        if price.rule not in book.rules:
            message = f"規則 {price.rule} がありません{did_you_mean(price.rule, book.rules)}"
            yield ("prices", index, "rule"), message
        else:
            found = _against(price, book.rules[price.rule])
            yield from (((*("prices", index), *path), message) for path, message in found)
    yield from _hosts(file)
    for index in _ambiguous(file.prices):
        message = (
            f"同じ商品（{article(file.prices[index])}）の価格が二つあり、どちらを使うか決まりません。一つにしてください"
        )
        yield ("prices", index), message


def _hosts(file: PriceFile) -> Iterable[Finding]:
    models: set[str] = set()
    for index, host in enumerate(file.hosts):
        if host.model in models:
            yield ("hosts", index, "model"), f"機種 {host.model[:60]} の価格が二つあります。一つにしてください"
        models.add(host.model)
        if host.maintenance is not None and (host.maintenance.rate is None) == (host.maintenance.amount is None):
            message = "保守料は rate（購入額に対する年率）か amount（年額）のどちらか一つを書いてください"
            yield ("hosts", index, "maintenance"), message


def article(price: Price) -> str:
    """Answers which article a price is for, e.g. `microsoft-sql-server.core-per-vm edition=standard`."""
    options = [f"{name}={value}" for name, value in sorted(price.options.items())]
    return " ".join([price.rule, *options, *([f"等級 {price.grade}"] if price.grade is not None else [])])


def _alone(price: Price) -> Iterable[Finding]:
    if price.valid_from is not None and price.valid_to is not None and price.valid_to <= price.valid_from:
        yield ("valid_to",), f"valid_to {price.valid_to} が valid_from {price.valid_from} より後でありません"
    if price.maintenance is None:
        return
    if price.kind != "perpetual":
        yield ("maintenance",), "保守料は kind: perpetual（買取り）の価格だけに書きます"
    if (price.maintenance.rate is None) == (price.maintenance.amount is None):
        yield ("maintenance",), "保守料は rate（購入額に対する年率）か amount（年額）のどちらか一つを書いてください"


def _against(price: Price, rule: Rule) -> Iterable[Finding]:
    try:
        complete_options(rule, price.options, "価格")
    except LicensingError as error:
        for problem in error.problems:
            yield ("options",), problem.removeprefix("価格: ")
    for name in price.options:
        if name in rule.options and not rule.options[name].separate:
            yield (
                ("options", name),
                f"{rule.id} のオプション {name} は商品を分けないので、価格を分けられません（数だけが変わります）",
            )
    grades = {grade.name for version in rule.versions for way in version.counts for grade in way.grades}
    if price.grade is not None and price.grade not in grades:
        yield ("grade",), f"{rule.id} に等級 {price.grade} はありません{did_you_mean(price.grade, grades)}"
    if price.grade is None and grades:
        yield ("rule",), f"{rule.id} は等級ごとに価格を書きます（grade: {'、'.join(sorted(grades))}）"
    if price.per == "pack" and all(version.pack is None for version in rule.versions):
        yield ("per",), f"{rule.id} はパックで売られません。per: licence で書いてください"
    hourly = [version.time.law == "hourly-meter" for version in rule.versions]
    if price.kind == "metered" and not any(hourly):
        yield ("kind",), f"{rule.id} は時間で課金する規則ではないので、kind: metered は使えません"
    if price.kind != "metered" and all(hourly):
        yield ("kind",), f"{rule.id} は時間で課金する規則なので、kind: metered で書いてください"


def _ambiguous(prices: Sequence[Price]) -> Iterable[int]:
    """The prices that hold for an article and a day for which an earlier one holds as well, with as many options.

    Prices with the same options are looked at in order of time, so that long lists stay quick.
    """
    same: dict[str, list[int]] = {}
    alike: dict[str, dict[tuple[str, ...], list[int]]] = {}
    for index, price in enumerate(prices):
        same.setdefault(article(price), []).append(index)
        size = repr((price.rule, price.grade, len(price.options)))
        alike.setdefault(size, {}).setdefault(tuple(sorted(price.options)), []).append(index)
    for found in same.values():
        in_time = sorted(found, key=lambda index: prices[index].valid_from or date.min)
        for one, two in pairwise(in_time):
            if _meet(prices[one], prices[two]):
                yield max(one, two)
    for named in alike.values():
        for first, second in combinations(named.values(), 2):
            for one, two in product(first, second):
                if _compatible(prices[one], prices[two]) and _meet(prices[one], prices[two]):
                    yield max(one, two)


def _compatible(one: Price, two: Price) -> bool:
    return all(two.options.get(name, value) == value for name, value in one.options.items())


def _meet(one: Price, two: Price) -> bool:
    """Whether both hold on some day."""
    first = two.valid_from is None or one.valid_to is None or two.valid_from < one.valid_to
    return first and (one.valid_from is None or two.valid_to is None or one.valid_from < two.valid_to)
