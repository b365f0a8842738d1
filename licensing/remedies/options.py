"""The ways out of a rule's violations that change licences or placement: buy, pay by the hour, license hosts, pin.

Each is a change of the counted layout, and the count is made again: what is still missing then is bought on top, so
that every price stands for a year without violations of the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from estate.records import Entitlement
from layout.licence_records import ProductResult, RemedyResult, ViolationResult
from layout.records import Layout, Product

from ..errors import LicensingError
from ..records import Alternative, Rule
from ..rulebook import RuleBook, version_at
from ..timeline import fiscal_span
from ..wording import mark, plain
from .changed_layouts import Exchange, exchanged, exchanged_for_a_while, kept_on, pinned
from .metering import all_short, fewest
from .purchase import NOTHING, Pricing, Purchase, together
from .trial import Trial, only


@dataclass(frozen=True)
class Group:
    """All violations of one rule: one remedy mends them together."""

    rule: Rule
    violations: tuple[ViolationResult, ...]
    products: tuple[ProductResult, ...]
    """What the rule needs over the year, by article."""
    trial: Trial
    whole: Layout
    """The layout with all its products."""
    entitlements: tuple[Entitlement, ...]
    """All that are held."""
    book: RuleBook
    pricing: Pricing

    def rest(self, trial: Trial) -> Purchase:
        """What must be bought after a change so that no violation of the rule is left."""
        return self.pricing.licences(self.rule, self.products, trial.missing)


def buy_peak(group: Group) -> RemedyResult:
    """Buy what is missing at the worst instant of the year."""
    bought = group.rest(group.trial)
    first = min(violation.from_ for violation in group.violations)
    since = "" if first <= fiscal_span(group.trial.fiscal_year)[0] else f"（{first.month}月{first.day}日から必要）"
    return possible("buy-peak", bought, f"不足が最大になる時に合わせて買う{since}：{bought.because}")


def hourly(group: Group) -> RemedyResult:
    """Meter VMs by the hour while licences are missing.

    A metered VM is metered whole, by the vendor's minimum per OS too: a VM's vCPUs cannot be licensed partly by core
    and partly by meter. The licences that it would have used then serve the others, so of several VMs that grow only
    as many are metered as it takes.
    """
    alternative = _alternative(group.rule, "hourly")
    if alternative is None:
        return impossible("hourly", "時間課金：この製品の規則に時間課金の契約がありません")
    if not group.trial.layout.vms:
        return impossible("hourly", "時間課金：ホストに導入した製品には使えません")
    name = group.book.rules[alternative.rule].name
    for spans in (fewest(group.violations, group.trial.layout), all_short(group.violations, group.trial.layout)):
        layout = exchanged_for_a_while(group.trial.layout, spans, _to(group.rule, alternative, group.book))
        try:
            trial = group.trial.on(layout)
            metered = trial.products(alternative.rule)
            left = trial.missing
        except LicensingError as error:
            return impossible("hourly", f"時間課金：{name} では数えられません（{error.problems[0]}）")
        if not left:
            break
    paid = group.pricing.products(metered)
    rest = group.pricing.licences(group.rule, group.products, left)
    names = sorted(spans)
    shown = f"{names[0]}" + (f" ほか {len(names) - 1} 台" if len(names) > 1 else "")
    hours = sum((end - begin).total_seconds() for own in spans.values() for begin, end in own) / 3600
    return possible(
        "hourly",
        together(paid, rest),
        f"足りない期間だけ {shown} を丸ごと時間課金にする"
        f"（のべ {plain(hours)} 時間。その間、使っていた保有分は他に回す）：{together(paid, rest).because}",
    )


def physical(group: Group) -> RemedyResult:
    """License the physical cores of the hosts that the VMs run on and can reach: vCPU changes are free then."""
    alternative = _alternative(group.rule, "physical")
    if alternative is None:
        reason = (
            "もともと物理のホストを数える規則です" if _counts_hosts(group) else "物理コアで数える契約が規則にありません"
        )
        return impossible("physical", f"物理コア：{reason}")
    name = group.book.rules[alternative.rule].name
    both = only(group.whole, {group.rule.id, alternative.rule})
    trial = replace(
        group.trial,
        rule=alternative.rule,
        layout=exchanged(both, _to(group.rule, alternative, group.book)),
        entitlements=tuple(held for held in group.entitlements if held.rule == alternative.rule),
        known=None,
    )
    try:
        needed = trial.products(alternative.rule)
        missing = trial.missing
    except LicensingError as error:
        return impossible("physical", f"物理コア：{name} では数えられません（{error.problems[0]}）")
    if not needed:
        return impossible("physical", f"物理コア：{name} で数えるものがありません")
    hosts = {detail.host for product in needed for detail in product.details if detail.host is not None}
    bought = group.pricing.licences(group.book.rules[alternative.rule], needed, missing)
    return possible(
        "physical",
        bought,
        f"仮想サーバが動きうるホスト {len(hosts)} 台を {name}［{mark(needed[0].evidence)}］で契約し直す"
        f"（以後 vCPU を増やしても数は変わらない。今の保有分は使わなくなる）：{bought.because}",
    )


def pin(group: Group) -> RemedyResult:
    """Keep the VMs on fewer hosts: the smallest change with which the licences held suffice, else where they run."""
    if not _narrows(group):
        return impossible("pin", "固定：この規則の数は、仮想サーバが動ける範囲によりません")
    fixed = group.trial.on(pinned(group.trial.layout))
    left = fixed.missing
    if left >= group.trial.missing:
        return impossible("pin", "固定：今のホストに固定しても必要数は減りません")
    if left:
        trial, bought = fixed, group.pricing.licences(group.rule, group.products, left)
        what = "仮想サーバを今のホストに固定し、なお足りない分を買う"
    else:
        trial, bought = _smallest_change(group), NOTHING
        what = "仮想サーバが動けるホストを減らす（保有数で足りる範囲で最も多く残す）"
    hosts = _counted_hosts(trial)
    lost = "、".join(
        [
            "固定した仮想サーバは無停止で移動できない",
            "ホストが故障しても他のホストで再起動できない",
            "予備ホストを使えない",
        ]
        if left or hosts == _running(group.trial.layout)
        else ["移動と再起動の先がこのホストに限られる"]
    )
    return possible(
        "pin", bought, f"{what}：{len(hosts)} 台を使う（{_some(hosts)}）。{bought.because}。失うもの：{lost}", hosts
    )


def _smallest_change(group: Group) -> Trial:
    """Most hosts with which no violation is left: hosts are given back in the order of their names, by bisection.

    A reach rule never counts less on more hosts, so the first count that fails ends the search.
    """
    layout = group.trial.layout
    running = _running(layout)
    others = [host for host in _counted_hosts(group.trial) if host not in running]
    fits, fails = 0, len(others)
    while fails - fits > 1:
        middle = (fits + fails) // 2
        if group.trial.on(kept_on(layout, {*running, *others[:middle]})).violations():
            fails = middle
        else:
            fits = middle
    if not fits:
        # VMs that share hosts with others of the product may still move among them, if the licences allow it.
        among = group.trial.on(kept_on(layout, running))
        return group.trial.on(pinned(layout)) if among.violations() else among
    return group.trial.on(kept_on(layout, {*running, *others[:fits]}))


def _counted_hosts(trial: Trial) -> tuple[str, ...]:
    return tuple(
        sorted({d.host for product in trial.products(trial.rule) for d in product.details if d.host is not None})
    )


def _running(layout: Layout) -> tuple[str, ...]:
    """Hosts where the VMs of the layout run, moves included."""
    moved = {host for move in layout.moves for host in (move.from_host, move.to_host)}
    return tuple(sorted({vm.host for vm in layout.vms} | moved))


def _narrows(group: Group) -> bool:
    return any(
        counting.scope.hosts == "reachable" and counting.pinning.narrows_reach
        for version in group.rule.versions
        for counting in version.counts
    ) and bool(group.trial.layout.vms)


def _counts_hosts(group: Group) -> bool:
    day = min(violation.from_ for violation in group.violations).date()
    return any(counting.on_hosts for counting in version_at(group.rule, day).counts)


def _alternative(rule: Rule, kind: str) -> Alternative | None:
    return next((found for found in rule.alternatives if found.kind == kind), None)


def _to(rule: Rule, alternative: Alternative, book: RuleBook) -> Exchange:
    known = book.rules[alternative.rule].options

    def exchange(product: Product) -> Product:
        if product.rule != rule.id:
            return product
        kept = {name: value for name, value in product.options.items() if name in known}
        return Product(rule=alternative.rule, options={**kept, **alternative.options})

    return exchange


def _some(names: Sequence[str]) -> str:
    return "、".join(names[:4]) + (f" ほか {len(names) - 4} 台" if len(names) > 4 else "")


def possible(kind: str, bought: Purchase, because: str, hosts: tuple[str, ...] = ()) -> RemedyResult:
    """Answers a remedy that can be done, with what must be bought for it."""
    return RemedyResult.model_validate(
        {
            "kind": kind,
            "feasible": True,
            "quantity": bought.quantity,
            "unit": bought.unit or None,
            "packs": bought.packs,
            "cost_jpy": bought.cost_jpy,
            "because": because,
            "hosts": hosts,
        }
    )


def impossible(kind: str, because: str) -> RemedyResult:
    """Answers a remedy that cannot be done, and why."""
    return RemedyResult.model_validate(
        {"kind": kind, "feasible": False, "quantity": None, "unit": None, "cost_jpy": None, "because": because}
    )
