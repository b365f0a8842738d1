"""Contradictions inside the estate file: names used twice, periods that end before they begin, wrong codes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from math import asin, cos, radians, sin, sqrt

from .case import Case
from .host_pattern import PatternError, expand
from .local_government_code import check_digit
from .places import Step, find
from .problems import shown
from .records import CostItem, CurrentCost, Site, SystemOverride
from .reference_checks import COMMON

_EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG
_LONGEST_HORIZON = timedelta(days=2 * 366)


def check(case: Case) -> None:
    """Report every contradiction inside the estate file, and add its warnings."""
    for name in ("sites", "tenants", "events", "licences", "costs", "current_costs"):
        _twice(case, name, "id")
    _twice(case, "tenants", "code")
    _measured_twice(case)
    _hosts(case)
    _tenants(case)
    _sites(case)
    _shared(case)
    _periods(case)
    _horizon(case)


def _twice(case: Case, name: str, field: str) -> None:
    first: dict[str, str] = {}
    for index, item in enumerate(getattr(case.file, name)):
        value = getattr(item, field)
        if value in first:
            message = f"{field}{shown(value)}が重複しています（初出は {first[value]}）。別の値にしてください"
            case.estate.report([name, index, field], message)
        first.setdefault(value, f"{name} の {index + 1} 番目")


def _measured_twice(case: Case) -> None:
    seen = set()
    for index, item in enumerate(case.file.measured):
        key = (item.tenant, item.system, item.job)
        if key in seen:
            message = f"{shown(f'{item.system}/{item.job}')}の実測が二つあります。どちらかを消してください"
            case.estate.report(["measured", index], message)
        seen.add(key)


def _hosts(case: Case) -> None:
    first: dict[str, str] = {}
    total = 0
    for index, host in enumerate(case.file.hosts):
        path: list[Step] = ["hosts", index, "id"]
        try:
            ids = expand(host.id)
        except PatternError as error:
            case.estate.report(path, f"ホストの範囲が正しくありません（{shown(host.id)}）。{error}")
            continue
        total += len(ids)
        again = [name for name in ids if name in first]
        if again:
            count = f" ほか {len(again) - 1} 台" if len(again) > 1 else ""
            message = f"ホスト{shown(again[0])}{count}が重複しています（初出は{shown(first[again[0]])}）"
            case.estate.report(path, f"{message}。範囲を分けてください")
        first |= {name: host.id for name in ids if name not in first}
        if len(ids) > 1 and "{id}" not in host.uri:
            message = (
                f"{len(ids)} 台が同じ接続先になります（{shown(host.uri)}）。ホスト名の所を {{id}} と書いてください"
            )
            case.warnings.append(case.estate.problem(["hosts", index, "uri"], message))


def _tenants(case: Case) -> None:
    if find(case.estate.written, ["tenants"]).node.value == []:
        case.estate.report(["tenants"], "団体が一つもありません。少なくとも一つ書いてください")
    for index, tenant in enumerate(case.file.tenants):
        path: list[Step] = ["tenants", index]
        if tenant.id == COMMON:
            case.estate.report([*path, "id"], f"id「{COMMON}」は共用システムのための名前です。別の id にしてください")
        right = check_digit(tenant.code[:5])
        if tenant.code[5] != right:
            message = f"団体コードの検査数字が違います（{shown(tenant.code)}）"
            case.estate.report([*path, "code"], f"{message}。上 5 桁が正しければ {tenant.code[:5]}{right} です")
        selection = tenant.systems
        if selection.only is not None and not selection.only:
            case.estate.report([*path, "systems", "only"], "only が空です。使う業務システムを書いてください")
        for position, system in enumerate(selection.except_ if selection.only is not None else ()):
            if system in (selection.only or ()):
                message = f"{shown(system)}が only と except の両方にあります。どちらかから消してください"
                case.estate.report([*path, "systems", "except", position], message)
    _population(case)


def _population(case: Case) -> None:
    classes = case.catalogue.record.classes if case.catalogue and case.catalogue.record else ()
    if not classes:
        return
    largest = max(item.max_population for item in classes)
    for index, tenant in enumerate(case.file.tenants):
        if tenant.population > largest:
            message = f"人口 {tenant.population:,} に合う人口区分がありません（カタログの最大は {largest:,}）"
            message += "。最大の区分で計算します"
            case.warnings.append(case.estate.problem(["tenants", index, "population"], message))


def _sites(case: Case) -> None:
    primary = [site for site in case.file.sites if site.role == "primary"]
    written = find(case.estate.written, ["sites"]).node.value
    if not primary and isinstance(written, list) and len(written) == len(case.file.sites):
        case.estate.report(["sites"], "role: primary の拠点がありません。少なくとも一つ書いてください")
    backups = [site for site in case.file.sites if site.role == "backup"]
    if primary and not backups:
        case.warnings.append(
            case.estate.problem(["sites"], "role: backup の拠点がありません。遠隔地の控えを置けません")
        )
    limit = case.file.policy.backup_distance_km
    for index, site in enumerate(case.file.sites):
        if site.role != "backup":
            continue
        for main in primary:
            distance = _distance_km(site, main)
            if distance < limit:
                message = f"拠点 {main.id} から {distance:,.0f} km しか離れていません（方針は {limit:,.0f} km 以上）"
                case.warnings.append(
                    case.estate.problem(["sites", index], f"{message}。同じ災害に遭うおそれがあります")
                )


def _distance_km(one: Site, other: Site) -> float:
    """Great-circle distance by the haversine formula."""
    north = radians(other.latitude - one.latitude)
    east = radians(other.longitude - one.longitude)
    half = sin(north / 2) ** 2 + cos(radians(one.latitude)) * cos(radians(other.latitude)) * sin(east / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * asin(sqrt(min(half, 1.0)))


def _shared(case: Case) -> None:
    seen: set[str] = set()
    for index, shared in enumerate(case.file.shared):
        if shared.system in seen:
            message = f"共用システム{shown(shared.system)}が二つあります。tenants を一つにまとめてください"
            case.estate.report(["shared", index, "system"], message)
        seen.add(shared.system)
        if shared.tenants != "all" and not shared.tenants:
            case.estate.report(["shared", index, "tenants"], "使う団体がありません。all か団体の id を書いてください")
        if shared.tenants != "all" and len(set(shared.tenants)) < len(shared.tenants):
            case.estate.report(["shared", index, "tenants"], "同じ団体が二度あります。一つにしてください")


def _periods(case: Case) -> None:
    for index, tenant in enumerate(case.file.tenants):
        path: list[Step] = ["tenants", index]
        _period(case, path, tenant.from_, tenant.until)
        for system, override in tenant.overrides.items():
            _override(case, [*path, "overrides", system], override)
    for index, shared in enumerate(case.file.shared):
        if shared.overrides is not None:
            _override(case, ["shared", index, "overrides"], shared.overrides)
    for index, entitlement in enumerate(case.file.licences):
        _period(case, ["licences", index], entitlement.from_, entitlement.until)
    _cost_years(case, "costs", case.file.costs)
    _cost_years(case, "current_costs", case.file.current_costs)
    if not case.year_is_written:
        return
    begins, ends = case.year
    for index, event in enumerate(case.file.events):
        if event.day is not None and not begins - timedelta(days=366) <= event.day < ends + timedelta(days=366):
            message = f"{event.day} は計画の年度（{begins} から {ends} の前日まで）から 1 年より離れています"
            case.warnings.append(case.estate.problem(["events", index, "date"], f"{message}。年を確かめてください"))


def _cost_years(case: Case, name: str, entries: Sequence[CostItem | CurrentCost]) -> None:
    for index, cost in enumerate(entries):
        if cost.from_year is not None and cost.until_year is not None and cost.from_year > cost.until_year:
            message = f"期間が逆です（{cost.from_year} 年度から {cost.until_year} 年度）。until_year を直してください"
            case.estate.report([name, index, "until_year"], message)


def _period(case: Case, path: list[Step], begins: date | None, ends: date | None) -> None:
    if begins is not None and ends is not None and begins >= ends:
        message = f"期間が逆か空です（{begins} から {ends} の前日まで）。until を from より後の日にしてください"
        case.estate.report([*path, "until"], message)


def _override(case: Case, path: list[Step], override: SystemOverride) -> None:
    _period(case, path, override.from_, override.until)
    begins, ends = case.year
    for index, busy in enumerate(override.vcpu_busy):
        here: list[Step] = [*path, "vcpu_busy", index]
        _period(case, here, busy.from_, busy.until)
        for earlier in override.vcpu_busy[:index]:
            if earlier.role == busy.role and earlier.from_ < busy.until and busy.from_ < earlier.until:
                period = f"{earlier.from_} から {earlier.until} の前日まで"
                message = f"役割{shown(busy.role)}の期間が前の期間（{period}）と重なっています。一つにまとめてください"
                case.estate.report(here, message)
                break
        if case.year_is_written and (busy.until <= begins - timedelta(days=366) or busy.from_ >= ends):
            message = f"この期間（{busy.from_} から）は計画の年度（{begins} から {ends} の前日まで）に入りません"
            case.warnings.append(case.estate.problem(here, f"{message}。年を確かめてください"))


def _horizon(case: Case) -> None:
    horizon = case.file.horizon
    part = horizon.from_ is not None or horizon.until is not None
    if part == (horizon.lead_in_months is not None) or (part and None in (horizon.from_, horizon.until)):
        message = "lead_in_months だけか、from と until の組を書いてください"
        case.estate.report(["horizon"], f"計画の期間が決まりません。{message}")
        return
    if horizon.from_ is None or horizon.until is None:
        return
    begins, ends = case.year
    if horizon.from_ >= horizon.until:
        _period(case, ["horizon"], horizon.from_, horizon.until)
    elif case.year_is_written and (horizon.until <= begins or horizon.from_ >= ends):
        message = f"期間（{horizon.from_} から）が {case.file.fiscal_year} 年度に入りません"
        case.estate.report(["horizon", "from"], f"{message}。fiscal_year か期間を直してください")
    elif horizon.until - horizon.from_ > _LONGEST_HORIZON:
        case.estate.report(["horizon", "until"], "期間が長すぎます。2 年以内にしてください")


def catalogue_missing(case: Case) -> None:
    """Report, at the estate file's `catalogue`, that there is nothing at this path."""
    hint = "standard か、このファイルからの相対パスを書いてください"
    case.estate.report(["catalogue"], f"カタログ{shown(case.file.catalogue)}がありません。{hint}")
