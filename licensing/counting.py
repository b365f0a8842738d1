"""Which licences a layout needs over a fiscal year: the use case of this room, from layout to result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import ceil
from pathlib import Path

from estate.records import Entitlement
from layout import layout_file
from layout.collector import paused_collector
from layout.licence_records import (
    CurvePoint,
    CurveResult,
    DetailResult,
    FindingsResult,
    GradeCount,
    LicenceResult,
    MovementResult,
    ProductResult,
    SeriesStep,
    ViolationResult,
)
from layout.records import Layout, LayoutRecord

from . import findings, inputs, violations, wording
from .aside import Aside
from .cells import Exact, VmCell, slim
from .engine import Share
from .errors import LicensingError
from .lines import Line, lines_of
from .reach import Reach
from .records import Pack
from .rulebook import load_rules
from .timeline import Owed, Step, fiscal_span, joined, midnight, owed, steps

WORTH_A_PROCESS = 10_000
"""Uses of products that count the hosts they reach: from here on a second process saves time."""

Counted = tuple[Line, tuple[Step, ...]]


class Part(LayoutRecord):
    """The part of a result that comes from some of a layout's products."""

    products: tuple[ProductResult, ...]
    movement: tuple[MovementResult, ...]
    host_curve: tuple[CurveResult, ...]


def count(
    layout: Layout,
    *,
    fiscal_year: int,
    entitlements: Sequence[Entitlement] | None,
    as_of: date | None = None,
    rules_dir: Path | None = None,
    layout_digest: str | None = None,
    residents: Mapping[str, int] | None = None,
    series: bool = False,
) -> LicenceResult:
    """Answers which licences a layout needs, why, and when it needs more than is held.

    Without `as_of` the quantity of a product is what its time law requires over the fiscal year; with it, over that
    day, by the rule version valid then, and violations are those of that day. `entitlements` None means unknown:
    counts only. `rules_dir` adds rule files to the shipped ones. `layout_digest` is that of the folder read, else it is
    computed. `residents` by tenant are what packages by population count. `series` adds every step of the year.
    Raises LicensingError (exit code 2) for rule files, layouts and entitlements that cannot be counted.
    """
    with paused_collector():
        return _count(layout, fiscal_year, entitlements, as_of, rules_dir, layout_digest, residents, series=series)


def _count(
    layout: Layout,
    fiscal_year: int,
    entitlements: Sequence[Entitlement] | None,
    as_of: date | None,
    rules_dir: Path | None,
    layout_digest: str | None,
    residents: Mapping[str, int] | None,
    *,
    series: bool,
) -> LicenceResult:
    book = load_rules(rules_dir)
    inputs.check(layout, entitlements or (), book)
    start, end = _span(fiscal_year, as_of)
    reach = Reach.of(layout, residents)
    lines = lines_of(layout, book)
    wide = [line for line in lines if findings.may_reach(line)]
    large = sum(len(line.vms) for line in wide) >= WORTH_A_PROCESS

    def counted(some: Iterable[Line]) -> list[Counted]:
        return [(line, steps(line, reach, start, end)) for line in some]

    def part(some: Sequence[Counted]) -> Part:
        return _part(some, reach, start, end, series=series)

    with Aside(lambda: part(counted(wide)).model_dump_json(by_alias=True).encode(), worth=large) as aside:
        of_narrow = counted(line for line in lines if line not in wide)
        narrow = part(of_narrow)
        answer = aside.answer()
        of_wide = counted(wide) if answer is None or entitlements is not None else []
        widely = part(of_wide) if answer is None else Part.model_validate_json(answer, strict=True)
    known = {_article(product): product for product in (*narrow.products, *widely.products)}
    products = tuple(known[line.rule.id, repr(dict(line.options))] for line in lines)
    found = () if entitlements is None else violations.find([*of_narrow, *of_wide], entitlements, reach, start, end)
    named = [f"{p.name} {wording.plain(p.quantity)} {p.unit}" for p in products]
    violated = tuple(_violation(violation) for violation in found)
    return LicenceResult(
        layout_digest=layout_digest or layout_file.layout_digest(layout),
        verdict=wording.verdict(named, found, entitlements_known=entitlements is not None),
        fiscal_year=fiscal_year,
        as_of=as_of,
        entitlements_known=entitlements is not None,
        products=products,
        violations=violated,
        findings=FindingsResult(
            movement=widely.movement,
            busy_season=tuple(violation for violation in violated if violation.busy_season),
            host_curve=widely.host_curve,
        ),
    )


def _article(product: ProductResult) -> tuple[str, str]:
    return product.rule, repr(product.options)


def _part(counted: Iterable[Counted], reach: Reach, start: datetime, end: datetime, *, series: bool) -> Part:
    """What some lines need, and what follows from the hosts that their VMs can reach."""
    needed = [(line, owed(of), of) for line, of in counted]
    products = tuple(product_of(line, due, of if series else None) for line, due, of in needed)
    reaching = tuple(findings.reach_steps((line, due) for line, due, _ in needed))
    return Part(
        products=products,
        movement=tuple(_movement(findings.movement(line, step, reach, start, end)) for line, step in reaching),
        host_curve=tuple(_curve(findings.curve(line, step)) for line, step in reaching),
    )


def _span(fiscal_year: int, as_of: date | None) -> tuple[datetime, datetime]:
    """The fiscal year, or the day that was asked for."""
    if as_of is None:
        return fiscal_span(fiscal_year)
    if as_of.year not in inputs.YEARS:
        first, last = inputs.YEARS[0], inputs.YEARS[-1]
        raise LicensingError(f"--as-of: {as_of} は {first} 年から {last} 年までの日付ではありません")
    return midnight(as_of), midnight(as_of) + timedelta(days=1)


def product_of(line: Line, due: Owed, series: Sequence[Step] | None) -> ProductResult:
    """Answers one line of the result: what a product's time law requires, and why; `series` if it was asked for."""
    step = due.peak
    version, pack = step.version, step.version.pack
    words: dict[int, str] = {}
    details = tuple(_detail(share, words) for share in step.tally.shares)
    return ProductResult(
        rule=line.rule.id,
        name=line.rule.name,
        options=dict(line.options),
        quantity=wording.number(due.quantity),
        unit=line.rule.unit,
        packs=None if pack is None else packs_of(due.quantity, pack),
        pack=None if pack is None else pack.name,
        at=step.from_,
        until=step.until,
        details=details,
        because=wording.metered(due, line.rule) if due.metered else wording.total(step.tally, line.rule),
        evidence=version.evidence,
        source=version.source,
        valid_from=version.valid_from,
        unverified=version.unverified,
        notes=(*version.notes, *_lost_rights(step)),
        law=version.time.law,
        grades=grades_of(step.tally.shares),
        series=None if series is None else tuple(_series_step(each) for each in joined(series)),
        vendor=line.rule.vendor,
    )


def _lost_rights(step: Step) -> Iterable[str]:
    """VMs that lost a right of pinned VMs; only asked where a rule has such a right, since uses may be many."""
    asked = any(counting.pinning.otherwise for counting in step.version.counts)
    return wording.lost_rights(step.uses) if asked else ()


def _detail(share: Share, words: dict[int, str]) -> DetailResult:
    return DetailResult(
        host=share.host.id if share.vm is None else None,
        vm=None if share.vm is None else share.vm.id,
        quantity=wording.number(share.quantity),
        because=wording.because(share, words),
        grade=share.cell.grade if isinstance(share.cell, VmCell) else None,
    )


def grades_of(shares: Iterable[Share]) -> tuple[GradeCount, ...]:
    """Answers the licences by class, added up exactly: 30 x 0.1 is 3."""
    sums: dict[str, Exact] = {}
    for share in shares:
        if isinstance(share.cell, VmCell) and share.cell.grade is not None:
            sums[share.cell.grade] = sums.get(share.cell.grade, 0) + share.quantity
    return tuple(GradeCount(grade=grade, quantity=wording.number(slim(quantity))) for grade, quantity in sums.items())


def _series_step(step: Step) -> SeriesStep:
    return SeriesStep(**{"from": step.from_}, until=step.until, quantity=wording.number(step.quantity))


def packs_of(quantity: Exact, pack: Pack) -> int:
    """Packs to buy; nothing is ordered where nothing is needed."""
    return ceil(Fraction(max(quantity, pack.least or 0), pack.size)) if quantity else 0


def _violation(found: violations.Violation) -> ViolationResult:
    return ViolationResult(
        rule=found.rule,
        vm=found.vm,
        host=found.host,
        **{"from": found.from_},
        until=found.until,
        held=wording.number(found.held),
        needed=wording.number(found.needed),
        unit=found.unit,
        hosts=found.hosts,
        busy_season=found.busy_season,
        because=wording.violation(found),
    )


def _movement(found: findings.Movement) -> MovementResult:
    rule = found.line.rule
    return MovementResult(
        rule=rule.id,
        unit=rule.unit,
        planned=wording.number(found.planned),
        pinned=wording.number(found.pinned),
        whole_site=wording.number(found.whole_site),
        hosts_planned=found.hosts_planned,
        hosts_pinned=found.hosts_pinned,
        hosts_whole_site=found.hosts_whole_site,
        because=(
            f"{rule.name}: この計画では {found.hosts_planned} 台で {wording.plain(found.planned)} {rule.unit}。"
            f"仮想サーバを今のホストに固定すると {found.hosts_pinned} 台で {wording.plain(found.pinned)}、"
            f"拠点の全ホストへ移動できるようにすると {found.hosts_whole_site} 台で {wording.plain(found.whole_site)}"
            "（移動元と移動先の両方にライセンスが要るため）"
        ),
    )


def _curve(found: findings.Curve) -> CurveResult:
    rule = found.line.rule
    points = tuple(
        CurvePoint(hosts=hosts, quantity=wording.number(quantity)) for hosts, quantity in enumerate(found.quantities, 1)
    )
    # Of hundreds of hosts the first and the last few say how the curve runs.
    told = points if len(points) <= 16 else (*points[:8], *points[-4:])
    parts = [f"{point.hosts} 台 {wording.plain(point.quantity)}" for point in told]
    if len(told) < len(points):
        parts.insert(8, "…")
    shown = "、".join(parts)
    return CurveResult(
        rule=rule.id,
        unit=rule.unit,
        hosts=found.hosts,
        points=points,
        because=f"{rule.name}: ホストが増えるとライセンスも増える（{shown} {rule.unit}）",
    )
