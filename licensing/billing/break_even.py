"""From where on one metric of a product is cheaper than another, found by counting and pricing, never from a constant.

For every other metric that a product's rule names, both are counted on one made-up host while one thing grows: hours
of the year (pay by the hour against buying), users (per user against per processor), or guests of the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from layout.bill_records import BreakEven
from layout.licence_records import ProductResult
from layout.records import Layout

from .. import wording
from ..errors import LicensingError
from ..pricing import PriceBook
from .bench import Bench, Trial

MOST_GUESTS, MOST_HOURS, MOST_USERS = 64, 8784, 1_000_000
"""Where the search ends: guests of one host, hours of a leap year, users."""

Yen = Callable[[Trial, int], int | None]


@dataclass(frozen=True)
class _Variable:
    """What grows while two metrics are compared."""

    name: str
    unit: str
    most: int
    yen: Yen
    step: int = 1
    """What one more of it adds to the number that is shown."""
    steady: bool = True
    """Whether each cost only ever rises with it and one of the two is flat, so that halving finds the place."""


def find(products: Iterable[ProductResult], layout: Layout, book: PriceBook, years: int) -> tuple[BreakEven, ...]:
    """Answers the break-even of each product of a layout with every other metric that its rule names.

    Yen are those of a contract of `years` years. A pair without a price on one side says so and has no number.
    """
    found: list[BreakEven] = []
    seen: set[frozenset[str]] = set()
    for product in products:
        bench = Bench.of(product, layout, book, years)
        if bench is None:
            continue
        rule = book.rules.rule(product.rule, "製品")
        for other in rule.alternatives:
            key = frozenset((repr((rule.id, dict(product.options))), repr((other.rule, other.options))))
            if other.rule in book.rules.rules and key not in seen:
                seen.add(key)
                one = bench.trial(rule, {})
                two = bench.trial(book.rules.rules[other.rule], other.options)
                found.append(_pair(bench, one, two))
    return tuple(found)


def _pair(bench: Bench, one: Trial, two: Trial) -> BreakEven:
    variable = _variable(bench, one, two)
    try:
        for trial in (one, two):
            why = bench.why_unpriced(trial)
            if why is not None:
                return _nothing(one, two, variable, f"{_named(trial)}：{why}")
        small, large = sorted((one, two), key=lambda trial: variable.yen(trial, 1) or 0)
        at = _first(variable, small, large)
    except LicensingError as error:
        return _nothing(one, two, variable, error.problems[0])
    if at is None:
        where = f"{_shown(variable, variable.most)}まで、{_named(small)}のほうが安いか同じです"
        return BreakEven(
            rule=small.rule.id, other=large.rule.id, variable=variable.name, at=None,
            because=f"{variable.name}が{where}（{_bench(bench, small, large)}）",
        )  # fmt: skip
    before, after = variable.yen(small, at), variable.yen(large, at)
    return BreakEven(
        rule=small.rule.id,
        other=large.rule.id,
        variable=variable.name,
        at=at * variable.step,
        because=(
            f"{variable.name}が{_shown(variable, at)}以上なら、{_named(large)}（{after or 0:,} 円）が"
            f"{_named(small)}（{before or 0:,} 円）より安くなります（{_bench(bench, small, large)}）"
        ),
    )


def _variable(bench: Bench, one: Trial, two: Trial) -> _Variable:
    if one.hourly != two.hourly:
        return _Variable("年間の稼働時間", "時間", MOST_HOURS, lambda trial, n: _hours(bench, trial, n))
    if (one.users is None) != (two.users is None):
        return _Variable("利用者の数", "人", MOST_USERS, lambda trial, n: bench.yen(trial, users=n))
    if one.by_vcpu != two.by_vcpu:
        return _Variable(
            "1 ホストの vCPU の合計", "vCPU", MOST_GUESTS, lambda trial, n: bench.yen(trial, guests=n),
            step=bench.vcpu, steady=False,
        )  # fmt: skip
    return _Variable(
        "1 ホストのゲストの数", "台", MOST_GUESTS, lambda trial, n: bench.yen(trial, guests=n), steady=False
    )


def _hours(bench: Bench, trial: Trial, hours: int) -> int | None:
    """Bought licences are bought for however few hours."""
    return bench.yen(trial, hours=hours) if trial.hourly else bench.yen(trial)


def _first(variable: _Variable, small: Trial, large: Trial) -> int | None:
    """The first value at which `large` is cheaper; None up to the end of the search."""

    def cheaper(value: int) -> bool:
        one, two = variable.yen(small, value), variable.yen(large, value)
        return one is not None and two is not None and two < one

    if not variable.steady:
        return next((value for value in range(1, variable.most + 1) if cheaper(value)), None)
    if not cheaper(variable.most):
        return None
    low, high = 0, variable.most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if cheaper(middle) else (middle, high)
    return high


def _nothing(one: Trial, two: Trial, variable: _Variable, because: str) -> BreakEven:
    return BreakEven(
        rule=one.rule.id, other=two.rule.id, variable=variable.name, at=None, because=f"求められません。{because}"
    )


def _named(trial: Trial) -> str:
    options = [f"{name}={value}" for name, value in trial.options.items() if trial.rule.options[name].separate]
    return f"「{' '.join([trial.rule.name, *options])}」［{wording.mark(trial.evidence)}］"


def _shown(variable: _Variable, value: int) -> str:
    extra = f"（ゲスト {value} 台）" if variable.step != 1 else ""
    return f" {value * variable.step:,} {variable.unit}{extra}"


def _bench(bench: Bench, one: Trial, two: Trial) -> str:
    host, rules = bench.host, {one.rule.id, two.rule.id}
    lists = (entry.file for entry in bench.book.lists if any(price.rule in rules for price in entry.file.prices))
    example = "、価格は例" if any(file.evidence == "example" for file in lists) else ""
    return (
        f"{bench.years} 年間、{host.sockets} ソケット x {host.cores_per_socket} コアのホスト 1 台、"
        f"ゲストは {bench.vcpu} vCPU{example}"
    )
