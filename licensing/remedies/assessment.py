"""The ways out of every violation of a plan, priced side by side, the cheapest named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from layout.folder import PlanFolder
from layout.licence_records import LicenceResult, RemedyResult, RetimedRun, ViolationRemedies, ViolationResult

from ..remedy_text import KINDS
from ..rulebook import load_rules
from .options import Group, buy_peak, hourly, physical, pin
from .purchase import Prices, Pricing
from .retime import Retiming, retime
from .trial import Trial


def with_remedies(
    plan: PlanFolder, result: LicenceResult, prices: Prices | None, *, years: int, rules_dir: Path | None = None
) -> LicenceResult:
    """Answers the counted result of a plan folder with the ways out of its violations.

    `prices` None leaves every cost out but that of what is free. Costs are yen over `years` contract years, tax
    exclusive. Remedies mend all violations of a rule together, so that nothing is bought twice.
    """
    if not result.violations:
        return result
    book, retiming = load_rules(rules_dir), Retiming(plan)
    entitlements = plan.estate.entitlements
    residents = {tenant.id: tenant.population for tenant in plan.estate.tenants}
    options: dict[str, tuple[RemedyResult, ...]] = {}
    runs: dict[str, Mapping[str, tuple[RetimedRun, ...]]] = {}
    groups: dict[str, Group] = {}
    for name in sorted({violation.rule for violation in result.violations}):
        group = Group(
            rule=book.rules[name],
            violations=tuple(violation for violation in result.violations if violation.rule == name),
            products=tuple(product for product in result.products if product.rule == name),
            trial=Trial.of(name, plan.layout, entitlements, result, rules_dir, residents),
            whole=plan.layout,
            entitlements=entitlements,
            book=book,
            pricing=Pricing(prices, years),
        )
        moved, runs[name] = retime(group, retiming)
        options[name] = (buy_peak(group), hourly(group), physical(group), pin(group), moved)
        groups[name] = group
    return result.model_copy(
        update={
            "remedies": tuple(
                _remedies(violation, groups[violation.rule], options[violation.rule], runs[violation.rule])
                for violation in result.violations
            )
        }
    )


def _remedies(
    violation: ViolationResult,
    group: Group,
    options: Sequence[RemedyResult],
    runs: Mapping[str, tuple[RetimedRun, ...]],
) -> ViolationRemedies:
    own = tuple(
        option.model_copy(update={"runs": runs.get(violation.vm or "", ())}) if option.kind == "retime" else option
        for option in options
    )
    priced = [option for option in own if option.feasible and option.cost_jpy is not None]
    cheapest = min(priced, key=lambda option: option.cost_jpy or 0, default=None)
    return ViolationRemedies.model_validate(
        {
            "rule": violation.rule,
            "vm": violation.vm,
            "host": violation.host,
            "from": violation.from_,
            "until": violation.until,
            "options": own,
            "cheapest": None if cheapest is None else cheapest.kind,
            "because": _because(group, own, cheapest),
        }
    )


def _because(group: Group, options: Sequence[RemedyResult], cheapest: RemedyResult | None) -> str:
    number = len(group.violations)
    shared = f"同じ規則の違反 {number} 件をまとめて消す額です（件ごとに足さないこと）" if number > 1 else ""
    unpriced = [KINDS[option.kind] for option in options if option.feasible and option.cost_jpy is None]
    if cheapest is None:
        named = "価格の分かる対応がないため、最も安いものは言えません"
    elif cheapest.cost_jpy == 0:
        named = f"最も安いのは「{KINDS[cheapest.kind]}」で、ライセンスの費用はかかりません"
    else:
        named = f"最も安いのは「{KINDS[cheapest.kind]}」で {cheapest.cost_jpy:,} 円"
    left = f"「{'」「'.join(unpriced)}」は価格が無いため比べていません" if unpriced and cheapest is not None else ""
    day = (
        "指定した日だけの計数による額です。年度を通じた額は --as-of を付けずに数えてください"
        if group.trial.as_of
        else ""
    )
    return "。".join(part for part in (named, shared, left, day) if part)
